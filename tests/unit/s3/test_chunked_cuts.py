"""aws-chunked bodies may be cut anywhere on the way, and what is no body never passes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.chunked import CHUNK_BYTES_MIN, Chunked, Decoder, Seals
from gateway.s3.errors import S3Error
from tests.unit.s3.framing import (
    CRC32C,
    DATE,
    KEY,
    SCOPE,
    UT_TRAILER,
    drain,
    framed,
    s_decoder,
    st_decoder,
    ut_decoder,
)


def sealed(pieces: Sequence[bytes], trailer: bytes) -> tuple[bytes, str]:
    """A signed body built by hand, as the specification says; and its seed."""
    previous = seed = "1" * 64
    seals = []
    empty = hashlib.sha256().hexdigest()
    for piece in [*pieces, b""]:
        own = hashlib.sha256(piece).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", DATE, SCOPE, previous, empty, own])
        previous = hmac.new(KEY, text.encode(), "sha256").hexdigest()
        seals.append(previous)
    lines = hashlib.sha256(trailer + b"\n").hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", DATE, SCOPE, previous, lines])
    last = hmac.new(KEY, text.encode(), "sha256").hexdigest()
    block = trailer + b"\r\nx-amz-trailer-signature:" + last.encode() + b"\r\n"
    return framed(pieces, seals, block), seed


@st.composite
def bodies(draw: st.DrawFn) -> list[bytes]:
    full = draw(st.lists(st.integers(CHUNK_BYTES_MIN, CHUNK_BYTES_MIN + 50), max_size=3))
    last = draw(st.integers(1, 200))
    return [bytes([n % 256]) * size for n, size in enumerate([*full, last])]


def drain_at(body: bytes, into: Decoder, cuts: Sequence[int]) -> bytes:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    out = b""
    for start, end in pairwise(edges):
        out += b"".join(into.feed(body[start:end]))
    into.finish()
    return out


CUT_LISTS = st.lists(st.integers(0, 1 << 16), max_size=8)


@given(bodies(), CUT_LISTS)
def test_an_unsigned_body_may_be_cut_anywhere(pieces: list[bytes], cuts: list[int]) -> None:
    into = ut_decoder(sum(map(len, pieces)))
    assert drain_at(framed(pieces, trailer=UT_TRAILER), into, cuts) == b"".join(pieces)


@given(bodies(), CUT_LISTS)
def test_a_signed_body_may_be_cut_anywhere(pieces: list[bytes], cuts: list[int]) -> None:
    body, seed = sealed(pieces, b"x-amz-checksum-crc32c:AAAAAA==")
    into = Chunked(
        sum(map(len, pieces)), [CRC32C], Seals(KEY, DATE, SCOPE, seed), signed_trailer=True
    )
    assert drain_at(body, into, cuts) == b"".join(pieces)


@given(bodies(), st.integers(0, 1 << 16))
def test_a_truncated_body_never_passes(pieces: list[bytes], cut: int) -> None:
    body = framed(pieces, trailer=UT_TRAILER)
    into = ut_decoder(sum(map(len, pieces)))
    with pytest.raises(S3Error):
        drain(body[: cut % len(body)], into)


@given(st.binary(max_size=300), CUT_LISTS)
def test_garbage_makes_no_other_error(body: bytes, cuts: list[int]) -> None:
    for into in (ut_decoder(11), s_decoder(), st_decoder()):
        with pytest.raises(S3Error):
            drain_at(body, into, cuts)
