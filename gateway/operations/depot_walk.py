"""What lies in a depot, folder by folder: never more of it in memory than a page and the names of
the folders that are still to be looked into."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import cast

import asyncssh

from gateway.errors import CrossdockError, DepotRefused, DepotUnavailable
from gateway.habits import USUAL, Habits, is_temporary
from gateway.model import KEY_BYTES_MAX, OBJECT_BYTES_MAX
from gateway.operations.depot import below, printable
from gateway.policy.patterns import Pattern

PAGE_FILES = 500
"""Files that are looked up in the catalog at once."""
FOLDERS_MAX = 250_000
"""Folders that wait to be looked into: each is a name in memory."""

ANY_NAME = "x"
"""Of a file in a folder of which only the folder is asked about."""

WAITING, REFUSED, FAILED = (
    "waiting",  # not complete yet: the next round looks again
    "refused",  # can't be a version, or may not be written by the party
    "failed",  # the depot did not give it, or the gateway could not take it
)

Heard = Callable[[str, str, str], None]
"""Hears of what is left out, and why: the path in the depot, the outcome, the reason."""

KINDS = (
    (asyncssh.FILEXFER_TYPE_SYMLINK, "a symbolic link"),
    (asyncssh.FILEXFER_TYPE_BLOCK_DEVICE, "a device"),
    (asyncssh.FILEXFER_TYPE_CHAR_DEVICE, "a device"),
    (asyncssh.FILEXFER_TYPE_FIFO, "a pipe"),
    (asyncssh.FILEXFER_TYPE_SOCKET, "a socket"),
)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the depot lists it: its path below the folder that is imported, its whole path, the
    second in which it was changed, its size."""

    path: str
    place: bytes
    mtime: int
    size: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which paths are meant: those that an `include` matches (all, without any) and no `exclude`
    does; and, by habit, which names are temporary."""

    include: tuple[Pattern, ...] = ()
    exclude: tuple[Pattern, ...] = ()
    habits: Habits = USUAL

    def wants(self, path: str) -> bool:
        included = not self.include or any(each.matches(path) for each in self.include)
        return included and not any(each.matches(path) for each in self.exclude)

    def enters(self, folder: str) -> bool:
        """Not where nothing below it can be meant."""
        whole = (each for each in self.exclude if each.text.endswith("**"))
        return not any(each.matches(f"{folder}/") for each in whole)

    def is_temporary(self, path: str) -> bool:
        return is_temporary(self.habits, path)

    def is_temporary_folder(self, folder: str) -> bool:
        return is_temporary(self.habits, f"{folder}/{ANY_NAME}")


class Walk:
    """One pass over a folder of a depot and all below it."""

    def __init__(
        self, client: asyncssh.SFTPClient, root: bytes, selection: Selection, heard: Heard
    ) -> None:
        self._client = client
        self._root = root
        self._selection = selection
        self._heard = heard
        self._folders: list[str] = []

    async def pages(self) -> AsyncGenerator[Sequence[RemoteFile], None]:
        """In no order that a caller could rely on. A folder that can't be read is left out and
        told of, the root apart. Raises DepotRefused, DepotUnavailable."""
        page: list[RemoteFile] = []
        self._folders = [""]
        while self._folders:
            folder = self._folders.pop()
            async with aclosing(self._files(folder)) as files:
                async for file in files:
                    page.append(file)
                    if len(page) == PAGE_FILES:
                        yield page
                        page = []
        if page:
            yield page

    async def _files(self, folder: str) -> AsyncGenerator[RemoteFile, None]:
        place = below(self._root, folder.encode()) if folder else self._root
        try:
            with depot_errors(_shown(place)):
                async with aclosing(self._names(place)) as names:
                    async for name in names:
                        file = await self._look(folder, place, name)
                        if file is not None:
                            yield file
        except DepotRefused as error:
            if not folder:
                raise
            self._heard(f"{folder}/", FAILED, error.message)

    def _names(self, place: bytes) -> AsyncGenerator[asyncssh.SFTPName, None]:
        return cast(AsyncGenerator[asyncssh.SFTPName, None], self._client.scandir(place))

    async def _look(self, folder: str, place: bytes, name: asyncssh.SFTPName) -> RemoteFile | None:
        raw = name.filename if isinstance(name.filename, bytes) else name.filename.encode()
        if raw in (b".", b".."):
            return None
        try:
            path = f"{folder}/{raw.decode()}" if folder else raw.decode()
        except UnicodeDecodeError:
            shown = raw.decode("utf-8", "backslashreplace")
            self._heard(f"{folder}/{shown}".lstrip("/"), REFUSED, "its name is not UTF-8")
            return None
        if not raw or b"/" in raw or b"\0" in raw:
            self._heard(path, REFUSED, "no file can have that name")
            return None
        whole = below(place, raw)
        attrs = name.attrs
        if attrs.type == asyncssh.FILEXFER_TYPE_UNKNOWN or None in (attrs.size, attrs.mtime):
            try:
                with depot_errors(path):
                    attrs = await self._client.lstat(whole)
            except DepotRefused as error:
                self._heard(path, FAILED, error.message)
                return None
        if attrs.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
            self._enter(path)
            return None
        return self._file(path, whole, attrs) if self._selection.wants(path) else None

    def _enter(self, folder: str) -> None:
        if not self._selection.enters(folder):
            return
        if len(folder.encode()) >= KEY_BYTES_MAX:
            self._heard(f"{folder}/", REFUSED, "no key is as long as the paths below it")
            return
        if self._selection.is_temporary_folder(folder):
            self._heard(f"{folder}/", WAITING, "")
            return
        if len(self._folders) == FOLDERS_MAX:
            raise CrossdockError(
                f"more than {FOLDERS_MAX} folders side by side: import them one by one"
            )
        self._folders.append(folder)

    def _file(self, path: str, whole: bytes, attrs: asyncssh.SFTPAttrs) -> RemoteFile | None:
        for kind, words in KINDS:
            if attrs.type == kind:
                self._heard(path, REFUSED, f"{words}, not a file")
                return None
        if attrs.type != asyncssh.FILEXFER_TYPE_REGULAR:
            self._heard(path, REFUSED, "the depot does not say that it is a file")
        elif attrs.size is None or attrs.mtime is None:
            self._heard(path, REFUSED, "the depot does not tell its size and time")
        elif attrs.size > OBJECT_BYTES_MAX:
            self._heard(path, REFUSED, f"larger than {OBJECT_BYTES_MAX} bytes")
        elif self._selection.is_temporary(path):
            self._heard(path, WAITING, "")
        else:
            return RemoteFile(path, whole, int(attrs.mtime), attrs.size)
        return None


def _shown(place: bytes) -> str:
    return place.decode("utf-8", "backslashreplace")


@contextmanager
def depot_errors(what: str) -> Iterator[None]:
    """Turns the library's errors into DepotRefused (this file or folder alone) and
    DepotUnavailable (the session is over)."""
    what = printable(what)
    try:
        yield
    except (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost) as error:
        raise DepotUnavailable(f"the depot broke off at {what}: {_said(error)}") from error
    except asyncssh.SFTPNoSuchFile as error:
        raise DepotRefused(f"the depot has no {what}, or not any more") from error
    except asyncssh.SFTPError as error:
        raise DepotRefused(f"the depot does not give {what}: {_said(error)}") from error
    except (asyncssh.Error, OSError) as error:
        raise DepotUnavailable(f"the depot broke off at {what}: {_said(error)}") from error


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return printable(getattr(error, "reason", "") or str(error) or type(error).__name__)
