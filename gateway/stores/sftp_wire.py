"""One folder of an sFTP server, by the requests of protocol version 3 and OpenSSH's extensions."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import TypeVar

import asyncssh
from asyncssh import constants as said

from gateway.errors import (
    CrossdockError,
    MissingFromStore,
    Occupied,
    StoreFault,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from gateway.model import Chunks
from gateway.stores import bodies
from gateway.stores.naming import OWN_FOLDER, Path
from gateway.stores.sftp_pool import Line
from gateway.stores.waiting import ended, undone

STAGING: Path = (OWN_FOLDER, b".staging")
ASIDE = b"~"
"""Behind the name of a file that stepped aside for another; it is never swept away."""

PIECE_BYTES = 256 * 1024  # of one request, where the server says that it takes so much
PIECE_BYTES_SAFE = 32 * 1024  # what every server takes
AHEAD_BYTES = 2 * 1024 * 1024
"""Sent before the first of it is answered, and asked for before the first of it has come."""

LIST_SECONDS = 600.0
STAGED_SECONDS_MAX = 24 * 3600  # an abandoned staging file of a killed process is older than this

_NEW = said.FXF_WRITE | said.FXF_CREAT | said.FXF_EXCL
_AS_ASKED = 0  # asyncssh's block size that makes one request of each read and write

T = TypeVar("T")
File = asyncssh.SFTPClientFile


class Staged:
    """A file being written. `path` is its staging name, empty once it has its place."""

    __slots__ = ("file", "path", "size")

    def __init__(self, file: File, path: Path) -> None:
        self.file = file
        self.path = path
        self.size = 0


class Tree:
    """What lies below the root, through one connection. The root itself is the partner's to make:
    where it is missing, StoreRefused says so."""

    def __init__(self, line: Line, root: bytes) -> None:
        self._line = line
        self._sftp = line.sftp
        self._root = root
        takes = line.sftp.limits
        self._reads = min(PIECE_BYTES, max(takes.max_read_len, PIECE_BYTES_SAFE))
        self._writes = min(PIECE_BYTES, max(takes.max_write_len, PIECE_BYTES_SAFE))

    # --- looking ---------------------------------------------------------------------------------

    async def look(self, path: Path) -> asyncssh.SFTPAttrs | None:
        """What lies at `path`, links not followed; None for nothing, or for what is no folder on
        the way."""
        try:
            return await self._line.ask(self._sftp.lstat, self._at(path))
        except MissingFromStore:
            return None

    async def check_root(self) -> None:
        """Whoever finds nothing asks this: a mount that fell off must not look like an empty
        inbox."""
        try:
            about = await self._line.ask(self._sftp.stat, self._at(()))
        except MissingFromStore:
            about = None
        if about is None or about.type not in (_FOLDER, _UNTOLD):
            raise StoreRefused("The store's folder does not exist on the sFTP server.", absent=True)

    async def list(self, path: Path) -> tuple[list[bytes], list[bytes]]:
        """The names of the files and of the folders in a folder; links and devices are neither."""
        files: list[bytes] = []
        folders: list[bytes] = []
        try:
            entries = await self._line.ask_for(LIST_SECONDS, self._sftp.readdir, self._at(path))
        except MissingFromStore:
            return [], []
        for entry in entries:
            name = entry.filename
            if not isinstance(name, bytes) or name in (b".", b".."):
                continue
            if is_folder(entry.attrs):
                folders.append(name)
            elif is_file(entry.attrs):
                files.append(name)
        return files, folders

    # --- reading ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def opened(self, path: Path) -> AsyncIterator[File]:
        """The file at `path`, for reading; MissingFromStore if there is none."""
        file = await undone(self._open(path, said.FXF_READ), self._close)
        try:
            yield file
        finally:
            await ended(asyncio.create_task(self._close(file)))

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
                if len(data) < size:
                    raise StoreUnavailable("A file became shorter while it was read.")
                yield data
        finally:
            await _stopped(piece for _, piece in coming)

    async def _piece(self, file: File, start: int, size: int) -> bytes:
        """As many bytes as asked for unless the file ends: a server may give less at a time."""
        data = b""
        while len(data) < size:
            more = await self._line.ask(_read, file, size - len(data), start + len(data))
            if not more:
                break
            data = data + more if data else more
        return data

    # --- writing ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def staged(self) -> AsyncIterator[Staged]:
        """A new file below `.crossdock/.staging/`; it is gone afterwards, unless it got a place."""
        staged = await self._stage()
        try:
            yield staged
        finally:
            await ended(asyncio.create_task(self._discard(staged)))

    async def _stage(self) -> Staged:
        path = (*STAGING, secrets.token_hex(16).encode())
        try:
            return await self._create(path)
        except (StoreFault, StoreUnavailable):
            if not self._line.works:
                raise
            if not await self.make(STAGING):
                raise StoreRefused("What should be the store's own folder is none.") from None
        return await self._create(path)

    async def pour(self, staged: Staged, body: Chunks) -> None:
        """Appends the body, some pieces ahead of the server's answers."""
        going: deque[asyncio.Task[int]] = deque()
        try:
            async with self._room():
                async for piece in bodies.blocks(body, self._writes):
                    if len(going) * self._writes >= AHEAD_BYTES:
                        await going.popleft()
                    writing = self._line.ask(staged.file.write, piece, staged.size)
                    going.append(asyncio.create_task(writing))
                    staged.size += len(piece)
                while going:
                    await going.popleft()
        finally:
            await _stopped(going)

    async def date(self, staged: Staged, seconds: int) -> None:
        """Sets the time of its last change, where the server lets us: over an object store it
        may not."""
        with contextlib.suppress(StoreRefused, StoreUnavailable):
            await self._line.ask(staged.file.utime, (seconds, seconds))

    async def seal(self, staged: Staged) -> None:
        """Onto the server's disk, where it offers that; and closed."""
        async with self._room():
            try:
                await self._line.ask(staged.file.fsync)
            except StoreRefused as error:
                if not _not_offered(error):
                    raise
            await self._line.ask(staged.file.close)

    async def _discard(self, staged: Staged) -> None:
        """What can't be taken away now goes when the staging folder is swept."""
        with contextlib.suppress(CrossdockError):
            await self._close(staged.file)
            if staged.path:
                await self.remove(staged.path)

    async def place(self, staged: Staged, path: Path) -> bool:
        """Gives the sealed file its name; False where a file stands in the way of a folder.
        Occupied if the name is taken, as far as the server can tell: by version 3 a rename then
        fails, and nearly all keep to that."""
        try:
            await self._rename(staged.path, path)
        except Occupied:
            raise
        except (StoreFault, StoreUnavailable):
            if not self._line.works:
                raise
            if not await self.make(path[:-1]):
                return False
            await self._rename(staged.path, path)
        staged.path = ()
        return True

    async def replace(
        self, staged: Staged, path: Path, aside: Path, expected: Callable[[str], bool]
    ) -> None:
        """Moves the sealed file over what has the name, or gives it the name if nothing has.

        Where no rename replaces a file, what lies there steps `aside` first, and back again with
        Occupied if its etag is not `expected`. For a moment nothing has the name then.
        """
        try:
            await self._over(staged.path, path)
        except StoreRefused as error:
            if not _not_offered(error):
                raise
            await self._exchange(staged, path, aside, expected)
        staged.path = ()

    async def remove(self, path: Path) -> None:
        """What is absent is no error."""
        with contextlib.suppress(MissingFromStore):
            await self._line.ask(self._sftp.remove, self._at(path))

    async def make(self, path: Path) -> bool:
        """The folder, and those on the way to it; False where something on the way is none."""
        await self.check_root()
        for depth in range(1, len(path) + 1):
            about = await self.look(path[:depth])
            if about is None:
                try:
                    await self._line.ask(self._sftp.mkdir, self._at(path[:depth]))
                    continue
                except CrossdockError:  # another writer may have been faster
                    about = await self.look(path[:depth])
                    if about is None:
                        raise
            if not is_folder(about):
                return False
        return True

    async def sweep(self, now: float) -> int:
        """Removes staging files that a killed process left a day ago; says how many."""
        swept = 0
        files, _ = await self.list(STAGING)
        for name in files:
            if name.endswith(ASIDE):
                continue
            path = (*STAGING, name)
            about = await self.look(path)
            if about is not None and (about.mtime or 0) < now - STAGED_SECONDS_MAX:
                await self.remove(path)
                swept += 1
        return swept

    # --- requests --------------------------------------------------------------------------------

    def _at(self, path: Path) -> bytes:
        return b"/".join((self._root, *path)) or b"/"

    def _open(self, path: Path, flags: int) -> asyncio.Task[File]:
        return asyncio.create_task(self._opened(path, flags))

    async def _opened(self, path: Path, flags: int) -> File:
        return await self._line.ask(
            self._sftp.open, self._at(path), flags, encoding=None, block_size=_AS_ASKED
        )

    async def _close(self, file: File) -> None:
        with contextlib.suppress(CrossdockError):  # a connection that broke has closed it
            await self._line.ask(file.close)

    async def _create(self, path: Path) -> Staged:
        async def undo(file: File) -> None:
            await self._discard(Staged(file, path))

        return Staged(await undone(self._open(path, _NEW), undo), path)

    async def _rename(self, old: Path, new: Path) -> None:
        """A failure says nothing of its cause, so what is there has to tell."""
        try:
            await self._line.ask(self._sftp.rename, self._at(old), self._at(new))
        except MissingFromStore:
            raise
        except (StoreFault, StoreUnavailable) as error:
            if not self._line.works or await self.look(new) is None:
                raise
            if await self.look(old) is not None:
                raise Occupied from error

    async def _over(self, old: Path, new: Path) -> None:
        try:
            await self._line.ask(self._sftp.posix_rename, self._at(old), self._at(new))
        except (MissingFromStore, StoreUnavailable):
            if not self._line.works or not await self.make(new[:-1]):
                raise
            await self._line.ask(self._sftp.posix_rename, self._at(old), self._at(new))

    async def _exchange(
        self, staged: Staged, path: Path, aside: Path, expected: Callable[[str], bool]
    ) -> None:
        await self.remove(aside)
        try:
            await self._rename(path, aside)
        except MissingFromStore:
            await self.place(staged, path)
            return
        about = await self.look(aside)
        try:
            if about is None or not expected(etag_of(about)):
                raise Occupied
            await self._rename(staged.path, path)
        except CrossdockError:
            await self._rename(aside, path)
            raise
        await self.remove(aside)

    @contextlib.asynccontextmanager
    async def _room(self) -> AsyncIterator[None]:
        """Whether a write failed for want of room, the server says when it is asked."""
        try:
            yield
        except StoreUnavailable as error:
            if isinstance(error.__cause__, asyncssh.SFTPFailure) and await self._is_full():
                raise StoreFull("The sFTP server has no room left.") from error
            raise

    async def _is_full(self) -> bool:
        try:
            room = await self._line.ask(self._sftp.statvfs, self._at(()))
        except CrossdockError:
            return False
        return room.bavail * room.frsize < self._writes


_FOLDER = said.FILEXFER_TYPE_DIRECTORY
_UNTOLD = said.FILEXFER_TYPE_UNKNOWN


def is_folder(about: asyncssh.SFTPAttrs) -> bool:
    return about.type == _FOLDER


def is_file(about: asyncssh.SFTPAttrs) -> bool:
    """A server that does not tell what a thing is means a file."""
    return about.type in (said.FILEXFER_TYPE_REGULAR, _UNTOLD)


def etag_of(about: asyncssh.SFTPAttrs) -> str:
    """All that version 3 tells of a content: its length, and the second of its last change."""
    return etag(about.size or 0, about.mtime or 0)


def etag(size: int, seconds: int) -> str:
    return f"{size:x}-{seconds:x}"


async def _read(file: File, size: int, start: int) -> bytes:
    data: bytes = await file.read(size, start)
    return data


def _not_offered(error: CrossdockError) -> bool:
    return isinstance(error.__cause__, asyncssh.SFTPOpUnsupported)


async def _stopped(tasks: Iterable[asyncio.Task[T]]) -> None:
    """None of them goes on, and none complains unheard."""
    going = list(tasks)
    for task in going:
        task.cancel()
    await asyncio.gather(*going, return_exceptions=True)
