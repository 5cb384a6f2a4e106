"""aws-chunked framing: AWS's own vectors, every way to break a body, any split of the bytes."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.digests import digest
from gateway.s3.canonical import signing_key
from gateway.s3.chunked import (
    CHUNK_BYTES_MIN,
    TRAILER_BYTES_MAX,
    Chunked,
    Decoder,
    Plain,
    Seals,
    decoder,
)
from gateway.s3.errors import S3Error
from gateway.s3.sigv4 import Payload, Verified

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DATE, SCOPE = "20130524T000000Z", "20130524/us-east-1/s3/aws4_request"
KEY = signing_key(SECRET, "20130524", "us-east-1")
CONTENT = b"a" * 66560
CUTS = (65536, 66560)
CRC32C = "x-amz-checksum-crc32c"

S_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
S_SEALS = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
]
ST_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
ST_SEALS = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
]
ST_TRAILER_SEAL = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


@dataclass(frozen=True)
class Key:
    secret: str = SECRET


def verified(payload: Payload, seed: str = "", sha256: str = "") -> Verified[Key]:
    return Verified("AK", Key(), payload, sha256, False, seed, KEY, SCOPE, DATE)


def framed(pieces: Sequence[bytes], seals: Sequence[str] = (), trailer: bytes = b"") -> bytes:
    """The wire form of pieces and the last, empty chunk."""
    body = b""
    for at, piece in enumerate([*pieces, b""]):
        seal = b";chunk-signature=" + seals[at].encode() if seals else b""
        body += b"%x%b\r\n" % (len(piece), seal) + (piece + b"\r\n" if piece else b"")
    return body + trailer + b"\r\n"


def drain(body: bytes, into: Decoder, step: int = 1 << 20) -> bytes:
    out = b""
    for at in range(0, len(body), step):
        out += b"".join(into.feed(body[at : at + step]))
    into.finish()
    return out


def code_of(body: bytes, into: Decoder) -> str:
    with pytest.raises(S3Error) as caught:
        drain(body, into)
    return caught.value.code


VECTOR = [CONTENT[: CUTS[0]], CONTENT[CUTS[0] : CUTS[1]]]
S_BODY = framed(VECTOR, S_SEALS)
ST_TRAILER = f"{CRC32C}:sOO8/Q==\r\nx-amz-trailer-signature:{ST_TRAILER_SEAL}\r\n".encode()
ST_BODY = framed(VECTOR, ST_SEALS, ST_TRAILER)


def s_decoder(size: int = len(CONTENT)) -> Decoder:
    return decoder(verified(Payload.SIGNED_CHUNKS, S_SEED), size)


def st_decoder(size: int = len(CONTENT)) -> Decoder:
    return decoder(verified(Payload.SIGNED_CHUNKS_TRAILER, ST_SEED), size, [CRC32C])


def ut_decoder(size: int = 11, trailers: Sequence[str] = ("x-amz-checksum-crc32",)) -> Decoder:
    return decoder(verified(Payload.UNSIGNED_TRAILER), size, trailers)


UT_TRAILER = b"x-amz-checksum-crc32:DUoRhQ==\r\n"
UT_BODY = framed([b"hello world"], trailer=UT_TRAILER)


# --- vectors and good bodies ---------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, 8192, 65536, 1 << 20])
def test_awss_signed_chunks_are_accepted_in_any_pieces(step: int) -> None:
    assert drain(S_BODY, s_decoder(), step) == CONTENT


@pytest.mark.parametrize("step", [1, 7, 8192, 65536, 1 << 20])
def test_signed_chunks_with_a_signed_trailer_are_accepted(step: int) -> None:
    into = st_decoder()
    assert drain(ST_BODY, into, step) == CONTENT
    assert into.trailers == {CRC32C: "sOO8/Q=="}
    assert b64encode(digest("crc32c", CONTENT)) == b"sOO8/Q=="


def test_boto3s_unsigned_trailer_is_accepted() -> None:
    into = ut_decoder()
    assert drain(b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", into) == (
        b"hello world"
    )
    assert into.trailers == {"x-amz-checksum-crc32": "DUoRhQ=="}


def test_upper_case_hex_and_a_padded_trailer_are_accepted() -> None:
    into = ut_decoder()
    assert drain(b"B\r\nhello world\r\n0\r\nX-Amz-Checksum-CRC32: DUoRhQ== \r\n\r\n", into)
    assert into.trailers == {"x-amz-checksum-crc32": "DUoRhQ=="}


def test_an_unsigned_trailer_mode_needs_no_trailer() -> None:
    assert drain(framed([b"hello world"]), ut_decoder(trailers=())) == b"hello world"


def test_an_empty_framed_body_is_accepted() -> None:
    assert drain(b"0\r\n\r\n", ut_decoder(0, ())) == b""


def test_a_chunk_may_be_larger_than_16_mib() -> None:
    big = bytes(17 * 1024**2)
    into = ut_decoder(len(big), ())
    assert sum(map(len, into.feed(framed([big])))) == len(big)
    into.finish()


def test_a_piece_within_a_chunk_is_passed_on_as_it_is() -> None:
    into = ut_decoder(1 << 20, ())
    into.feed(b"100000\r\n")
    piece = bytes(65536)
    assert into.feed(piece)[0] is piece


# --- broken framing ------------------------------------------------------------------------------

BROKEN = {
    "no size": b"\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size not hex": b"g\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size negative": b"-b\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size signed": b"+b\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size prefixed": b"0xb\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size underscored": b"0_b\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size padded": b" b\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size huge": b"f" * 17 + b"\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size line long": b"b;" + b"x" * 1100 + b"\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "size line endless": b"0" * 5000,
    "extension": b"b;name=value\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "signature unasked": framed([b"hello world"], S_SEALS),
    "bare line feed after size": b"b\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "bare line feed after data": b"b\r\nhello world\n0\r\n" + UT_TRAILER + b"\r\n",
    "bare line feed in trailer": b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\n\r\n",
    "no line end after data": b"b\r\nhello world0\r\n" + UT_TRAILER + b"\r\n",
    "data too long": b"a\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "data too short": b"c\r\nhello world\r\n0\r\n" + UT_TRAILER + b"\r\n",
    "no last chunk": b"b\r\nhello world\r\n",
    "cut in data": UT_BODY[:8],
    "cut after last chunk": b"b\r\nhello world\r\n0\r\n",
    "no last line end": UT_BODY[:-2],
    "half of the last line end": UT_BODY[:-1],
    "bytes after the end": UT_BODY + b"x",
    "a second body after the end": UT_BODY + UT_BODY,
    "nothing": b"",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_framing_is_an_incomplete_body(name: str) -> None:
    assert code_of(BROKEN[name], ut_decoder()) == "IncompleteBody"


@pytest.mark.parametrize("declared", [0, 10, 12, 1 << 40])
def test_a_length_that_lies_is_an_incomplete_body(declared: int) -> None:
    assert code_of(UT_BODY, ut_decoder(declared)) == "IncompleteBody"


def test_a_body_that_runs_over_is_stopped_at_once() -> None:
    into = ut_decoder(10)
    with pytest.raises(S3Error, match="longer than 10"):
        into.feed(b"fffffff\r\n" + b"x" * 11)


@pytest.mark.parametrize("start", [b"", b"0\r\n"])
def test_an_endless_line_is_stopped_before_it_is_all_kept(start: bytes) -> None:
    into = ut_decoder()
    into.feed(start)
    many = (into.feed(b"0" * 100) for _ in range(3 * TRAILER_BYTES_MAX // 100))
    with pytest.raises(S3Error):
        list(many)


def test_a_framed_body_needs_its_decoded_length() -> None:
    with pytest.raises(S3Error) as caught:
        Chunked(None)
    assert (caught.value.code, caught.value.status) == ("MissingContentLength", 411)


def test_only_the_last_chunk_may_be_small() -> None:
    small = bytes(CHUNK_BYTES_MIN - 1)
    into = ut_decoder(len(small) + 1, ())
    with pytest.raises(S3Error) as caught:
        drain(framed([small, b"x"]), into)
    assert caught.value.code == "InvalidChunkSizeError"
    assert caught.value.fields == {"Chunk": "1", "BadChunkSize": "8191"}
    just = bytes(CHUNK_BYTES_MIN)
    assert drain(framed([just, just, b"x"]), ut_decoder(2 * len(just) + 1, ()))


# --- trailers ------------------------------------------------------------------------------------

BAD_TRAILERS = {
    "absent": b"",
    "another": b"x-amz-checksum-sha1:AAAA\r\n",
    "one more": UT_TRAILER + b"x-amz-meta-a:1\r\n",
    "twice": UT_TRAILER + UT_TRAILER,
    "no colon": b"x-amz-checksum-crc32\r\n",
    "no name": b":DUoRhQ==\r\n",
    "odd name": b"x amz:1\r\n",
    "too much": b"".join(b"x-%d:%b\r\n" % (n, b"v" * 900) for n in range(20)),
    "one endless line": b"x-amz-checksum-crc32:" + b"A" * TRAILER_BYTES_MAX + b"\r\n",
}


@pytest.mark.parametrize("name", BAD_TRAILERS)
def test_a_trailer_that_is_not_the_one_announced_is_malformed(name: str) -> None:
    body = framed([b"hello world"], trailer=BAD_TRAILERS[name])
    assert code_of(body, ut_decoder()) == "MalformedTrailerError"


@pytest.mark.parametrize("payload", [Payload.UNSIGNED_TRAILER, Payload.SIGNED_CHUNKS])
def test_a_trailer_that_nobody_announced_is_malformed(payload: Payload) -> None:
    seals = S_SEALS if payload is Payload.SIGNED_CHUNKS else ()
    body = framed(VECTOR, seals, UT_TRAILER)
    into = decoder(verified(payload, S_SEED), len(CONTENT))
    assert code_of(body, into) == "MalformedTrailerError"


@pytest.mark.parametrize("payload", [Payload.HASHED, Payload.UNSIGNED])
def test_a_body_without_frames_can_not_have_a_trailer(payload: Payload) -> None:
    with pytest.raises(S3Error) as caught:
        decoder(verified(payload), 5, [CRC32C])
    assert caught.value.code == "MalformedTrailerError"


# --- signatures ----------------------------------------------------------------------------------


def test_a_changed_byte_breaks_its_chunks_signature() -> None:
    assert code_of(S_BODY.replace(b"aaaa\r\n", b"aaab\r\n", 1), s_decoder()) == (
        "SignatureDoesNotMatch"
    )


@pytest.mark.parametrize("at", [0, 1, 2])
def test_each_chunk_signature_counts(at: int) -> None:
    seals = [*S_SEALS]
    seals[at] = "0" * 64
    assert code_of(framed(VECTOR, seals), s_decoder()) == "SignatureDoesNotMatch"


def test_chunks_can_not_be_swapped_dropped_or_repeated() -> None:
    half = len(CONTENT) // 2
    pieces = [CONTENT[:half], CONTENT[half:]]
    for kept, seals in (
        (VECTOR[::-1], [S_SEALS[1], S_SEALS[0], S_SEALS[2]]),
        (VECTOR[:1], [S_SEALS[0], S_SEALS[2]]),
        ([VECTOR[0], VECTOR[0]], [S_SEALS[0], S_SEALS[0], S_SEALS[2]]),
        (pieces, S_SEALS),
    ):
        into = s_decoder(sum(map(len, kept)))
        assert code_of(framed(kept, seals), into) == "SignatureDoesNotMatch"


def test_another_seed_refuses_the_first_chunk() -> None:
    into = decoder(verified(Payload.SIGNED_CHUNKS, "0" * 64), len(CONTENT))
    assert code_of(S_BODY, into) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("body", [framed(VECTOR), S_BODY.replace(b";chunk-signature=", b";x=")])
def test_a_signed_body_must_sign_every_chunk(body: bytes) -> None:
    assert code_of(body, s_decoder()) == "IncompleteBody"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sOO8/Q==", b"sOO8/A==", "SignatureDoesNotMatch"),
        (ST_TRAILER_SEAL.encode(), b"0" * 64, "SignatureDoesNotMatch"),
        (ST_TRAILER_SEAL.encode(), b"", "SignatureDoesNotMatch"),
        (b"x-amz-trailer-signature", b"x-amz-trailer-signatur", "MalformedTrailerError"),
        (f"{CRC32C}:sOO8/Q==\r\n".encode(), b"", "SignatureDoesNotMatch"),
    ],
)
def test_a_signed_trailer_is_held_to_its_signature(old: bytes, new: bytes, code: str) -> None:
    assert code_of(ST_BODY.replace(old, new), st_decoder()) == code


def test_a_signed_trailer_must_come() -> None:
    assert code_of(framed(VECTOR, ST_SEALS), st_decoder()) == "MalformedTrailerError"


# --- plain bodies --------------------------------------------------------------------------------


def test_a_hashed_body_is_held_to_its_hash() -> None:
    sha256 = hashlib.sha256(b"hello").hexdigest()
    assert drain(b"hello", Plain(5, sha256), 2) == b"hello"
    assert code_of(b"hellO", Plain(5, sha256)) == "XAmzContentSHA256Mismatch"
    assert code_of(b"", Plain(None, sha256)) == "XAmzContentSHA256Mismatch"
    into = decoder(verified(Payload.HASHED, sha256=sha256), 5)
    assert code_of(b"jello", into) == "XAmzContentSHA256Mismatch"


def test_a_plain_body_is_held_to_its_length() -> None:
    assert drain(b"hello", Plain(5)) == b"hello"
    assert drain(b"hello", Plain(None)) == b"hello"
    assert code_of(b"hell", Plain(5)) == "IncompleteBody"
    assert code_of(b"hello!", Plain(5)) == "IncompleteBody"


# --- any split -----------------------------------------------------------------------------------


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
