"""Browsers: preflights without a signature, and answers that a page of another site may read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apsw
import pytest

from gateway.catalog.ledger import CORS_OF
from tests.harness import Gateway, fresh
from tests.s3.raw import Reply, Socket, ask, sign
from tests.s3.test_settings import refusal

ORIGIN = "https://app.example.com"
RULE = {
    "AllowedMethods": ["GET", "PUT"],
    "AllowedOrigins": ["https://*.example.com"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 60,
}
VARYING = frozenset({"date", "x-amz-request-id"})


def publish(s3: Any, bucket: str, *rules: Mapping[str, Any]) -> None:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules or [RULE])})


def preflight(gateway: Gateway, target: str, *headers: str) -> Reply:
    lines = [f"OPTIONS {target} HTTP/1.1", "Host: a", *headers]
    with Socket(gateway) as connection:
        return connection.ask("\r\n".join(lines).encode() + b"\r\n\r\n", "OPTIONS")


def wish(method: str = "PUT", origin: str = ORIGIN, headers: str = "") -> list[str]:
    lines = [f"Origin: {origin}", f"Access-Control-Request-Method: {method}"]
    return [*lines, f"Access-Control-Request-Headers: {headers}"] if headers else lines


@pytest.mark.parametrize("rest", ["", "/", "/k", "/k?uploadId=u&partNumber=1", "?delete", "/a//b"])
def test_a_preflight_that_a_rule_admits(gateway: Gateway, s3: Any, bucket: str, rest: str) -> None:
    publish(s3, bucket)
    reply = preflight(gateway, f"/{bucket}{rest}", *wish(headers="Authorization, X-Amz-Date"))
    assert (reply.status, reply.body) == (200, b"")
    told = {name: reply.headers.get(f"access-control-{name}") for name in (
        "allow-origin", "allow-methods", "allow-headers", "expose-headers", "max-age",
        "allow-credentials",
    )}  # fmt: skip
    assert told == {
        "allow-origin": ORIGIN,
        "allow-methods": "GET, PUT",
        "allow-headers": "authorization, x-amz-date",
        "expose-headers": "ETag",
        "max-age": "60",
        "allow-credentials": "true",
    }
    assert reply.headers["vary"].startswith("Origin, ")


def test_a_preflight_that_no_rule_admits(gateway: Gateway, s3: Any, bucket: str) -> None:
    publish(s3, bucket)
    before = len(gateway.strangers)
    refused = [
        preflight(gateway, f"/{bucket}/k", *wish("DELETE")),
        preflight(gateway, f"/{bucket}/k", *wish(origin="https://evil.example")),
    ]
    for reply in refused:
        assert (reply.status, reply.code) == (403, "AccessForbidden")
        assert b"<Message>CORSResponse: This CORS request is not allowed" in reply.body
        assert b"<ResourceType>OBJECT</ResourceType>" in reply.body
        assert not [name for name in reply.headers if name.startswith("access-control-")]
    assert len(gateway.strangers) == before + 2
    assert preflight(gateway, f"/{bucket}", *wish()).status == 200
    assert len(gateway.strangers) == before + 2, "a preflight that is welcome is no stranger's"


def test_a_preflight_must_say_what_it_asks(gateway: Gateway, s3: Any, bucket: str) -> None:
    publish(s3, bucket)
    for lines in ([], [f"Origin: {ORIGIN}"], ["Access-Control-Request-Method: GET"]):
        reply = preflight(gateway, f"/{bucket}/k", *lines)
        assert (reply.status, reply.code) == (400, "BadRequest")
    assert preflight(gateway, "/", *wish()).status == 403, "there is no bucket to ask about"


# --- what it may not tell ----------------------------------------------------------------------


def test_a_bucket_without_cors_is_answered_as_one_that_is_not_there(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    gone = fresh()
    s3.create_bucket(Bucket=gone)
    publish(s3, gone)
    s3.delete_bucket(Bucket=gone)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    shown = []
    for name in (bucket, "orders", gone, fresh()):
        for rest in ("", "/k"):
            reply = preflight(gateway, f"/{name}{rest}", *wish())
            body = reply.body.replace(name.encode(), b"?")
            body = body.replace(reply.headers["x-amz-request-id"].encode(), b"?")
            headers = {n: v for n, v in reply.headers.items() if n not in VARYING}
            headers["content-length"] = str(len(body))
            shown.append((reply.status, headers, body))
    assert b"CORSResponse: CORS is not enabled for this bucket." in shown[0][2]
    assert all(each == shown[0] for each in shown[2::2])
    assert all(each == shown[1] for each in shown[3::2])


def test_a_bucket_without_cors_is_looked_up_as_one_that_is_not_there(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    """By structure rather than by the clock: the same statements, on an index that has neither."""
    ran: list[tuple[str, object]] = []

    def trace(cursor: apsw.Cursor, sql: str, values: object) -> bool:
        ran.append((sql, values))
        return True

    reader = gateway.catalog.reader
    names = (bucket, "orders", "no-such-bucket")
    for name in names:
        cursor = reader.connection.cursor()
        cursor.exec_trace = trace
        reader._execute, kept = cursor.execute, reader._execute
        try:
            assert preflight(gateway, f"/{name}/k", *wish()).status == 403
        finally:
            reader._execute = kept
    assert ran == [(CORS_OF, (name,)) for name in names]
    assert [reader.all(CORS_OF, (name,)) for name in names] == [[]] * len(names)
    plan = "\n".join(str(row[3]) for row in reader.all(f"EXPLAIN QUERY PLAN {CORS_OF}", ("b",)))
    assert "USING INDEX buckets_with_cors (name=?)" in plan
    assert "USING INDEX declared_with_cors (bucket=?)" in plan
    assert "SCAN" not in plan


def test_the_owner_of_a_declared_bucket_publishes_for_it(gateway: Gateway, s3: Any) -> None:
    before = preflight(gateway, "/orders/k", *wish())
    publish(s3, "orders")
    try:
        assert preflight(gateway, "/orders/k", *wish()).status == 200
        assert s3.get_bucket_cors(Bucket="orders")["CORSRules"]
        member = gateway.client("globex/wms")
        assert refusal(member.delete_bucket_cors, Bucket="orders") == "AccessDenied"
    finally:
        s3.delete_bucket_cors(Bucket="orders")
    assert preflight(gateway, "/orders/k", *wish()).status == before.status == 403


def test_a_declared_bucket_publishes_nothing_that_was_kept_before(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    publish(s3, bucket)
    text = gateway.files["topology.yaml"]
    declared = f"{text}  {bucket}: {{owner: acme, members: {{acme: {{write: ['**']}}}}}}\n"
    gateway.edit_policy("topology.yaml", declared)
    try:
        assert refusal(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
        assert preflight(gateway, f"/{bucket}", *wish()).status == 403
    finally:
        gateway.edit_policy("topology.yaml", text)
    assert preflight(gateway, f"/{bucket}", *wish()).status == 200


# --- requests ----------------------------------------------------------------------------------


def allowed(reply: Reply) -> str:
    return reply.headers.get("access-control-allow-origin", "")


def test_answers_carry_what_lets_the_page_read_them(gateway: Gateway, s3: Any, bucket: str) -> None:
    publish(s3, bucket)
    origin = f"Origin: {ORIGIN}"
    put = ask(gateway, sign(gateway, "PUT", f"/{bucket}/k", body=b"x"), b"x", origin)
    assert (put.status, allowed(put)) == (200, ORIGIN)
    get = ask(gateway, sign(gateway, "GET", f"/{bucket}/k"), b"", origin)
    assert (get.body, allowed(get), get.headers["access-control-expose-headers"]) == (
        b"x",
        ORIGIN,
        "ETag",
    )
    assert get.headers["vary"].startswith("Origin, ")
    for reply in (
        ask(gateway, sign(gateway, "HEAD", f"/{bucket}/k"), b"", origin),
        ask(gateway, sign(gateway, "GET", f"/{bucket}/k"), b"", "Origin: https://evil.example"),
        ask(gateway, sign(gateway, "GET", f"/{bucket}/k")),
    ):
        assert (reply.status, allowed(reply)) == (200, "")
        assert "vary" not in reply.headers


def test_errors_carry_it_too(gateway: Gateway, s3: Any, bucket: str) -> None:
    publish(s3, bucket)
    origin = f"Origin: {ORIGIN}"
    absent = ask(gateway, sign(gateway, "GET", f"/{bucket}/none"), b"", origin)
    assert (absent.status, absent.code, allowed(absent)) == (404, "NoSuchKey", ORIGIN)
    spoilt = sign(gateway, "GET", f"/{bucket}/k", principal="nobody/here")
    assert allowed(ask(gateway, spoilt, b"", origin)) == ORIGIN
    with Socket(gateway) as connection:
        head = f"GET /{bucket}/k HTTP/1.1\r\nHost: a\r\n{origin}\r\n\r\n"
        unsigned = connection.ask(head.encode())
    assert (unsigned.status, allowed(unsigned)) == (403, ORIGIN)


def test_an_outsider_learns_by_an_origin_what_a_preflight_tells_and_no_more(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    publish(s3, bucket)
    origin = f"Origin: {ORIGIN}"
    for name, expected in ((bucket, ORIGIN), ("orders", ""), ("no-such-bucket", "")):
        signed = sign(gateway, "GET", f"/{name}/k", principal="umbra/desk")
        reply = ask(gateway, signed, b"", origin)
        assert (reply.status, reply.code, allowed(reply)) == (404, "NoSuchBucket", expected)


def test_a_form_from_a_page_may_read_its_answer(gateway: Gateway, s3: Any, bucket: str) -> None:
    publish(s3, bucket, {**RULE, "AllowedMethods": ["POST"], "AllowedOrigins": ["*"]})
    form = s3.generate_presigned_post(bucket, "k")
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**form["fields"], "file": "hello"}.items()
    ]
    body = ("".join(parts) + "--b--\r\n").encode()
    lines = ["Host: a", f"Origin: {ORIGIN}", f"Content-Length: {len(body)}"]
    lines.append("Content-Type: multipart/form-data; boundary=b")
    with Socket(gateway) as connection:
        head = "\r\n".join([f"POST /{bucket} HTTP/1.1", *lines])
        reply = connection.ask(f"{head}\r\n\r\n".encode() + body)
    assert (reply.status, allowed(reply)) == (204, "*")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"
