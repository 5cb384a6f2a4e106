"""Delivered copies in a folder: where each lies, and the sidecar that says that it is ours.

A sidecar (JSON, below `.crossdock/.marks/`, named by the SHA-256 of the key) holds a list of what
may lie under the key, each with the etag of the file that it speaks of. It is written before the
file takes its name, with the older copy's entry kept beside the new one: whichever file a crash
leaves there, it is recognised, and one without an entry of its own is not ours.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import ChangedInStore, MissingFromStore, Occupied, StoreUnavailable
from gateway.faults import fault
from gateway.stores import Natural, Parcel, Placed, Written, marks, naming
from gateway.stores.disk import Disk, Staged
from gateway.stores.naming import OWN_FOLDER, Path

MARKS: Path = (OWN_FOLDER, b".marks")
HASH_BYTES = 1024 * 1024


def etag_of(about: os.stat_result) -> str:
    """Another one for every file, and for every change of a file."""
    return f"{about.st_ino:x}-{about.st_size:x}-{about.st_mtime_ns:x}"


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies under a key. `parcel` is its own if it is our copy, unaltered; else what the
    sidecar says last lay there, or None without one."""

    path: Path
    about: os.stat_result
    parcel: Parcel | None = None
    ours: bool = False

    @property
    def etag(self) -> str:
        return etag_of(self.about)


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
        if there is None and replace is not None:
            raise StoreUnavailable("The older copy is gone: examine again.")
        if there is not None and not (there.ours and there.etag == replace):
            raise Occupied
        about = os.fstat(staged.file)
        entries = [_entry(etag_of(about), parcel)]
        if there is not None and there.parcel is not None:
            entries.append(_entry(there.etag, there.parcel))
        self._note(key, entries)
        fault("store.noted")
        if there is not None:
            self._disk.replace(staged, there.path)
        else:
            self._settle(staged, key)
        return Written(about.st_size, etag_of(about))

    def examine(self, key: str) -> Placed | None:
        there = self._find(key)
        if there is None:
            return None
        if there.parcel is None:
            return Placed(there.about.st_size, there.etag)
        return Placed(
            there.about.st_size,
            there.etag,
            version=there.parcel.version,
            number=there.parcel.number,
            ref=there.parcel.ref,
            altered=not there.ours,
        )

    def inspect(self, key: str) -> Natural | None:
        """A link, a device, a pipe is nothing that could be adopted."""
        there = self._find(key)
        if there is None or not stat.S_ISREG(there.about.st_mode):
            return None
        about = there.about
        parcel = there.parcel if there.ours else None
        return Natural(about.st_size, there.etag, about.st_mtime_ns, ours=there.ours, parcel=parcel)

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
        if there.parcel is None or not there.ours or there.etag != if_match:
            raise ChangedInStore
        parcel = dataclasses.replace(there.parcel, tags=tags)
        self._note(key, [_entry(there.etag, parcel)])
        return Written(there.about.st_size, there.etag)

    def remove(self, key: str, if_match: str) -> None:
        there = self._find(key)
        if there is None:
            return
        if not there.ours or there.etag != if_match:
            raise ChangedInStore
        self._disk.remove(there.path)
        self._disk.remove(_sidecar(key))

    def parcel_of(self, key: str) -> Parcel | None:
        there = self._find(key)
        return there.parcel if there is not None and there.ours else None

    def _look(self, key: str) -> _Found | None:
        """The file (or link, or device) under this key; a folder of that name is not one."""
        for path in (naming.plain_path(key), naming.encoded_path(key)):
            about = None if path is None else self._disk.look(path)
            if path is not None and about is not None and not stat.S_ISDIR(about.st_mode):
                return _Found(path, about)
        return None

    def _find(self, key: str) -> _Found | None:
        there = self._look(key)
        if there is None or not stat.S_ISREG(there.about.st_mode):
            return there
        entries = self._noted(key)
        for etag, parcel in entries:
            if etag == there.etag:
                return dataclasses.replace(there, parcel=parcel, ours=True)
        # Not the file that we wrote. A restored or moved folder has other inodes, so the content
        # decides: the same bytes are our copy still.
        for _, parcel in entries:
            if parcel.size == there.about.st_size and parcel.sha256 == self._hash(there.path):
                return dataclasses.replace(there, parcel=parcel, ours=True)
        return dataclasses.replace(there, parcel=entries[0][1]) if entries else there

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

    def _noted(self, key: str) -> list[tuple[str, Parcel]]:
        try:
            file = self._disk.open(_sidecar(key))
        except (FileNotFoundError, NotADirectoryError):
            return []
        with open(file, "rb") as sidecar:
            text = sidecar.read()
        try:
            document = json.loads(text)
            entries = [(e["etag"], marks.from_document(e)) for e in document["copies"]]
        except (ValueError, KeyError, TypeError):  # damaged: then nothing says that it is ours
            return []
        return entries if document.get("at") == key else []

    def _note(self, key: str, entries: list[dict[str, Any]]) -> None:
        staged = self._disk.stage(named=True)
        try:
            staged.append([marks.dump({"at": key, "copies": entries})])
            staged.seal()
            self._disk.replace(staged, _sidecar(key))
        finally:
            self._disk.discard(staged)

    def _hash(self, path: Path) -> str:
        digest = hashlib.sha256()
        with open(self._disk.open(path), "rb") as file:
            while chunk := file.read(HASH_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


def _entry(etag: str, parcel: Parcel) -> dict[str, Any]:
    return {"etag": etag, **marks.to_document(parcel)}


def _sidecar(key: str) -> Path:
    name = hashlib.sha256(key.encode()).hexdigest().encode()
    return (*MARKS, name[:2], name)
