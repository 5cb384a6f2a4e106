"""File systems that remember or fail, for SQLite: what a power cut or a bad disk would do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR_BYTES = 512


@dataclass(frozen=True)
class Op:
    """One thing that happened: write, truncate, sync or delete of a file, or an acknowledgement
    (whose `file` is what was acknowledged)."""

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


@dataclass
class Tape:
    """Everything that happened to the files below one folder, in order."""

    ops: list[Op] = field(default_factory=list)

    def ack(self, what: str) -> None:
        self.ops.append(Op("ack", what))

    def acked(self, cut: int) -> set[str]:
        return {op.file for op in self.ops[:cut] if op.kind == "ack"}

    def rebuild(self, cut: int, folder: Path, torn: random.Random | None = None) -> None:
        """The files as a power cut after `cut` operations may leave them: what was synced is
        there; of what was not, nothing, or with `torn` any part. Shared memory is gone."""
        files: dict[str, bytearray] = {}
        loose: dict[str, list[Op]] = {}
        for op in self.ops[:cut]:
            if op.kind == "delete":
                files.pop(op.file, None)
                loose.pop(op.file, None)
            elif op.kind == "sync":
                content = files.setdefault(op.file, bytearray())
                for each in loose.pop(op.file, ()):
                    _apply(content, each)
            elif op.kind != "ack":
                loose.setdefault(op.file, []).append(op)
        if torn:
            for name, ops in loose.items():
                _apply_some(files.setdefault(name, bytearray()), ops, torn)
        for name, content in files.items():
            (folder / Path(name).name).write_bytes(content)


def _apply(content: bytearray, op: Op) -> None:
    if op.kind == "truncate":
        del content[op.offset :]
    else:
        content.extend(bytes(max(0, op.offset - len(content))))
        content[op.offset : op.offset + len(op.data)] = op.data


def _apply_some(content: bytearray, ops: list[Op], chance: random.Random) -> None:
    """Any of the writes may have reached the disk, each up to any sector."""
    for op in ops:
        if chance.random() < 0.5:
            sectors = chance.randint(0, len(op.data) // SECTOR_BYTES + 1)
            _apply(content, Op(op.kind, op.file, op.offset, op.data[: sectors * SECTOR_BYTES]))


class TapedFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], tape: Tape) -> None:
        self._tape = tape
        self._name = name if isinstance(name, str) else name.filename()
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._tape.ops.append(Op("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._tape.ops.append(Op("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._tape.ops.append(Op("sync", self._name))


class TapingVFS(apsw.VFS):
    """Passes everything on and writes it down."""

    def __init__(self, name: str, tape: Tape) -> None:
        self._tape = tape
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> TapedFile:  # noqa: N802
        return TapedFile(name, flags, self._tape)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._tape.ops.append(Op("delete", filename))


Trouble = Callable[[str], apsw.Error | None]
"""Asked before each operation (read, write, sync, truncate): the error to fail with, or None."""


class BadFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], trouble: Trouble) -> None:
        self._trouble = trouble
        super().__init__("", name, flags)

    def _ask(self, operation: str) -> None:
        error = self._trouble(operation)
        if error is not None:
            raise error

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._ask("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._ask("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._ask("sync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._ask("truncate")
        super().xTruncate(newsize)


class BadVFS(apsw.VFS):
    """A disk that fails when it is told to."""

    def __init__(self, name: str, trouble: Trouble) -> None:
        self._trouble = trouble
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> BadFile:  # noqa: N802
        return BadFile(name, flags, self._trouble)


@contextmanager
def registered(vfs: apsw.VFS) -> Iterator[None]:
    try:
        yield
    finally:
        vfs.unregister()
