"""Chunked bodies against botocore: it signs head, chunks and trailer; we read what it signed.

With the header and presigned requests of `test_sigv4` these are 10,000 random requests that must
all be accepted, and with its mutations more than 60 kinds of damage, 1,000 of each, that must all
be refused with AWS's code.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest
from botocore.awsrequest import AWSRequest
from botocore.httpchecksum import CrtCrc32cChecksum

from gateway.s3.canonical import RequestHead
from gateway.s3.chunked import CHUNK_BYTES_MIN, decoder
from gateway.s3.errors import S3Error
from gateway.s3.sigv4 import Payload
from tests.unit.s3.framing import framed
from tests.unit.s3.mutations import MISMATCH
from tests.unit.s3.signing import ModeAuth, check, head_of, random_request, signed_at

REQUESTS = 2500  # of each of the two kinds
DAMAGED_REQUESTS = 1000
POOL = random.Random(0).randbytes(1 << 20)
NAME = "x-amz-checksum-crc32c"
S, ST, UT = Payload.SIGNED_CHUNKS, Payload.SIGNED_CHUNKS_TRAILER, Payload.UNSIGNED_TRAILER
EMPTY = hashlib.sha256().hexdigest()


@dataclass(frozen=True)
class Sent:
    """A request with its body in parts, to be damaged before it is framed."""

    head: RequestHead
    mode: Payload
    pieces: tuple[bytes, ...]
    seals: tuple[str, ...]  # of each piece, and of the last, empty one
    trailer: tuple[str, ...]  # its lines
    declared: int

    @property
    def body(self) -> bytes:
        lines = "".join(f"{line}\r\n" for line in self.trailer)
        return framed(self.pieces, self.seals, lines.encode())


class Signer(ModeAuth):
    """botocore signs any text with the key of a request that it has signed."""

    def __init__(self, request: AWSRequest, mode: Payload) -> None:
        super().__init__(mode.value)
        self._request = request
        self.add_auth(request)
        self.previous = str(request.headers["Authorization"].rpartition("=")[2])

    def seal(self, kind: str, rest: str) -> str:
        date = self._request.context["timestamp"]
        scope = self.credential_scope(self._request)
        text = f"AWS4-HMAC-SHA256-{kind}\n{date}\n{scope}\n{self.previous}\n{rest}"
        self.previous = str(self.signature(text, self._request))
        return self.previous


def send(rng: random.Random, mode: Payload) -> Sent:
    pieces = [_piece(rng, rng.randint(CHUNK_BYTES_MIN, 9000)) for _ in range(rng.randint(0, 2))]
    pieces.append(_piece(rng, rng.randint(1, 3000)))
    request = random_request(rng, "PUT")
    declared = sum(map(len, pieces))
    request.headers["X-Amz-Decoded-Content-Length"] = str(declared)
    if mode is not S:
        request.headers["X-Amz-Trailer"] = NAME
    signer = Signer(request, mode)
    seals = [
        signer.seal("PAYLOAD", f"{EMPTY}\n{hashlib.sha256(piece).hexdigest()}")
        for piece in ([*pieces, b""] if mode is not UT else ())
    ]
    trailer = [] if mode is S else [f"{NAME}:{crc32c(b''.join(pieces))}"]
    if mode is ST:
        lines = hashlib.sha256(f"{trailer[0]}\n".encode()).hexdigest()
        trailer.append(f"x-amz-trailer-signature:{signer.seal('TRAILER', lines)}")
    return Sent(head_of(request), mode, (*pieces,), (*seals,), (*trailer,), declared)


def _piece(rng: random.Random, size: int) -> bytes:
    at = rng.randrange(len(POOL) - size)
    return POOL[at : at + size]


def crc32c(content: bytes) -> str:
    made = CrtCrc32cChecksum()
    made.update(content)
    return base64.b64encode(made.digest()).decode()


def read(sent: Sent, body: bytes, rng: random.Random) -> bytes:
    """The content, fed in pieces of any size."""
    verified = check(sent.head, signed_at(sent.head))
    assert verified.payload is sent.mode
    into = decoder(verified, sent.declared, () if sent.mode is S else [NAME])
    content = b""
    while body:
        cut = rng.choice((1, 100, 5000, 1 << 20))
        content += b"".join(into.feed(body[:cut]))
        body = body[cut:]
    into.finish()
    assert set(into.trailers) == (set() if sent.mode is S else {NAME})
    return content


@pytest.mark.parametrize("modes", [(S,), (ST, UT)], ids=["chunked", "trailer"])
def test_random_chunked_requests_are_read_as_they_were_signed(modes: Sequence[Payload]) -> None:
    rng = random.Random(11)
    for at in range(REQUESTS):
        sent = send(rng, modes[at % len(modes)])
        assert read(sent, sent.body, rng) == b"".join(sent.pieces)


# --- damage ------------------------------------------------------------------------------------

Damage = Callable[[Sent], Sent | bytes]
INCOMPLETE, TRAILER = "IncompleteBody", "MalformedTrailerError"


def flipped(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def other_byte(sent: Sent) -> Sent:
    last = sent.pieces[-1]
    spoilt = last[:-1] + bytes([last[-1] ^ 1])
    return replace(sent, pieces=(*sent.pieces[:-1], spoilt))


def other_first_byte(sent: Sent) -> Sent:
    first = sent.pieces[0]
    return replace(sent, pieces=(bytes([first[0] ^ 1]) + first[1:], *sent.pieces[1:]))


def seal_at(at: int) -> Damage:
    def damage(sent: Sent) -> Sent:
        seals = [*sent.seals]
        seals[at] = flipped(seals[at])
        return replace(sent, seals=(*seals,))

    return damage


def cut(by: int) -> Damage:
    return lambda sent: sent.body[:-by]


def without_last_chunk(sent: Sent) -> bytes:
    return sent.body[: sent.body.rindex(b"\r\n0;chunk-signature=") + 2]


def repeated(sent: Sent) -> Sent:
    """Only the last chunk may be so small."""
    pieces, seals = sent.pieces, sent.seals
    return replace(sent, pieces=(*pieces, pieces[-1]), seals=(*seals[:-1], *seals[-2:]))


def less_the_first(sent: Sent) -> Sent:
    pieces = sent.pieces[1:]
    return replace(sent, pieces=pieces, seals=sent.seals[1:], declared=sum(map(len, pieces)))


def split(sent: Sent) -> Sent:
    """The same content in other chunks."""
    last = sent.pieces[-1]
    pieces = (*sent.pieces[:-1], last[:1], last[1:]) if len(last) > 1 else (*sent.pieces, last)
    return replace(sent, pieces=pieces, seals=(*sent.seals[:-1], sent.seals[-2], sent.seals[-1]))


def from_another(sent: Sent) -> Sent:
    """The body of another request, signed by the same key."""
    other = another(sent.mode)
    return replace(other, head=sent.head)


@cache
def another(mode: Payload) -> Sent:
    return send(random.Random(99), mode)


def replaced(old: bytes, new: bytes) -> Damage:
    def damage(sent: Sent) -> bytes:
        assert old in sent.body
        return sent.body.replace(old, new, 1)

    return damage


def declared(more: int) -> Damage:
    return lambda sent: replace(sent, declared=sent.declared + more)


def trailer(*lines: str) -> Damage:
    return lambda sent: replace(sent, trailer=lines)


def trailer_line(at: int, change: Callable[[str], str]) -> Damage:
    def damage(sent: Sent) -> Sent:
        lines = [*sent.trailer]
        lines[at] = change(lines[at])
        return replace(sent, trailer=(*lines,))

    return damage


def with_line(line: str) -> Damage:
    return lambda sent: replace(sent, trailer=(*sent.trailer, line))


DAMAGE: dict[str, tuple[Payload, str, Damage]] = {
    "last byte": (S, MISMATCH, other_byte),
    "first byte": (S, MISMATCH, other_first_byte),
    "first seal": (S, MISMATCH, seal_at(0)),
    "last seal": (S, MISMATCH, seal_at(-1)),
    "seal too long": (S, INCOMPLETE, replaced(b"chunk-signature=", b"chunk-signature=A")),
    "seal missing": (S, INCOMPLETE, replaced(b";chunk-signature=", b";chunk-nothing=")),
    "chunk repeated": (S, "InvalidChunkSizeError", repeated),
    "chunk left out": (S, MISMATCH, less_the_first),
    "chunk split": (S, MISMATCH, split),
    "another's body": (S, MISMATCH, from_another),
    "last chunk left out": (S, INCOMPLETE, without_last_chunk),
    "end cut by one": (S, INCOMPLETE, cut(1)),
    "end cut by many": (S, INCOMPLETE, cut(40)),
    "bytes after the end": (S, INCOMPLETE, lambda sent: sent.body + b"\r\n"),
    "bare line feed": (S, INCOMPLETE, replaced(b"\r\n", b"\n")),
    "size in words": (S, INCOMPLETE, lambda sent: b"x" + sent.body),
    "declared one more": (S, INCOMPLETE, declared(1)),
    "declared one less": (S, INCOMPLETE, declared(-1)),
    "unsigned framing": (S, INCOMPLETE, lambda sent: framed(sent.pieces)),
    "a trailer nobody named": (S, TRAILER, trailer(f"{NAME}:AAAAAA==")),
    "signed trailer's value": (ST, MISMATCH, trailer_line(0, lambda _: f"{NAME}:AAAAAA==")),
    "trailer's seal": (ST, MISMATCH, trailer_line(1, flipped)),
    "trailer's seal missing": (ST, TRAILER, lambda s: replace(s, trailer=s.trailer[:1])),
    "signed trailer missing": (ST, TRAILER, trailer()),
    "signed trailer's byte": (ST, MISMATCH, other_byte),
    "signed trailer's last seal": (ST, MISMATCH, seal_at(-1)),
    "another's body and trailer": (ST, MISMATCH, from_another),
    "a line more in the signed trailer": (ST, MISMATCH, with_line("x-amz-meta-a:1")),
    "trailer without a colon": (UT, TRAILER, trailer_line(0, lambda _: "nothing")),
    "trailer missing": (UT, TRAILER, trailer()),
    "trailer twice": (UT, TRAILER, lambda s: replace(s, trailer=s.trailer * 2)),
    "another trailer": (UT, TRAILER, trailer("x-amz-checksum-sha256:AAAA")),
    "a line more in the trailer": (UT, TRAILER, with_line("x-amz-meta-a:1")),
    "trailer cut": (UT, INCOMPLETE, cut(2)),
    "signed framing": (UT, INCOMPLETE, replaced(b"\r\n", b";chunk-signature=" + b"0" * 64)),
    "unsigned declared less": (UT, INCOMPLETE, declared(-1)),
    "unsigned declared more": (UT, INCOMPLETE, declared(1)),
}


@cache
def whole(mode: Payload) -> Sequence[Sent]:
    """Made once: each of them is accepted as it is."""
    rng = random.Random(12)
    found = [send(rng, mode) for _ in range(DAMAGED_REQUESTS)]
    assert all(read(sent, sent.body, rng) for sent in found)
    return found


def outcome(sent: Sent, damage: Damage, rng: random.Random) -> str:
    spoilt = damage(sent)
    try:
        if isinstance(spoilt, bytes):
            read(sent, spoilt, rng)
        else:
            read(spoilt, spoilt.body, rng)
    except S3Error as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_body_is_refused(name: str) -> None:
    mode, code, damage = DAMAGE[name]
    rng = random.Random(13)
    codes = Counter(outcome(sent, damage, rng) for sent in whole(mode))
    assert codes == {code: DAMAGED_REQUESTS}
