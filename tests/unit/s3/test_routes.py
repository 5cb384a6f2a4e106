"""The route table is complete, and nothing falls through to the plain operation."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from gateway.s3.address import Resource, parse_target
from gateway.s3.errors import S3Error
from gateway.s3.routes import OPERATIONS, Right, match, not_implemented

PATHS = {Resource.SERVICE: "/", Resource.BUCKET: "/bucket", Resource.OBJECT: "/bucket/key"}
OLD_NAMES = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
BUILT = {
    "ListBuckets",
    "CreateBucket",
    "HeadBucket",
    "DeleteBucket",
    "GetBucketLocation",
    "GetBucketVersioning",
    "PutBucketVersioning",
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "ListMultipartUploads",
    "DeleteObjects",
    "GetObject",
    "HeadObject",
    "PutObject",
    "CopyObject",
    "DeleteObject",
    "GetObjectTagging",
    "PreflightBucket",
    "PreflightObject",
    "PutObjectTagging",
    "DeleteObjectTagging",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
    "PostObject",
    "GetBucketAcl",
    "PutBucketAcl",
    "GetBucketTagging",
    "PutBucketTagging",
    "DeleteBucketTagging",
    "GetBucketCors",
    "PutBucketCors",
    "DeleteBucketCors",
    "GetBucketNotificationConfiguration",
    "PutBucketNotificationConfiguration",
    "GetBucketPolicyStatus",
    "GetBucketPolicy",
    "PutBucketPolicy",
    "DeleteBucketPolicy",
    "GetBucketEncryption",
    "PutBucketEncryption",
    "DeleteBucketEncryption",
    "GetBucketRequestPayment",
    "PutBucketRequestPayment",
    "GetBucketAccelerateConfiguration",
    "GetBucketLogging",
    "GetBucketWebsite",
    "GetBucketReplication",
    "GetPublicAccessBlock",
    "PutPublicAccessBlock",
    "DeletePublicAccessBlock",
    "GetBucketOwnershipControls",
    "PutBucketOwnershipControls",
    "DeleteBucketOwnershipControls",
    "GetObjectLockConfiguration",
    "PutObjectLockConfiguration",
    "GetBucketLifecycleConfiguration",
    "PutBucketLifecycleConfiguration",
    "DeleteBucketLifecycle",
    "GetObjectAttributes",
    "GetObjectAcl",
    "PutObjectAcl",
    "GetObjectLegalHold",
    "PutObjectLegalHold",
    "GetObjectRetention",
    "PutObjectRetention",
}


def routed(method: str, raw: str, *headers: str) -> str:
    return match(method, parse_target(raw, "localhost"), headers).name


def refusal(method: str, raw: str, *headers: str) -> str:
    with pytest.raises(S3Error) as caught:
        match(method, parse_target(raw, "localhost"), headers)
    return caught.value.code


def sdk_operations() -> list[tuple[str, str, str, list[str]]]:
    model: Any = botocore.session.get_session().get_service_model("s3")
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        members = operation.input_shape.members if operation.input_shape else {}
        required = [
            members[member].serialization["name"]
            for member in getattr(operation.input_shape, "required_members", ())
            if members[member].serialization.get("location") == "querystring"
        ]
        found.append((name, operation.http["method"], operation.http["requestUri"], required))
    return found


@pytest.mark.parametrize("sdk", sdk_operations(), ids=lambda sdk: sdk[0])
def test_every_operation_of_the_sdk_is_routed_to_its_own_row(
    sdk: tuple[str, str, str, list[str]],
) -> None:
    name, method, uri, required = sdk
    headers = ["x-amz-copy-source"] if "Copy" in name else []
    if name == "WriteGetObjectResponse":
        uri, headers = "/bucket", ["x-amz-request-route"]
    if name == "ListDirectoryBuckets":
        required = ["max-directory-buckets"]
    raw = uri.replace("{Bucket}", "bucket").replace("{Key+}", "key")
    for parameter in required:
        raw += ("&" if "?" in raw else "?") + f"{parameter}=1"
    assert routed(method, raw, *headers) == OLD_NAMES.get(name, name)


def test_every_row_is_reached_by_its_own_request() -> None:
    for row in OPERATIONS:
        query = "&".join(f"{name}={value}" for name, value in row.params.items())
        headers = [row.header] if row.header else []
        assert routed(row.method, f"{PATHS[row.resource]}?{query}", *headers) == row.name


def test_names_and_handlers_are_unique() -> None:
    names = [row.name for row in OPERATIONS]
    assert len(set(names)) == len(names)
    assert len({row.handler for row in OPERATIONS}) == len(names)


def test_the_built_operations_are_those_promised() -> None:
    assert {row.name for row in OPERATIONS if row.built} == BUILT


def test_handlers_are_snake_case_names() -> None:
    handlers = {row.name: row.handler for row in OPERATIONS}
    assert handlers["ListObjectsV2"] == "list_objects_v2"
    assert handlers["GetObject"] == "get_object"
    assert all(handler.isidentifier() for handler in handlers.values())


def test_reads_need_no_right_to_change() -> None:
    for row in OPERATIONS:
        if row.method == "HEAD" or row.name.startswith(("Get", "List")):
            assert not row.right.changes or row.name == "ListParts"
    assert Right.OWN.changes
    assert Right.CREATE.changes


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/bucket", "/bucket/key"])
def test_an_unknown_sub_resource_never_falls_through(method: str, path: str) -> None:
    assert refusal(method, f"{path}?brandNew") == "NotImplemented"
    assert refusal(method, f"{path}?brandNew=") == "NotImplemented"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_a_write_with_an_unknown_parameter_is_refused(method: str) -> None:
    assert refusal(method, "/bucket/key?append=1") == "NotImplemented"


def test_a_read_ignores_unknown_parameters_with_a_value() -> None:
    assert routed("GET", "/bucket/key?cachebust=17") == "GetObject"
    assert routed("GET", "/bucket?allow-unordered=true") == "ListObjects"


@pytest.mark.parametrize(
    ("method", "raw", "code"),
    [
        ("PUT", "/bucket/key?partNumber=1", "InvalidArgument"),
        ("PUT", "/bucket/key?uploadId=u", "InvalidArgument"),
        ("GET", "/bucket?acl&policy", "InvalidArgument"),
        ("GET", "/bucket?list-type=3", "InvalidArgument"),
        ("DELETE", "/bucket/key?acl", "MethodNotAllowed"),
        ("DELETE", "/bucket?versions", "MethodNotAllowed"),
        ("HEAD", "/bucket?uploads", "MethodNotAllowed"),
        ("PUT", "/", "MethodNotAllowed"),
        ("PATCH", "/bucket/key", "MethodNotAllowed"),
        ("POST", "/bucket/key", "MethodNotAllowed"),
        ("DELETE", "/bucket/key?versioning", "NotImplemented"),
        ("PUT", "/bucket/key?versions", "NotImplemented"),
    ],
)
def test_odd_combinations(method: str, raw: str, code: str) -> None:
    assert refusal(method, raw) == code


@pytest.mark.parametrize(
    ("method", "raw", "name"),
    [
        ("GET", "/bucket/key?partNumber=3&versionId=v&x-id=GetObject", "GetObject"),
        ("GET", "/bucket/key?response-content-type=a&X-Amz-Signature=b", "GetObject"),
        ("PUT", "/bucket/key?x-id=PutObject&x-amz-meta-a=1", "PutObject"),
        ("POST", "/bucket/key?uploads=", "CreateMultipartUpload"),
        ("GET", "/bucket/?location", "GetBucketLocation"),
        ("GET", "/bucket?list-type=2&prefix=", "ListObjectsV2"),
        ("GET", "/bucket?prefix=&delimiter=", "ListObjects"),
        ("DELETE", "/bucket/key?versionId=v", "DeleteObject"),
    ],
)
def test_what_clients_really_send(method: str, raw: str, name: str) -> None:
    assert routed(method, raw) == name


def test_the_copy_source_header_tells_a_copy_from_a_put() -> None:
    assert routed("PUT", "/bucket/key", "x-amz-copy-source") == "CopyObject"
    raw = "/bucket/key?uploadId=u&partNumber=1"
    assert routed("PUT", raw, "x-amz-copy-source") == "UploadPartCopy"
    assert routed("PUT", raw) == "UploadPart"


def test_a_known_operation_that_is_not_built_says_so() -> None:
    error = not_implemented(match("GET", parse_target("/bucket/key?torrent", "x"), ()))
    assert (error.code, error.status) == ("NotImplemented", 501)
    assert "GetObjectTorrent" in error.message
