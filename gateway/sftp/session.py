"""One sFTP session: asyncssh's calls become acts, and errors become statuses with a text.

Every public method of asyncssh's SFTPServer is overridden here, for what is left alone acts on the
gateway's own disk (a test compares the two).
"""

from __future__ import annotations

import asyncio
import logging
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol, TypeVar, cast

from asyncssh import (
    FILEXFER_TYPE_DIRECTORY,
    FILEXFER_TYPE_REGULAR,
    FXF_APPEND,
    FXF_CREAT,
    FXF_EXCL,
    FXF_TRUNC,
    FXF_WRITE,
    SFTPAttrs,
    SFTPName,
    SFTPServer,
    SSHServerChannel,
    sftp,
)

from gateway.errors import BadInput, CrossdockError, NotFound
from gateway.model import Version
from gateway.notifications import FILE_DOOR
from gateway.sftp.acts import Acts, How
from gateway.sftp.errors import status_of, text_of
from gateway.sftp.pace import Pace
from gateway.sftp.reading import Download
from gateway.sftp.visit import Entry, Visit
from gateway.sftp.writing import Upload
from gateway.telemetry import Request

PIECE_BYTES_MAX = 255 * 1024
"""What a client is told to read or write at most in one request: asyncssh's own 4 MiB would let
one that sends 128 of them at once fill half a gigabyte. A longer read is answered with less."""
FEW_FILES = 4
"""So many may fill their parts without a look at what all of them hold."""
HELD_BYTES_ALL = 64 * 1024**2
EARLY_BYTES_ALL = 32 * 1024**2
"""What the files that one session writes may hold together, and that behind gaps."""
SHOWN_PATH_MAX = 200
"""Characters of a path in what is said of it."""
FILE_MODE = stat.S_IFREG | 0o640
FOLDER_MODE = stat.S_IFDIR | 0o750
NEVER_ASKED = 0
"""The owner's numbers, which mean nothing here."""

OK, REFUSED, FAILED = 200, 403, 500
"""How requests are counted: in HTTP's classes, as those of the other door."""
NO_LINKS = "there are no links here"
QUIET = (NotFound,)
"""Errors that jobs ask for: whether a file is there is found out by looking."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Attendance(Protocol):
    """What a session tells its connection of itself."""

    uploads: int

    def request(self) -> AbstractContextManager[None]: ...


class Session(SFTPServer):
    """`files_max` open at once; `over` is told of a client that goes beyond a limit."""

    def __init__(
        self,
        channel: SSHServerChannel[bytes],
        visit: Visit,
        acts: Acts,
        pace: Pace,
        *,
        files_max: int,
        over: Callable[[], None],
        left: Callable[[Session], None],
        measure: Callable[[Request], None],
        ticks: Callable[[], float],
        arrival: Attendance,
    ) -> None:
        super().__init__(channel)
        self._visit = visit
        self._acts = acts
        self._pace = pace
        self.files_max = files_max
        self._over = over
        self._left = left
        self._measure = measure
        self._ticks = ticks
        self.arrival = arrival
        self._files: set[Upload | Download] = set()
        self._began = visit.began
        self.dropping = False
        self.folders = 0  # that are being listed
        self.ended = asyncio.Event()

    # --- files ---------------------------------------------------------------------------------

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        return await self._told("open", path, self._open(path, pflags, attrs))

    async def _open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> Upload | Download:
        self.check_room()
        found: Upload | Download
        if pflags & FXF_WRITE:
            appends = bool(pflags & FXF_APPEND)
            how = How(
                truncates=bool(pflags & FXF_TRUNC) and not appends,
                appends=appends,
                creates=bool(pflags & FXF_CREAT),
                only_new=bool(pflags & FXF_EXCL),
            )
            found = await self._acts.open_to_write(path, how)
            self.arrival.uploads += 1
            _describe(found, attrs)
        else:
            found = await self._acts.open_to_read(path)
        self._files.add(found)
        return found

    def check_room(self) -> None:
        """BadInput with as many files and folders open as there may be."""
        if len(self._files) + self.folders >= self.files_max:
            self._over()
            raise BadInput(f"a session may have {self.files_max} files and folders open")

    def check_folders(self) -> None:
        """The same, for a folder that is to be listed."""
        try:
            self.check_room()
        except CrossdockError as error:
            raise self._refused("list", b"", error) from error

    async def open56(
        self, path: bytes, desired_access: int, flags: int, attrs: SFTPAttrs
    ) -> object:
        raise sftp.SFTPOpUnsupported("version 3 of the protocol is spoken here")

    async def close(self, file_obj: object) -> None:
        self._files.discard(cast(Upload | Download, file_obj))
        if isinstance(file_obj, Download):
            await file_obj.close()
            return
        upload = cast(Upload, file_obj)
        self.arrival.uploads -= 1
        name = f"{upload.ref}".encode()
        # asyncssh's scp closes a file while what ended it passes by: that is no end of the file
        if self.dropping or sys.exc_info()[0] is not None:
            await self._told("keep", name, self._acts.drop(upload))
        else:
            await self._told("close", name, self._acts.close(upload))

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if not isinstance(file_obj, Download):
            raise sftp.SFTPPermissionDenied("this file is open for writing alone")
        name = f"{file_obj.reading.version.ref}".encode()
        data = await self._told("read", name, file_obj.read(offset, min(size, PIECE_BYTES_MAX)))
        await self._pace.spent(len(data))
        return data

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        """Answered at once as long as there is room for it."""
        free = self._pace.free and len(self._files) <= FEW_FILES
        if free and isinstance(file_obj, Upload) and file_obj.takes(offset, data):
            return len(data)
        return self._write(file_obj, offset, data)

    async def _write(self, file_obj: object, offset: int, data: bytes) -> int:
        if not isinstance(file_obj, Upload):
            raise sftp.SFTPPermissionDenied("this file is open for reading alone")
        await self._told("write", f"{file_obj.ref}".encode(), self._take(file_obj, offset, data))
        await self._pace.spent(len(data))
        return len(data)

    async def _take(self, upload: Upload, offset: int, data: bytes) -> None:
        """While all files hold too much, the fullest of them sends on what it has."""
        others = [each for each in self._files if isinstance(each, Upload) and each is not upload]
        early = sum(each.early_bytes for each in others)
        await upload.take(offset, data, EARLY_BYTES_ALL - early)
        if upload.held_bytes + sum(each.held_bytes for each in others) > HELD_BYTES_ALL:
            await max((upload, *others), key=lambda each: each.held_bytes).ease()

    async def fsync(self, file_obj: object) -> None:
        if isinstance(file_obj, Upload):
            await self._told("fsync", f"{file_obj.ref}".encode(), file_obj.sync())

    # --- attributes ----------------------------------------------------------------------------

    async def stat(self, path: bytes) -> SFTPAttrs:
        return await self._told("stat", path, self._stat(path))

    async def lstat(self, path: bytes) -> SFTPAttrs:
        return await self._told("stat", path, self._stat(path))

    async def _stat(self, path: bytes) -> SFTPAttrs:
        return self._shown(await self._visit.look(self._visit.seen(path)))

    async def fstat(self, file_obj: object) -> SFTPAttrs:
        if isinstance(file_obj, Download):
            name = f"{file_obj.reading.version.ref}".encode()
            return await self._told("fstat", name, self._fstat(file_obj.reading.version))
        upload = cast(Upload, file_obj)
        return attrs_of(Entry("", size=upload.size, at=upload.at))

    async def _fstat(self, version: Version) -> SFTPAttrs:
        at = await self._visit.modified(self._visit.standing(), version)
        return attrs_of(Entry("", size=version.size, at=at))

    async def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Times are kept where they can be; modes and owners mean nothing here, and a job that
        sets them is no worse off when that has no effect."""
        if attrs.size is not None:
            raise sftp.SFTPOpUnsupported("a file's size can't be set: put the file anew")
        if attrs.mtime is not None:
            await self._told("setstat", path, self._acts.set_modified(path, attrs.mtime))
        else:
            await self._told("setstat", path, self._stat(path))

    async def lsetstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        await self.setstat(path, attrs)

    async def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        if isinstance(file_obj, Upload):
            _describe(file_obj, attrs)
            if attrs.size is not None:
                cut = file_obj.cut(attrs.size)
                await self._told("setstat", f"{file_obj.ref}".encode(), cut)

    # --- names ---------------------------------------------------------------------------------

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        folder = self._shown(Entry("", folder=True))
        try:
            spot = self._visit.spot(path)
            entries = self._visit.entries(spot)
            first = await anext(entries, None)
            yield SFTPName(b".", attrs=folder)
            yield SFTPName(b"..", attrs=folder)
            if first is not None:
                yield SFTPName(first.name.encode(), attrs=self._shown(first))
            async for entry in entries:
                yield SFTPName(entry.name.encode(), attrs=self._shown(entry))
        except CrossdockError as error:
            raise self._refused("list", path, error) from error
        except Exception as error:
            raise _unforeseen("list") from error

    async def remove(self, path: bytes) -> None:
        await self._told("remove", path, self._acts.remove(path))

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Of version 3: fails where something has the new name."""
        doing = self._acts.rename(oldpath, newpath, replaces=False)
        await self._told("rename", oldpath, doing)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        doing = self._acts.rename(oldpath, newpath, replaces=True)
        await self._told("rename", oldpath, doing)

    async def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        await self._told("mkdir", path, self._acts.make_folder(path))

    async def rmdir(self, path: bytes) -> None:
        await self._told("rmdir", path, self._acts.drop_folder(path))

    async def realpath(self, path: bytes) -> bytes:
        async def real() -> bytes:
            return self._visit.spot(path).path.encode()

        return await self._told("realpath", path, real())

    # --- what there is none of -----------------------------------------------------------------

    async def readlink(self, path: bytes) -> bytes:
        raise sftp.SFTPOpUnsupported(NO_LINKS)

    async def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise sftp.SFTPOpUnsupported(NO_LINKS)

    async def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise sftp.SFTPOpUnsupported(NO_LINKS)

    async def lock(self, file_obj: object, offset: int, length: int, flags: int) -> None:
        raise sftp.SFTPOpUnsupported("there are no locks here")

    async def unlock(self, file_obj: object, offset: int, length: int) -> None:
        raise sftp.SFTPOpUnsupported("there are no locks here")

    async def statvfs(self, path: bytes) -> sftp.SFTPVFSAttrs:
        raise sftp.SFTPOpUnsupported("how much room there is, is not told")

    async def fstatvfs(self, file_obj: object) -> sftp.SFTPVFSAttrs:
        raise sftp.SFTPOpUnsupported("how much room there is, is not told")

    # --- inside --------------------------------------------------------------------------------

    def map_path(self, path: bytes) -> bytes:
        return path

    def reverse_map_path(self, path: bytes) -> bytes:
        return path

    def format_user(self, uid: int | None) -> str:
        return "-"

    def format_group(self, gid: int | None) -> str:
        return "-"

    def _shown(self, entry: Entry) -> SFTPAttrs:
        """A folder is as old as the session: it has no time of its own."""
        return attrs_of(replace(entry, at=self._began) if entry.folder else entry)

    async def exit(self) -> None:
        """scp waits for this status after a good upload."""
        self.channel.exit(0)
        self.leave()

    def leave(self) -> None:
        """Nothing comes of it any more."""
        self.ended.set()
        self._left(self)

    async def _told(self, act: str, path: bytes, doing: Awaitable[T]) -> T:
        began, status = self._ticks(), OK
        try:
            return await doing
        except CrossdockError as error:
            refused = self._refused(act, path, error)
            status = FAILED if isinstance(refused, sftp.SFTPFailure) else REFUSED
            raise refused from error
        except Exception as error:
            status = FAILED
            raise _unforeseen(act) from error
        finally:
            self._measure(Request(FILE_DOOR, act, status, self._ticks() - began))

    def _refused(self, act: str, path: bytes, error: CrossdockError) -> sftp.SFTPError:
        """The status; and the text on the job's own log, which most clients don't show else."""
        text = text_of(error)
        if not self.channel.is_closing() and not isinstance(error, QUIET):
            shown = path[:SHOWN_PATH_MAX].decode("utf-8", "backslashreplace")
            line = f"crossdock: {act} {shown}: {text}"
            safe = "".join(c if c.isprintable() else "?" for c in line)
            self.channel.write_stderr(f"{safe}\r\n".encode())
        return status_of(error)


def _unforeseen(act: str) -> sftp.SFTPError:
    log.exception("an sFTP request failed", extra={"act": act})
    return sftp.SFTPFailure("something went wrong inside; the log says what")


def _describe(upload: Upload, attrs: SFTPAttrs) -> None:
    if attrs.mtime is not None:
        upload.set_modified(attrs.mtime)


def attrs_of(entry: Entry) -> SFTPAttrs:
    kind = FILEXFER_TYPE_DIRECTORY if entry.folder else FILEXFER_TYPE_REGULAR
    return SFTPAttrs(
        type=kind,
        size=0 if entry.folder else entry.size,
        uid=NEVER_ASKED,
        gid=NEVER_ASKED,
        permissions=FOLDER_MODE if entry.folder else FILE_MODE,
        atime=entry.at,
        mtime=entry.at,
        nlink=1,
    )
