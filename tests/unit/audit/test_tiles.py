"""Tiles: arithmetic and paths are C2SP's, hostile paths are refused, growth equals a rebuild."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.audit import merkle, tiles
from gateway.audit.tiles import Edge, Name, Tile
from gateway.errors import InvalidArgument, LogDamaged


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % n) for n in range(count)]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(1, 1000, 17), "tile/1/x001/000.p/17"),
        (Tile(-1, 999, 255), "tile/entries/999.p/255"),
        (Tile(63, 5, 1), "tile/63/005.p/1"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/007",
        "tile/0/000.p/",
        "tile/0/../../etc/passwd",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "/tile/0/000",
        "tile/0/000/",
        "tile/entries/x1/000",
        "tile/0/" + "x999/" * 40 + "999",
    ],
)
def test_anything_but_the_one_spelling_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument):
        tiles.parse_path(path)


@given(st.builds(Tile, st.integers(-1, 63), st.integers(0, 10**15), st.integers(1, 256)))
def test_every_tile_has_one_path(tile: Tile) -> None:
    assert tiles.parse_path(tile.path) == tile


def test_the_tiles_of_70000_records() -> None:
    found = list(tiles.tiles_for(70_000))
    full = [tile for tile in found if tile.width == 256]
    partial = [(tile.level, tile.index, tile.width) for tile in found if tile.width < 256]
    assert [sum(tile.level == level for tile in full) for level in range(3)] == [273, 1, 0]
    assert partial == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


def test_a_full_tile_is_followed_by_one_hash_and_no_empty_tile() -> None:
    assert list(tiles.tiles_for(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles.bundles_for(256)) == [Tile(-1, 0)]
    assert list(tiles.tiles_for(0)) == []


def test_a_tile_exists_up_to_its_width() -> None:
    assert tiles.exists(Tile(0, 0, 3), 5)
    assert not tiles.exists(Tile(0, 0, 6), 5)
    assert not tiles.exists(Tile(0, 1, 1), 256)
    assert not tiles.exists(Tile(1, 0, 1), 255)
    assert tiles.exists(Tile(-1, 1, 1), 257)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_carry_entries_of_any_length(entries: list[bytes]) -> None:
    assert tiles.unbundle(tiles.bundle(entries), len(entries)) == entries


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x05abc", b"\x00\x01a\x00", b"\x00\x01ab"])
def test_a_broken_bundle_is_damage(data: bytes) -> None:
    with pytest.raises(LogDamaged):
        tiles.unbundle(data, 1)


def test_an_entry_is_at_most_65535_bytes() -> None:
    assert tiles.unbundle(tiles.bundle([bytes(65_535)]), 1) == [bytes(65_535)]
    with pytest.raises(InvalidArgument):
        tiles.bundle([bytes(65_536)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 600), max_size=5), st.integers(0, 10**6))
@example([256, 256], 0)
@example([255, 1, 1], 0)
def test_growth_in_steps_stores_what_a_rebuild_would(steps: list[int], where: int) -> None:
    items = leaves(sum(steps))
    stored: dict[Name, bytes] = {}
    edge = Edge()
    done = 0
    for step in steps:
        growth = tiles.grow(edge, items[done : done + step])
        names = {(tile.level, tile.index) for tile in tiles.tiles_for(done + step, done)}
        assert set(growth.tiles) == names
        stored.update(growth.tiles)
        edge, done = growth.edge, done + step
    assert edge.root() == merkle.root_of(items)
    assert edge == tiles.edge_of(done, lambda name: stored.get(name, b""))
    assert {name: len(data) // 32 for name, data in stored.items()} == {
        (tile.level, tile.index): tile.width for tile in tiles.tiles_for(done)
    }
    if done:
        index = where % done
        path = merkle.inclusion_proof(index, done, tiles.hash_at(stored.__getitem__, done))
        assert merkle.included(index, done, items[index], path, edge.root())


def test_big_logs_have_a_root_across_three_levels() -> None:
    items = leaves(66_000)
    growth = tiles.grow(Edge(), items)
    assert growth.edge.root() == merkle.root_of(items)
    hash_at = tiles.hash_at(growth.tiles.__getitem__, 66_000)
    old = merkle.root_of(items[:65_537])
    path = merkle.consistency_proof(65_537, 66_000, hash_at)
    assert merkle.consistent(65_537, old, 66_000, growth.edge.root(), path)


def test_missing_tiles_are_damage_and_name_the_place() -> None:
    with pytest.raises(LogDamaged) as caught:
        tiles.edge_of(300, lambda name: bytes(32))
    assert caught.value.details["index"] == 256
    with pytest.raises(LogDamaged):
        tiles.hash_at(lambda name: bytes(8192), 3)(2, 0)
