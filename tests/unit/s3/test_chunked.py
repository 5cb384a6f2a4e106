"""aws-chunked framing: AWS's own vectors, every way to break a body, any split of the bytes."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from gateway.digests import digest
from gateway.s3.chunked import (
    CHUNK_BYTES_MIN,
    TRAILER_BYTES_MAX,
    Chunked,
    Plain,
    decoder,
)
from gateway.s3.errors import S3Error
from gateway.s3.sigv4 import Payload
from tests.unit.s3.framing import (
    CONTENT,
    CRC32C,
    S_BODY,
    S_SEALS,
    S_SEED,
    ST_BODY,
    ST_SEALS,
    ST_TRAILER_SEAL,
    UT_BODY,
    UT_TRAILER,
    VECTOR,
    code_of,
    drain,
    framed,
    s_decoder,
    st_decoder,
    ut_decoder,
    verified,
)

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
