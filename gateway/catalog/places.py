"""What the catalog keeps of adopted objects: places that belong to a party, not to Crossdock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.catalog.values import Write


@dataclass(frozen=True, slots=True)
class Shelf:
    """A party's store, and the bucket into which what lies there is adopted."""

    party: str
    store: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """An object as it was when it became a version, and the adoption that last looked at it."""

    etag: str
    number: int
    run: int


@dataclass(frozen=True, slots=True)
class Adopt:
    """An object (by its key in the store) that is to become a version; `write` says which."""

    key: str
    etag: str
    write: Write


class Places(Protocol):
    """What adoption needs."""

    async def adopted(self, shelf: Shelf, keys: Collection[str]) -> Mapping[str, Adopted]:
        """What is known of these keys of the store; those never adopted are left out."""
        ...

    async def adopt(
        self, shelf: Shelf, run: int, made: Sequence[Adopt], seen: Collection[str]
    ) -> Sequence[str]:
        """ONE transaction: commits these writes, each with its record, and notes that this run
        has looked at the keys `seen`. Returns the keys of the store whose writes were left out,
        because the author's view holds a version of that name which is not the one that this
        object became before. PolicyMoved, and no change, as in Write."""
        ...
