"""One request and its answer on the connection: bytes in, bytes out, nothing of what they mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import cast

from aiohttp import HttpVersion11, web
from aiohttp.http_writer import StreamWriter

from gateway.errors import IncompleteBody, StoreUnavailable
from gateway.model import EMPTY, Chunks
from gateway.s3.errors import S3Error

DRAIN_BYTES_MAX = 256 * 1024
"""An unread body up to this size is read and thrown away, to keep the connection in step; beyond
it closing the connection is cheaper."""

JOIN_BYTES_MAX = 64 * 1024
"""Up to here an answer's head and first piece go out in one write."""

WAITING_LINGER_S = 1.0
"""For a body that was not asked for: a client that was refused in place of `100 Continue` has
hardly begun to send it."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_PHRASES: Mapping[int, str] = MappingProxyType({s.value: s.phrase for s in HTTPStatus})
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns: a status, headers, and `length` bytes: `body`, or out of `chunks`.

    An answer to HEAD carries the headers of the GET, its length among them, and neither.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    body: bytes = b""
    chunks: Chunks | None = None
    length: int = 0


class Sent(web.StreamResponse):
    """Tells aiohttp that the answer is on its way already, and what becomes of the connection."""

    def __init__(self, status: int, *, keep_alive: bool) -> None:
        super().__init__(status=status)
        self._keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""


class Broken(ConnectionResetError):
    """The connection was given up half way through an answer; nothing more can be said on it."""


class Wire:
    """A request's connection, until its answer is sent.

    `stall_s` is how long a body may give no byte, and a client take none of its answer.
    `received` and `sent` count bytes of content. `allowed` is asked between any two pieces, either
    way: whether who sent the request may still send it.
    """

    def __init__(self, raw: web.BaseRequest, *, stall_s: float) -> None:
        self.raw = raw
        self.started = False
        self.received = 0
        self.sent = 0
        self.allowed: Callable[[], bool] = _always
        self._stall_s = stall_s
        self._writer = cast(StreamWriter, raw.writer)
        self._broken = False
        expect = raw.headers.get("Expect", "")
        self._expects = expect.lower() == "100-continue" and raw.version >= HttpVersion11

    async def chunks(self) -> Chunks:
        """The body's bytes as they arrive.

        A client that waits for `100 Continue` gets it here: whoever iterates wants the body, so
        the checks that need no body have passed. Raises RequestTimeout (400) on a stall and
        IncompleteBody where the connection breaks.
        """
        if self._expects:
            self._expects = False
            await self._write(CONTINUE)
        content = self.raw.content
        while not content.at_eof():
            try:
                data = content.read_nowait()
                if not data:
                    async with asyncio.timeout(self._stall_s):
                        data = await content.readany()
            except TimeoutError:
                raise self.stalled() from None
            except (OSError, web.RequestPayloadError) as error:
                self._give_up()
                raise IncompleteBody from error
            if not self.allowed():
                self._broken = True
                raise S3Error("InvalidAccessKeyId")
            if data:
                self.received += len(data)
                yield data

    def stalled(self) -> S3Error:
        """The body did not come in time."""
        self._give_up()
        return S3Error("RequestTimeout")

    def _give_up(self) -> None:
        """The connection ends with the answer: no rest of the body is to be expected."""
        self._broken = True
        self._linger(0.0)

    def _linger(self, seconds: float) -> None:
        """How long aiohttp reads on and throws away, so that the answer is not lost where the
        client still sends."""
        self.raw.protocol._lingering_time = seconds

    async def send(self, answer: Answer, prelude: str, *, last: bool = False) -> Sent:
        """Writes the answer; `prelude` is the headers that every answer has, each with its CRLF;
        `last` ends the connection whatever the request was.

        What `answer.chunks` raises before the first byte is passed on, for another answer to be
        sent. Later there is no way to say it: the connection is cut, so that the client can't
        take a part for the whole. Raises Broken then, and ConnectionError if the client is gone.
        """
        close = last or self._broken or self._must_close()
        if self._expects:
            self._linger(WAITING_LINGER_S)
        bare = self.raw.method == "HEAD" or answer.status in _BODILESS
        if answer.chunks is None:
            head = _head(answer, answer.length, prelude, close=close)
            body = b"" if bare else answer.body
            self.started = True
            self.sent += len(body)
            await self._write_both(head, body)
        elif bare:
            await answer.chunks.aclose()  # type: ignore[attr-defined]
            self.started = True
            await self._write(_head(answer, answer.length, prelude, close=close))
        else:
            head = _head(answer, answer.length, prelude, close=close)
            await self._stream(answer.chunks, answer.length, head)
        return Sent(answer.status, keep_alive=not close)

    async def _stream(self, pieces: Chunks, length: int, head: bytes) -> None:
        async with aclosing(pieces) as chunks:  # type: ignore[type-var]
            first = await anext(chunks, b"")
            self.started = True
            await self._write_both(head, first)
            self.sent += len(first)
            if self.sent == length:
                return
            del first  # it would be kept as long as the client takes for the rest
            try:
                async for chunk in chunks:
                    if not self.allowed():
                        raise Broken
                    await self._write(chunk)
                    self.sent += len(chunk)
                if self.sent != length:
                    raise StoreUnavailable("the bytes of an answer ended early")
            except BaseException:
                self.abort()
                raise

    async def _write_both(self, head: bytes, body: bytes) -> None:
        if len(body) <= JOIN_BYTES_MAX:
            await self._write(head + body if body else head)
        else:
            await self._write(head)
            await self._write(body)

    async def _write(self, data: bytes) -> None:
        """Waits while the connection holds more than its buffer should, whoever filled it: a
        client that asks without end and reads no answer must not fill the memory. One that takes
        nothing for `stall_s` is cut off."""
        await self._writer.write(data, drain=False)
        if self.raw.protocol.writing_paused:
            limit = asyncio.get_running_loop().call_later(self._stall_s, self.abort)
            try:
                await self._writer.drain()
            finally:
                limit.cancel()
            if self.raw.transport is None:
                raise Broken

    def abort(self) -> None:
        """Cuts the connection without a clean end."""
        transport = self.raw.transport
        if transport is not None:
            transport.abort()

    def _must_close(self) -> bool:
        """An answer given before the whole body came: what follows on this connection may be the
        rest of it. A small rest is thrown away by aiohttp; a client that still waits for
        `100 Continue` may never send it, and its next request would be taken for this body. And
        what follows on an upgrade that it asked for aiohttp may take for the other protocol."""
        raw = self.raw
        if raw.version < HttpVersion11 or not raw.keep_alive or self._expects:
            return True
        if "Upgrade" in raw.headers:
            return True
        if self.raw.content.is_eof():
            return False
        length = self.raw.content_length
        return length is None or length - self.received > DRAIN_BYTES_MAX


def _always() -> bool:
    return True


def _head(answer: Answer, length: int, prelude: str, *, close: bool) -> bytes:
    """Status line and headers, in UTF-8. ValueError where a value would forge another header."""
    status = answer.status
    lines = [f"{name}: {value}" for name, value in answer.headers.items()]
    if status not in _BODILESS:
        lines.append(f"content-length: {length}")
    if close:
        lines.append("connection: close")
    own = "".join([f"{line}\r\n" for line in lines])
    if own.count("\n") > len(lines) or own.count("\r") > len(lines):
        raise ValueError("a header holds a line end")
    head = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n{prelude}{own}\r\n"
    return head.encode()
