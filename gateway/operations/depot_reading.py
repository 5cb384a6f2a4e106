"""One file of a depot, read so that nothing counts unless the file stayed what it was."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice

import asyncssh

from gateway.errors import DepotMoved
from gateway.operations.depot_walk import RemoteFile, depot_errors

READ_BYTES = 1024 * 1024
"""Bytes of one request, at most: many depots allow less."""
AHEAD_BYTES = 4 * 1024 * 1024
REQUESTS_MAX = 64
"""Of one file, what is asked for before it is needed: a far depot answers late, not slowly."""
READ_SECONDS_MAX = 300.0


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that is open at the depot; `block` are the bytes that one request may ask for."""

    handle: asyncssh.SFTPClientFile
    file: RemoteFile
    block: int

    async def content(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Exactly these bytes. DepotMoved if the file is not, once they are read, what it was when
        it was listed: so none of them may count."""
        block, end = self.block, start + length
        starts = iter(range(start, end, block))
        most = max(1, min(REQUESTS_MAX, AHEAD_BYTES // block))
        ahead = deque(self._ask(at, end) for at in islice(starts, most))
        try:
            while ahead:
                yield await ahead[0]
                ahead.popleft()
                ahead.extend(self._ask(at, end) for at in islice(starts, 1))
            with depot_errors(self.file.path):
                now = await self.handle.stat()
            if (now.mtime, now.size) != (self.file.mtime, self.file.size):
                raise DepotMoved
        finally:
            for each in ahead:
                each.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    def _ask(self, start: int, end: int) -> asyncio.Task[bytes]:
        return asyncio.create_task(self._read(start, min(self.block, end - start)))

    async def _read(self, start: int, length: int) -> bytes:
        """A depot may answer with less than it was asked for; with nothing, it has no more."""
        data = b""
        with depot_errors(self.file.path):
            async with asyncio.timeout(READ_SECONDS_MAX):
                while len(data) < length:
                    more: bytes = await self.handle.read(length - len(data), start + len(data))
                    if not more:
                        raise DepotMoved
                    data = data + more if data else more
        return data


@asynccontextmanager
async def opened_file(
    client: asyncssh.SFTPClient, file: RemoteFile
) -> AsyncGenerator[OpenFile, None]:
    """Raises DepotRefused, DepotUnavailable."""
    with depot_errors(file.path):
        handle = await client.open(file.place, "rb", block_size=None)
    try:
        yield OpenFile(handle, file, max(1, min(READ_BYTES, client.limits.max_read_len)))
    finally:
        await _closed(handle)


async def _closed(handle: asyncssh.SFTPClientFile) -> None:
    """What was read is judged already; a session that is over closes all it had open."""
    try:
        await handle.close()
    except (asyncssh.Error, OSError):
        return
