"""What a request carries after its head: an upload's bytes, or a small document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from gateway.digests import digest
from gateway.errors import BadDigest, CrossdockError, TooLarge
from gateway.model import EMPTY, Chunks
from gateway.s3.checksums import TRAILER, Claims, parse_claims
from gateway.s3.chunked import Decoder, decoder
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import S3Error
from gateway.s3.sigv4 import Payload
from gateway.s3.xml.parse import CONFIGURATION_BYTES_MAX

T = TypeVar("T")

INLINE_BYTES_MAX = 64 * 1024
"""Up to here a document is parsed in less time than a thread takes to begin."""


class Upload:
    """The model's Body over one request. The exchange computes every digest, once: a signed
    payload hash is one more claim (see `blamed`)."""

    def __init__(self, chunks: Chunks, frames: Decoder, claims: Claims, sha256: bytes) -> None:
        self._chunks = chunks
        self._frames = frames
        self._claims = claims
        self._values = dict(claims.values)
        if sha256 and self._values.setdefault("sha256", sha256) != sha256:
            raise BadDigest(algorithm="sha256")  # no content can have both
        self.size: int | None = None
        self.algorithms = claims.algorithms | self._values.keys()
        self.checksum = claims.algorithm

    @property
    def claims(self) -> Mapping[str, bytes]:
        return MappingProxyType(self._values)

    def __aiter__(self) -> Chunks:
        return self._content()

    async def _content(self) -> Chunks:
        async for data in self._chunks:
            for piece in self._frames.feed(data):
                yield piece
        self._frames.finish()
        if self._frames.trailers:
            self._values |= self._claims.complete(self._frames.trailers)


class _Capped:
    """A decoder whose content may not be longer than a limit, whatever was declared."""

    def __init__(self, inner: Decoder, bytes_max: int) -> None:
        self._inner = inner
        self._left = bytes_max

    @property
    def trailers(self) -> Mapping[str, str]:
        return self._inner.trailers

    def feed(self, data: bytes) -> list[bytes]:
        pieces = list(self._inner.feed(data))
        self._left -= sum(map(len, pieces))
        if self._left < 0:
            raise TooLarge
        return pieces

    def finish(self) -> None:
        self._inner.finish()


def upload(desk: Desk, request: Request) -> Upload:
    """The body of a request that writes an object or a part; not a byte is read yet.

    Raises MissingContentLength (411) where neither a length nor a framing says how long it is,
    EntityTooLarge, and InvalidRequest or InvalidDigest for malformed checksums.
    """
    size = declared_size(request)
    limit = desk.limits.body_bytes_max
    if size is not None and size > limit:
        raise TooLarge(size=size, limit=limit)
    claims = parse_claims(request.headers)
    # The exchange hashes the content anyway: the decoder needn't do it again.
    frames = decoder(request.verified._replace(content_sha256=""), size, claims.trailers)
    sha256 = bytes.fromhex(request.verified.content_sha256)
    body = Upload(request.wire.chunks(), _Capped(frames, limit), claims, sha256)
    body.size = size
    return body


def declared_size(request: Request) -> int | None:
    """The content's length as declared; None for a chunked transfer of unknown length."""
    framed = request.verified.payload.framed
    name = "x-amz-decoded-content-length" if framed else "content-length"
    text = request.headers.get(name, "").strip()
    if text.isascii() and text.isdecimal():
        return int(text[:20])
    if framed or "transfer-encoding" not in request.headers:
        raise S3Error("MissingContentLength")
    return None


async def parsed(
    desk: Desk,
    request: Request,
    read: Callable[[bytes], T],
    most: int,
    *,
    checksums: bool = True,
) -> T:
    """A document that may be long, read by `read`: off the event loop, if it is long. One client's
    megabytes of XML must not be what all others wait for."""
    content = await document(desk, request, most=most, checksums=checksums)
    if len(content) <= INLINE_BYTES_MAX:
        return read(content)
    return await asyncio.to_thread(read, content)


async def document(
    desk: Desk, request: Request, *, most: int = CONFIGURATION_BYTES_MAX, checksums: bool = True
) -> bytes:
    """The whole of a small body, with its hash, checksum and framing verified. Where the headers'
    `checksums` are those of something else, they are left alone; a trailer is the body's own.

    Raises MaxMessageLengthExceeded beyond `most` bytes or the limit on documents, BadDigest.
    """
    limit = min(most, desk.limits.document_bytes_max)
    told = request.headers
    if not checksums:
        told = {TRAILER: told[TRAILER]} if TRAILER in told else EMPTY
    claims = parse_claims(told)
    size = None
    if request.verified.payload.framed or "content-length" in request.headers:
        size = declared_size(request)
    frames = decoder(request.verified, size, claims.trailers)
    pieces: list[bytes] = []
    left = limit
    async for data in request.wire.chunks():
        for piece in frames.feed(data):
            left -= len(piece)
            pieces.append(piece)
        if left < 0:
            raise S3Error("MaxMessageLengthExceeded", f"The body is over {limit} bytes.")
    frames.finish()
    body = b"".join(pieces)
    for algorithm, claim in claims.complete(frames.trailers).items():
        if digest(algorithm, body) != claim:
            raise BadDigest(algorithm=algorithm)
    return body


def blamed(request: Request, error: CrossdockError) -> CrossdockError:
    """The error in the words of what the client claimed: a SHA-256 that came as the payload's
    signed hash has a code of its own."""
    hashed = request.verified.payload is Payload.HASHED
    as_checksum = "x-amz-checksum-sha256" in request.headers
    if error.details.get("algorithm") == "sha256" and hashed and not as_checksum:
        return S3Error("XAmzContentSHA256Mismatch")
    return error
