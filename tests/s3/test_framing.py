"""The five payload modes: what is stored is what was meant, or nothing is."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from typing import Any

import pytest

from tests.harness import Gateway
from tests.s3.raw import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED,
    UNSIGNED_TRAILER,
    Reply,
    Socket,
    ask,
    chunked,
    sealed,
    sign,
)

BODY = b"0123456789abcdef" * 1024
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
TRAILER = f"x-amz-checksum-crc32:{CRC32}"


@pytest.fixture
def target(bucket: str) -> str:
    return f"/{bucket}/key"


def stored(gateway: Gateway, target: str) -> bytes | None:
    reply = ask(gateway, sign(gateway, "GET", target))
    return reply.body if reply.status == 200 else None


def framed(
    gateway: Gateway, target: str, mode: str, body: bytes | None = None, **headers: str
) -> Reply:
    """A PUT of BODY in this mode; `body` replaces the framed bytes."""
    names = {
        "x-amz-decoded-content-length": str(len(BODY)),
        "content-encoding": "aws-chunked",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    if mode in (UNSIGNED_TRAILER, SIGNED_CHUNKS_TRAILER):
        names.setdefault("x-amz-trailer", "x-amz-checksum-crc32")
    signed = sign(gateway, "PUT", target, {k: v for k, v in names.items() if v}, mode=mode)
    if body is None:
        pieces = (BODY[:8192], BODY[8192:])
        body = (
            chunked(pieces, f"{TRAILER}\r\n".encode())
            if mode == UNSIGNED_TRAILER
            else sealed(signed, pieces, TRAILER if mode == SIGNED_CHUNKS_TRAILER else "")
        )
    return ask(gateway, signed, body)


@pytest.mark.parametrize("mode", [UNSIGNED_TRAILER, SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER])
def test_framed_body_is_stored_without_its_frames(gateway: Gateway, target: str, mode: str) -> None:
    reply = framed(gateway, target, mode)
    assert reply.status == 200, reply
    assert stored(gateway, target) == BODY
    shown = ask(gateway, sign(gateway, "HEAD", target)).headers
    assert "content-encoding" not in shown
    if mode != SIGNED_CHUNKS:
        assert reply.headers["x-amz-checksum-crc32"] == CRC32


def test_frames_cut_anywhere_are_read(gateway: Gateway, target: str) -> None:
    names = {
        "x-amz-decoded-content-length": str(len(BODY)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    signed = sign(gateway, "PUT", target, names, mode=UNSIGNED_TRAILER)
    body = chunked([BODY], f"{TRAILER}\r\n".encode())
    with Socket(gateway) as connection:
        connection.send(signed.head("Transfer-Encoding: chunked"))
        for at in (*range(12), len(body)):
            piece = body[at : at + 1] if at < 11 else body[11:] if at == 11 else b""
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.send(b"")
        assert connection.reply().status == 200
    assert stored(gateway, target) == BODY


def test_unsigned_and_hashed_bodies_are_stored(gateway: Gateway, target: str) -> None:
    for mode in (UNSIGNED, None):
        assert ask(gateway, sign(gateway, "PUT", target, body=BODY, mode=mode), BODY).status == 200
        assert stored(gateway, target) == BODY


def test_body_that_is_not_what_was_signed_leaves_no_version(gateway: Gateway, target: str) -> None:
    reply = ask(gateway, sign(gateway, "PUT", target, body=b"meant"), b"other")
    assert (reply.status, reply.code) == (400, "XAmzContentSHA256Mismatch")
    assert stored(gateway, target) is None


def test_wrong_sha256_checksum_is_a_bad_digest(gateway: Gateway, target: str) -> None:
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    for mode in (UNSIGNED, None):
        headers = {"x-amz-checksum-sha256": digest}
        reply = ask(gateway, sign(gateway, "PUT", target, headers, body=BODY, mode=mode), BODY)
        assert (reply.status, reply.code) == (400, "BadDigest")
    assert stored(gateway, target) is None


def test_body_over_its_declared_length_leaves_no_version(gateway: Gateway, target: str) -> None:
    short = str(len(BODY) - 1)
    reply = framed(gateway, target, UNSIGNED_TRAILER, x_amz_decoded_content_length=short)
    assert (reply.status, reply.code) == (400, "IncompleteBody")
    assert stored(gateway, target) is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (chunked([BODY])[:-20], "IncompleteBody"),
        (chunked([BODY], f"{TRAILER}\r\n".encode())[:-2], "IncompleteBody"),
        (chunked([BODY[:-1]], f"{TRAILER}\r\n".encode()), "IncompleteBody"),
        (chunked([BODY]), "MalformedTrailerError"),
        (chunked([BODY], b"x-amz-checksum-sha1:AAAA\r\n"), "MalformedTrailerError"),
        (chunked([BODY], b"x-amz-checksum-crc32:AAAAAA==\r\n"), "BadDigest"),
        (chunked([BODY], b"x-amz-checksum-crc32:nonsense\r\n"), "InvalidRequest"),
        (chunked([BODY[:10], BODY[10:]], f"{TRAILER}\r\n".encode()), "InvalidChunkSizeError"),
        (chunked([BODY], f"{TRAILER}\r\n".encode()).replace(b"\r\n", b"\n"), "IncompleteBody"),
        (b"zz\r\n", "IncompleteBody"),
    ],
    ids=[
        "truncated", "no-last-line", "short", "no-trailer", "other-trailer", "wrong-checksum",
        "malformed-checksum", "small-chunk", "bare-newlines", "no-hex",
    ],
)  # fmt: skip
def test_wrong_frames_leave_no_version(
    gateway: Gateway, target: str, body: bytes, code: str
) -> None:
    reply = framed(gateway, target, UNSIGNED_TRAILER, body)
    assert (reply.status, reply.code) == (400, code)
    assert stored(gateway, target) is None


@pytest.mark.parametrize("mode", [SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER])
def test_spoilt_last_chunk_leaves_the_old_version(gateway: Gateway, target: str, mode: str) -> None:
    assert framed(gateway, target, mode).status == 200
    signed_by_another = sealed(
        sign(gateway, "PUT", target, mode=mode), [BODY], "", principal="globex/wms"
    )
    reply = framed(gateway, target, mode, signed_by_another)
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    assert stored(gateway, target) == BODY


def test_signed_chunks_cut_off_leave_no_version(gateway: Gateway, target: str) -> None:
    signed = sign(
        gateway, "PUT", target, {"x-amz-decoded-content-length": str(len(BODY))}, mode=SIGNED_CHUNKS
    )
    whole = sealed(signed, [BODY[:8192], BODY[8192:]])
    last = whole.rindex(b"0;chunk-signature=")
    reply = ask(gateway, signed, whole[:last])
    assert (reply.status, reply.code) == (400, "IncompleteBody")
    assert stored(gateway, target) is None


def test_frames_without_decoded_length_are_411(gateway: Gateway, target: str) -> None:
    reply = framed(gateway, target, UNSIGNED_TRAILER, x_amz_decoded_content_length="")
    assert (reply.status, reply.code) == (411, "MissingContentLength")


def test_asymmetric_signatures_are_not_implemented(gateway: Gateway, target: str) -> None:
    mode = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    assert ask(gateway, sign(gateway, "PUT", target, mode=mode), b"x").status == 501


def test_gzip_body_is_stored_as_it_came(gateway: Gateway, s3: Any, bucket: str) -> None:
    """aiohttp would unpack it."""
    for body in (gzip.compress(BODY), b"no gzip at all"):
        s3.put_object(Bucket=bucket, Key="z", Body=body, ContentEncoding="gzip")
        found = s3.get_object(Bucket=bucket, Key="z")
        assert found["Body"].read() == body
        assert found["ContentEncoding"] == "gzip"
        assert found["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("aws-chunked", None),
        ("gzip,aws-chunked", "gzip"),
        ("aws-chunked, gzip", "gzip"),
        ("AWS-Chunked,gzip,br", "gzip, br"),
    ],
)
def test_aws_chunked_is_no_content_encoding(
    gateway: Gateway, target: str, sent: str, kept: str | None
) -> None:
    assert framed(gateway, target, UNSIGNED_TRAILER, content_encoding=sent).status == 200
    assert ask(gateway, sign(gateway, "HEAD", target)).headers.get("content-encoding") == kept


def test_mode_is_known_by_the_payload_header_alone(gateway: Gateway, target: str) -> None:
    assert framed(gateway, target, UNSIGNED_TRAILER, content_encoding="").status == 200
    assert stored(gateway, target) == BODY


def test_content_md5_is_verified(gateway: Gateway, target: str) -> None:
    good = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    for md5, status, code in [
        (good, 200, ""),
        (base64.b64encode(b"x" * 16).decode(), 400, "BadDigest"),
        ("short", 400, "InvalidDigest"),
    ]:
        signed = sign(gateway, "PUT", target, {"content-md5": md5}, body=BODY)
        reply = ask(gateway, signed, BODY)
        assert (reply.status, reply.code) == (status, code)


def test_two_checksums_are_refused(gateway: Gateway, target: str) -> None:
    headers = {"x-amz-checksum-crc32": CRC32, "x-amz-checksum-crc32c": "AAAAAA=="}
    assert ask(gateway, sign(gateway, "PUT", target, headers, body=BODY), BODY).status == 400
    assert stored(gateway, target) is None


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_verified_kept_and_shown(s3: Any, bucket: str, algorithm: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="c", Body=BODY, ChecksumAlgorithm=algorithm)
    name = f"Checksum{algorithm}"
    got = s3.get_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")
    assert got[name] == put[name]
    assert got["ChecksumType"] == put["ChecksumType"] == "FULL_OBJECT"
    assert got["Body"].read() == BODY
    head = s3.head_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")
    assert head[name] == put[name]
    assert name not in s3.head_object(Bucket=bucket, Key="c")
    part = s3.get_object(Bucket=bucket, Key="c", Range=f"bytes=0-{len(BODY) - 1}")
    assert name not in part, "a range never carries the whole object's checksum"


def test_crc64nvme_is_kept_where_none_was_sent(gateway: Gateway, bucket: str) -> None:
    plain = gateway.client(request_checksum_calculation="when_required")
    plain.put_object(Bucket=bucket, Key="k", Body=b"hello")
    head = plain.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == "M3eFcAZSQlc="


def test_empty_objects_are_objects(gateway: Gateway, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    found = s3.get_object(Bucket=bucket, Key="empty")
    assert (found["ContentLength"], found["Body"].read()) == (0, b"")
    target = f"/{bucket}/also"
    assert ask(gateway, sign(gateway, "PUT", target), b"", "Content-Length: 0").status == 200
    assert stored(gateway, target) == b""
