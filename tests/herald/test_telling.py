"""What a party is told of its own view, and what of others it is not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness import ACME, Gateway
from tests.herald.conftest import SECRET, Make, queue, watch
from tests.receiver import Receiver

Receivers = Callable[[], Receiver]
ALL = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:Replication:*")


def test_a_message_is_what_s3_sends(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    gateway = gateways(acme=receiver.url)
    s3 = gateway.client("acme/erp")
    watch(s3, "orders", queue("acme", Id="mine"))
    answer = s3.put_object(Bucket="orders", Key="invoices/a b+ü.csv", Body=b"12345")
    gateway.tell()
    (got,) = receiver.got
    record = got.record
    assert got.path == "/in"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-crossdock-missed"] == "0"
    assert got.signed_by(SECRET.encode())
    thing = record["s3"]["object"]
    assert len(thing.pop("sequencer")) == 16
    assert thing == {
        "key": "invoices/a+b%2B%C3%BC.csv",
        "size": 5,
        "eTag": "827ccb0eea8a706c4c34a16891f84e7b",
        "versionId": answer["VersionId"],
    }
    assert record["s3"]["bucket"] == {
        "name": "orders",
        "ownerIdentity": {"principalId": "acme"},
        "arn": "arn:aws:s3:::orders",
    }
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["s3SchemaVersion"] == "1.0"
    assert (record["eventVersion"], record["eventSource"]) == ("2.1", "aws:s3")
    assert (record["eventName"], record["awsRegion"]) == ("ObjectCreated:Put", "us-east-1")
    assert record["eventTime"].endswith("Z")
    assert record["userIdentity"] == {"principalId": "acme/erp"}
    request = answer["ResponseMetadata"]["RequestId"]
    assert record["responseElements"]["x-amz-request-id"] == request


def test_a_configuration_that_is_put_sends_a_test(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    gateway = gateways(globex=receiver.url)
    watch(gateway.client("globex/wms"), "orders", queue("globex"), test=True)
    gateway.tell()
    (got,) = receiver.got
    assert got.message["Event"] == "s3:TestEvent"
    assert got.message["Service"] == "Amazon S3"
    assert got.message["Bucket"] == "orders"
    assert got.signed_by(SECRET.encode())


def test_every_kind_of_change_in_order(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    gateway = gateways(acme=receiver.url)
    s3 = gateway.client("acme/erp")
    watch(s3, "orders", queue("acme", *ALL))
    at = {"Bucket": "orders", "Key": "k"}
    version = s3.put_object(**at, Body=b"x")["VersionId"]
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    s3.put_object_tagging(**at, Tagging=tags)
    s3.delete_object_tagging(**at)
    s3.copy_object(**at, CopySource="orders/k", MetadataDirective="REPLACE")
    upload = s3.create_multipart_upload(**at)["UploadId"]
    part = s3.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"y")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload=parts)
    s3.delete_object(**at)
    s3.delete_object(**at, VersionId=version)
    gateway.tell()
    assert [got.event for got in receiver.got] == [
        # the version that it told of was deleted before the notices were sent: so was the news
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRemoved:Delete",
    ]
    numbers = [got.record["s3"]["object"]["sequencer"] for got in receiver.got]
    assert numbers == sorted(numbers)
    assert receiver.got[3].record["s3"]["object"]["versionId"] == version
    assert "size" not in receiver.got[3].record["s3"]["object"]


def test_tags_are_told(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    gateway = gateways(acme=receiver.url)
    s3 = gateway.client("acme/erp")
    watch(s3, "orders", queue("acme", "s3:ObjectTagging:*"))
    at = {"Bucket": "orders", "Key": "k"}
    s3.put_object(**at, Body=b"x")
    s3.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(**at)
    gateway.tell()
    assert receiver.events == [("ObjectTagging:Put", "k"), ("ObjectTagging:Delete", "k")]


@pytest.mark.parametrize(("status", "event"), [("", "Delete"), ("Enabled", "DeleteMarkerCreated")])
def test_a_bucket_of_ones_own(
    gateways: Make, receivers: Receivers, status: str, event: str
) -> None:
    receiver = receivers()
    gateway = gateways(acme=receiver.url)
    s3 = gateway.client("acme/erp")
    s3.create_bucket(Bucket="acme-own")
    if status:
        s3.put_bucket_versioning(Bucket="acme-own", VersioningConfiguration={"Status": status})
    watch(s3, "acme-own", queue("acme", "s3:ObjectRemoved:*"))
    s3.put_object(Bucket="acme-own", Key="k", Body=b"x")
    s3.delete_object(Bucket="acme-own", Key="k")
    gateway.tell()
    assert receiver.events == [(f"ObjectRemoved:{event}", "k")]
    assert ("versionId" in receiver.got[0].record["s3"]["object"]) == bool(status)


# --- each its own view -------------------------------------------------------------------------


def test_each_party_is_told_of_its_own_view_alone(gateways: Make, receivers: Receivers) -> None:
    parties = ("acme", "globex", "initech", "umbra")
    hooks = {party: receivers() for party in parties}
    gateway = gateways(**{party: hook.url for party, hook in hooks.items()})
    acme, globex = gateway.client("acme/erp"), gateway.client("globex/wms")
    watch(acme, "orders", queue("acme", *ALL))
    watch(globex, "orders", queue("globex", *ALL))
    watch(gateway.client("initech/ledger"), "orders", queue("initech", *ALL))
    acme.put_object(Bucket="orders", Key="invoices/1", Body=b"for both")
    acme.put_object(Bucket="orders", Key="drafts/1", Body=b"for nobody")
    globex.put_object(Bucket="orders", Key="acks/1", Body=b"for acme")
    acme.delete_object(Bucket="orders", Key="drafts/1")
    gateway.tell()
    made = "ObjectCreated:Put"
    assert sorted(hooks["acme"].events) == [
        (made, "acks/1"),
        (made, "drafts/1"),
        (made, "invoices/1"),
        ("ObjectRemoved:DeleteMarkerCreated", "drafts/1"),
    ]
    assert sorted(hooks["globex"].events) == [(made, "acks/1"), (made, "invoices/1")]
    assert hooks["initech"].events == [(made, "invoices/1")]
    assert hooks["umbra"].got == []


def test_a_recipient_learns_of_nobody_but_the_author(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    gateway = gateways(initech=receiver.url)
    watch(gateway.client("initech/ledger"), "orders", queue("initech", Id="c"))
    answer = gateway.client("acme/erp").put_object(Bucket="orders", Key="invoices/1", Body=b"x")
    gateway.tell()
    (got,) = receiver.got
    told = json.dumps([got.message, dict(got.headers)])
    for secret in ("erp", "globex", "in/", "stores", answer["ResponseMetadata"]["RequestId"]):
        assert secret not in told
    assert got.record["userIdentity"] == {"principalId": "acme"}


def test_configurations_of_others_are_not_to_be_seen(gateways: Make, receivers: Receivers) -> None:
    gateway = gateways(acme=receivers().url, globex=receivers().url)
    watch(gateway.client("acme/erp"), "orders", queue("acme"))
    found = gateway.client("globex/wms").get_bucket_notification_configuration(Bucket="orders")
    assert found.keys() == {"ResponseMetadata"}


def test_a_withdrawn_version_is_not_announced(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    gateway = gateways(globex=receiver.url)
    watch(gateway.client("globex/wms"), "orders", queue("globex", *ALL))
    acme = gateway.client("acme/erp")
    acme.put_object(Bucket="orders", Key="invoices/1", Body=b"x")
    gateway.edit_policy("acme.yaml", ACME.replace("globex: copy, ", ""))
    gateway.tell()
    acme.delete_object(Bucket="orders", Key="invoices/1")
    gateway.tell()
    assert receiver.got == []
    assert gateway.run(gateway.catalog.notices()) == []


def test_tags_that_forbid_are_silent_and_tags_that_allow_announce(
    gateways: Make, receivers: Receivers
) -> None:
    receiver = receivers()
    gateway = gateways(globex=receiver.url)
    watch(gateway.client("globex/wms"), "orders", queue("globex", *ALL))
    acme = gateway.client("acme/erp")
    at = {"Bucket": "orders", "Key": "invoices/1"}
    acme.put_object(**at, Body=b"x", Tagging="class=pii")
    gateway.tell()
    assert receiver.got == []
    acme.put_object_tagging(**at, Tagging={"TagSet": []})
    gateway.tell()
    assert receiver.events == [("ObjectCreated:Put", "invoices/1")]
    acme.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "class", "Value": "pii"}]})
    gateway.tell()
    assert len(receiver.got) == 1


def test_an_author_is_told_that_a_copy_failed_and_not_where(
    gateways: Make, receivers: Receivers
) -> None:
    receiver = receivers()
    gateway = gateways(acme=receiver.url)
    acme = gateway.client("acme/erp")
    watch(acme, "orders", queue("acme", "s3:Replication:*"))
    occupied = gateway.folder / "stores/globex/in/invoices/1"
    occupied.parent.mkdir(parents=True)
    occupied.write_bytes(b"somebody else's")
    acme.put_object(Bucket="orders", Key="invoices/1", Body=b"x")
    gateway.drain()
    gateway.tell()
    (got,) = receiver.got
    assert got.event == "Replication:OperationFailedReplication"
    assert got.record["eventVersion"] == "2.2"
    told = got.record["replicationEventData"]
    assert told.pop("requestTime").endswith("Z")
    assert told.pop("replicationRuleId").startswith("acme.yaml:")
    assert told == {
        "destinationBucket": "arn:crossdock:s3:::globex",
        "s3Operation": "OBJECT_PUT",
        "failureReason": "DstObjectOccupied",
    }
    assert "in/invoices" not in got.body.decode()


def test_what_a_party_no_longer_wants_is_not_sent(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    gateway = gateways(acme=receiver.url)
    acme = gateway.client("acme/erp")
    watch(acme, "orders", queue("acme"))
    acme.put_object(Bucket="orders", Key="k", Body=b"x")
    watch(acme, "orders", {})
    gateway.tell()
    assert receiver.got == []


def test_a_bucket_of_the_same_name_inherits_no_news(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    gateway: Gateway = gateways(acme=receiver.url)
    acme = gateway.client("acme/erp")
    for _ in range(2):
        acme.create_bucket(Bucket="acme-again")
        watch(acme, "acme-again", queue("acme", "s3:ObjectRemoved:*"))
        acme.put_object(Bucket="acme-again", Key="k", Body=b"x")
        acme.delete_object(Bucket="acme-again", Key="k")
        acme.delete_bucket(Bucket="acme-again")
    acme.create_bucket(Bucket="acme-again")
    watch(acme, "acme-again", queue("acme", "s3:ObjectRemoved:*"))
    gateway.tell()
    assert receiver.got == []
