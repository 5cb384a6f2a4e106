"""Put/GetBucketNotificationConfiguration as S3's clients and S3's errors have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import FILES, Gateway
from tests.herald.conftest import arn, queue, topology, watch
from tests.s3.raw import ask, sign

NOWHERE = "http://127.0.0.1:9/in"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    files = {**FILES, "topology.yaml": topology(acme=NOWHERE, globex=NOWHERE)}
    with Gateway(tmp_path_factory.mktemp("configuration"), files) as made:
        yield made


def refusal(call: Any, **arguments: Any) -> Mapping[str, str]:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    found: Mapping[str, str] = error.value.response["Error"]
    return found


def test_a_configuration_comes_back_as_it_was_put_and_goes(gateway: Gateway) -> None:
    s3 = gateway.client("acme/erp")
    rules = [{"Name": "prefix", "Value": "in/<&"}, {"Name": "suffix", "Value": ".csv"}]
    put = {
        "QueueConfigurations": [
            {
                "Id": "one",
                "QueueArn": arn("acme"),
                "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"],
                "Filter": {"Key": {"FilterRules": rules}},
            }
        ],
        "TopicConfigurations": [
            {
                "Id": "two",
                "TopicArn": arn("acme").replace(":sqs:", ":sns:"),
                "Events": ["s3:ObjectTagging:Put"],
            }
        ],
    }
    watch(s3, "orders", put)
    found = s3.get_bucket_notification_configuration(Bucket="orders")
    assert {name: found[name] for name in put} == put
    watch(s3, "orders", {})
    found = s3.get_bucket_notification_configuration(Bucket="orders")
    assert found.keys() == {"ResponseMetadata"}


def test_a_configuration_without_an_id_gets_one(gateway: Gateway) -> None:
    s3 = gateway.client("acme/erp")
    for _ in range(2):
        watch(s3, "orders", queue("acme"))
        (found,) = s3.get_bucket_notification_configuration(Bucket="orders")["QueueConfigurations"]
        assert len(found["Id"]) == 24
    watch(s3, "orders", {})


def test_filter_names_are_read_in_any_case_and_a_region_may_be_left_out(gateway: Gateway) -> None:
    s3 = gateway.client("acme/erp")
    rules = [{"Name": "SUFfix", "Value": ""}]
    made = queue("acme", Filter={"Key": {"FilterRules": rules}}, QueueArn="")
    made["QueueConfigurations"][0]["QueueArn"] = "arn:crossdock:sqs::acme:feed"
    watch(s3, "orders", made)
    (found,) = s3.get_bucket_notification_configuration(Bucket="orders")["QueueConfigurations"]
    assert found["QueueArn"] == arn("acme")
    assert found["Filter"]["Key"]["FilterRules"] == [{"Name": "suffix", "Value": ""}]
    watch(s3, "orders", {})


def filtered(prefix: str, suffix: str = "") -> Mapping[str, Any]:
    rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
    return {"Filter": {"Key": {"FilterRules": rules}}}


def several(*parts: Mapping[str, Any]) -> dict[str, Any]:
    made = [
        {"QueueArn": arn("acme"), "Events": ["s3:ObjectCreated:*"], "Id": f"c{n}", **part}
        for n, part in enumerate(parts)
    ]
    return {"QueueConfigurations": made}


WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("no event", queue("acme", "s3:ObjectCreated:Patch"), "A specified event is not supported"),
    ("bare event", queue("acme", "ObjectCreated:*"), "A specified event is not supported"),
    ("no arn", several({"QueueArn": "feed"}), "The ARN could not be parsed"),
    ("unknown webhook", several({"QueueArn": arn("acme", "nix")}), "Unable to validate"),
    ("another's webhook", several({"QueueArn": arn("globex")}), "Unable to validate"),
    ("nobody's webhook", several({"QueueArn": arn("nobody")}), "Unable to validate"),
    ("another region", several({"QueueArn": arn("acme").replace("us-", "eu-")}), "Unable to"),
    ("another cloud", several({"QueueArn": arn("acme").replace("crossdock", "aws")}), "Unable to"),
    ("a topic's arn", several({"QueueArn": arn("acme").replace(":sqs:", ":sns:")}), "Unable to"),
    (
        "a function",
        {
            "LambdaFunctionConfigurations": [
                {"LambdaFunctionArn": arn("acme"), "Events": ["s3:ObjectCreated:*"]}
            ]
        },
        "Unable to validate",
    ),
    ("same id", several(filtered("a"), {**filtered("b"), "Id": "c0"}), "IDs must be unique"),
    ("long id", several({"Id": "i" * 256}), "at most 255 characters"),
    ("a filter's name", several({"Filter": {"Key": {"FilterRules": [
        {"Name": "infix", "Value": "x"}]}}}), "must be either prefix or suffix"),
    ("two prefixes", several({"Filter": {"Key": {"FilterRules": [
        {"Name": "prefix", "Value": "x"}, {"Name": "Prefix", "Value": "y"}]}}}),
     "more than one prefix rule"),
    ("a long prefix", several(filtered("ü" * 513)), "cannot exceed 1024 bytes"),
    ("no filter twice", several({}, {}), "cannot share a common event type"),
    ("nested prefixes", several(filtered("a"), filtered("ab")), "ambiguously defined"),
    ("nested suffixes", several(filtered("a", ".b"), filtered("ab", "x.b")), "ambiguously"),
    ("a wildcard's part", several({}, {"Events": ["s3:ObjectCreated:Copy"]}), "common event type"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("configuration", "said"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
def test_what_s3_refuses_is_refused_and_changes_nothing(
    gateway: Gateway, configuration: dict[str, Any], said: str
) -> None:
    s3 = gateway.client("acme/erp")
    watch(s3, "orders", queue("acme", Id="before"))
    error = refusal(
        s3.put_bucket_notification_configuration,
        Bucket="orders",
        NotificationConfiguration=configuration,
    )
    assert error["Code"] == "InvalidArgument"
    assert said in error["Message"]
    (kept,) = s3.get_bucket_notification_configuration(Bucket="orders")["QueueConfigurations"]
    assert kept["Id"] == "before"


def test_another_partys_webhook_is_like_nobodys(gateway: Gateway) -> None:
    s3 = gateway.client("acme/erp")
    told = []
    for party in ("globex", "nobody"):
        error = refusal(
            s3.put_bucket_notification_configuration,
            Bucket="orders",
            NotificationConfiguration=several({"QueueArn": arn(party)}),
        )
        told.append({**error, "ArgumentValue": error["ArgumentValue"].replace(party, "X")})
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "parts",
    [
        (filtered("a"), filtered("b")),
        (filtered("a", ".x"), filtered("ab", ".y")),
        ({}, {"Events": ["s3:ObjectRemoved:*"]}),
        (filtered("", "a"), filtered("", "b")),
    ],
)
def test_what_can_not_meet_may_stand_side_by_side(
    gateway: Gateway, parts: tuple[Mapping[str, Any], ...]
) -> None:
    watch(gateway.client("acme/erp"), "orders", several(*parts))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<NotificationConfiguration>", "MalformedXML"),
        ("<Other/>", "MalformedXML"),
        ("<NotificationConfiguration><Other/></NotificationConfiguration>", "MalformedXML"),
        (
            "<NotificationConfiguration><QueueConfiguration><Queue>a</Queue>"
            "</QueueConfiguration></NotificationConfiguration>",
            "MalformedXML",
        ),
        (
            "<NotificationConfiguration><QueueConfiguration><Event>s3:ObjectCreated:*</Event>"
            "</QueueConfiguration></NotificationConfiguration>",
            "MalformedXML",
        ),
        (
            "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>",
            "NotImplemented",
        ),
        (f"<NotificationConfiguration>{' ' * 524_288}</NotificationConfiguration>", "MaxMessageLe"),
        (
            "<NotificationConfiguration>"
            + "<QueueConfiguration><Queue>a</Queue><Event>e</Event></QueueConfiguration>" * 101
            + "</NotificationConfiguration>",
            "MalformedXML",
        ),
    ],
)
def test_documents_that_are_not_of_their_shape(gateway: Gateway, body: str, code: str) -> None:
    head = sign(gateway, "PUT", "/orders?notification", {}, body=body.encode())
    reply = ask(gateway, head, body.encode())
    assert reply.status in (400, 501)
    assert f"<Code>{code}".encode() in reply.body


def test_principals_that_see_a_part_neither_read_nor_change_it(gateway: Gateway) -> None:
    auditor, scanner = gateway.client("acme/auditor"), gateway.client("acme/scanner")
    get = auditor.get_bucket_notification_configuration
    assert refusal(get, Bucket="orders")["Code"] == "AccessDenied"
    put = auditor.put_bucket_notification_configuration
    refused = refusal(put, Bucket="orders", NotificationConfiguration={})
    assert refused["Code"] == "AccessDenied"
    watch(scanner, "orders", {})


def test_each_change_is_on_the_record(gateway: Gateway) -> None:
    before = gateway.run(gateway.catalog.size())
    watch(gateway.client("globex/wms"), "orders", queue("globex"))
    watch(gateway.client("globex/wms"), "orders", {})
    assert gateway.run(gateway.catalog.size()) == before + 2
