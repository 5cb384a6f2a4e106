"""Checks a whole log and names the first record that was changed, inserted, dropped or cut off.

What each kind of tampering is recognised by:

- an entry that was changed, dropped, inserted or moved no longer has the hash that stands at its
  index in the stored tiles, which were written when it was sealed;
- a value changed in the catalog no longer matches the commitment in its entry;
- tiles rewritten along with the entries no longer give the root of the signed checkpoint;
- a log cut off or rolled back is shorter than its checkpoint, or than one that was kept elsewhere;
- a log rewritten and signed anew with the log's own key is consistent in itself: only a checkpoint
  or an export kept elsewhere shows it. A kept root tells between which kept sizes the first
  changed record lies (`index` up to, not including, `until`); a kept export tells which it is.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.audit.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash
from gateway.audit.notes import Checkpoint
from gateway.audit.records import decode, differing
from gateway.audit.tiles import TILE_LEVELS, TILE_WIDTH, Edge, Name, ReadTile, grow, tiles_for
from gateway.errors import InvalidArgument, LogDamaged

PAGE = TILE_WIDTH
"""Records for each call of `feed`: pages begin at multiples of it, and only the last is shorter."""


class StoredRecord(Protocol):
    """A record as the catalog gives it; an export has no openings (b"") and no number (0)."""

    @property
    def index(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def entry(self) -> bytes: ...
    @property
    def openings(self) -> bytes: ...


class Fault(enum.Enum):
    CHANGED = "changed"  # another entry than was sealed
    INSERTED = "inserted"
    DROPPED = "dropped"
    MOVED = "moved"  # swapped with the next
    CUT_OFF = "cut off"
    VALUE = "value"  # what the catalog shows of the record is not what its entry commits to
    ORDER = "order"  # its number is lower than the one before
    HASHES = "hashes"  # the stored tiles are damaged, the records are not
    REWRITTEN = "rewritten"  # consistent in itself, but not what was signed
    ROLLED_BACK = "rolled back"  # the newest checkpoint is older than one kept elsewhere


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is wrong: at `index`, or at some index below `until`."""

    fault: Fault
    index: int
    until: int
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """`sealed` records stand under the newest checkpoint, `unsealed` ones came after it and are
    not yet vouched for; of `erased` fields nobody can tell what they held."""

    sealed: int
    unsealed: int
    erased: int
    finding: Finding | None

    def require_whole(self) -> None:
        """LogDamaged (index, kind) unless nothing is wrong."""
        if self.finding:
            raise LogDamaged(
                self.finding.text, index=self.finding.index, kind=self.finding.fault.value
            )


@dataclass(slots=True)
class Check:
    """One pass over a log, page by page, in bounded memory.

    `head` is the newest checkpoint that the log itself publishes (None if it has none yet), `kept`
    are verified checkpoints of the same log from elsewhere.
    """

    head: Checkpoint | None
    kept: Sequence[Checkpoint] = ()
    exported: int = 0
    """How many records the kept export has whose tiles are given to `feed`."""
    _tree: Frontier = field(default_factory=Frontier)
    _edge: Edge = field(default_factory=Edge)
    _first: Finding | None = None
    _sizes: frozenset[int] = frozenset()
    _good: int = 0
    _last: int = 0
    _erased: int = 0
    _suspect: list[bytes] = field(default_factory=list)
    _sealed_there: tuple[bytes, bytes] = (b"", b"")
    _suspect_at: int = 0

    def __post_init__(self) -> None:
        if len({item.origin for item in self._checkpoints()}) > 1:
            raise InvalidArgument("A kept checkpoint is of another log.", name="kept")
        self._sizes = frozenset(item.size for item in self._checkpoints())

    @property
    def size(self) -> int:
        return self._tree.size

    @property
    def sealed(self) -> int:
        return self.head.size if self.head else 0

    def names(self, count: int) -> list[Name]:
        """The stored tiles that the next page of `count` records is compared with, and the one
        that holds the hash after it."""
        return self._names(min(self.size + count + 1, self.sealed))

    def kept_names(self, count: int) -> list[Name]:
        """The tiles of the kept export that the next page is compared with."""
        return self._names(min(self.size + count, self.exported))

    def feed(
        self,
        records: Sequence[StoredRecord],
        tiles: Mapping[Name, bytes],
        kept_tiles: Mapping[Name, bytes] | None = None,
    ) -> None:
        """The next page of records with the tiles that `names` and `kept_names` asked for."""
        start = self.size
        leaves = [leaf_hash(record.entry) for record in records]
        for offset, (record, leaf) in enumerate(zip(records, leaves, strict=True)):
            self._compare_leaf(leaf, tiles, self.sealed)
            self._compare_kept(leaf, kept_tiles or {})
            self._compare_record(start + offset, record)
            self._append(leaf)
        sealed = leaves[: max(0, self.sealed - start)]
        growth = grow(self._edge, sealed)
        self._edge = growth.edge
        if not self._suspect:
            self._compare_tiles(start, growth.tiles, tiles)

    def finish(self) -> Report:
        """The report, once all records were fed."""
        if self.size == 0:
            self._compare_roots(EMPTY_ROOT)
        self._find_missing()
        first = self._first
        if self._suspect:
            judged = self._judge()
            first = min(judged, first or judged, key=_place)
        return Report(self.sealed, max(0, self.size - self.sealed), self._erased, first)

    # --- single records ---

    def _append(self, leaf: bytes) -> None:
        if self.size == 0:
            self._compare_roots(EMPTY_ROOT)
        self._tree.append(leaf)
        if self.size in self._sizes:
            self._compare_roots(self._tree.root())

    def _compare_leaf(self, leaf: bytes, tiles: Mapping[Name, bytes], sealed: int) -> None:
        """Remembers the first leaf that differs from the stored tiles, and the one after it."""
        if len(self._suspect) == 1:
            self._suspect.append(leaf)
        if self._suspect or self.size >= sealed:
            return
        stored = _leaf_in(tiles, self.size)
        if stored != leaf:
            self._suspect.append(leaf)
            self._suspect_at = self.size
            self._sealed_there = (stored, _leaf_in(tiles, self.size + 1))

    def _compare_kept(self, leaf: bytes, kept_tiles: Mapping[Name, bytes]) -> None:
        if self.size < self.exported and _leaf_in(kept_tiles, self.size) != leaf:
            text = f"Record {self.size} is not the one in the export that was kept."
            self._find(Fault.CHANGED, self.size, text)

    def _compare_record(self, index: int, record: StoredRecord) -> None:
        if record.index > index:
            self._find(Fault.DROPPED, index, f"Record {index} is missing.")
        elif record.index < index:
            self._find(Fault.INSERTED, index, f"Two records claim the index {record.index}.")
        if not record.openings:
            return
        try:
            opened = decode(record.openings)
        except LogDamaged:
            self._find(Fault.VALUE, index, f"The values of record {index} can't be read.")
            return
        if wrong := differing(record.entry, opened):
            text = f"Record {index} does not commit to what the catalog shows as its {wrong}."
            self._find(Fault.VALUE, index, text)
        if opened.value("number") != str(record.number):
            text = f"Record {index} was committed under another number than {record.number}."
            self._find(Fault.VALUE, index, text)
        if record.number < self._last:
            text = f"Record {index} has a lower number than the record before it."
            self._find(Fault.ORDER, index, text)
        self._last = max(self._last, record.number)
        self._erased += sum(item.value is None for item in opened.fields)

    # --- tiles and roots ---

    def _compare_tiles(
        self, start: int, expected: Mapping[Name, bytes], stored: Mapping[Name, bytes]
    ) -> None:
        for (level, index), data in sorted(expected.items()):
            if not stored.get((level, index), b"").startswith(data):
                text = f"The stored hashes of level {level} differ from the records below them."
                self._find(Fault.HASHES, start, text, self.size)
                return

    def _compare_roots(self, root: bytes) -> None:
        for item in self._checkpoints():
            if item.size != self.size:
                continue
            if item.root == root:
                self._good = max(self._good, self.size)
            elif not self._suspect:
                text = (
                    f"The first {self.size} records are not those that were signed: one of the"
                    f" records from {self._good} up to {self.size - 1} is not what it was."
                )
                self._find(Fault.REWRITTEN, self._good, text, self.size)

    def _find_missing(self) -> None:
        longest = max(self._sizes | {self.exported})
        if longest > self.size:
            text = f"The log was cut off: {longest} records were signed, {self.size} are left."
            self._find(Fault.CUT_OFF, self.size, text, longest)
        elif longest > self.sealed:
            text = f"A checkpoint of {longest} records was kept; the log now claims {self.sealed}."
            self._find(Fault.ROLLED_BACK, self.sealed, text, longest)

    def _judge(self) -> Finding:
        """Names what happened where records and stored hashes part."""
        at = self._suspect_at
        leaf, next_leaf = (*self._suspect, b"")[:2]
        stored, next_stored = self._sealed_there
        if self.head and self._good >= self.head.size:
            text = f"The stored hash of record {at} is damaged; the record is what was signed."
            return Finding(Fault.HASHES, at, at + 1, text)
        if leaf == next_stored and next_leaf == stored:
            text = f"Records {at} and {at + 1} have changed places."
            return Finding(Fault.MOVED, at, at + 1, text)
        if leaf == next_stored:
            return Finding(Fault.DROPPED, at, at + 1, f"Record {at} was dropped.")
        if next_leaf == stored:
            return Finding(Fault.INSERTED, at, at + 1, f"Record {at} was inserted.")
        return Finding(Fault.CHANGED, at, at + 1, f"Record {at} is not the one that was sealed.")

    def _find(self, fault: Fault, index: int, text: str, until: int = 0) -> None:
        finding = Finding(fault, index, until or index + 1, text)
        self._first = min(self._first or finding, finding, key=_place)

    def _checkpoints(self) -> list[Checkpoint]:
        return [*self.kept, self.head] if self.head else list(self.kept)

    def _names(self, end: int) -> list[Name]:
        return [(tile.level, tile.index) for tile in tiles_for(end, self.size)]


def audit(
    records: Iterable[StoredRecord],
    read: ReadTile,
    head: Checkpoint | None,
    *,
    kept: Sequence[Checkpoint] = (),
    read_kept: ReadTile | None = None,
    exported: int = 0,
) -> Report:
    """Check over a log that can be read at once: a folder, a test."""
    check = Check(head, kept, exported)
    page: list[StoredRecord] = []
    for record in records:
        page.append(record)
        if len(page) == PAGE:
            _feed(check, page, read, read_kept)
            page = []
    if page:
        _feed(check, page, read, read_kept)
    return check.finish()


def _feed(
    check: Check, page: Sequence[StoredRecord], read: ReadTile, read_kept: ReadTile | None
) -> None:
    kept = {name: read_kept(name) for name in check.kept_names(len(page))} if read_kept else {}
    check.feed(page, {name: read(name) for name in check.names(len(page))}, kept)


def _place(finding: Finding) -> tuple[int, int]:
    """What comes first: a record that is named goes before a stretch that holds it."""
    return finding.until, finding.index


def _leaf_in(tiles: Mapping[Name, bytes], index: int) -> bytes:
    at = index % TILE_WIDTH * HASH_BYTES
    return tiles.get((0, index >> TILE_LEVELS), b"")[at : at + HASH_BYTES]
