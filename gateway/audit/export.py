"""The log as a folder of files that partners keep and check, in the layout of C2SP tlog-tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from gateway.audit.check import Report, audit
from gateway.audit.merkle import HASH_BYTES
from gateway.audit.notes import Checkpoint, Verifier, open_checkpoint
from gateway.audit.tiles import (
    TILE_WIDTH,
    Name,
    ReadTile,
    Tile,
    bundle,
    bundles_for,
    tiles_for,
    unbundle,
    width_of,
)
from gateway.errors import BadInput, LogDamaged

CHECKPOINT = "checkpoint"
ReadFile = Callable[[str], bytes | None]
"""A path below the folder -> its bytes, None if there is no such file."""


@dataclass(frozen=True, slots=True)
class ExportedRecord:
    """An entry without its openings: all that a partner has of others' records."""

    index: int
    entry: bytes
    number: int = 0
    openings: bytes = b""


@dataclass(frozen=True, slots=True)
class Export:
    """A folder whose checkpoint verified; its tiles and entries are as they are."""

    checkpoint: Checkpoint
    read_file: ReadFile

    def tile(self, name: Name) -> bytes:
        """One stored tile as wide as the checkpoint makes it; b"" if it is missing."""
        width = width_of(*name, self.checkpoint.size)
        return (width and self.read_file(Tile(*name, width).path)) or b""

    def records(self) -> Iterator[ExportedRecord]:
        """Every entry up to the first bundle that is missing. LogDamaged if one is broken."""
        for tile in bundles_for(self.checkpoint.size):
            data = self.read_file(tile.path)
            if data is None:
                return
            first = tile.index * TILE_WIDTH
            for offset, entry in enumerate(unbundle(data, tile.width)):
                yield ExportedRecord(first + offset, entry)


def export_files(
    note: str, size: int, read: ReadTile, entries: Iterable[bytes]
) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of each file of an export; `entries` are the first `size` ones, in order.

    The checkpoint comes last: a folder that has one is whole. LogDamaged where a tile is missing.
    """
    for tile in tiles_for(size):
        data = read((tile.level, tile.index))[: tile.width * HASH_BYTES]
        if len(data) != tile.width * HASH_BYTES:
            raise LogDamaged(f"The stored hashes of {tile.path} are missing.", kind="tile")
        yield tile.path, data
    stream = iter(entries)
    for tile in bundles_for(size):
        page = list(islice(stream, tile.width))
        if len(page) != tile.width:
            raise LogDamaged(f"The entries of {tile.path} are missing.", kind="entries")
        yield tile.path, bundle(page)
    yield CHECKPOINT, note.encode()


def open_export(read_file: ReadFile, verifiers: Sequence[Verifier]) -> Export:
    """BadInput if the folder holds no checkpoint that these keys vouch for."""
    data = read_file(CHECKPOINT)
    if data is None:
        raise BadInput("There is no checkpoint in this folder.")
    try:
        note = data.decode()
    except UnicodeDecodeError as error:
        raise BadInput("The checkpoint is not UTF-8.") from error
    return Export(open_checkpoint(note, verifiers)[0], read_file)


def verify_export(export: Export, kept: Sequence[Checkpoint] = ()) -> Report:
    """Checks every entry and tile of the folder against its checkpoint and the kept ones."""
    return audit(export.records(), export.tile, export.checkpoint, kept=kept)
