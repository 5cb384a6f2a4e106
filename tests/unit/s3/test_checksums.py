"""Checksum claims are read from headers and trailers with S3's rules."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from gateway.digests import ALGORITHMS, digest
from gateway.s3.checksums import (
    COMPOSITE,
    FULL_OBJECT,
    object_claim,
    parse_claims,
    spell,
    spell_composite,
    upload_type,
)
from gateway.s3.errors import S3Error

CRC32 = "NhCmhg=="  # of hello
MD5 = "XUFAKrxLKna5cZ2REBfFkg=="


def code_of(headers: dict[str, str]) -> str:
    with pytest.raises(S3Error) as caught:
        parse_claims(headers)
    return caught.value.code


def test_no_claim_computes_the_default() -> None:
    claims = parse_claims({"content-type": "a", "x-amz-checksum-mode": "ENABLED"})
    assert (claims.algorithm, claims.values, claims.trailers) == ("", {}, ())
    assert claims.algorithms == {"crc64nvme"}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_header_claims_its_algorithm(name: str) -> None:
    value = digest(name, b"hello")
    headers = {f"x-amz-checksum-{name}": spell(value), "x-amz-sdk-checksum-algorithm": name.upper()}
    claims = parse_claims(headers)
    assert (claims.algorithm, claims.values) == (name, {name: value})
    assert claims.algorithms == {name}


def test_content_md5_is_claimed_beside_a_checksum() -> None:
    claims = parse_claims({"content-md5": MD5, "x-amz-checksum-crc32": CRC32})
    assert claims.algorithms == {"md5", "crc32"}
    assert claims.values["md5"] == hashlib.md5(b"hello").digest()
    assert claims.algorithm == "crc32"


def test_content_md5_alone_keeps_the_default() -> None:
    claims = parse_claims({"content-md5": MD5})
    assert claims.algorithm == ""
    assert claims.algorithms == {"md5", "crc64nvme"}


def test_a_trailer_completes_the_claims() -> None:
    claims = parse_claims(
        {"x-amz-trailer": "X-Amz-Checksum-CRC32", "x-amz-sdk-checksum-algorithm": "CRC32"}
    )
    assert claims.trailers == ("x-amz-checksum-crc32",)
    assert claims.algorithms == {"crc32"}
    assert claims.values == {}
    assert claims.complete({"x-amz-checksum-crc32": CRC32}) == {"crc32": digest("crc32", b"hello")}


def test_a_named_algorithm_without_a_value_is_computed() -> None:
    assert parse_claims({"x-amz-checksum-algorithm": "SHA256"}).algorithms == {"sha256"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-checksum-crc32": CRC32, "x-amz-checksum-sha1": "AAAA"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "NhCmhg"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "!!!!"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": ""}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "é"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": MD5}, "InvalidRequest"),
        ({"x-amz-checksum-crc16": CRC32}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": CRC32, "x-amz-sdk-checksum-algorithm": "SHA1"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": CRC32, "x-amz-trailer": "x-amz-checksum-md5"}, "InvalidRequest"),
        ({"x-amz-trailer": "x-amz-checksum-crc32,x-amz-checksum-sha1"}, "InvalidRequest"),
        ({"x-amz-trailer": "x-amz-meta-a"}, "InvalidRequest"),
        ({"x-amz-trailer": "x-amz-checksum-mode"}, "InvalidRequest"),
        (
            {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm": "CRC32C"},
            "InvalidRequest",
        ),
        ({"x-amz-sdk-checksum-algorithm": "ROT13"}, "InvalidRequest"),
        (
            {"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-algorithm": "SHA256"},
            "InvalidRequest",
        ),
        ({"content-md5": "XUFAKrxLKna5cZ2REBfFkg"}, "InvalidDigest"),
        ({"content-md5": ""}, "InvalidDigest"),
        ({"content-md5": CRC32}, "InvalidDigest"),
        ({"content-md5": MD5, "x-amz-checksum-md5": "A" * 22 + "=="}, "BadDigest"),
    ],
)  # fmt: skip
def test_claims_that_s3_refuses(headers: dict[str, str], code: str) -> None:
    assert code_of(headers) == code


def test_a_malformed_trailer_value_is_an_invalid_request() -> None:
    claims = parse_claims({"x-amz-trailer": "x-amz-checksum-crc32"})
    with pytest.raises(S3Error) as caught:
        claims.complete({"x-amz-checksum-crc32": "AAAA"})
    assert caught.value.code == "InvalidRequest"


def test_a_composite_value_ends_in_the_count() -> None:
    parts = [digest("sha256", b"a"), digest("sha256", b"b")]
    expected = b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()
    assert spell_composite("sha256", parts) == f"{expected}-2"


@pytest.mark.parametrize(
    ("algorithm", "asked", "kind"),
    [
        ("crc32", "", COMPOSITE),
        ("crc32", "FULL_OBJECT", FULL_OBJECT),
        ("crc32c", "COMPOSITE", COMPOSITE),
        ("crc64nvme", "", FULL_OBJECT),
        ("crc64nvme", "full_object", FULL_OBJECT),
        ("sha256", "", COMPOSITE),
    ],
)
def test_types_that_s3_has(algorithm: str, asked: str, kind: str) -> None:
    assert upload_type(algorithm, asked) == kind


@pytest.mark.parametrize(
    ("algorithm", "asked"),
    [
        ("sha1", "FULL_OBJECT"),
        ("sha256", "FULL_OBJECT"),
        ("crc64nvme", "COMPOSITE"),
        ("crc32", "HALF"),
        ("", "FULL_OBJECT"),
    ],
)
def test_types_that_s3_does_not_have(algorithm: str, asked: str) -> None:
    with pytest.raises(S3Error, match="checksum type"):
        upload_type(algorithm, asked)


def test_the_claim_of_a_whole_upload() -> None:
    assert object_claim({}) == ("", "")
    assert object_claim({"x-amz-checksum-crc32": CRC32}) == ("crc32", CRC32)
    assert object_claim({"x-amz-checksum-crc32": f"{CRC32}-3"}) == ("crc32", f"{CRC32}-3")
    for bad in (f"{CRC32}-", f"{CRC32}-x", "x-3", f"{CRC32}-²"):
        with pytest.raises(S3Error):
            object_claim({"x-amz-checksum-crc32": bad})
