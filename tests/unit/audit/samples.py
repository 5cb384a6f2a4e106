"""A small log as a catalog would hold it, and the ways to tamper with it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.audit import merkle, notes, tiles
from gateway.audit.check import Report, audit
from gateway.audit.notes import Checkpoint, Signer
from gateway.audit.records import seal
from gateway.audit.tiles import Edge, Name
from gateway.model import Event

ORIGIN = "files.example.com/-/log"
KEY = Signer(ORIGIN, bytes(range(32)))


@dataclass(frozen=True, slots=True)
class Row:
    index: int
    number: int
    entry: bytes
    openings: bytes


@dataclass(frozen=True, slots=True)
class Log:
    rows: tuple[Row, ...]
    tiles: dict[Name, bytes]
    head: Checkpoint

    @property
    def note(self) -> str:
        return notes.sign_checkpoint(self.head, KEY)

    def read(self, name: Name) -> bytes:
        return self.tiles.get(name, b"")

    def check(self, kept: Sequence[Checkpoint] = (), export: "Log | None" = None) -> Report:
        return audit(
            self.rows,
            self.read,
            self.head,
            kept=kept,
            read_kept=export.read if export else None,
            exported=export.head.size if export else 0,
        )

    def with_rows(self, rows: Sequence[Row]) -> "Log":
        """Other records, numbered on from 0, under the tiles and checkpoint as they were."""
        return replace(self, rows=tuple(replace(row, index=n) for n, row in enumerate(rows)))

    def resealed(self) -> "Log":
        """The thief of the key: tiles and checkpoint made anew over whatever the rows are now."""
        return log_of(self.rows)


def row(index: int, key: str = "") -> Row:
    event = Event(kind="write", at=index, party="acme", key=key or f"file-{index}")
    sealed = seal(event, 1000 + index, os.urandom)
    return Row(index, 1000 + index, sealed.entry, sealed.openings)


def log_of(rows: Sequence[Row]) -> Log:
    growth = tiles.grow(Edge(), [merkle.leaf_hash(item.entry) for item in rows])
    head = Checkpoint(ORIGIN, len(rows), growth.edge.root())
    return Log(tuple(rows), dict(growth.tiles), head)


def sample(size: int) -> Log:
    return log_of([row(index) for index in range(size)])
