"""The checksum algorithms of S3: incremental hashers, and arithmetic on their results.

Names are S3's in lower case. Digests are raw bytes, CRCs and XXHASHes big-endian, as S3 sends
them (in base64).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import xxhash
from awscrt import checksums as crt


class Hasher(Protocol):
    """Takes bytes as they pass; `digest` may be asked for at any time."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A CRC by one of awscrt's functions (bytes, previous value) -> value."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`size` is that of the digest in bytes; `combine` joins the CRCs of two adjacent pieces."""

    name: str
    size: int
    make: Callable[[], Hasher]
    combine: Callable[[int, int, int], int] | None = None


def _crc(
    name: str,
    size: int,
    function: Callable[[bytes, int], int],
    combine: Callable[[int, int, int], int],
) -> Algorithm:
    return Algorithm(name, size, lambda: _Crc(function, size), combine)


def _md5() -> Hasher:
    return hashlib.md5(usedforsecurity=False)


def _sha1() -> Hasher:
    return hashlib.sha1(usedforsecurity=False)


ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        algorithm.name: algorithm
        for algorithm in (
            _crc("crc32", 4, crt.crc32, crt.combine_crc32),
            _crc("crc32c", 4, crt.crc32c, crt.combine_crc32c),
            _crc("crc64nvme", 8, crt.crc64nvme, crt.combine_crc64nvme),
            Algorithm("sha1", 20, _sha1),
            Algorithm("sha256", 32, hashlib.sha256),
            Algorithm("sha512", 64, hashlib.sha512),
            Algorithm("md5", 16, _md5),
            Algorithm("xxhash64", 8, xxhash.xxh64),
            Algorithm("xxhash3", 8, xxhash.xxh3_64),
            Algorithm("xxhash128", 16, xxhash.xxh3_128),
        )
    }
)
"""Every algorithm by name. Raises KeyError for any other name, as do the functions below."""


def hasher(name: str) -> Hasher:
    """A fresh hasher of this algorithm."""
    return ALGORITHMS[name].make()


def digest(name: str, data: bytes) -> bytes:
    """The digest of bytes at hand."""
    fresh = hasher(name)
    fresh.update(data)
    return fresh.digest()


def combine(name: str, first: bytes, second: bytes, second_length: int) -> bytes:
    """The digest of two adjacent pieces from theirs and the second's length in bytes.

    CRCs alone can do this; any other algorithm raises ValueError.
    """
    algorithm = ALGORITHMS[name]
    if algorithm.combine is None:
        raise ValueError(f"{name} digests can't be combined")
    value = algorithm.combine(
        int.from_bytes(first, "big"), int.from_bytes(second, "big"), second_length
    )
    return value.to_bytes(algorithm.size, "big")


def composite(name: str, digests: Sequence[bytes]) -> bytes:
    """The digest of the parts' digests, joined: S3's COMPOSITE checksum without its `-N`."""
    return digest(name, b"".join(digests))
