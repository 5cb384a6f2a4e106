"""What lies in the stores and is Crossdock's: extents by their labels, copies by their marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.errors import CrossdockError, Damaged
from gateway.exchange.collector import EXTENTS_PREFIX
from gateway.extents import Label, decode_label
from gateway.model import RESERVED_PREFIX, Extent
from gateway.stores import CanInspect, Parcel, Store

HEAD_BYTES = 8192
"""Enough for nearly every label; a longer one is read again, up to LABEL_BYTES_MAX."""
LABEL_BYTES_MAX = 1_000_026

Tell = Callable[[str, Mapping[str, str]], None]
"""Hears of each thing that could not be made again: what it is, and what is known of it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An extent as its store object tells. `modified` tells parts apart that were sent again."""

    party: str
    store: str
    key: str
    label: Label
    offset: int
    length: int
    modified: int

    @property
    def extent(self) -> Extent:
        return Extent(self.party, self.store, self.key, self.offset, self.length)

    @property
    def shown(self) -> Mapping[str, str]:
        return MappingProxyType(
            {
                "party": self.party,
                "store": self.store,
                "extent": self.key,
                "object": str(self.label.ref),
                "version": self.label.version,
            }
        )


@dataclass(frozen=True, slots=True)
class Copy:
    """A delivered copy as its marks tell, under its natural key."""

    party: str
    store: str
    target: str
    parcel: Parcel
    etag: str
    native_version: str


@dataclass(slots=True)
class Scanned:
    """All that lies in the stores and is Crossdock's. In memory: some 1 KB for each piece."""

    pieces: list[Piece] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    own: int = 0  # objects that are their owner's


class Scan:
    """`left` hears of what can't be made again, `progress` of how much was looked at."""

    def __init__(self, left: Tell, progress: Callable[[int, int], None]) -> None:
        self._left = left
        self._progress = progress
        self.found = Scanned()
        self.looked_at = 0

    async def of(self, party: str, name: str, store: Store) -> None:
        """All of one store; raises what keeps it from listing."""
        async for key in store.keys():
            if key.startswith(EXTENTS_PREFIX):
                await self._label(party, name, store, key)
            elif not key.startswith(RESERVED_PREFIX) and isinstance(store, CanInspect):
                await self._natural(party, name, store, key)
            self.looked_at += 1
            self._progress(self.looked_at, self.looked_at)

    async def _label(self, party: str, name: str, store: Store, key: str) -> None:
        about = {"party": party, "store": name, "extent": key}
        try:
            label, offset = await _label_of(store, key)
            stat = await store.stat(key)
        except CrossdockError as error:
            self._left("extent", {**about, "why": error.message})
            return
        piece = Piece(party, name, key, label, offset, stat.size - offset, stat.modified)
        if label.author != party:
            why = f"its label names {label.author} as the author"
            self._left("extent", {**piece.shown, "why": why})
        else:
            self.found.pieces.append(piece)

    async def _natural(self, party: str, name: str, store: CanInspect, key: str) -> None:
        try:
            about = await store.inspect(key)
        except CrossdockError as error:
            where = {"party": party, "store": name, "target": key}
            self._left("copy", {**where, "why": error.message})
            return
        if about is None or not about.ours:
            self.found.own += about is not None
        elif about.parcel is not None:
            marks = (about.parcel, about.etag, about.native_version)
            self.found.copies.append(Copy(party, name, key, *marks))


def grouped(pieces: Sequence[Piece]) -> Sequence[Sequence[Piece]]:
    """Whole versions, and the parts of each upload: of a part that was sent again, the last."""
    singles = [[piece] for piece in pieces if piece.label.part == 0]
    uploads: defaultdict[tuple[str, str], dict[int, Piece]] = defaultdict(dict)
    for piece in sorted(pieces, key=lambda each: each.modified):
        if piece.label.part:
            uploads[piece.party, piece.label.version][piece.label.part] = piece
    parts = [[found[number] for number in sorted(found)] for found in uploads.values()]
    return sorted((*singles, *parts), key=lambda g: (g[0].label.at, g[0].label.version))


async def _label_of(store: Store, key: str) -> tuple[Label, int]:
    try:
        return decode_label(await _start(store, key, HEAD_BYTES))
    except Damaged:
        return decode_label(await _start(store, key, LABEL_BYTES_MAX))


async def _start(store: Store, key: str, length: int) -> bytes:
    return b"".join([chunk async for chunk in store.read(key, 0, length)])
