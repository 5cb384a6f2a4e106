"""The tree agrees with RFC 6962's definition, and its proofs prove what they say and no more."""

import base64
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import merkle

SIZES = 70


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(f"crossdock-{n}".encode()) for n in range(count)]


def by_definition(items: list[bytes]) -> bytes:
    """RFC 6962 2.1, word for word: the root over leaf hashes."""
    if not items:
        return sha256(b"").digest()
    if len(items) == 1:
        return items[0]
    split = 1
    while split * 2 < len(items):
        split *= 2
    left, right = by_definition(items[:split]), by_definition(items[split:])
    return sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize(
    ("count", "root"),
    [
        (3, "UWZC5BNUWCtTfVojyhgFokZdi7bCbW8R9SEL7qbPTBE="),
        (7, "yq3sFCdEKyfeEdIQTTZWTd3PLBer3MWKNl1cxWvu+dM="),
    ],
)
def test_known_roots(count: int, root: str) -> None:
    assert merkle.root_of(leaves(count)) == base64.b64decode(root)


def test_every_root_up_to_70_is_the_defined_one_and_the_frontier_can_be_taken_up_again() -> None:
    items = leaves(SIZES)
    tree = merkle.Frontier()
    for size in range(SIZES):
        assert tree.root() == by_definition(items[:size])
        again = merkle.frontier(size, merkle.from_leaves(items))
        assert again.peaks == tree.peaks
        tree.append(items[size])


def test_a_frontier_of_the_wrong_width_is_refused() -> None:
    with pytest.raises(ValueError, match="2 peaks"):
        merkle.Frontier(3, [bytes(32)])


def test_every_inclusion_up_to_70_verifies_at_its_own_index_alone() -> None:
    items = leaves(SIZES)
    hash_at = merkle.from_leaves(items)
    for size in range(1, SIZES + 1):
        root = by_definition(items[:size])
        for index in range(size):
            path = merkle.inclusion_proof(index, size, hash_at)
            assert merkle.included(index, size, items[index], path, root)
            other = (index + 1) % size
            assert size == 1 or not merkle.included(other, size, items[index], path, root)
            assert not merkle.included(index, size, bytes(32), path, root)


def test_every_consistency_up_to_70_verifies() -> None:
    items = leaves(SIZES)
    hash_at = merkle.from_leaves(items)
    roots = [by_definition(items[:size]) for size in range(SIZES + 1)]
    for new in range(SIZES + 1):
        for old in range(new + 1):
            path = merkle.consistency_proof(old, new, hash_at)
            assert merkle.consistent(old, roots[old], new, roots[new], path)
            assert not merkle.consistent(old, bytes(32), new, roots[new], path)
            # every tree extends the empty one
            assert old == 0 or not merkle.consistent(old, roots[old], new, bytes(32), path)
            assert not merkle.consistent(old, roots[old], new, roots[new], [*path, bytes(32)])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_path_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    items = leaves(size)
    root = merkle.root_of(items)
    path = merkle.inclusion_proof(index, size, merkle.from_leaves(items))
    place = data.draw(st.integers(0, len(path) - 1))
    flipped = [*path[:place], bytes(32), *path[place + 1 :]]
    assert not merkle.included(index, size, items[index], flipped, root)
    assert not merkle.included(index, size, items[index], path[:-1], root)
    assert not merkle.included(index, size, items[index], [*path, root], root)
    assert not merkle.included(index, size, items[index], [b"short", *path[1:]], root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_there_is_no_proof_of_what_is_not_in_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_proof(index, size, merkle.from_leaves(leaves(5)))
    assert not merkle.included(index, size, bytes(32), [], bytes(32))


def test_a_path_that_ends_below_the_root_proves_nothing() -> None:
    leaf = leaves(1)[0]
    assert merkle.included(0, 1, leaf, [], leaf)
    assert not merkle.included(0, 2, leaf, [], leaf)


def test_no_tree_comes_before_a_smaller_one() -> None:
    with pytest.raises(ValueError, match="no tree of 6"):
        merkle.consistency_proof(6, 5, merkle.from_leaves(leaves(6)))
    assert not merkle.consistent(6, bytes(32), 5, bytes(32), [])
