"""Who may speak, and what a signature must cover."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from gateway.s3.dates import parse_http_date
from gateway.s3.dispatch import HANDLERS
from gateway.s3.routes import OPERATIONS, Right
from tests.harness import Gateway, key_of
from tests.s3.raw import UNSIGNED_TRAILER, Reply, Socket, ask, chunked, sign


def test_every_built_route_has_its_handler() -> None:
    asked = {row.handler for row in OPERATIONS if row.built and row.right is not Right.NONE}
    assert HANDLERS.keys() == asked


def test_wrong_secret_and_unknown_key_are_refused(gateway: Gateway, bucket: str) -> None:
    for key, code in [(key_of("acme/erp")[0], "SignatureDoesNotMatch"), ("AK", "InvalidAccessKey")]:
        client = boto3.client(
            "s3",
            endpoint_url=gateway.endpoint,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key="wrong",
        )
        with pytest.raises(ClientError, match=code):
            client.list_objects_v2(Bucket=bucket)
        client.close()


def elements(reply: Reply) -> list[str]:
    return re.findall(r"<(\w+)>", reply.body.decode())


def test_refusals_carry_what_aws_lets_a_client_compare(gateway: Gateway, bucket: str) -> None:
    signed = sign(gateway, "GET", f"/{bucket}/k%20k?acl")
    reply = ask(gateway, replace(signed, target=f"/{bucket}/other"))
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    assert {
        *("AWSAccessKeyId", "StringToSign", "SignatureProvided", "StringToSignBytes"),
        *("CanonicalRequest", "CanonicalRequestBytes"),
    } < {*elements(reply)}
    assert f"<CanonicalRequest>GET\n/{bucket}/other\n" in unescape(reply.body.decode())
    assert key_of("acme/erp")[1].encode() not in reply.body
    unknown = ask(gateway, sign(gateway, "GET", f"/{bucket}/k", principal="nobody/here"))
    assert (unknown.status, unknown.code) == (403, "InvalidAccessKeyId")
    assert "AWSAccessKeyId" in elements(unknown)
    assert "StringToSign" not in elements(unknown)
    late = {**signed.headers, "X-Amz-Date": "20130524T000000Z"}
    skewed = ask(gateway, replace(signed, headers=late))
    assert (skewed.status, skewed.code) == (403, "RequestTimeTooSkewed")
    assert b"<RequestTime>20130524T000000Z</RequestTime>" in skewed.body
    assert b"<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>" in skewed.body
    assert "ServerTime" in elements(skewed)
    assert parse_http_date(skewed.headers["date"]), "SDKs set their clock by it"


def test_any_region_of_the_client_is_taken(gateway: Gateway, bucket: str) -> None:
    key, secret = key_of("acme/erp")
    client = boto3.client(
        "s3",
        endpoint_url=gateway.endpoint,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    client.close()


@pytest.mark.parametrize(
    "smuggled",
    [
        "x-amz-copy-source: orders/secret",
        "x-amz-tagging: a=b",
        "x-amz-acl: private",
        "x-amz-meta-a: b",
        "x-amz-storage-class: STANDARD",
        "x-amz-server-side-encryption: AES256",
        "x-amz-object-lock-mode: COMPLIANCE",
        "x-crossdock-as-of: 2026-01-01T00:00:00Z",
        "X-Crossdock-Wait: delivered",
    ],
)
def test_unsigned_headers_of_amazons_and_ours_are_refused(
    gateway: Gateway, s3: Any, bucket: str, smuggled: str
) -> None:
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}/k", body=b"x"), b"x", smuggled)
    assert (reply.status, reply.code) == (403, "AccessDenied")
    assert b"HeadersNotSigned" in reply.body
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    assert presigned(gateway, url, "PUT", b"x", smuggled).code == "AccessDenied"
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="k")


def presigned(gateway: Gateway, url: str, method: str, body: bytes = b"", *extra: str) -> Reply:
    target = url.removeprefix(gateway.endpoint)
    host = urlsplit(url).netloc
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *extra]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    with Socket(gateway) as connection:
        return connection.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + body, method)


def fetch(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_presigned_get_and_put(s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "a b/é+?.txt"}
    assert fetch(s3.generate_presigned_url("put_object", name), "PUT", b"hello")[0] == 200
    url = s3.generate_presigned_url("get_object", name)
    assert fetch(url) == (200, b"hello")
    assert fetch(url, "HEAD")[0] == 403, "a URL for GET is none for HEAD"
    assert fetch(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))[0] in (400, 403)


def test_presigned_url_carries_metadata_and_overrides(s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**name, Body=b"hello", ContentType="text/plain")
    url = s3.generate_presigned_url(
        "get_object", {**name, "ResponseContentDisposition": 'attachment; filename="a.txt"'}
    )
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["content-disposition"] == 'attachment; filename="a.txt"'
        assert answer.headers["content-type"] == "text/plain"


def test_headers_hoisted_into_a_presigned_url_count(gateway: Gateway, s3: Any, bucket: str) -> None:
    """The JS SDK moves headers into the query, and bakes in the checksum of an empty body."""
    hoisted = "x-amz-meta-a=b&x-amz-tagging=t%3D1&x-amz-checksum-crc32=AAAAAA%3D%3D"
    request = AWSRequest("PUT", f"{gateway.endpoint}/{bucket}/k?{hoisted}&x-id=PutObject")
    auth = S3SigV4QueryAuth(Credentials(*key_of("acme/erp")), "s3", "us-east-1", expires=60)
    auth.add_auth(request)
    assert presigned(gateway, request.url, "PUT", b"hello").status == 200
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Metadata"], found["TagCount"]) == ({"a": "b"}, 1)


def test_expired_and_overlong_presigned_urls_are_refused(s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**name, Body=b"x")
    url = s3.generate_presigned_url("get_object", name, ExpiresIn=1)
    assert fetch(url)[0] == 200
    time.sleep(2.1)
    status, body = fetch(url)
    assert status == 403
    assert b"Request has expired" in body
    overlong = s3.generate_presigned_url("get_object", name, ExpiresIn=8 * 24 * 3600)
    assert fetch(overlong)[0] == 403


def test_presigned_url_takes_no_chunked_payload(gateway: Gateway, s3: Any, bucket: str) -> None:
    """x-amz-content-sha256 need not be signed, yet it would select how the body is read."""
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    mode = f"x-amz-content-sha256: {UNSIGNED_TRAILER}"
    assert presigned(gateway, url, "PUT", chunked([b"x"]), mode).status == 400


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, "NotImplemented"),
        ({"x-amz-server-side-encryption": "aws:kms"}, "NotImplemented"),
        ({"x-amz-object-lock-mode": "GOVERNANCE"}, "InvalidArgument"),
        ({"x-amz-object-lock-mode": "governance"}, "InvalidArgument"),
        ({"x-amz-object-lock-legal-hold": "ON"}, "InvalidRequest"),
        ({"x-amz-acl": "public-read"}, "AccessControlListNotSupported"),
        ({"x-amz-grant-read": 'uri="http://acs.amazonaws.com/x"'}, "AccessControlListNotSupported"),
        ({"x-amz-storage-class": "GLACIER"}, "InvalidStorageClass"),
        ({"x-amz-meta-crossdock-version": "1"}, "InvalidArgument"),
        ({"x-crossdock-wait": "never"}, "InvalidArgument"),
        ({"x-crossdock-unknown": "1"}, "InvalidArgument"),
        ({"x-crossdock-as-of": "2026-01-01T00:00:00Z"}, "InvalidArgument"),
        ({"if-unmodified-since": "Fri, 24 May 2013 00:00:00 GMT"}, "NotImplemented"),
    ],
)
def test_what_would_not_happen_is_refused_rather_than_ignored(
    gateway: Gateway, bucket: str, headers: Mapping[str, str], code: str
) -> None:
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}/k", headers, body=b"x"), b"x")
    assert reply.code == code
    assert ask(gateway, sign(gateway, "HEAD", f"/{bucket}/k")).status == 404


def test_what_changes_nothing_is_accepted(s3: Any, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"x",
        ACL="private",
        StorageClass="STANDARD",
        RequestPayer="requester",
        ExpectedBucketOwner="acme",
    )


def test_expected_bucket_owner_is_honoured(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner="globex")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.copy_object(
            Bucket=bucket,
            Key="l",
            CopySource=f"{bucket}/k",
            ExpectedSourceBucketOwner="globex",
        )


@pytest.mark.parametrize("row", [r for r in OPERATIONS if not r.built], ids=lambda r: r.name)
def test_known_operation_that_is_not_built_is_501_and_does_nothing(
    gateway: Gateway, s3: Any, row: Any
) -> None:
    s3.put_object(Bucket="orders", Key="unbuilt", Body=b"kept")
    query = "&".join(f"{name}={value or 'x'}" for name, value in row.params.items())
    path = {"SERVICE": "/", "BUCKET": "/orders", "OBJECT": "/orders/unbuilt"}[row.resource.name]
    headers = {row.header: "x"} if row.header else {}
    reply = ask(gateway, sign(gateway, row.method, f"{path}?{query}" if query else path, headers))
    assert (reply.status, reply.code) == (501, "NotImplemented"), row.name
    assert s3.get_object(Bucket="orders", Key="unbuilt")["Body"].read() == b"kept"


@pytest.mark.parametrize("query", ["nonsense", "acl", "versions", "uploads", "logging"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_sub_resource_never_falls_through_to_the_plain_operation(
    gateway: Gateway, s3: Any, bucket: str, method: str, query: str
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    for target in (f"/{bucket}/k?{query}", f"/{bucket}?{query}"):
        if (method, query) == ("POST", "uploads"):
            continue
        reply = ask(gateway, sign(gateway, method, target, body=b"x"), b"x")
        assert reply.status in (400, 405, 501), target
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


def test_external_url_is_what_clients_sign_for(tmp_path: Any) -> None:
    external = "https://files.example.com/s3"
    with Gateway(tmp_path, external_url=external) as gateway:
        signed = sign(gateway, "GET", "/")
        assert ask(gateway, signed).code == "SignatureDoesNotMatch"
        key, secret = key_of("acme/erp")
        client = boto3.client(
            "s3",
            endpoint_url=external,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        url = client.generate_presigned_url("list_objects_v2", {"Bucket": "orders"})
        client.close()
        path = url.removeprefix(external)
        reply = presigned(gateway, gateway.endpoint + path, "GET")
        assert reply.status == 200


def test_forwarded_address_counts_from_a_trusted_proxy_alone(tmp_path: Any) -> None:
    line = "X-Forwarded-For: 6.6.6.6, 9.9.9.9"
    with Gateway(tmp_path, trusted_proxies=["127.0.0.0/8"]) as gateway:
        with Socket(gateway) as connection:
            connection.ask(f"GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode())
        assert gateway.strangers == ["9.9.9.9"]
