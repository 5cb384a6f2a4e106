"""Consuming over S3, with boto3: a recipient's DELETE of what it received."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.audit.disclosure import open_for
from gateway.audit.records import decode
from gateway.model import Caller, ObjectRef, Principal
from tests.harness import FILES, Gateway

CONSUMES = {
    **FILES,
    "initech.yaml": """
party: initech
accepts: [{id: from-acme, from: [acme], bucket: orders, consume: true}]
""",
}
KEY = "invoices/1"
REF = ObjectRef("orders", KEY)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path, CONSUMES) as running:
        running.client("acme/erp").put_object(Bucket="orders", Key=KEY, Body=b"one")
        yield running


def _opened(openings: bytes, party: str) -> dict[str, str]:
    return {each.field: each.value or "" for each in open_for(decode(openings), party)}


def keys(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket="orders").get("Contents", ())]


def code(call: Any, **how: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(Bucket="orders", **how)
    return str(error.value.response["Error"]["Code"])


def test_a_recipient_that_may_not_write_the_key_consumes_it(gateway: Gateway) -> None:
    acme, initech = gateway.client("acme/erp"), gateway.client("initech/ledger")
    for _ in range(2):  # the answer to the first one may get lost
        reply = initech.delete_object(Bucket="orders", Key=KEY)
        assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert "DeleteMarker" not in reply
        assert "VersionId" not in reply
    assert keys(initech) == []
    assert code(initech.get_object, Key=KEY) == "NoSuchKey"
    for other in (acme, gateway.client("globex/wms")):
        assert keys(other) == [KEY]
        assert other.get_object(Bucket="orders", Key=KEY)["Body"].read() == b"one"
    assert "DeleteMarkers" not in acme.list_object_versions(Bucket="orders")
    acme.put_object(Bucket="orders", Key=KEY, Body=b"two")
    assert initech.get_object(Bucket="orders", Key=KEY)["Body"].read() == b"two"


def test_many_are_consumed_at_once(gateway: Gateway) -> None:
    initech = gateway.client("initech/ledger")
    reply = initech.delete_objects(
        Bucket="orders", Delete={"Objects": [{"Key": KEY}, {"Key": "invoices/absent"}]}
    )
    assert [each["Key"] for each in reply["Deleted"]] == [KEY]
    assert [each["Code"] for each in reply["Errors"]] == ["AccessDenied"]
    assert keys(initech) == []


def test_without_consent_a_delete_is_refused_as_ever(gateway: Gateway) -> None:
    globex = gateway.client("globex/wms")
    assert code(globex.delete_object, Key=KEY) == "AccessDenied"
    assert keys(globex) == [KEY]
    version = gateway.client("acme/erp").head_object(Bucket="orders", Key=KEY)["VersionId"]
    initech = gateway.client("initech/ledger")
    assert code(initech.delete_object, Key=KEY, VersionId=version) == "AccessDenied"
    gateway.edit_policy("initech.yaml", FILES["initech.yaml"])
    assert code(initech.delete_object, Key=KEY) == "AccessDenied"
    assert keys(initech) == [KEY]


def test_a_condition_that_does_not_hold_consumes_nothing(gateway: Gateway) -> None:
    initech = gateway.client("initech/ledger")
    assert code(initech.delete_object, Key=KEY, IfMatch='"other"') == "PreconditionFailed"
    etag = initech.head_object(Bucket="orders", Key=KEY)["ETag"]
    initech.delete_object(Bucket="orders", Key=KEY, IfMatch=etag)
    assert keys(initech) == []


def test_what_was_moved_is_read_and_deleted_under_its_new_name(gateway: Gateway) -> None:
    acme, initech = gateway.client("acme/erp"), gateway.client("initech/ledger")
    caller = Caller(Principal("initech", "ledger"), "test")
    moved = gateway.exchange.consuming.consume(caller, REF, moved_to="archive/1")
    version = gateway.run(moved)
    assert keys(initech) == ["archive/1"]
    reply = initech.get_object(Bucket="orders", Key="archive/1")
    assert reply["Body"].read() == b"one"
    assert reply["VersionId"] == version.id
    assert initech.list_objects_v2(Bucket="orders", Delimiter="/")["CommonPrefixes"] == [
        {"Prefix": "archive/"}
    ]
    assert code(acme.get_object, Key="archive/1") == "NoSuchKey"
    gateway.edit_policy("acme.yaml", "party: acme")  # withdrawn: under every name
    assert keys(initech) == []
    assert code(initech.get_object, Key="archive/1") == "NoSuchKey"
    gateway.edit_policy("acme.yaml", FILES["acme.yaml"])
    initech.delete_object(Bucket="orders", Key="archive/1")
    assert keys(initech) == []
    assert keys(acme) == [KEY]


def test_the_author_learns_that_it_was_consumed_and_not_what_it_is_called(gateway: Gateway) -> None:
    initech, acme = Principal("initech", "ledger"), Principal("acme", "erp")
    verb = gateway.exchange.consuming.consume(Caller(initech, "test"), REF, moved_to="archive/1")
    gateway.run(verb)
    (told,) = gateway.run(gateway.exchange.history.of(Caller(acme, "test"), REF))
    assert [(each.party, each.moved_to) for each in told.consumed] == [("initech", "")]
    (own,) = gateway.run(gateway.exchange.history.of(Caller(initech, "test"), REF))
    assert [(each.party, each.moved_to) for each in own.consumed] == [("initech", "archive/1")]
    (record,) = gateway.run(gateway.catalog.records(gateway.run(gateway.catalog.size()) - 1, 1))
    opened = {p: _opened(record.openings, p) for p in ("acme", "initech", "globex")}
    assert opened["initech"]["detail/moved-to/initech"] == "archive/1"
    assert opened["acme"]["outcome"] == "consumed"
    assert opened["acme"]["party"] == "initech"
    assert "archive/1" not in opened["acme"].values()
    assert opened["globex"] == {}
    globex = Caller(Principal("globex", "wms"), "test")
    (other,) = gateway.run(gateway.exchange.history.of(globex, REF))
    assert other.consumed == ()
