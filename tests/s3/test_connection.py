"""The connection stays in step: early answers, Expect, missing lengths, stalls, limits, the end."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.s3.desk import Limits
from gateway.s3.wire import DRAIN_BYTES_MAX
from tests.harness import Gateway
from tests.s3.raw import UNSIGNED, Socket, ask, sign


def put(gateway: Gateway, target: str, body: bytes, **more: Any) -> bytes:
    signed = sign(gateway, "PUT", target, body=body, **more)
    return signed.head(f"Content-Length: {len(body)}") + body


def get(gateway: Gateway, target: str) -> bytes:
    return sign(gateway, "GET", target).head()


def test_refused_put_does_not_spoil_the_next_request_of_the_connection(
    gateway: Gateway, bucket: str
) -> None:
    """boto3 announces bodies with Expect, and would take up the connection again."""
    stranger = gateway.client("umbra/desk")
    for size in (100, 3_000_000):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            stranger.put_object(Bucket=bucket, Key="x", Body=b"x" * size)
        assert stranger.list_buckets()["Buckets"] == []


def test_small_unread_body_is_thrown_away_and_the_connection_kept(
    gateway: Gateway, bucket: str
) -> None:
    with Socket(gateway) as connection:
        refused = connection.ask(put(gateway, "/nobodys-bucket/x", b"x" * 1000))
        assert (refused.status, refused.code) == (404, "NoSuchBucket")
        assert "connection" not in refused.headers
        assert connection.ask(get(gateway, f"/{bucket}/")).status == 200


def test_large_unread_body_ends_the_connection_after_the_answer(gateway: Gateway) -> None:
    signed = sign(gateway, "PUT", "/nobodys-bucket/x", mode=UNSIGNED)
    with Socket(gateway) as connection:
        connection.send(signed.head(f"Content-Length: {DRAIN_BYTES_MAX + 1}"))
        refused = connection.reply()
        assert (refused.status, refused.code) == (404, "NoSuchBucket")
        assert refused.headers["connection"] == "close"


def test_expect_is_refused_before_the_body_travels(gateway: Gateway) -> None:
    signed = sign(gateway, "PUT", "/nobodys-bucket/x", mode=UNSIGNED)
    with Socket(gateway) as connection:
        connection.send(signed.head("Content-Length: 5", "Expect: 100-continue"))
        refused = connection.reply()
        assert (refused.status, refused.code) == (404, "NoSuchBucket")
        assert refused.headers["connection"] == "close"


def test_expect_of_a_stranger_is_refused_before_the_body_travels(
    gateway: Gateway, bucket: str
) -> None:
    with Socket(gateway) as connection:
        head = f"PUT /{bucket}/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
        refused = connection.ask(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert (refused.status, refused.code) == (403, "AccessDenied")


def test_expect_is_answered_once_policy_has_said_yes(gateway: Gateway, bucket: str) -> None:
    signed = sign(gateway, "PUT", f"/{bucket}/x", body=b"hello")
    with Socket(gateway) as connection:
        connection.send(signed.head("Content-Length: 5", "Expect: 100-continue"))
        assert connection.reply().status == 100
        assert connection.ask(b"hello").status == 200
        assert connection.ask(get(gateway, f"/{bucket}/x")).body == b"hello"


def test_unknown_expectation_is_ignored(gateway: Gateway, bucket: str) -> None:
    signed = sign(gateway, "PUT", f"/{bucket}/x", body=b"hello")
    assert ask(gateway, signed, b"hello", "Expect: 200-ok").status == 200


def test_put_without_any_length_is_411(gateway: Gateway, bucket: str) -> None:
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}/x"))
    assert (reply.status, reply.code) == (411, "MissingContentLength")


def test_connection_stays_in_step_after_errors(gateway: Gateway, bucket: str) -> None:
    with Socket(gateway) as connection:
        connection.ask(put(gateway, f"/{bucket}/k", b"12345"))
        for target, code in [
            (f"/{bucket}/absent", "NoSuchKey"),
            (f"/{bucket}?unknown-thing", "NotImplemented"),
            (f"/{bucket}/k?partNumber=99", "InvalidPartNumber"),
            ("/UPPER/k", "InvalidBucketName"),
        ]:
            assert connection.ask(get(gateway, target)).code == code
        assert connection.ask(get(gateway, f"/{bucket}/k")).body == b"12345"


def test_head_carries_the_length_and_no_body(gateway: Gateway, bucket: str) -> None:
    with Socket(gateway) as connection:
        connection.ask(put(gateway, f"/{bucket}/k", b"12345"))
        head = sign(gateway, "HEAD", f"/{bucket}/k").head()
        assert connection.ask(head, "HEAD").headers["content-length"] == "5"
        missing = connection.ask(sign(gateway, "HEAD", f"/{bucket}/no").head(), "HEAD")
        assert (missing.status, missing.headers["content-length"]) == (404, "0")
        assert connection.ask(get(gateway, f"/{bucket}/k")).body == b"12345"


def test_204_and_304_have_no_body_and_no_length(gateway: Gateway, bucket: str) -> None:
    with Socket(gateway) as connection:
        etag = connection.ask(put(gateway, f"/{bucket}/k", b"12345")).headers["etag"]
        signed = sign(gateway, "GET", f"/{bucket}/k")
        unchanged = connection.ask(signed.head(f"If-None-Match: {etag}"))
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert unchanged.headers["etag"] == etag
        assert "last-modified" in unchanged.headers
        assert "content-length" not in unchanged.headers
        gone = connection.ask(sign(gateway, "DELETE", f"/{bucket}/k").head())
        assert (gone.status, "content-length" in gone.headers) == (204, False)
        assert connection.ask(get(gateway, f"/{bucket}/k")).code == "NoSuchKey"


def test_pipelined_requests_are_answered_in_order(gateway: Gateway, bucket: str) -> None:
    with Socket(gateway) as connection:
        connection.send(put(gateway, f"/{bucket}/a", b"1") + get(gateway, f"/{bucket}/a"))
        assert connection.reply().status == 200
        assert connection.reply().body == b"1"


def test_client_that_hangs_up_half_way_leaves_no_version(gateway: Gateway, bucket: str) -> None:
    signed = sign(gateway, "PUT", f"/{bucket}/half", mode=UNSIGNED)
    with Socket(gateway) as connection:
        connection.send(signed.head("Content-Length: 1000") + b"x" * 500)
    time.sleep(0.1)
    assert ask(gateway, sign(gateway, "GET", f"/{bucket}/half")).code == "NoSuchKey"


def test_large_body_comes_back_whole_through_a_slow_reader(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    body = bytes(range(256)) * 64 * 1024
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    stream = s3.get_object(Bucket=bucket, Key="large")["Body"]
    first = stream.read(10)
    time.sleep(0.2)
    assert first + stream.read() == body


def test_health_is_bare_and_needs_no_signature(gateway: Gateway) -> None:
    with Socket(gateway) as connection:
        for path, status in [("/-/health", 200), ("/-/ready", 200), ("/-/other", 404)]:
            reply = connection.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert (reply.status, reply.body) == (status, b"")


def test_anonymous_and_unknown_are_refused_and_counted_without_an_event(
    gateway: Gateway, bucket: str
) -> None:
    before, events = len(gateway.strangers), len(gateway.events)
    with Socket(gateway) as connection:
        plain = f"GET /{bucket}/x HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        assert connection.ask(plain).code == "AccessDenied"
        spoilt = sign(gateway, "GET", f"/{bucket}/x")
        assert connection.ask(spoilt.head().replace(b"Signature=", b"Signature=f")).status == 400
    assert gateway.strangers[before:] == ["127.0.0.1", "127.0.0.1"]
    assert len(gateway.events) == events


def test_unsupported_method_is_405(gateway: Gateway, bucket: str) -> None:
    assert ask(gateway, sign(gateway, "PATCH", f"/{bucket}/x")).status == 405


# --- limits and the end: gateways of their own -------------------------------------------------


def test_stalled_body_is_a_request_timeout_and_the_end(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(stall_s=0.2)) as gateway:
        signed = sign(gateway, "PUT", "/orders/x", mode=UNSIGNED)
        with Socket(gateway) as connection:
            reply = connection.ask(signed.head("Content-Length: 1000") + b"x" * 10)
            assert (reply.status, reply.code) == (400, "RequestTimeout")
            assert reply.headers["connection"] == "close"


def test_silent_connection_is_closed(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(head_s=0.1)) as gateway, Socket(gateway) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost:")
        assert connection.closed()


def test_connections_beyond_the_limit_are_closed(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(connections_max=1)) as gateway, Socket(gateway) as first:
        with Socket(gateway) as second:
            assert second.closed()
        assert first.ask(b"GET /-/health HTTP/1.1\r\nHost: a\r\n\r\n").status == 200


def test_requests_beyond_the_limit_are_told_to_slow_down(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(requests_max=1)) as gateway, Socket(gateway) as slow:
        signed = sign(gateway, "PUT", "/orders/x", body=b"hello")
        slow.send(signed.head("Content-Length: 5", "Expect: 100-continue"))
        assert slow.reply().status == 100  # it is being served
        with Socket(gateway) as other:
            reply = other.ask(sign(gateway, "GET", "/").head())
            assert (reply.status, reply.code) == (503, "SlowDown")
            assert reply.headers["retry-after"] == "1"
            health = other.ask(b"GET /-/health HTTP/1.1\r\nHost: a\r\n\r\n")
            assert health.status == 200
            assert slow.ask(b"hello").status == 200
            assert other.ask(sign(gateway, "GET", "/").head()).status == 200


def test_body_over_the_limit_is_refused_before_and_while_it_travels(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(body_bytes_max=10)) as gateway:
        declared = sign(gateway, "PUT", "/orders/x", mode=UNSIGNED)
        assert ask(gateway, declared, b"x" * 11).code == "EntityTooLarge"
        chunks = b"b\r\nxxxxxxxxxxx\r\n0\r\n\r\n"
        reply = ask(gateway, declared, chunks, "Transfer-Encoding: chunked")
        assert reply.code == "EntityTooLarge"
        assert ask(gateway, declared, b"x" * 10).status == 200


def test_document_over_the_limit_is_refused(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(document_bytes_max=100)) as gateway:
        signed = sign(gateway, "POST", "/orders?delete", mode=UNSIGNED)
        assert ask(gateway, signed, b"<Delete>" + b" " * 200).code == "MaxMessageLengthExceeded"


def test_long_header_is_taken_and_a_longer_one_is_not(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(head_bytes_max=16_000)) as gateway:
        long = "%C3%A9" * 2000
        found = ask(gateway, sign(gateway, "GET", f"/orders?list-type=2&prefix={long}"))
        assert found.status == 200
        assert ask(gateway, sign(gateway, "GET", f"/orders?prefix={'a' * 17_000}")).status == 400


def test_stop_lets_a_running_upload_finish(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        signed = sign(gateway, "PUT", "/orders/x", body=b"hello")
        with Socket(gateway) as slow, Socket(gateway) as idle:
            assert idle.ask(sign(gateway, "GET", "/").head()).status == 200
            slow.send(signed.head("Content-Length: 5", "Expect: 100-continue"))
            assert slow.reply().status == 100
            stopping = threading.Thread(target=lambda: gateway.run(gateway.door.stop(5)))
            stopping.start()
            time.sleep(0.1)
            assert idle.ask(b"GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n").status == 503
            done = slow.ask(b"hello")
            assert (done.status, done.headers["connection"]) == (200, "close")
            stopping.join()
        with pytest.raises(ConnectionRefusedError):
            Socket(gateway)
        held = gateway.run(gateway.catalog.has_shown("orders"))
        assert held


def test_stop_cuts_what_does_not_finish_in_time(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        signed = sign(gateway, "PUT", "/orders/x", body=b"hello")
        with Socket(gateway) as slow:
            slow.send(signed.head("Content-Length: 5", "Expect: 100-continue"))
            assert slow.reply().status == 100
            gateway.run(gateway.door.stop(0.1))
            assert slow.closed()
