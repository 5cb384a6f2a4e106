"""A folder as a store: extents and copies are files, written whole, and on the disk when told so.

Layout below the root: `.crossdock/<extent key>`, `.crossdock/.staging/` (files being written),
`.crossdock/.marks/` (what says of a copy that it is ours), `%keys/` (copies whose key no path can
be, see naming.py), and everywhere else the copies themselves, plain files at their key.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from gateway.errors import ChangedInStore, StoreUnavailable
from gateway.model import Chunks
from gateway.stores import Natural, Parcel, Placed, Stat, Written, bodies, naming
from gateway.stores.disk import Disk, Staged, domain_errors
from gateway.stores.folder import Folder, etag_of
from gateway.stores.naming import Path
from gateway.stores.waiting import ended, undone

SMALL_BYTES_MAX = 1024 * 1024  # a body up to this is collected, and written in one hop
BATCH_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
AHEAD_BYTES = 4 * READ_BYTES

_NOWAIT = getattr(os, "RWF_NOWAIT", None)  # Linux: read what the page cache holds, or say no

P = ParamSpec("P")
T = TypeVar("T")


class FileStore:
    """`pool` does everything that may wait for the disk; its threads bound how much runs at
    once. Reads of what the page cache holds are done on the event loop: they take less time than
    the way to a thread and back. A folder on a network file system wants `inline=False`."""

    def __init__(self, root: str, pool: Executor, *, inline: bool = True) -> None:
        self._pool = pool
        self._inline = inline
        self._disk = Disk(os.path.abspath(root))
        self._folder = Folder(self._disk)

    # --- extents -------------------------------------------------------------------------------

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        path = naming.extent_path(key)
        body = bodies.exact(body, size)
        held, whole = await bodies.first(body, SMALL_BYTES_MAX)
        if whole:
            return await self._placing(path, self._write_small, path, held)
        staged = await self._hop(self._stage, held)
        held.clear()  # or a slow upload would hold its beginning to its end
        try:
            await self._pour(staged, body)
            return await self._placing(path, self._seal_and_place, staged, path)
        finally:
            await self._hop(self._disk.discard, staged)

    def read(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        return self._read(lambda: self._disk.open(naming.extent_path(key)), start, length, if_match)

    async def stat(self, key: str) -> Stat:
        return await self._hop(self._stat, naming.extent_path(key))

    async def delete(self, key: str) -> None:
        await self._hop(self._disk.remove, naming.extent_path(key))

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        waiting: list[Path] = [()]
        while waiting:
            folder = waiting.pop()
            files, folders = await self._hop(self._disk.list, folder)
            for name in files:
                key = naming.key_of((*folder, name))
                if key is not None and key.startswith(prefix):
                    yield key
            waiting += [(*folder, name) for name in folders if naming.worth(folder, name, prefix)]

    async def tidy(self) -> int:
        return await self._hop(self._disk.sweep)

    # --- copies under natural keys -------------------------------------------------------------

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        naming.natural(key)
        body = bodies.exact(body, parcel.size)
        seen = hashlib.sha256()
        if not parcel.sha256:  # of an upload in parts nobody has hashed the whole yet
            body = self._hashed(body, seen)
        held, whole = await bodies.first(body, SMALL_BYTES_MAX)
        if whole:
            return await self._hop(self._deliver_small, key, _named(parcel, seen), held, replace)
        staged = await self._hop(self._stage, held, named=True)
        held.clear()
        try:
            await self._pour(staged, body)
            parcel = _named(parcel, seen)
            return await self._hop(self._folder.deliver, key, parcel, staged, replace)
        finally:
            await self._hop(self._disk.discard, staged)

    async def _hashed(self, body: Chunks, seen: hashlib._Hash) -> Chunks:
        async for chunk in body:
            await self._hop(seen.update, chunk)
            yield chunk

    async def examine(self, key: str) -> Placed | None:
        return await self._hop(self._folder.examine, key)

    async def inspect(self, key: str) -> Natural | None:
        return await self._hop(self._folder.inspect, key)

    def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        return self._read(lambda: self._folder.open(key), start, length, if_match)

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        return await self._hop(self._folder.retag, key, tags, if_match)

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        await self._hop(self._folder.remove, key, if_match)

    async def parcel_of(self, key: str) -> Parcel | None:
        """What our copy under this key carries, as its sidecar says."""
        return await self._hop(self._folder.parcel_of, key)

    # --- in the pool ---------------------------------------------------------------------------

    def _stage(self, held: list[bytes], *, named: bool = False) -> Staged:
        staged = self._disk.stage(named=named)
        try:
            staged.append(held)
        except BaseException:
            self._disk.discard(staged)
            raise
        return staged

    def _seal_and_place(self, staged: Staged, path: Path) -> Written:
        staged.seal()
        about = self._disk.place(staged, path)
        return Written(about.st_size, etag_of(about))

    def _write_small(self, path: Path, held: list[bytes]) -> Written:
        about = self._disk.create(path, held)
        return Written(about.st_size, etag_of(about))

    def _deliver_small(
        self, key: str, parcel: Parcel, held: list[bytes], replace: str | None
    ) -> Written:
        staged = self._stage(held, named=True)
        try:
            return self._folder.deliver(key, parcel, staged, replace)
        finally:
            self._disk.discard(staged)

    def _stat(self, path: Path) -> Stat:
        file = self._disk.open(path)
        try:
            about = os.fstat(file)
        finally:
            os.close(file)
        return Stat(about.st_size, etag_of(about), about.st_mtime_ns)

    # --- on the loop ---------------------------------------------------------------------------

    async def _pour(self, staged: Staged, body: Chunks) -> None:
        """One batch is written while the next one arrives."""
        writing: asyncio.Future[None] | None = None
        try:
            async for batch in bodies.batches(body, BATCH_BYTES):
                if writing is not None:
                    await ended(writing)
                writing = self._submit(staged.append, batch)
                del batch  # it goes when it is written, however long the next one takes
        finally:
            if writing is not None:
                await ended(writing)

    async def _read(
        self, opener: Callable[[], int], start: int, length: int | None, if_match: str | None
    ) -> Chunks:
        file = _guarded(opener) if self._inline else await self._hop(opener)
        try:
            about = os.fstat(file)
            if if_match is not None and etag_of(about) != if_match:
                raise ChangedInStore
            end = about.st_size if length is None else min(about.st_size, start + length)
            while start < end:
                chunk = await self._chunk(file, start, min(READ_BYTES, end - start))
                if not chunk:
                    raise StoreUnavailable("A file became shorter while it was read.")
                start += len(chunk)
                yield chunk
        finally:
            os.close(file)

    async def _chunk(self, file: int, start: int, length: int) -> bytes:
        """Inline if the last byte is in the page cache (then the others are, as good as surely);
        in the pool if not, and the kernel is asked to fetch what comes next."""
        if self._inline and _is_cached(file, start + length - 1):
            return _guarded(os.pread, file, length, start)
        return await self._hop(_fetch, file, length, start)

    async def _placing(
        self, path: Path, work: Callable[P, Written], *args: P.args, **kwargs: P.kwargs
    ) -> Written:
        """As `_hop`; a writer that is cancelled meanwhile leaves nothing under `path`."""
        doing = self._submit(work, *args, **kwargs)
        return await undone(doing, lambda _: self._hop(self._disk.remove, path))

    async def _hop(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await ended(self._submit(work, *args, **kwargs))

    def _submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        call = functools.partial(_guarded, work, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._pool, call)


def _named(parcel: Parcel, seen: hashlib._Hash) -> Parcel:
    """The marks name the content, so that a restored folder still holds our copies."""
    return parcel if parcel.sha256 else dataclasses.replace(parcel, sha256=seen.hexdigest())


def _guarded(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    with domain_errors():
        return work(*args, **kwargs)


def _is_cached(file: int, at: int) -> bool:
    if _NOWAIT is None:
        return False
    try:
        return os.preadv(file, [bytearray(1)], at, _NOWAIT) == 1
    except OSError:  # EAGAIN: it would wait; or the file system can't tell
        return False


def _fetch(file: int, length: int, start: int) -> bytes:
    data = os.pread(file, length, start)
    os.posix_fadvise(file, start + length, AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
    return data
