"""Writing to a folder of an sFTP server: protocol version 3, and OpenSSH's extensions to it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable

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
from gateway.stores.sftp_reading import (
    AHEAD_BYTES,
    FOLDER,
    File,
    Reading,
    etag_of,
    is_folder,
    stopped,
)
from gateway.stores.waiting import ended, undone

STAGING: Path = (OWN_FOLDER, b".staging")
ASIDE = b"~"
"""Behind the name of a file that stepped aside for another; it is never swept away."""

STAGED_SECONDS_MAX = 24 * 3600  # an abandoned staging file of a killed process is older than this

_NEW = said.FXF_WRITE | said.FXF_CREAT | said.FXF_EXCL


class Staged:
    """A file being written. `path` is its staging name, empty once it has its place."""

    __slots__ = ("file", "path", "size")

    def __init__(self, file: File, path: Path) -> None:
        self.file = file
        self.path = path
        self.size = 0


class Tree(Reading):
    """What lies below the root, through one connection. The root itself is the partner's to make:
    where it is missing, StoreRefused says so."""

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
        going: deque[asyncio.Task[None]] = deque()
        try:
            async for piece in bodies.blocks(body, self._writes):
                if len(going) * self._writes >= AHEAD_BYTES:
                    await going.popleft()
                going.append(asyncio.create_task(self._append(staged, piece, staged.size)))
                staged.size += len(piece)
            while going:
                await going.popleft()
        finally:
            await stopped(going)

    async def seal(self, staged: Staged, date: int | None = None) -> None:
        """Onto the server's disk, where it offers that; and closed. `date` is the second that is
        to be that of its last change. All is sent at once: what concerns one file is done in the
        order in which it comes."""
        dating = [] if date is None else [self._date(staged, date)]
        async with self._room():
            await asyncio.gather(*dating, self._sync(staged), self._line.ask(staged.file.close))

    async def _append(self, staged: Staged, piece: bytes, at: int) -> None:
        async with self._room():
            await self._line.ask(staged.file.write, piece, at)

    async def _date(self, staged: Staged, seconds: int) -> None:
        with contextlib.suppress(StoreRefused, StoreUnavailable):  # as over an object store
            await self._line.ask(staged.file.utime, (seconds, seconds))

    async def _sync(self, staged: Staged) -> None:
        try:
            await self._line.ask(staged.file.fsync)
        except StoreRefused as error:
            if not _not_offered(error):
                raise

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
        parts = [path[:depth] for depth in range(1, len(path) + 1)]
        looks = asyncio.gather(*map(self.look, parts))
        _, abouts = await asyncio.gather(self.check_root(), looks)
        for part, about in zip(parts, abouts, strict=True):
            if not is_folder(about or await self._made(part)):
                return False
        return True

    async def _made(self, path: Path) -> asyncssh.SFTPAttrs:
        """A new folder, or what another writer was faster to put there."""
        try:
            await self._line.ask(self._sftp.mkdir, self._at(path))
        except CrossdockError:
            about = await self.look(path)
            if about is None:
                raise
            return about
        return asyncssh.SFTPAttrs(type=FOLDER)

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


def _not_offered(error: CrossdockError) -> bool:
    return isinstance(error.__cause__, asyncssh.SFTPOpUnsupported)
