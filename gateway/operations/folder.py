"""The policies folder on disk: read, and written file by file, each whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import BadInput

FILES_MAX = 10_000
FILE_BYTES_MAX = 4 * 1024**2

Signature = tuple[tuple[str, int, int, int], ...]
Changes = Mapping[str, str]
"""A file's name -> its new text, "" for one that goes."""


def signature_of(folder: Path) -> Signature:
    """What tells that the folder changed, without reading its files."""
    stats = ((path.name, path.stat()) for path in _files(folder))
    return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)


def read_folder(folder: Path) -> Mapping[str, str]:
    """Each policy file's text by its name. What is not UTF-8 stays recognisable as that, so that
    the file's own problem can be told with its place."""
    return {path.name: _text(path) for path in _files(folder)}


def _text(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise BadInput(f"{path.name} is larger than {FILE_BYTES_MAX} bytes")
    return raw.decode("utf-8", "surrogateescape")


def _files(folder: Path) -> list[Path]:
    """Hidden names are left out: editors keep their own copies under them."""
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
    )
    if len(found) > FILES_MAX:
        raise BadInput(f"{folder} holds more than {FILES_MAX} files")
    return [path for path in found if path.is_file()]


def edited(folder: Path, in_force: Mapping[str, str], changes: Changes) -> tuple[str, ...]:
    """Those of the files to be changed that somebody has changed there: what lies in the folder is
    neither what is in force nor what it is to become."""
    there = {name: _text(folder / name) for name in changes if (folder / name).is_file()}
    return tuple(
        name
        for name, text in sorted(changes.items())
        if there.get(name, "") not in (in_force.get(name, ""), text)
    )


@dataclass(frozen=True, slots=True)
class Staged:
    """Changes of which the new texts lie on the disk already, under names that nobody reads."""

    folder: Path
    changes: Changes

    def draft(self, name: str) -> Path:
        return self.folder / f".{name}.crossdock"

    def settle(self) -> None:
        """The changes take their places; done again after a crash it does the same."""
        for name, text in self.changes.items():
            if text:
                self.draft(name).replace(self.folder / name)
            else:
                (self.folder / name).unlink(missing_ok=True)
        _sync(self.folder)

    def discard(self) -> None:
        for name in self.changes:
            self.draft(name).unlink(missing_ok=True)


def stage(folder: Path, changes: Changes) -> Staged:
    """BadInput where the folder can't be written; nothing of it is changed then."""
    staged = Staged(folder, changes)
    try:
        for name, text in changes.items():
            if text:
                _write(staged.draft(name), text)
    except OSError as error:
        staged.discard()
        raise BadInput(f"the policies folder can't be written: {error}") from error
    return staged


def _write(path: Path, text: str) -> None:
    with path.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
