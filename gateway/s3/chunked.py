"""A request body's bytes out of its framing: the five payload modes, fed in pieces of any size.

The framing is AWS's aws-chunked (Signature Version 4, chunked upload): `<hex>[;chunk-signature=
<64 hex>]CRLF data CRLF … 0[;…]CRLF [name:value CRLF …] CRLF`. What is fed may already be passed
on before its signature is checked: nothing counts until `finish` has returned.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from gateway.model import EMPTY
from gateway.s3.canonical import ALGORITHM, sign
from gateway.s3.errors import S3Error
from gateway.s3.sigv4 import Credential, Payload, Verified, mismatch

SIZE_LINE_BYTES_MAX = 1024
TRAILER_BYTES_MAX = 16 * 1024
CHUNK_BYTES_MIN = 8192
"""Every data chunk but the last is at least this long."""

_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER_NAME = re.compile(r"[a-z0-9-]+")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"
_EMPTY_SHA256 = hashlib.sha256().hexdigest()


class Decoder(Protocol):
    """Sans-IO: `feed` bytes as they arrive and take the content's pieces; `finish` at the end.

    Both raise S3Error. `trailers` holds the trailing headers (lower-case names) after `finish`.
    """

    @property
    def trailers(self) -> Mapping[str, str]: ...
    def feed(self, data: bytes) -> Sequence[bytes]: ...
    def finish(self) -> None: ...


def decoder(
    verified: Verified[Credential], size: int | None, trailers: Sequence[str] = ()
) -> Decoder:
    """The decoder of a verified request's body.

    `size` is the content's declared length in bytes (x-amz-decoded-content-length for a framed
    body, else Content-Length, None if there is none); `trailers` are the names in x-amz-trailer.
    """
    payload = verified.payload
    if not payload.framed:
        if trailers:
            raise S3Error("MalformedTrailerError", "Only a chunked payload can have a trailer.")
        return Plain(size, verified.content_sha256)
    seals = None
    if payload is not Payload.UNSIGNED_TRAILER:
        chain = (verified.signing_key, verified.date, verified.scope, verified.signature)
        seals = Seals(*chain, verified.access_key)
    signed_trailer = payload is Payload.SIGNED_CHUNKS_TRAILER
    return Chunked(size, trailers, seals, signed_trailer=signed_trailer)


class Plain:
    """A body without framing; its SHA-256 is checked where the client claimed one."""

    trailers: Mapping[str, str] = EMPTY

    def __init__(self, size: int | None, sha256: str = "") -> None:
        self._length = _Length(size)
        self._claimed = sha256
        self._hash = hashlib.sha256()

    def feed(self, data: bytes) -> Sequence[bytes]:
        self._length.add(len(data))
        if self._claimed:
            self._hash.update(data)
        return (data,) if data else ()

    def finish(self) -> None:
        self._length.check()
        computed = self._hash.hexdigest()
        if self._claimed and computed != self._claimed:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                ClientComputedContentSHA256=self._claimed,
                S3ComputedContentSHA256=computed,
            )


class _Length:
    """Counts content bytes against the declared length, if there is one."""

    def __init__(self, declared: int | None) -> None:
        self._declared = declared
        self._received = 0

    def add(self, count: int) -> None:
        self._received += count
        if self._declared is not None and self._received > self._declared:
            raise S3Error("IncompleteBody", f"The body is longer than {self._declared} bytes.")

    def check(self) -> None:
        if self._declared is not None and self._received != self._declared:
            raise S3Error(
                "IncompleteBody",
                f"The body has {self._received} bytes of {self._declared} declared.",
            )


class Seals:
    """The chain of chunk signatures: each one covers its data and the signature before it."""

    def __init__(self, key: bytes, date: str, scope: str, seed: str, access_key: str = "") -> None:
        self._key = key
        self._access_key = access_key
        self._context = f"{date}\n{scope}"
        self._previous = seed

    def check_chunk(self, signature: str, sha256: str) -> None:
        self._check("PAYLOAD", signature, f"{_EMPTY_SHA256}\n{sha256}")

    def check_trailer(self, signature: str, lines: bytes) -> None:
        self._check("TRAILER", signature, hashlib.sha256(lines).hexdigest())

    def _check(self, kind: str, signature: str, rest: str) -> None:
        text = f"{ALGORITHM}-{kind}\n{self._context}\n{self._previous}\n{rest}"
        if not hmac.compare_digest(sign(self._key, text), signature):
            raise mismatch(self._access_key, text.encode(), signature)
        self._previous = signature


class _State(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILER = enum.auto()
    DONE = enum.auto()


class Chunked:
    """aws-chunked framing, with or without chunk signatures and trailing headers."""

    def __init__(
        self,
        size: int | None,
        trailers: Sequence[str] = (),
        seals: Seals | None = None,
        *,
        signed_trailer: bool = False,
    ) -> None:
        if size is None:
            raise S3Error("MissingContentLength", "x-amz-decoded-content-length is missing.")
        self.trailers: Mapping[str, str] = EMPTY
        self._length = _Length(size)
        self._announced = trailers
        self._seals = seals
        self._signed_trailer = signed_trailer
        self._state = _State.SIZE
        self._buffer = b""  # an unfinished line
        self._left = 0  # bytes of the current chunk still to come
        self._chunks = 0
        self._chunk_size = CHUNK_BYTES_MIN
        self._signature = ""
        self._hash = hashlib.sha256()
        self._lines: list[bytes] = []
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> Sequence[bytes]:
        pieces: list[bytes] = []
        at = 0
        while at < len(data):
            if self._state is _State.DATA:
                at = self._take_data(data, at, pieces)
            elif self._state is _State.DONE:
                raise _incomplete("there are bytes after the last chunk")
            else:
                at = self._take_line(data, at)
        return pieces

    def finish(self) -> None:
        if self._state is not _State.DONE:
            raise _incomplete("it ends before the last chunk and its line end")
        self._length.check()

    def _take_data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        end = min(at + self._left, len(data))
        piece = data if end - at == len(data) else data[at:end]
        if self._seals is not None:
            self._hash.update(piece)
        self._length.add(len(piece))
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._check_chunk()
            self._state = _State.DATA_END
        return end

    def _take_line(self, data: bytes, at: int) -> int:
        """Collect one line; `\\r\\n` alone ends it, and it may be cut anywhere."""
        end = data.find(b"\n", at)
        if end < 0:
            self._buffer += data[at:]
            self._check_limit(len(self._buffer))
            return len(data)
        line = self._buffer + data[at:end]
        self._buffer = b""
        self._check_limit(len(line))
        if not line.endswith(b"\r"):
            raise _incomplete("a line of its framing does not end in CRLF")
        self._steps[self._state](self, line[:-1])
        return end + 1

    def _check_limit(self, line_bytes: int) -> None:
        if self._state is not _State.TRAILER and line_bytes > SIZE_LINE_BYTES_MAX:
            raise _incomplete(f"a chunk's size line is over {SIZE_LINE_BYTES_MAX} bytes")
        if self._trailer_bytes + line_bytes > TRAILER_BYTES_MAX:
            raise S3Error("MalformedTrailerError", f"It is over {TRAILER_BYTES_MAX} bytes.")

    def _on_size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None or (match[2] is None) is not (self._seals is None):
            raise _incomplete("a chunk's size line is malformed")
        size = int(match[1], 16)
        if size and self._chunk_size < CHUNK_BYTES_MIN:
            raise S3Error(
                "InvalidChunkSizeError",
                Chunk=str(self._chunks),
                BadChunkSize=str(self._chunk_size),
            )
        self._chunks += 1
        self._left = self._chunk_size = size
        self._signature = (match[2] or b"").decode()
        self._state = _State.DATA
        if not size:
            self._check_chunk()
            self._state = _State.TRAILER

    def _check_chunk(self) -> None:
        if self._seals is not None:
            self._seals.check_chunk(self._signature, self._hash.hexdigest())
            self._hash = hashlib.sha256()

    def _on_data_end(self, line: bytes) -> None:
        if line:
            raise _incomplete("a chunk's data is longer than its size line says")
        self._state = _State.SIZE

    def _on_trailer(self, line: bytes) -> None:
        if line:
            self._trailer_bytes += len(line)
            self._lines.append(line)
            return
        self.trailers = self._read_trailers()
        self._state = _State.DONE

    def _read_trailers(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for line in self._lines:
            name, colon, value = line.decode("latin-1").partition(":")
            name = name.strip().lower()
            if not colon or name in found or _TRAILER_NAME.fullmatch(name) is None:
                raise S3Error("MalformedTrailerError", "A line of it is not `name:value`.")
            found[name] = value.strip()
        if self._signed_trailer and self._seals is not None:
            signature = found.pop(_TRAILER_SIGNATURE, None)
            if signature is None:
                raise S3Error("MalformedTrailerError", f"{_TRAILER_SIGNATURE} is missing.")
            lines = "".join(f"{name}:{value}\n" for name, value in found.items())
            self._seals.check_trailer(signature, lines.encode("latin-1"))
        if found.keys() != set(self._announced):
            raise S3Error("MalformedTrailerError", "It does not hold what x-amz-trailer names.")
        return found

    _steps: Mapping[_State, Callable[[Chunked, bytes], None]] = MappingProxyType(
        {
            _State.SIZE: _on_size,
            _State.DATA_END: _on_data_end,
            _State.TRAILER: _on_trailer,
        }
    )


def _incomplete(what: str) -> S3Error:
    return S3Error("IncompleteBody", f"The body is not well framed: {what}.")
