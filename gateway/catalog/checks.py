"""What the catalog keeps of checks: of copies against receipts, of extents against versions."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.catalog.values import Claim, Promise
from gateway.model import Event, Extent, Receipt, Version


class Finding(enum.Enum):
    """What lies where a copy, or an extent, should be."""

    WELL = ""  # what the receipt says
    MISSING = "missing"  # nothing
    ALTERED = "altered"  # our marks on something that its owner changed
    TAKEN = "taken"  # something that is not ours
    OLDER = "older"  # our older copy: somebody put it back
    DAMAGED = "damaged"  # other bytes, though nobody wrote any


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a walk over the copies is: the check that was looked at last, and its delivery."""

    checked: int = -1
    delivery: int = 0


@dataclass(frozen=True, slots=True)
class KeptCopy:
    """A delivered copy that no other one has replaced, and when it was last checked. `claim` is
    leased to nobody."""

    claim: Claim
    checked: int
    current: bool  # its version is the newest of its key in the view of the copy's party

    @property
    def spot(self) -> Spot:
        return Spot(self.checked, self.claim.delivery.id)


@dataclass(frozen=True, slots=True)
class CopyCheck:
    """What one look at a copy found; with `at` 0 the scrub looks there next. `receipt` replaces
    the one that is kept, where the same bytes lie there under another etag. `again` promises the
    copy anew."""

    delivery: int
    at: int
    finding: Finding
    receipt: Receipt | None = None
    again: Promise | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """Bytes of an author that are not as a version says. `found` is the moment of the first look
    that missed them."""

    extent: Extent
    number: int
    finding: Finding
    found: int


class Checks(Protocol):
    """What the scrub needs."""

    async def kept_copies(
        self, before: int, after: Spot, limit: int, *, party: str = "", bucket: str = ""
    ) -> tuple[Sequence[KeptCopy], Spot | None]:
        """Copies that were last checked before that moment, longest ago first, behind `after`;
        `limit` bounds those looked at. With where to go on, None at the end."""
        ...

    async def note_checks(self, checks: Sequence[CopyCheck]) -> int:
        """ONE transaction. Notes what was found of copies that still are the newest under their
        target key, with nothing on its way there; returns how many were promised again (never what
        its party has consumed). An event
        is recorded where the finding is not the one that was noted before, or a promise is
        made."""
        ...

    async def count_kept(self, before: int) -> int:
        """How many copies `kept_copies` would come to, all parties' together."""
        ...

    async def oldest_check(self) -> int:
        """The moment of the check that lies furthest back, 0 if there is no copy."""
        ...

    async def found_copies(self) -> Sequence[tuple[str, Finding, int]]:
        """How many copies of each party are not as their receipts say, by finding."""
        ...

    async def stored_versions(self, below: int, limit: int) -> Sequence[Version]:
        """Versions whose bytes are kept, numbered below that, newest first."""
        ...

    async def note_losses(self, lost: Sequence[tuple[Loss, Event]], well: Sequence[Extent]) -> None:
        """ONE transaction: adds these losses, each with its event where it was not known, and ends
        those of extents that are well."""
        ...

    async def losses(self, limit: int = 1000) -> Sequence[Loss]: ...
