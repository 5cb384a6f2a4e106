"""Presigned URLs as browsers, curl and SDKs use them: what rides in the query, and what beside."""

from __future__ import annotations

import base64
import zlib
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.harness import Gateway, key_of
from tests.s3.raw import Reply, ask, sign
from tests.s3.test_auth import presigned

BODY = b"hello"
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
OVERRIDES = {
    "content-type": "application/x-odd",
    "content-language": "gsw",
    "content-disposition": 'attachment; filename="a&b +é.txt"',
    "content-encoding": "x-odd",
    "expires": "Thu, 01 Dec 1994 16:00:00 GMT",
    "cache-control": "no-store, max-age=0",
}


def url_of(gateway: Gateway, method: str, target: str, **headers: str) -> str:
    """`headers` are signed, and so must be sent."""
    request = AWSRequest(method, f"{gateway.endpoint}{target}")
    for name, value in headers.items():
        request.headers[name.replace("_", "-")] = value
    credentials = Credentials(*key_of("acme/erp"))
    S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60).add_auth(request)
    return str(request.url)


def used(gateway: Gateway, method: str, target: str, body: bytes = b"", *extra: str) -> Reply:
    return presigned(gateway, url_of(gateway, method, target), method, body, *extra)


@pytest.fixture
def object_(s3: Any, bucket: str) -> str:
    """The target of an object."""
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ContentType="text/plain", Metadata={"a": "b"})
    return f"/{bucket}/k"


# --- in the query --------------------------------------------------------------------------------


def test_the_js_sdks_url_takes_any_body(gateway: Gateway, s3: Any, bucket: str) -> None:
    """It bakes the checksum of an empty body in; what will be uploaded nobody knows yet."""
    target = (
        f"/{bucket}/k?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-checksum-crc32=AAAAAA%3D%3D"
        "&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject&x-amz-acl=private"
        "&x-amz-meta-note=a%20b%2Bc&x-amz-tagging=x%3D1%26y%3D2"
    )
    reply = used(gateway, "PUT", target, BODY)
    assert (reply.status, reply.headers["x-amz-checksum-crc32"]) == (200, CRC32)
    found = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (found["Body"].read(), found["ChecksumCRC32"]) == (BODY, CRC32)
    assert (found["Metadata"], found["TagCount"]) == ({"note": "a b+c"}, 2)


def test_a_signed_payload_hash_in_the_query_is_held_to(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    target = f"/{bucket}/k?X-Amz-Content-Sha256={'0' * 64}"
    request = AWSRequest("PUT", f"{gateway.endpoint}{target}")

    class Auth(S3SigV4QueryAuth):  # type: ignore[misc]
        def payload(self, request: AWSRequest) -> str:
            return "0" * 64

    Auth(Credentials(*key_of("acme/erp")), "s3", "us-east-1", expires=60).add_auth(request)
    reply = presigned(gateway, request.url, "PUT", BODY)
    assert (reply.status, reply.code) == (400, "XAmzContentSHA256Mismatch")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="k")


def test_a_checksum_mode_in_the_query_counts(gateway: Gateway, object_: str) -> None:
    assert "x-amz-checksum-crc32" not in used(gateway, "GET", object_).headers
    reply = used(gateway, "GET", f"{object_}?x-amz-checksum-mode=ENABLED&x-id=GetObject")
    assert reply.headers["x-amz-checksum-crc32"] == CRC32


def test_a_copy_source_in_the_query_is_signed_and_counts(
    gateway: Gateway, s3: Any, bucket: str, object_: str
) -> None:
    reply = used(gateway, "PUT", f"/{bucket}/copy?x-amz-copy-source={quote(object_, safe='')}")
    assert (reply.status, b"<CopyObjectResult" in reply.body) == (200, True)
    assert s3.get_object(Bucket=bucket, Key="copy")["Metadata"] == {"a": "b"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("x-amz-acl=public-read", "AccessControlListNotSupported"),
        ("x-amz-storage-class=GLACIER", "InvalidStorageClass"),
        ("x-amz-server-side-encryption=aws%3Akms", "NotImplemented"),
        ("x-crossdock-unknown=1", "InvalidArgument"),
        ("x-amz-meta-a=1%0D%0Aset-cookie%3A%20a", "InvalidArgument"),
        ("x-amz-security-token=t", "InvalidToken"),
    ],
)
def test_what_is_refused_as_a_header_is_refused_in_the_query(
    gateway: Gateway, bucket: str, query: str, code: str
) -> None:
    assert used(gateway, "PUT", f"/{bucket}/k?{query}", BODY).code == code


def test_our_own_headers_may_ride_in_the_query(gateway: Gateway, s3: Any, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=BODY)
    source = quote(f"{versioned}/k", safe="")
    derived = used(gateway, "PUT", f"/{versioned}/l?x-crossdock-derived-from={source}", BODY)
    assert (derived.status, derived.code) == (200, "")
    then = quote("2001-01-01T00:00:00Z", safe="")
    assert used(gateway, "GET", f"/{versioned}/k?x-crossdock-as-of={then}").status == 404
    assert used(gateway, "GET", f"/{versioned}/k").status == 200
    ignored = ask(gateway, sign(gateway, "PUT", f"/{versioned}/k?x-crossdock-wait=delivered"))
    assert ignored.code == "NotImplemented", "a signed header is no presigned URL"


def test_a_signed_header_beats_the_query(gateway: Gateway, s3: Any, bucket: str) -> None:
    url = url_of(gateway, "PUT", f"/{bucket}/k?x-amz-meta-a=query", x_amz_meta_a="header")
    assert presigned(gateway, url, "PUT", BODY).code == "SignatureDoesNotMatch", "it was not sent"
    assert presigned(gateway, url, "PUT", BODY, "x-amz-meta-a: header").status == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "header"}


# --- beside it -----------------------------------------------------------------------------------


def test_ordinary_headers_need_no_signature(
    gateway: Gateway, s3: Any, bucket: str, object_: str
) -> None:
    ranged = used(gateway, "GET", object_, b"", "Range: bytes=1-2", "User-Agent: curl/8")
    assert (ranged.status, ranged.body) == (206, b"el")
    etag = ranged.headers["etag"]
    assert used(gateway, "GET", object_, b"", f"If-None-Match: {etag}").status == 304
    assert used(gateway, "GET", object_, b"", 'If-Match: "other"').status == 412
    assert used(gateway, "HEAD", object_).headers["content-length"] == str(len(BODY))
    assert used(gateway, "PUT", f"/{bucket}/t", BODY, "Content-Type: text/x-odd").status == 200
    assert s3.head_object(Bucket=bucket, Key="t")["ContentType"] == "text/x-odd"
    conditional = used(gateway, "PUT", object_, b"other", "If-None-Match: *")
    assert (conditional.status, conditional.code) == (412, "PreconditionFailed")


def test_a_checksum_may_not_ride_unsigned_beside_it(gateway: Gateway, bucket: str) -> None:
    reply = used(gateway, "PUT", f"/{bucket}/k", BODY, f"x-amz-checksum-crc32: {CRC32}")
    assert (reply.status, reply.code) == (403, "AccessDenied")
    url = url_of(gateway, "PUT", f"/{bucket}/k", x_amz_checksum_crc32="AAAAAA==")
    wrong = presigned(gateway, url, "PUT", BODY, "x-amz-checksum-crc32: AAAAAA==")
    assert (wrong.status, wrong.code) == (400, "BadDigest"), "a signed header is held to"


def test_every_method_has_a_url_of_its_own(gateway: Gateway, bucket: str, object_: str) -> None:
    url = url_of(gateway, "GET", object_)
    for method in ("HEAD", "PUT", "DELETE", "POST"):
        reply = presigned(gateway, url, method, b"x" if method in ("PUT", "POST") else b"")
        assert reply.status == 403
    assert used(gateway, "DELETE", object_).status == 204


# --- response-* ----------------------------------------------------------------------------------


def overriding(target: str) -> str:
    pairs = "&".join(f"response-{n}={quote(v, safe='')}" for n, v in OVERRIDES.items())
    return f"{target}?{pairs}"


@pytest.mark.parametrize(
    ("method", "extra", "status"), [("GET", "", 200), ("HEAD", "", 200), ("GET", "bytes=0-1", 206)]
)
def test_response_headers_replace_the_stored_ones(
    gateway: Gateway, object_: str, method: str, extra: str, status: int
) -> None:
    lines = [f"Range: {extra}"] if extra else []
    reply = used(gateway, method, overriding(object_), b"", *lines)
    assert reply.status == status
    assert {name: reply.headers[name] for name in OVERRIDES} == OVERRIDES
    assert used(gateway, method, object_).headers["content-type"] == "text/plain"


def test_response_headers_change_no_error(gateway: Gateway, bucket: str, object_: str) -> None:
    absent = used(gateway, "GET", overriding(f"/{bucket}/none"))
    assert (absent.status, absent.headers["content-type"]) == (404, "application/xml")
    assert "content-disposition" not in absent.headers
    beyond = used(gateway, "GET", overriding(object_), b"", "Range: bytes=9-")
    assert (beyond.status, beyond.headers["content-type"]) == (416, "application/xml")
    etag = used(gateway, "GET", object_).headers["etag"]
    same = used(gateway, "GET", overriding(object_), b"", f"If-None-Match: {etag}")
    assert same.status == 304
    assert not {"content-disposition", "content-encoding"} & same.headers.keys()


def test_response_headers_are_signed(gateway: Gateway, object_: str) -> None:
    url = url_of(gateway, "GET", overriding(object_))
    other = url.replace("response-expires=Thu", "response-expires=Fri")
    assert presigned(gateway, other, "GET").code == "SignatureDoesNotMatch"
    more = f"{url_of(gateway, 'GET', object_)}&response-content-type=text%2Fhtml"
    assert presigned(gateway, more, "GET").code == "SignatureDoesNotMatch"
