"""Buckets: which there are, making and deleting them, what each says of itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Gateway, fresh
from tests.s3.raw import ask, sign


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def names(client: Any, **more: Any) -> list[str]:
    return [bucket["Name"] for bucket in client.list_buckets(**more)["Buckets"]]


def test_each_party_sees_the_buckets_that_it_is_a_member_of(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    assert {"orders", bucket} <= set(names(s3))
    assert "orders" in names(gateway.client("initech/ledger"))
    assert bucket not in names(gateway.client("globex/wms"))
    assert names(gateway.client("umbra/desk")) == []
    assert s3.list_buckets()["Owner"]["ID"] == "acme"


def test_buckets_in_pages(s3: Any) -> None:
    made = [fresh("acme-paged") for _ in range(3)]
    for name in made:
        s3.create_bucket(Bucket=name)
    first = s3.list_buckets(Prefix="acme-paged", MaxBuckets=2)
    token = first["ContinuationToken"]
    rest = s3.list_buckets(Prefix="acme-paged", MaxBuckets=2, ContinuationToken=token)
    found = [b["Name"] for page in (first, rest) for b in page["Buckets"]]
    assert found == sorted(made)


def test_creating_again_what_one_may_use_is_a_success(gateway: Gateway, s3: Any) -> None:
    name = fresh()
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    s3.put_object(Bucket=name, Key="kept", Body=b"x")
    s3.create_bucket(Bucket=name)
    assert s3.head_object(Bucket=name, Key="kept")
    gateway.client("initech/ledger").create_bucket(Bucket="orders")


def test_foreign_and_impossible_names_are_refused(gateway: Gateway, s3: Any, bucket: str) -> None:
    for client, name, expected in (
        (gateway.client("globex/wms"), bucket, "AccessDenied"),
        (s3, "globex-else", "AccessDenied"),
        (gateway.client("umbra/desk"), "orders", "AccessDenied"),
        (gateway.client("acme/auditor"), "acme-audits", "AccessDenied"),
    ):
        with pytest.raises(ClientError) as error:
            client.create_bucket(Bucket=name)
        assert code(error) == expected
    for name in ("Upper", "a", "192.168.0.1", "a..b", "-a-"):
        reply = ask(gateway, sign(gateway, "PUT", f"/{name}"))
        assert reply.code == "InvalidBucketName", name


@pytest.mark.parametrize(
    ("region", "expected"), [("us-east-1", ""), ("", ""), ("EU", "InvalidLocationConstraint")]
)
def test_location_constraint(gateway: Gateway, region: str, expected: str) -> None:
    body = (
        '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    ).encode()
    reply = ask(gateway, sign(gateway, "PUT", f"/{fresh()}", body=body), body)
    assert reply.code == expected


def test_head_tells_the_region_and_absence(gateway: Gateway, s3: Any, bucket: str) -> None:
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"
    for principal in ("globex/wms", "umbra/desk"):
        with pytest.raises(ClientError) as error:
            gateway.client(principal).head_bucket(Bucket=bucket)
        assert code(error) == "404"


def test_location_is_asked_with_a_slash_after_the_bucket(gateway: Gateway, bucket: str) -> None:
    reply = ask(gateway, sign(gateway, "GET", f"/{bucket}/?location"))
    assert reply.status == 200
    assert b"></LocationConstraint>" in reply.body


def test_only_an_empty_bucket_of_ones_own_is_deleted(gateway: Gateway, s3: Any) -> None:
    name = fresh()
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket=name)
    assert code(error) == "BucketNotEmpty"
    with pytest.raises(ClientError) as error:
        gateway.client("globex/wms").delete_bucket(Bucket=name)
    assert code(error) == "NoSuchBucket"
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    assert name not in names(s3)
    with pytest.raises(ClientError) as error:
        s3.list_objects_v2(Bucket=name)
    assert code(error) == "NoSuchBucket"


def test_what_the_topology_states_is_not_changed_here(gateway: Gateway, s3: Any) -> None:
    suspended = {"VersioningConfiguration": {"Status": "Suspended"}}
    for call, more in ((s3.delete_bucket, {}), (s3.put_bucket_versioning, suspended)):
        with pytest.raises(ClientError) as error:
            call(Bucket="orders", **more)
        assert code(error) == "AccessDenied"
    s3.put_bucket_versioning(Bucket="orders", VersioningConfiguration={"Status": "Enabled"})


def test_versioning_status(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "MalformedXML"),
        (b"<VersioningConfiguration/>", "IllegalVersioningConfigurationException"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><VersioningConfiguration/>", "MalformedXML"),
    ],
)
def test_bad_documents_are_refused(
    gateway: Gateway, bucket: str, body: bytes, expected: str
) -> None:
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}?versioning", body=body), body)
    assert reply.code == expected


def test_document_that_is_not_what_was_signed_is_refused(gateway: Gateway, bucket: str) -> None:
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    signed = sign(gateway, "PUT", f"/{bucket}?versioning", body=b"other")
    assert ask(gateway, signed, body).code == "XAmzContentSHA256Mismatch"
    checked = {"x-amz-checksum-crc32": "AAAAAA=="}
    signed = sign(gateway, "PUT", f"/{bucket}?versioning", checked, body=body)
    assert ask(gateway, signed, body).code == "BadDigest"


def test_errors_carry_their_request_id(gateway: Gateway, bucket: str) -> None:
    reply = ask(gateway, sign(gateway, "GET", f"/{bucket}/absent%20key"))
    request = reply.headers["x-amz-request-id"]
    assert f"<RequestId>{request}</RequestId>".encode() in reply.body
    assert f"<Resource>/{bucket}/absent%20key</Resource>".encode() in reply.body
    assert reply.headers["content-type"] == "application/xml"


def test_refusal_says_which_grant_is_missing_and_leaves_one_event(gateway: Gateway) -> None:
    before = len(gateway.events)
    with pytest.raises(ClientError) as error:
        gateway.client("globex/wms").put_object(Bucket="orders", Key="invoices/no", Body=b"x")
    assert code(error) == "AccessDenied"
    message = error.value.response["Error"]["Message"]
    assert "globex" in message
    events = gateway.events[before:]
    assert [(e.kind, e.party, e.key) for e in events] == [("refusal", "globex", "invoices/no")]
    assert events[0].request == error.value.response["ResponseMetadata"]["RequestId"]


def test_a_bucket_of_the_topology_is_as_old_as_it_is_in_force(gateway: Gateway, s3: Any) -> None:
    """`aws s3 ls` shows the date."""

    def created() -> dict[str, datetime]:
        return {each["Name"]: each["CreationDate"] for each in s3.list_buckets()["Buckets"]}

    before = created()
    assert all(abs(at - datetime.now(UTC)) < timedelta(hours=1) for at in before.values())
    gateway.edit_policy("acme.yaml", gateway.files["acme.yaml"] + "# edited\n")
    assert created() == before
