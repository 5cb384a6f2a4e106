"""SigV2's presigned URLs and forms through the door: what boto3 makes of its own accord."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from gateway.audit.disclosure import open_for
from gateway.audit.records import decode, seal
from gateway.model import Event
from tests.harness import FILES, REGION, Gateway, key_of
from tests.s3.raw import Reply, Socket
from tests.s3.test_auth import fetch, presigned


@pytest.fixture(scope="module")
def plain(gateway: Gateway) -> Iterator[Any]:
    """A client of acme's as boto3 makes it when it is told nothing about signatures."""
    key, secret = key_of("acme/erp")
    client = boto3.client(
        "s3",
        endpoint_url=gateway.endpoint,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


def url_of(client: Any, operation: str, **params: Any) -> str:
    url: str = client.generate_presigned_url(operation, params)
    assert "AWSAccessKeyId=" in url
    assert "X-Amz-Algorithm" not in url
    return url


def test_get_put_and_head(plain: Any, s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "a b/é+?&=.txt"}
    typed = {**name, "ContentType": "text/csv", "Metadata": {"a": "b+c d"}}
    assert fetch(url_of(plain, "put_object", **typed), "PUT")[0] == 200
    found = s3.head_object(**name)
    assert (found["ContentType"], found["Metadata"]) == ("text/csv", {"a": "b+c d"})
    put = url_of(plain, "put_object", **name)
    assert fetch(put, "PUT", b"hello")[0] == 403, "urllib sends a type that was not signed"
    assert fetch(url_of(plain, "get_object", **name)) == (200, b"")
    assert fetch(url_of(plain, "head_object", **name), "HEAD")[0] == 200
    assert fetch(url_of(plain, "get_object", **name), "HEAD")[0] == 403


def test_the_body_of_a_put(gateway: Gateway, plain: Any, s3: Any, bucket: str) -> None:
    url = url_of(plain, "put_object", Bucket=bucket, Key="k")
    assert presigned(gateway, url, "PUT", b"hello").status == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


def test_versions_and_response_headers_are_signed(
    gateway: Gateway, plain: Any, s3: Any, versioned: str
) -> None:
    name = {"Bucket": versioned, "Key": "k"}
    first = s3.put_object(**name, Body=b"first")["VersionId"]
    s3.put_object(**name, Body=b"second")
    shown = 'attachment; filename="é +.txt"'
    url = url_of(plain, "get_object", **name, VersionId=first, ResponseContentDisposition=shown)
    reply = presigned(gateway, url, "GET")
    assert (reply.status, reply.body) == (200, b"first")
    assert reply.headers["content-disposition"] == shown
    other = presigned(gateway, url.replace(f"versionId={first}", "versionId=null"), "GET")
    assert other.code == "SignatureDoesNotMatch"


def test_a_multipart_upload_by_urls_alone(
    gateway: Gateway, plain: Any, s3: Any, bucket: str
) -> None:
    name = {"Bucket": bucket, "Key": "big"}
    begun = presigned(gateway, url_of(plain, "create_multipart_upload", **name), "POST")
    upload = begun.body.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
    part = url_of(plain, "upload_part", **name, UploadId=upload, PartNumber=1)
    etag = presigned(gateway, part, "PUT", b"only part").headers["etag"]
    done = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    complete = url_of(plain, "complete_multipart_upload", **name, UploadId=upload)
    reply = presigned(gateway, complete, "POST", f"{done}</CompleteMultipartUpload>".encode())
    assert (reply.status, reply.code) == (200, "")
    assert s3.get_object(**name)["Body"].read() == b"only part"
    assert fetch(url_of(plain, "delete_object", **name), "DELETE")[0] == 204


def test_a_listing_is_not_signed_enough(plain: Any, bucket: str) -> None:
    """Whoever had the URL could list another prefix with it."""
    status, body = fetch(url_of(plain, "list_objects_v2", Bucket=bucket, Prefix="a/"))
    assert status == 403
    assert b"<HeadersNotSigned>list-type, prefix" in body
    assert b"AWS4-HMAC-SHA256" in body


def test_unsigned_headers_of_ours_are_refused(gateway: Gateway, plain: Any, bucket: str) -> None:
    url = url_of(plain, "get_object", Bucket=bucket, Key="k")
    reply = presigned(gateway, url, "GET", b"", "x-crossdock-as-of: 2026-01-01T00:00:00Z")
    assert (reply.status, reply.code) == (403, "AccessDenied")
    assert b"<HeadersNotSigned>x-crossdock-as-of" in reply.body


def test_in_the_authorization_header_it_stays_refused(gateway: Gateway, bucket: str) -> None:
    with Socket(gateway) as connection:
        head = f"GET /{bucket} HTTP/1.1\r\nHost: a\r\nAuthorization: AWS {key_of('acme/erp')[0]}:x"
        reply = connection.ask(f"{head}\r\n\r\n".encode())
    assert (reply.status, reply.code) == (400, "InvalidRequest")


def test_expired_and_overlong_urls_are_refused(plain: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "k"}
    for seconds, told in ((-60, b"Request has expired"), (8 * 24 * 3600, b"604800 seconds")):
        status, body = fetch(plain.generate_presigned_url("get_object", name, ExpiresIn=seconds))
        assert status == 403
        assert told in body


# --- the record, and the switch ----------------------------------------------------------------


def test_events_say_that_it_was_sigv2(gateway: Gateway, plain: Any, s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**name, Body=b"x")
    before = len(gateway.events)
    assert fetch(url_of(plain, "get_object", **name))[0] == 200
    assert s3.get_object(**name)["Body"].read() == b"x"
    assert fetch(url_of(plain, "get_object", Bucket=bucket, Key="none"))[0] == 404
    old, new, refused = gateway.events[before:]
    assert (old.kind, old.detail["signature"]) == ("read", "SigV2")
    assert "signature" not in new.detail
    assert (refused.kind, refused.detail["signature"]) == ("refusal", "SigV2")


def test_how_it_signed_is_for_the_actor_alone_to_know() -> None:
    event = Event(
        "read", 1, "globex", bucket="b", key="k", readers=("globex", "acme"),
        detail={"author": "acme", "signature": "SigV2"},
    )  # fmt: skip
    opened = decode(seal(event, 1, lambda n: b"s" * n).openings)
    names = {party: {o.field for o in open_for(opened, party)} for party in ("acme", "globex")}
    assert "detail/signature" in names["globex"]
    assert "detail/signature" not in names["acme"]
    assert "detail/author" in names["acme"]


def form(gateway: Gateway, client: Any, bucket: str) -> Reply:
    made = client.generate_presigned_post(bucket, "k")
    assert ("AWSAccessKeyId" in made["fields"]) is ("x-amz-signature" not in made["fields"])
    body = io.BytesIO()
    for name, value in {**made["fields"], "file": "hello"}.items():
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        body.write(head.encode())
    body.write(b"--b--\r\n")
    lines = [f"POST /{bucket} HTTP/1.1", "Host: a", f"Content-Length: {len(body.getvalue())}"]
    lines.append("Content-Type: multipart/form-data; boundary=b")
    with Socket(gateway) as connection:
        return connection.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + body.getvalue())


def test_a_party_switches_it_off_for_urls_and_forms(
    gateway: Gateway, plain: Any, s3: Any, bucket: str
) -> None:
    name = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**name, Body=b"x")
    old, new = url_of(plain, "get_object", **name), s3.generate_presigned_url("get_object", name)
    assert fetch(old)[0] == fetch(new)[0] == 200
    assert form(gateway, plain, bucket).status == form(gateway, s3, bucket).status == 204
    topology = FILES["topology.yaml"].replace("  acme:\n", "  acme:\n    sigv2: no\n")
    gateway.edit_policy("topology.yaml", topology)
    try:
        strangers, events = len(gateway.strangers), len(gateway.events)
        status, body = fetch(old)
        assert status == 400
        assert b"<Code>InvalidRequest</Code>" in body
        assert b"AWS4-HMAC-SHA256" in body
        refused = form(gateway, plain, bucket)
        assert (refused.status, refused.code) == (400, "InvalidRequest")
        assert len(gateway.strangers) == strangers + 2, "it is no signature"
        assert len(gateway.events) == events
        assert fetch(new)[0] == 200
        assert form(gateway, s3, bucket).status == 204
    finally:
        gateway.edit_policy("topology.yaml", FILES["topology.yaml"])
    assert fetch(old)[0] == 200
