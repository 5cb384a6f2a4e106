"""sFTP by the packet, over a real channel: what no client would send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncssh

from tests.sftp.bed import Bed

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT = range(3, 11)
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME = range(11, 19)
READLINK, SYMLINK, LINK, BLOCK, UNBLOCK = range(19, 24)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED = 200
OK, EOF, NO_SUCH_FILE, DENIED, FAILURE, BAD_MESSAGE = range(6)
UNSUPPORTED = 8

FOR_READING, FOR_WRITING, CREATES = 0x01, 0x0A, 0x1A
"""Flags of OPEN: to read; to write what may be there; to write anew."""
NO_ATTRS = bytes(4)
ANSWER_SECONDS = 20


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return u32(len(raw)) + raw


def framed(payload: bytes) -> bytes:
    return u32(len(payload)) + payload


@dataclass(frozen=True)
class Answer:
    kind: int
    id: int
    body: bytes

    @property
    def status(self) -> int:
        """The code of a STATUS; -1 of any other answer."""
        return int.from_bytes(self.body[:4]) if self.kind == STATUS else -1

    @property
    def said(self) -> str:
        """The text of a STATUS."""
        assert self.kind == STATUS
        return self.body[8 : 8 + int.from_bytes(self.body[4:8])].decode()

    @property
    def field(self) -> bytes:
        """The handle of a HANDLE, the bytes of a DATA."""
        assert self.kind in (HANDLE, DATA), self
        return self.body[4 : 4 + int.from_bytes(self.body[:4])]


class Raw:
    """A channel that speaks sFTP as it is told to."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self.process = process
        self._next = 0

    def send(self, data: bytes) -> None:
        """Bytes as they are; also to a gateway that has had enough."""
        with suppress(BrokenPipeError):
            self.process.stdin.write(data)

    def end(self) -> None:
        """Nothing more is sent."""
        with suppress(BrokenPipeError):
            self.process.stdin.write_eof()

    def post(self, kind: int, *fields: bytes) -> int:
        """A request whose answer nobody waits for yet."""
        self._next += 1
        self.send(framed(bytes([kind]) + u32(self._next) + b"".join(fields)))
        return self._next

    async def answer(self) -> Answer:
        async with asyncio.timeout(ANSWER_SECONDS):
            size = int.from_bytes(await self.process.stdout.readexactly(4))
            packet = await self.process.stdout.readexactly(size)
        return Answer(packet[0], int.from_bytes(packet[1:5]), packet[5:])

    async def ask(self, kind: int, *fields: bytes) -> Answer:
        asked = self.post(kind, *fields)
        answer = await self.answer()
        assert answer.id == asked
        return answer

    async def begin(self) -> None:
        self.send(framed(bytes([INIT]) + u32(3)))
        answer = await self.answer()
        assert (answer.kind, answer.id) == (VERSION, 3)

    async def open(self, path: str, flags: int) -> bytes:
        return (await self.ask(OPEN, text(path), u32(flags), NO_ATTRS)).field

    async def is_over(self) -> bool:
        """Whether the gateway has ended this session."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self.process.stdout.read()
            await self.process.wait_closed()
        return True


@asynccontextmanager
async def channel(connection: asyncssh.SSHClientConnection, **more: Any) -> AsyncIterator[Raw]:
    """A channel of sFTP on which nothing was said yet."""
    process = await connection.create_process(subsystem="sftp", encoding=None, **more)
    try:
        yield Raw(process)
    finally:
        process.close()


@asynccontextmanager
async def session(bed: Bed, user: str = "acme.erp", **more: Any) -> AsyncIterator[Raw]:
    """A session of its own that has begun."""
    async with bed.connection(user) as connection, channel(connection, **more) as raw:
        await raw.begin()
        yield raw


def with_session(bed: Bed, act: Callable[[Raw], Coroutine[Any, Any, None]]) -> None:
    async def acts() -> None:
        async with session(bed) as speaks:
            await act(speaks)

    bed.run(acts())
