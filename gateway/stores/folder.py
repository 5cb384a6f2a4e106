"""Delivered copies in a folder: where each lies, and the sidecar that says that it is ours."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence

from gateway.errors import MissingFromStore
from gateway.faults import fault
from gateway.stores import Natural, Parcel, Placed, Written, naming, sidecars
from gateway.stores.disk import Disk, Staged
from gateway.stores.naming import Path
from gateway.stores.sidecars import Entry, Lying

HASH_BYTES = 1024 * 1024


def etag_of(about: os.stat_result) -> str:
    """Another one for every file, and for every change of a file."""
    return f"{about.st_ino:x}-{about.st_size:x}-{about.st_mtime_ns:x}"


class Folder:
    """Blocking. Checks and the change that follows are not one step for the folder's owner: a
    file that the owner replaces in the very moment of our rename is lost. Nothing on Linux that
    works on every file system can close that gap."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def deliver(self, key: str, parcel: Parcel, staged: Staged, replace: str | None) -> Written:
        """Gives the staged file (a named one, complete) its place."""
        staged.seal()
        there = self._find(key)
        sidecars.check_free(there, replace)
        about = os.fstat(staged.file)
        self._note(key, sidecars.entries_for(etag_of(about), parcel, there))
        fault("store.noted")
        if there is not None:
            self._disk.replace(staged, there.path)
        else:
            self._settle(staged, key)
        return Written(about.st_size, etag_of(about))

    def examine(self, key: str) -> Placed | None:
        there = self._find(key)
        return there.placed() if there is not None else None

    def inspect(self, key: str) -> Natural | None:
        there = self._find(key)
        return there.natural() if there is not None else None

    def open(self, key: str) -> int:
        """The file under this key, for reading."""
        there = self._look(key)
        if there is None:
            raise MissingFromStore
        return self._disk.open(there.path)

    def retag(self, key: str, tags: Mapping[str, str], if_match: str) -> Written:
        there = self._find(key)
        if there is None:
            raise MissingFromStore
        self._note(key, sidecars.retagged(there, tags, if_match))
        return Written(there.size, there.etag)

    def remove(self, key: str, if_match: str) -> None:
        there = self._find(key)
        if there is None:
            return
        sidecars.own(there, if_match)
        self._disk.remove(there.path)
        self._disk.remove(sidecars.path_of(key))

    def parcel_of(self, key: str) -> Parcel | None:
        there = self._find(key)
        return there.parcel if there is not None and there.ours else None

    def _look(self, key: str) -> Lying | None:
        """The file (or link, or device) under this key; a folder of that name is not one."""
        for path in sidecars.places(key):
            about = self._disk.look(path)
            if about is not None and not stat.S_ISDIR(about.st_mode):
                regular = stat.S_ISREG(about.st_mode)
                return Lying(path, about.st_size, etag_of(about), about.st_mtime_ns, regular)
        return None

    def _find(self, key: str) -> Lying | None:
        there = self._look(key)
        if there is None or not there.regular:
            return there
        entries = self._noted(key)
        parcel = sidecars.matching(there, entries)
        if parcel is not None:
            return there.as_ours(parcel)
        for parcel in sidecars.of_its_size(there, entries):
            if parcel.sha256 == self._hash(there.path):
                return there.as_ours(parcel)
        return there.as_altered(entries)

    def _settle(self, staged: Staged, key: str) -> None:
        plain = naming.plain_path(key)
        about = None if plain is None else self._disk.look(plain)
        if plain is not None and (about is None or not stat.S_ISDIR(about.st_mode)):
            try:
                self._disk.place(staged, plain)
            except NotADirectoryError:  # `a` is a file, and the key is `a/b`
                pass
            else:
                return
        self._disk.place(staged, naming.encoded_path(key))

    def _noted(self, key: str) -> list[Entry]:
        try:
            file = self._disk.open(sidecars.path_of(key))
        except (FileNotFoundError, NotADirectoryError):
            return []
        with open(file, "rb") as sidecar:
            return sidecars.load(key, sidecar.read())

    def _note(self, key: str, entries: Sequence[Entry]) -> None:
        staged = self._disk.stage(named=True)
        try:
            staged.append([sidecars.dump(key, entries)])
            staged.seal()
            self._disk.replace(staged, sidecars.path_of(key))
        finally:
            self._disk.discard(staged)

    def _hash(self, path: Path) -> str:
        digest = hashlib.sha256()
        with open(self._disk.open(path), "rb") as file:
            while chunk := file.read(HASH_BYTES):
                digest.update(chunk)
        return digest.hexdigest()
