"""What buckets say of policy, encryption and the rest, and that S3 calls change none of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import FILES, TOPOLOGY, Gateway
from tests.s3.raw import ask, posted

ENCRYPTED = TOPOLOGY.replace("path: stores/acme}", "path: stores/acme, encryption: AES256}")
RULE = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    files = {**FILES, "topology.yaml": ENCRYPTED}
    folder: Path = tmp_path_factory.mktemp("stated")
    with Gateway(folder, files) as running:
        yield running


def statements(client: Any) -> dict[str, Any]:
    policy = json.loads(client.get_bucket_policy(Bucket="orders")["Policy"])
    return {each["Sid"]: each for each in policy["Statement"]}


def test_each_party_reads_its_own_part_of_the_policy_alone(gateway: Gateway) -> None:
    acme, globex = statements(gateway.client()), statements(gateway.client("globex/wms"))
    assert set(acme) == {"member", "write", "invoices", "pii-stays", "acks"}
    assert acme["invoices"]["Resource"] == ["arn:aws:s3:::orders/invoices/*"]
    assert acme["pii-stays"]["Effect"] == "Deny"
    assert acme["pii-stays"]["Condition"] == {
        "StringEquals": {"s3:ExistingObjectTag/class": ["pii"]}
    }
    assert set(globex) == {"member", "write", "acks", "from-acme"}
    assert "initech" not in json.dumps(globex)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        gateway.client("umbra/desk").get_bucket_policy(Bucket="orders")


def test_a_policy_put_names_the_file_to_edit(gateway: Gateway) -> None:
    with pytest.raises(ClientError, match=r"AccessDenied.*policies/acme\.yaml"):
        gateway.client().put_bucket_policy(Bucket="orders", Policy="{}")
    with pytest.raises(ClientError, match=r"AccessDenied.*policies/acme\.yaml"):
        gateway.client().delete_bucket_policy(Bucket="orders")


def test_encryption_is_what_the_callers_own_store_does(gateway: Gateway) -> None:
    found = gateway.client().get_bucket_encryption(Bucket="orders")
    rules = found["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    with pytest.raises(ClientError, match="ServerSideEncryptionConfigurationNotFoundError"):
        gateway.client("globex/wms").get_bucket_encryption(Bucket="orders")


def test_a_write_that_asks_for_encryption_is_told_and_shown_it(gateway: Gateway) -> None:
    s3, name = gateway.client(), {"Bucket": "orders", "Key": "invoices/sealed"}
    assert s3.put_object(**name, Body=b"x", ServerSideEncryption="AES256")["ServerSideEncryption"]
    assert s3.head_object(**name)["ServerSideEncryption"] == "AES256"
    upload = s3.create_multipart_upload(**name, ServerSideEncryption="AES256")
    assert upload["ServerSideEncryption"] == "AES256"
    part = {**name, "UploadId": upload["UploadId"], "PartNumber": 1}
    assert s3.upload_part(**part, Body=b"x")["ServerSideEncryption"] == "AES256"
    copied = s3.upload_part_copy(**part, CopySource=name)
    assert copied["ServerSideEncryption"] == "AES256"
    s3.abort_multipart_upload(**name, UploadId=upload["UploadId"])
    seen = gateway.client("initech/ledger").head_object(**name)
    assert "ServerSideEncryption" not in seen  # the author's store is the author's matter


def test_a_write_that_would_not_be_encrypted_is_refused(gateway: Gateway) -> None:
    globex = gateway.client("globex/wms")
    with pytest.raises(ClientError, match="not encrypted at rest"):
        globex.put_object(Bucket="orders", Key="acks/1", Body=b"x", ServerSideEncryption="AES256")
    with pytest.raises(ClientError, match="NotImplemented"):
        gateway.client().put_object(
            Bucket="orders", Key="k", Body=b"x", ServerSideEncryption="aws:kms"
        )


@pytest.mark.parametrize(("party", "status"), [("acme", 204), ("globex", 400)])
def test_a_form_that_asks_for_encryption_is_judged_alike(
    gateway: Gateway, party: str, status: int
) -> None:
    principal = {"acme": "acme/erp", "globex": "globex/wms"}[party]
    fields = {"key": "acks/form", "x-amz-server-side-encryption": "AES256"}
    reply = ask(gateway, *posted(gateway, "orders", fields, principal=principal))
    assert reply.status == status, reply


def test_a_bucket_may_be_told_what_is_so_already(gateway: Gateway) -> None:
    s3 = gateway.client()
    s3.create_bucket(Bucket="acme-told")
    s3.put_bucket_encryption(Bucket="acme-told", ServerSideEncryptionConfiguration=RULE)
    s3.delete_bucket_encryption(Bucket="acme-told")
    kms = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    with pytest.raises(ClientError, match="NotImplemented"):
        s3.put_bucket_encryption(Bucket="acme-told", ServerSideEncryptionConfiguration=kms)
    pays = {"Payer": "BucketOwner"}
    s3.put_bucket_request_payment(Bucket="acme-told", RequestPaymentConfiguration=pays)
    assert s3.get_bucket_request_payment(Bucket="acme-told")["Payer"] == "BucketOwner"


def test_what_there_is_none_of_is_said_on_purpose(gateway: Gateway) -> None:
    s3 = gateway.client()
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket="orders")
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="orders")
    with pytest.raises(ClientError, match="NoSuchWebsiteConfiguration"):
        s3.get_bucket_website(Bucket="orders")
    with pytest.raises(ClientError, match="ReplicationConfigurationNotFoundError"):
        s3.get_bucket_replication(Bucket="orders")
