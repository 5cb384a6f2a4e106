"""The log's hashes as files: C2SP tlog-tiles arithmetic, paths, entry bundles, and growth.

A tile (level, index) holds up to 256 hashes of 32 bytes, and is stored under that name whatever
its width: a partial tile is a beginning of the full one. Level L+1 holds the roots of level L's
full tiles, so one hash in tile level L stands at tree level 8 * L.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.audit.merkle import HASH_BYTES, Frontier, HashAt, fold, root_of
from gateway.errors import InvalidArgument, LogDamaged

TILE_LEVELS = 8
TILE_WIDTH = 1 << TILE_LEVELS
TILE_BYTES = TILE_WIDTH * HASH_BYTES
LEVEL_MAX = 63
SIZE_MAX = (1 << 63) - 1
ENTRIES = "entries"

Name = tuple[int, int]
ReadTile = Callable[[Name], bytes]
"""(level, index) -> the stored tile, at least as wide as asked for; b"" if there is none."""

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)"
    r"/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)
_LENGTH = struct.Struct(">H")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One file of the log; level -1 is an entry bundle."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        level = ENTRIES if self.level < 0 else str(self.level)
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*("x" + group for group in groups[:-1]), groups[-1]])
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{name}{partial}"


def parse_path(path: str) -> Tile:
    """The tile that a path names. InvalidArgument for anything but the one spelling of a tile."""
    found = _PATH.fullmatch(path)
    if not found:
        raise InvalidArgument("This is not the path of a tile.", name="path", value=path[:100])
    level = -1 if found["level"] == ENTRIES else int(found["level"])
    index = int(found["index"].replace("x", "").replace("/", ""))
    tile = Tile(level, index, int(found["width"] or TILE_WIDTH))
    if level > LEVEL_MAX or tile.path != path:
        raise InvalidArgument("This is not the path of a tile.", name="path", value=path[:100])
    return tile


def width_of(level: int, index: int, size: int) -> int:
    """How many hashes (level -1: entries) this tile has in a log of `size` records; 0: none."""
    return max(0, min(TILE_WIDTH, (size >> TILE_LEVELS * max(level, 0)) - index * TILE_WIDTH))


def exists(tile: Tile, size: int) -> bool:
    """Whether a log of `size` has, or once had, this tile."""
    return 0 < tile.width <= width_of(tile.level, tile.index, size)


def tiles_for(size: int, start: int = 0) -> Iterator[Tile]:
    """The hash tiles of a log of `size` that are new or wider than at size `start`."""
    level = 0
    while size >> TILE_LEVELS * level:
        first = (start >> TILE_LEVELS * level) // TILE_WIDTH
        count = size >> TILE_LEVELS * level
        for index in range(first, -(-count // TILE_WIDTH)):
            width = width_of(level, index, size)
            if width > width_of(level, index, start):
                yield Tile(level, index, width)
        level += 1


def bundles_for(size: int) -> Iterator[Tile]:
    for index in range(-(-size // TILE_WIDTH)):
        yield Tile(-1, index, width_of(-1, index, size))


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: a 16-bit length before each entry."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > 0xFFFF:
            raise InvalidArgument("An entry is longer than 65,535 bytes.", name="entry")
        parts += (_LENGTH.pack(len(entry)), entry)
    return b"".join(parts)


def unbundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle. LogDamaged if it holds anything else."""
    entries: list[bytes] = []
    at = 0
    for _ in range(width):
        if at + _LENGTH.size > len(data):
            raise LogDamaged("An entry bundle is cut short.", kind="bundle")
        end = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
        if end > len(data):
            raise LogDamaged("An entry bundle is cut short.", kind="bundle")
        entries.append(data[at + _LENGTH.size : end])
        at = end
    if at != len(data):
        raise LogDamaged("An entry bundle is longer than its entries.", kind="bundle")
    return entries


def hashes(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def edge_names(size: int) -> list[Name]:
    """The last tile of each level that is not full: all that a log must read in order to grow."""
    levels = range(-(-size.bit_length() // TILE_LEVELS))
    counts = ((level, size >> TILE_LEVELS * level) for level in levels)
    return [(level, count // TILE_WIDTH) for level, count in counts if count % TILE_WIDTH]


def hash_at(read: ReadTile, size: int) -> HashAt:
    """Subtree hashes out of tiles, never past what a log of `size` holds.

    LogDamaged (index: the first leaf below) where a tile is missing or too narrow.
    """

    def answer(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_LEVELS)
        first = index << height
        name = (tile_level, first >> TILE_LEVELS)
        start = first % TILE_WIDTH * HASH_BYTES
        end = start + (HASH_BYTES << height)
        data = read(name)
        if (index + 1) << level > size or len(data) < end:
            raise LogDamaged(
                f"The stored hashes of tile {name} are missing.", index=index << level, kind="tile"
            )
        return root_of(hashes(data[start:end]))

    return answer


@dataclass(frozen=True, slots=True)
class Edge:
    """A log's size and the last, partial tile of each level, lowest first: what grows."""

    size: int = 0
    partials: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        peaks: list[bytes] = []
        for data in reversed(self.partials):
            level = Frontier()
            for item in hashes(data):
                level.append(item)
            peaks += level.peaks
        return fold(peaks)


@dataclass(frozen=True, slots=True)
class Growth:
    """What changes when leaves are added: the new edge, and the tiles to store whole."""

    edge: Edge
    tiles: Mapping[Name, bytes]


def edge_of(size: int, read: ReadTile) -> Edge:
    """The edge of a stored log. LogDamaged if a tile of it is missing or too narrow."""
    partials = [b""] * -(-size.bit_length() // TILE_LEVELS)
    for level, index in edge_names(size):
        end = width_of(level, index, size) * HASH_BYTES
        partials[level] = read((level, index))[:end]
        if len(partials[level]) != end:
            raise LogDamaged(
                f"The stored hashes of tile {(level, index)} are missing.",
                index=index << TILE_LEVELS * (level + 1),
                kind="tile",
            )
    return Edge(size, tuple(partials))


def grow(edge: Edge, leaves: Sequence[bytes]) -> Growth:
    """Adds leaf hashes; pure. Each changed tile is given whole, up to its new width."""
    changed: dict[Name, bytes] = {}
    partials = list(edge.partials)
    size = edge.size + len(leaves)
    added, start, level = list(leaves), edge.size, 0
    while added:
        if level == len(partials):
            partials.append(b"")
        row = partials[level] + b"".join(added)
        index = start // TILE_WIDTH
        added = []
        for at in range(0, len(row), TILE_BYTES):
            data = row[at : at + TILE_BYTES]
            changed[level, index + at // TILE_BYTES] = data
            if len(data) == TILE_BYTES:
                added.append(root_of(hashes(data)))
        partials[level] = row[len(added) * TILE_BYTES :]
        start >>= TILE_LEVELS
        level += 1
    return Growth(Edge(size, tuple(partials)), changed)
