"""The Merkle tree of the audit log: hashing, growing, proving and verifying (RFC 6962, RFC 9162).

Perfect subtrees are named (level, index): level 0 are the leaf hashes, and (l, i) covers the
leaves from i * 2**l up to (i + 1) * 2**l. Whoever can answer for these can prove anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from gateway.errors import LogDamaged

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
PROOF_HASHES_MAX = 63
"""No tree of fewer than 2**63 leaves needs a longer path (C2SP's own limit)."""

HashAt = Callable[[int, int], bytes]
"""(level, index) -> the root of that perfect subtree."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees that stand side by side, largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


class Frontier:
    """The right edge of a growing tree: the roots of its perfect subtrees, largest first."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks")

    def append(self, leaf: bytes) -> None:
        """Adds a leaf hash; amortised one node hash."""
        rest = self.size
        while rest & 1:
            leaf = sha256(b"\x01" + self.peaks.pop() + leaf).digest()
            rest >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        return fold(self.peaks)


def frontier(size: int, hash_at: HashAt) -> Frontier:
    """The frontier of an existing tree, from at most 63 subtree hashes."""
    return Frontier(size, _peaks(0, size, hash_at))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_proof(index: int, size: int, hash_at: HashAt) -> list[bytes]:
    """The siblings from leaf `index` up to the root of the first `size` leaves."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, hash_at))
            end = middle
        else:
            path.append(_range_root(start, middle, hash_at))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, hash_at: HashAt) -> list[bytes]:
    """Shows that the first `old` leaves of the tree of `new` are what they were (RFC 9162 2.1.4.1).

    Empty where there is nothing to show: old is 0 or equals new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"no tree of {old} comes before one of {new}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(middle, end, hash_at))
            end = middle
        else:
            path.append(_range_root(start, middle, hash_at))
            start = middle
    if start:
        path.append(_range_root(start, end, hash_at))
    return path[::-1]


def included(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path proves that `leaf` is at `index` in the tree (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or len(path) > PROOF_HASHES_MAX:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0 or len(sibling) != HASH_BYTES:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and result == root


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the new tree extends the old one (RFC 9162 2.1.4.2)."""
    if not 0 <= old <= new or len(path) > PROOF_HASHES_MAX:
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes or any(len(item) != HASH_BYTES for item in hashes):
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root


def from_leaves(leaves: Sequence[bytes]) -> HashAt:
    """Answers for subtrees by hashing the leaves below; for small trees and tests."""

    def hash_at(level: int, index: int) -> bytes:
        below = leaves[index << level : (index + 1) << level]
        if len(below) != 1 << level:
            raise LogDamaged(f"there is no subtree ({level}, {index}) yet", index=index << level)
        return root_of(below)

    return hash_at


def _split(count: int) -> int:
    """The largest power of two below `count` (>= 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _peaks(start: int, end: int, hash_at: HashAt) -> list[bytes]:
    """The perfect subtrees that make up [start, end); start is a multiple of the largest one."""
    peaks: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(hash_at(level, start >> level))
        start += 1 << level
    return peaks


def _range_root(start: int, end: int, hash_at: HashAt) -> bytes:
    return fold(_peaks(start, end, hash_at))
