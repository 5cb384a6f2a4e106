"""What a bucket keeps as it was put, ACLs where there are none, and object attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.model import PART_BYTES_MIN
from tests.harness import Gateway
from tests.s3.raw import ask, sign

CORS = {
    "AllowedMethods": ["GET", "PUT"],
    "AllowedOrigins": ["https://*.example.com"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 60,
}
BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": False,
}
KEPT: dict[str, tuple[str, dict[str, Any], str]] = {
    "bucket_tagging": ("Tagging", {"TagSet": [{"Key": "a", "Value": "<&"}]}, "NoSuchTagSet"),
    "bucket_cors": ("CORSConfiguration", {"CORSRules": [CORS]}, "NoSuchCORSConfiguration"),
    "public_access_block": (
        "PublicAccessBlockConfiguration",
        BLOCK,
        "NoSuchPublicAccessBlockConfiguration",
    ),
    "bucket_ownership_controls": (
        "OwnershipControls",
        {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "OwnershipControlsNotFoundError",
    ),
}


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


@pytest.mark.parametrize("noun", KEPT)
def test_a_setting_comes_back_as_it_was_put_and_goes(s3: Any, bucket: str, noun: str) -> None:
    field, document, absent = KEPT[noun]
    get, put, delete = (getattr(s3, f"{verb}_{noun}") for verb in ("get", "put", "delete"))
    assert refusal(get, Bucket=bucket) == absent
    put(Bucket=bucket, **{field: document})
    found = get(Bucket=bucket)
    assert document in (found.get(field), {k: v for k, v in found.items() if k in document})
    delete(Bucket=bucket)
    assert refusal(get, Bucket=bucket) == absent


def test_settings_are_the_owners_to_change(gateway: Gateway, s3: Any) -> None:
    other = gateway.client("globex/wms")
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    assert refusal(other.put_bucket_tagging, Bucket="orders", Tagging=tags) == "AccessDenied"
    s3.put_bucket_tagging(Bucket="orders", Tagging=tags)
    assert s3.get_bucket_tagging(Bucket="orders")["TagSet"] == tags["TagSet"]
    s3.delete_bucket_tagging(Bucket="orders")
    assert refusal(s3.get_bucket_tagging, Bucket="orders") == "NoSuchTagSet"


def test_documents_that_are_not_of_their_shape(gateway: Gateway, s3: Any, bucket: str) -> None:
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert refusal(s3.put_bucket_tagging, Bucket=bucket, Tagging=twice) == "InvalidTag"
    stars = {"CORSRules": [{**CORS, "AllowedOrigins": ["*.*"]}]}
    assert refusal(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration=stars) == "InvalidRequest"
    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    refused = refusal(s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=rules)
    assert refused == "AccessControlListNotSupported"
    for sub, body in (
        ("cors", b"<CORSConfiguration/>"),
        ("cors", b"<CORSConfiguration><Other/></CORSConfiguration>"),
        ("tagging", b"<Tagging><TagSet/><TagSet/></Tagging>"),
        (
            "publicAccessBlock",
            b"<PublicAccessBlockConfiguration><BlockPublicAcls>1"
            b"</BlockPublicAcls></PublicAccessBlockConfiguration>",
        ),
    ):
        reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}?{sub}", body=body), body)
        assert reply.code == "MalformedXML", body


def test_nothing_is_public(s3: Any, bucket: str) -> None:
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}


def test_the_one_acl_there_is(gateway: Gateway, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    owner = {"ID": "acme", "DisplayName": "acme"}
    grant = {"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    for acl in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        assert (acl["Owner"], acl["Grants"]) == (owner, [grant])
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    same = {"Owner": owner, "Grants": [grant]}
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=same)
    reads = {**same, "Grants": [grant, {**grant, "Permission": "READ"}]}
    none = "AccessControlListNotSupported"
    assert refusal(s3.put_bucket_acl, Bucket=bucket, AccessControlPolicy=reads) == none
    assert refusal(s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read") == none
    assert ask(gateway, sign(gateway, "PUT", f"/{bucket}?acl")).code == "InvalidRequest"


def test_attributes_are_those_asked_for(s3: Any, versioned: str) -> None:
    name = {"Bucket": versioned, "Key": "k"}
    put = s3.put_object(**name, Body=b"abc", ChecksumAlgorithm="SHA256")
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = s3.get_object_attributes(**name, ObjectAttributes=every)
    assert (found["ETag"], found["ObjectSize"]) == (put["ETag"].strip('"'), 3)
    assert found["Checksum"]["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert (found["StorageClass"], found["VersionId"]) == ("STANDARD", put["VersionId"])
    assert "ObjectParts" not in found
    only = s3.get_object_attributes(**name, ObjectAttributes=["ObjectSize"])
    assert not {"ETag", "Checksum", "StorageClass"} & only.keys()
    assert refusal(s3.get_object_attributes, **name, ObjectAttributes=["Size"]) == "InvalidArgument"


def test_attributes_show_parts_by_the_page(s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "big"}
    begun = s3.create_multipart_upload(**name, ChecksumAlgorithm="CRC32")
    upload = {**name, "UploadId": begun["UploadId"]}
    sizes = (PART_BYTES_MIN, PART_BYTES_MIN, 1)
    parts = []
    for number, size in enumerate(sizes, 1):
        part = s3.upload_part(
            **upload, PartNumber=number, Body=b"x" * size, ChecksumAlgorithm="CRC32"
        )
        checked = {name: part[name] for name in ("ETag", "ChecksumCRC32")}
        parts.append({"PartNumber": number, **checked})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    ask_for = {**name, "ObjectAttributes": ["ObjectParts"]}
    first = s3.get_object_attributes(**ask_for, MaxParts=2)["ObjectParts"]
    assert (first["TotalPartsCount"], first["IsTruncated"]) == (3, True)
    assert [part["Size"] for part in first["Parts"]] == list(sizes[:2])
    after = first["NextPartNumberMarker"]
    rest = s3.get_object_attributes(**ask_for, PartNumberMarker=after)["ObjectParts"]
    shown = {"PartNumber": 3, "Size": 1, "ChecksumCRC32": parts[2]["ChecksumCRC32"]}
    assert (rest["Parts"], rest["IsTruncated"]) == ([shown], False)
