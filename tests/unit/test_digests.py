"""The algorithms agree with S3's published values, and CRCs combine."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.digests import ALGORITHMS, combine, composite, digest, hasher

OF_HELLO = {
    "crc32": "NhCmhg==",
    "crc32c": "mnG7TA==",
    "crc64nvme": "M3eFcAZSQlc=",
    "md5": "XUFAKrxLKna5cZ2REBfFkg==",
    "sha1": "qvTGHdzF6KLavt4PO0gs2a6pQ00=",
    "sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    "xxhash64": "JseCfYifbaM=",
    "xxhash3": "lVXoVVxi3P0=",
    "xxhash128": "tenBrQcbPn/Hec+qXlI4GA==",
}
CRCS = ["crc32", "crc32c", "crc64nvme"]


@pytest.mark.parametrize("name", OF_HELLO)
def test_published_values(name: str) -> None:
    assert b64encode(digest(name, b"hello")).decode() == OF_HELLO[name]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_sizes_and_any_split(name: str) -> None:
    whole = digest(name, b"hello world")
    assert len(whole) == ALGORITHMS[name].size
    split = hasher(name)
    for piece in (b"", b"hello", b" ", b"world"):
        split.update(piece)
    assert split.digest() == whole


@given(st.sampled_from(CRCS), st.binary(max_size=300), st.binary(max_size=300))
def test_crcs_of_two_pieces_combine(name: str, first: bytes, second: bytes) -> None:
    joined = combine(name, digest(name, first), digest(name, second), len(second))
    assert joined == digest(name, first + second)


@pytest.mark.parametrize("name", sorted(set(ALGORITHMS) - set(CRCS)))
def test_nothing_else_combines(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        combine(name, b"", b"", 0)


def test_a_composite_is_the_digest_of_the_digests() -> None:
    parts = [digest("sha256", b"a"), digest("sha256", b"b")]
    assert composite("sha256", parts) == digest("sha256", parts[0] + parts[1])


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        hasher("crc16")
