"""What is put back into an empty catalog when the old one is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.catalog.values import Write
from gateway.model import Bucket, Receipt


@dataclass(frozen=True, slots=True)
class Restored:
    """A version that is made again; its commit is to have this number, or the next free one."""

    write: Write
    number: int


@dataclass(frozen=True, slots=True)
class RestoredCopy:
    """A copy that policy gives, or that was found. Without a receipt it was not found: it waits as
    parked, if its version is the party's current one or the target key is its own (`lone`)."""

    version: str
    party: str
    store: str
    target: str
    rule: str
    receipt: Receipt | None = None
    lone: bool = False


class Rebuilding(Protocol):
    """What a rebuild needs. The catalog is opened with a clock that stands at 0, so that commits
    can have the numbers of old ones."""

    async def restore(self, made: Sequence[Restored]) -> None:
        """ONE transaction; numbers ascend, over all calls too."""
        ...

    async def restore_copies(self, copies: Sequence[RestoredCopy]) -> tuple[int, int]:
        """ONE transaction. How many are receipts again, and how many wait."""
        ...

    async def restore_bucket(self, bucket: Bucket) -> None:
        """One that was made through a door; nothing where there is one of that name."""
        ...

    async def date_rules(self, number: int) -> None:
        """Every `since: now` rule counts from that commit on."""
        ...
