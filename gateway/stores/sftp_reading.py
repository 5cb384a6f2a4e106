"""What lies in a folder of an sFTP server, and its bytes: protocol version 3."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import TypeVar

import asyncssh
from asyncssh import constants as said

from gateway.errors import (
    CrossdockError,
    MissingFromStore,
    StoreFault,
    StoreRefused,
    StoreUnavailable,
)
from gateway.stores.naming import Path
from gateway.stores.sftp_pool import Line
from gateway.stores.waiting import undone

PIECE_BYTES = 256 * 1024  # of one request, where the server says that it takes so much
PIECE_BYTES_SAFE = 32 * 1024  # what every server takes
AHEAD_BYTES = 2 * 1024 * 1024
"""Sent before the first of it is answered, and asked for before the first of it has come."""

LIST_SECONDS = 600.0
NAMES_MAX = 1_000_000
"""In one folder."""

PATH_BYTES_MAX = 4096
"""No key's path is longer: folders within folders come to an end."""

AS_ASKED = 0  # asyncssh's block size that makes one request of each read and write

FOLDER = said.FILEXFER_TYPE_DIRECTORY
UNTOLD = said.FILEXFER_TYPE_UNKNOWN

T = TypeVar("T")
File = asyncssh.SFTPClientFile


class Reading:
    """What lies below the root, through one connection."""

    def __init__(self, line: Line, root: bytes) -> None:
        self._line = line
        self._sftp = line.sftp
        self._root = root
        takes = line.sftp.limits
        self._reads = min(PIECE_BYTES, max(takes.max_read_len, PIECE_BYTES_SAFE))
        self._writes = min(PIECE_BYTES, max(takes.max_write_len, PIECE_BYTES_SAFE))

    async def look(self, path: Path) -> asyncssh.SFTPAttrs | None:
        """What lies at `path`, links not followed; None for nothing, or for what is no folder on
        the way."""
        try:
            return await self._line.ask(self._sftp.lstat, self._at(path))
        except MissingFromStore:
            return None

    async def has_root(self) -> bool:
        try:
            about = await self._line.ask(self._sftp.stat, self._at(()))
        except StoreFault:
            return False
        return about.type in (FOLDER, UNTOLD)

    async def check_root(self) -> None:
        """Whoever finds nothing asks this: a mount that fell off must not look like an empty
        inbox."""
        if not await self.has_root():
            raise StoreRefused("The store's folder does not exist on the sFTP server.", absent=True)

    async def list(self, path: Path) -> tuple[list[bytes], list[bytes]]:
        """The names of the files and of the folders in a folder; links and devices are neither."""
        files: list[bytes] = []
        folders: list[bytes] = []

        async def listing() -> None:
            async for entry in self._sftp.scandir(self._at(path)):
                name = entry.filename
                if not isinstance(name, bytes) or name in (b".", b"..") or b"/" in name:
                    continue
                if len(files) + len(folders) >= NAMES_MAX:
                    raise StoreUnavailable(f"A folder has more than {NAMES_MAX} names.")
                if is_folder(entry.attrs):
                    folders.append(name)
                elif is_file(entry.attrs):
                    files.append(name)

        if len(self._at(path)) <= PATH_BYTES_MAX:
            with contextlib.suppress(MissingFromStore):
                await self._line.ask_for(LIST_SECONDS, listing)
        return files, folders

    # --- reading ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def opened(self, path: Path) -> AsyncIterator[File]:
        """The file at `path`, for reading; MissingFromStore if there is none."""
        file = await undone(self._open(path, said.FXF_READ), self._close)
        try:
            yield file
        finally:
            self._line.later(self._close(file))

    async def small(self, path: Path, most: int) -> tuple[bytes, asyncssh.SFTPAttrs]:
        """A file that is likely to be small, and what it is; no more of it than `most` bytes."""
        async with self.opened(path) as file:
            about, data = await asyncio.gather(
                self.about(file), self._line.ask(_read, file, PIECE_BYTES_SAFE, 0)
            )
            rest = self.pieces(file, len(data), min(about.size or 0, most))
            return data + b"".join([piece async for piece in rest]), about

    async def about(self, file: File) -> asyncssh.SFTPAttrs:
        return await self._line.ask(file.stat)

    async def pieces(self, file: File, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes [start, end), asked for ahead; StoreUnavailable where there are fewer."""
        coming: deque[tuple[int, asyncio.Task[bytes]]] = deque()
        try:
            while start < end or coming:
                while start < end and len(coming) * self._reads < AHEAD_BYTES:
                    size = min(self._reads, end - start)
                    coming.append((size, asyncio.create_task(self._piece(file, start, size))))
                    start += size
                size, piece = coming.popleft()
                data = await piece
                if len(data) != size:
                    raise StoreUnavailable("A file became shorter while it was read.")
                yield data
        finally:
            await stopped(piece for _, piece in coming)

    async def _piece(self, file: File, start: int, size: int) -> bytes:
        """As many bytes as asked for unless the file ends: a server may give less at a time."""
        data = b""
        while len(data) < size:
            more = await self._line.ask(_read, file, size - len(data), start + len(data))
            if not more:
                break
            data = data + more if data else more
        return data

    # --- requests --------------------------------------------------------------------------------

    def _at(self, path: Path) -> bytes:
        return b"/".join((self._root, *path)) or b"/"

    def _open(self, path: Path, flags: int) -> asyncio.Task[File]:
        return asyncio.create_task(self._opened(path, flags))

    async def _opened(self, path: Path, flags: int) -> File:
        return await self._line.ask(
            self._sftp.open, self._at(path), flags, encoding=None, block_size=AS_ASKED
        )

    async def _close(self, file: File) -> None:
        with contextlib.suppress(CrossdockError):  # a connection that broke has closed it
            await self._line.ask(file.close)


def is_folder(about: asyncssh.SFTPAttrs) -> bool:
    return about.type == FOLDER


def is_file(about: asyncssh.SFTPAttrs) -> bool:
    """A server that does not tell what a thing is means a file."""
    return about.type in (said.FILEXFER_TYPE_REGULAR, UNTOLD)


def etag_of(about: asyncssh.SFTPAttrs) -> str:
    """All that version 3 tells of a content: its length, and the second of its last change."""
    return etag(about.size or 0, about.mtime or 0)


def etag(size: int, seconds: int) -> str:
    return f"{size:x}-{seconds:x}"


async def _read(file: File, size: int, start: int) -> bytes:
    data: bytes = await file.read(size, start)
    return data


async def stopped(tasks: Iterable[asyncio.Task[T]]) -> None:
    """None of them goes on, and none complains unheard."""
    going = list(tasks)
    for task in going:
        task.cancel()
    await asyncio.gather(*going, return_exceptions=True)
