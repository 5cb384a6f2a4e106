"""Blocking work on one folder: nothing leaves it, and what returns is on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from types import MappingProxyType

from gateway.errors import (
    CrossdockError,
    MissingFromStore,
    Occupied,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from gateway.faults import fault
from gateway.stores.naming import OWN_FOLDER, Path

STAGING: Path = (OWN_FOLDER, b".staging")
FOLDER_MODE = 0o770
FILE_MODE = 0o660
STAGED_SECONDS_MAX = 24 * 3600  # an abandoned staging file of a killed process is older than this
WRITEV_PIECES_MAX = 512  # below IOV_MAX (1024)

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BENEATH = _FOLDER_FLAGS | os.O_NOFOLLOW  # a planted symbolic link is not a folder
_FILE_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_ANONYMOUS = getattr(os, "O_TMPFILE", None)  # Linux: a file that has no name until it is linked

_ERRORS = MappingProxyType(
    {
        errno.ENOSPC: StoreFull,
        errno.EDQUOT: StoreFull,
        errno.EFBIG: StoreFull,
        errno.EACCES: StoreRefused,
        errno.EPERM: StoreRefused,
        errno.EROFS: StoreRefused,
        errno.ENAMETOOLONG: StoreRefused,
        errno.ENOENT: MissingFromStore,
        errno.ENOTDIR: MissingFromStore,
        errno.ELOOP: MissingFromStore,
        errno.EISDIR: MissingFromStore,
        errno.EEXIST: Occupied,
    }
)


class domain_errors:  # noqa: N801 - read as `with domain_errors():`
    """Tells an OSError in the words of gateway.errors; the message never names a path. (A class,
    for it stands around every system call: a generator costs five times as much.)"""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            word: type[CrossdockError] = _ERRORS.get(error.errno or 0, StoreUnavailable)
            raise word(f"The store's folder says: {error.strerror or error}.") from error


Identity = tuple[int, int]
"""Device and inode: which folder it is, whatever it is called."""


class SharedSync:
    """fsync of folders, shared by whoever waits: one that begins after a change covers it.

    While one sync of a folder runs, those who come meanwhile make up the next one, which the
    first of them does for all; only who is concerned wakes up. A failed one fails for all of it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Identity, _Sync] = {}
        self._gathering: dict[Identity, _Sync] = {}

    def sync(self, folder: int, name: Identity | None = None) -> None:
        """`name` is the folder's, where the caller knows it."""
        name = name or identity_of(os.fstat(folder))
        with self._lock:
            mine = self._gathering.get(name)
            leading = mine is None
            if mine is None:
                mine = self._gathering[name] = _Sync(self._running.get(name))
            mine.shared_by += 1
        if leading:
            self._lead(mine, folder, name)
        else:
            mine.ended.wait()
        if mine.failure:
            raise OSError(mine.failure, "fsync of a folder failed")

    def _lead(self, mine: _Sync, folder: int, name: Identity) -> None:
        if mine.before is not None:
            mine.before.ended.wait()
            mine.before = None
        with self._lock:
            del self._gathering[name]  # who comes now may have come too late for this one
            self._running[name] = mine
        try:
            os.fsync(folder)
        except OSError as error:
            mine.failure = error.errno or errno.EIO
        finally:
            with self._lock:
                if self._running.get(name) is mine:
                    del self._running[name]
            mine.ended.set()


class _Sync:
    """One fsync, to begin when the one before has ended; `failure` is its errno."""

    __slots__ = ("before", "ended", "failure", "shared_by")

    def __init__(self, before: _Sync | None) -> None:
        self.before = before
        self.ended = threading.Event()
        self.failure = 0
        self.shared_by = 0


class _Kept:
    """A folder's handle, closed when the last who uses it has let go."""

    __slots__ = ("handle", "name", "path")

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.handle = handle
        self.name = identity_of(os.fstat(handle))

    def __del__(self) -> None:
        os.close(self.handle)


def identity_of(about: os.stat_result) -> Identity:
    return about.st_dev, about.st_ino


KEPT_FOLDERS = 8
"""Handles of extent folders that stay open: those of the last forty hours, as a rule."""


class Disk:
    """Every path is walked from the root by folder handles, without following links.

    The root is made once, at the first use; if it is gone later (a mount that fell off),
    that is StoreRefused, never a new empty folder in its place.
    """

    def __init__(self, root: str) -> None:
        self._root = os.fsencode(root)
        self._made = False
        self._shared = SharedSync()
        self._kept: tuple[_Kept, ...] = ()

    @contextlib.contextmanager
    def folder(self, path: Path, *, make: bool = False) -> Iterator[int]:
        """A handle of the folder at `path`; FileNotFoundError or NotADirectoryError if absent."""
        try:
            handle = self._walk(path, make)
        except NotADirectoryError as error:
            if make and path[0] == OWN_FOLDER:
                raise StoreRefused("What should be the store's own folder is none.") from error
            raise
        try:
            yield handle
        finally:
            os.close(handle)

    def open(self, path: Path) -> int:
        """The regular file at `path`, for reading; FileNotFoundError for anything else."""
        if path[0] == OWN_FOLDER:
            kept = self._keep(path[:-1], make=False)
            file = os.open(path[-1], _FILE_FLAGS, dir_fd=kept.handle)
        else:
            with self.folder(path[:-1]) as folder:
                file = os.open(path[-1], _FILE_FLAGS, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise FileNotFoundError(errno.ENOENT, "not a file")
        return file

    def look(self, path: Path) -> os.stat_result | None:
        """What lies at `path`, links not followed; None for nothing, or for what is no folder
        on the way."""
        try:
            with self.folder(path[:-1]) as folder:
                return os.stat(path[-1], dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def stage(self, *, named: bool = False) -> Staged:
        """A new file that nobody sees. One to be moved over another needs a name."""
        with self.folder(STAGING, make=True) as folder:
            return (None if named else _nameless(folder)) or _named(folder)

    def create(self, path: Path, chunks: Sequence[bytes]) -> os.stat_result:
        """A whole small file, durably, in one walk; FileExistsError if the name is taken."""
        kept = self._keep(path[:-1], make=True)
        staged = _nameless(kept.handle)
        if staged is not None:
            try:
                staged.append(chunks)
                staged.seal()
                self._link(staged, kept.handle, path[-1], kept.name)
                return os.fstat(staged.file)
            finally:
                os.close(staged.file)
        staged = self.stage(named=True)
        try:
            staged.append(chunks)
            staged.seal()
            return self.place(staged, path)
        finally:
            self.discard(staged)

    def place(self, staged: Staged, path: Path) -> os.stat_result:
        """Gives the staged file its name, durably; FileExistsError if the name is taken."""
        with self.folder(path[:-1], make=True) as folder:
            self._link(staged, folder, path[-1])
        return os.fstat(staged.file)

    def _keep(self, path: Path, *, make: bool) -> _Kept:
        """The folder's handle, kept from one extent to the next, for most lie in few folders. It
        is looked up again by name: it may have been moved, or something mounted over it."""
        others = self._kept  # swapped whole: threads share it
        for kept in others:
            if kept.path == path and self._is_still(kept):
                return kept
        with self.folder(path, make=make) as folder:
            kept = _Kept(path, os.dup(folder))
        self._kept = (kept, *[k for k in others if k.path != path][: KEPT_FOLDERS - 1])
        return kept

    def _is_still(self, kept: _Kept) -> bool:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            where = b"/".join((self._root, *kept.path))
            return identity_of(os.stat(where, follow_symlinks=False)) == kept.name
        return False

    def _link(
        self, staged: Staged, folder: int, name: bytes, identity: Identity | None = None
    ) -> None:
        if staged.name:
            with self.folder(STAGING) as staging:
                os.link(staged.name, name, src_dir_fd=staging, dst_dir_fd=folder)
        else:
            source = f"/proc/self/fd/{staged.file}"
            os.link(source, name, dst_dir_fd=folder, follow_symlinks=True)
        fault("store.linked")
        try:
            self._shared.sync(folder, identity)
        except OSError:  # it has a name, but may lose it: the write did not happen
            os.unlink(name, dir_fd=folder)
            raise
        fault("store.placed")

    def replace(self, staged: Staged, path: Path) -> os.stat_result:
        """Moves the staged file (a named one) over what has the name, durably."""
        with self.folder(STAGING) as staging, self.folder(path[:-1], make=True) as folder:
            os.rename(staged.name, path[-1], src_dir_fd=staging, dst_dir_fd=folder)
            staged.name = b""
            fault("store.renamed")
            self._shared.sync(folder)
        fault("store.replaced")
        return os.fstat(staged.file)

    def discard(self, staged: Staged) -> None:
        """Closes the staged file, and removes its staging name if it has one left."""
        os.close(staged.file)
        if staged.name:
            with self.folder(STAGING) as staging:
                os.unlink(staged.name, dir_fd=staging)

    def remove(self, path: Path) -> None:
        """Durable; what is absent is no error."""
        absent = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with absent, self.folder(path[:-1]) as folder:
            os.unlink(path[-1], dir_fd=folder)
            fault("store.unlinked")
            self._shared.sync(folder)

    def list(self, path: Path) -> tuple[list[bytes], list[bytes]]:
        """The names of the files and of the folders in a folder; links and devices are neither."""
        files: list[bytes] = []
        folders: list[bytes] = []
        try:
            with self.folder(path) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(os.fsencode(entry.name))
                    elif entry.is_file(follow_symlinks=False):
                        files.append(os.fsencode(entry.name))
        except (FileNotFoundError, NotADirectoryError):
            return [], []
        return files, folders

    def sweep(self) -> int:
        """Removes staging files that a killed process left a day ago; says how many."""
        old: list[str] = []
        absent = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with absent, self.folder(STAGING) as staging:
            limit = time.time() - STAGED_SECONDS_MAX
            with os.scandir(staging) as entries:
                old += [e.name for e in entries if e.stat(follow_symlinks=False).st_mtime < limit]
            for name in old:
                os.unlink(name, dir_fd=staging)
        return len(old)

    def _walk(self, path: Path, make: bool) -> int:
        handle = self._open_root()
        try:
            for name in path:
                inner = self._enter(handle, name, make)
                os.close(handle)
                handle = inner
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _open_root(self) -> int:
        if not self._made:
            os.makedirs(self._root, FOLDER_MODE, exist_ok=True)
            self._made = True
        try:
            return os.open(self._root, _FOLDER_FLAGS)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreRefused("The store's folder does not exist.") from error

    def _enter(self, folder: int, name: bytes, make: bool) -> int:
        try:
            return os.open(name, _BENEATH, dir_fd=folder)
        except FileNotFoundError:
            if not make:
                raise
        with contextlib.suppress(FileExistsError):  # another writer was faster
            os.mkdir(name, FOLDER_MODE, dir_fd=folder)
            fault("store.folder-made")
        self._shared.sync(folder)
        return os.open(name, _BENEATH, dir_fd=folder)


class Staged:
    """A file being written, and the name that it has in the staging folder, if any."""

    __slots__ = ("file", "name", "size")

    def __init__(self, file: int, name: bytes) -> None:
        self.file = file
        self.name = name
        self.size = 0

    def append(self, chunks: Sequence[bytes]) -> None:
        for at in range(0, len(chunks), WRITEV_PIECES_MAX):
            pieces = chunks[at : at + WRITEV_PIECES_MAX]
            whole = sum(map(len, pieces))
            written = os.writev(self.file, pieces)
            if written < whole:  # a signal, or a nearly full disk, which the next call tells
                self._rest(b"".join(pieces)[written:])
            self.size += whole

    def seal(self) -> None:
        """Onto the disk. After an error the file is of no use: a second fsync may well succeed
        without the bytes (the kernel drops dirty pages that it could not write)."""
        fault("store.written")
        os.fsync(self.file)
        fault("store.synced")

    def _rest(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.file, view) :]


def _nameless(folder: int) -> Staged | None:
    """None on a file system that has no such files (NFS, old overlays), and off Linux."""
    if _ANONYMOUS is None:
        return None
    try:
        flags = _ANONYMOUS | os.O_WRONLY | os.O_CLOEXEC
        return Staged(os.open(b".", flags, FILE_MODE, dir_fd=folder), b"")
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
        raise


def _named(folder: int) -> Staged:
    name = secrets.token_hex(16).encode()
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    return Staged(os.open(name, flags, FILE_MODE, dir_fd=folder), name)
