"""When to try again, when to stop trying, and what a failure is called: pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.errors import (
    BadInput,
    BrokenSource,
    ChangedAtPlace,
    ChangedInStore,
    CrossdockError,
    Damaged,
    MissingFromStore,
    Occupied,
    StoreFault,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    TooBusy,
    Unavailable,
)

SECOND = 1_000_000_000
"""Moments count nanoseconds."""

RETRY_FIRST = 1 * SECOND
RETRY_MAX = 300 * SECOND
THROTTLED_MAX = 900 * SECOND
DOUBLINGS_MAX = 12  # 1 s doubled this often is beyond every cap
PARK_AFTER = 24 * 3600 * SECOND
"""Counted from the promise's moment, not from the first failure."""

BREAKER_FAILURES = 5
BREAKER_PAUSE = 30 * SECOND
PROBE_MAX = 60 * SECOND
"""A probe that has said nothing for so long is taken as lost, and another one may go."""

Draw = Callable[[], float]
"""Evenly distributed in [0, 1)."""


class Side(enum.Enum):
    """Whose store a failure speaks of: the author's or the recipient's."""

    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a failure.

    `code` is S3's failure code where S3 has one, else one of ours of the same form; authors see
    it. `park` means that trying again as things are can't succeed. `lane` means that it says
    something of the whole target store, so it counts for the breaker. `curable` ones are tried
    again by themselves once they are parked, for the store may be well again.
    """

    code: str
    park: bool = False
    lane: bool = False
    curable: bool = False


OCCUPIED = Verdict("DstObjectOccupied", park=True)
NO_STORE = Verdict("DstBucketNotFound", park=True, lane=True, curable=True)
NO_COPY = Verdict("DstVersionNotFound", park=True)
MISMATCH = Verdict("DstChecksumMismatch", curable=True)
BROKEN = Verdict("InternalError")
"""An error that nobody foresaw."""

_VERDICTS: Mapping[tuple[Side, type[CrossdockError]], Verdict] = MappingProxyType(
    {
        (Side.TARGET, Unavailable): Verdict("DstUnreachable", lane=True, curable=True),
        (Side.TARGET, TooBusy): Verdict("DstThrottled", lane=True, curable=True),
        (Side.TARGET, StoreRefused): Verdict(
            "DstPutObjectNotPermitted", park=True, lane=True, curable=True
        ),
        # room comes back as files are taken away, so a full store is worth trying again
        (Side.TARGET, StoreFull): Verdict("DstQuotaExceeded", lane=True, curable=True),
        (Side.TARGET, Occupied): OCCUPIED,
        (Side.TARGET, ChangedInStore): Verdict("DstObjectChanged"),
        # it was there a moment ago: sent again, a consumer that took it would get it twice
        (Side.TARGET, MissingFromStore): Verdict("DstObjectHardDeleted", park=True),
        (Side.TARGET, StoreFault): Verdict("DstPutObjectNotPermitted", park=True),
        (Side.TARGET, Damaged): MISMATCH,
        (Side.TARGET, BadInput): Verdict("DstKeyNotPossible", park=True),
        (Side.TARGET, CrossdockError): BROKEN,
        (Side.SOURCE, Unavailable): Verdict("SrcUnreachable", curable=True),
        (Side.SOURCE, StoreRefused): Verdict("SrcGetObjectNotPermitted", park=True, curable=True),
        (Side.SOURCE, MissingFromStore): Verdict("SrcVersionNotFound", park=True),
        (Side.SOURCE, ChangedAtPlace): Verdict("SrcVersionNotFound", park=True),
        (Side.SOURCE, Damaged): Verdict("SrcChecksumMismatch", park=True),
        (Side.SOURCE, BrokenSource): Verdict("SrcObjectIncomplete"),
        (Side.SOURCE, CrossdockError): BROKEN,
    }
)

CURABLE = frozenset(each.code for each in (*_VERDICTS.values(), NO_STORE) if each.curable)


def verdict(side: Side, error: CrossdockError) -> Verdict:
    """The table's answer for the nearest class of `error`."""
    if side is Side.TARGET and isinstance(error, StoreRefused) and error.details.get("absent"):
        return NO_STORE
    if isinstance(error, StoreUnavailable) and throttled(error):
        return _VERDICTS.get((side, TooBusy), _VERDICTS[side, Unavailable])
    for kind in type(error).__mro__:
        found = _VERDICTS.get((side, kind))
        if found is not None:
            return found
    return BROKEN


def throttled(error: CrossdockError) -> bool:
    """Whether the store asked for fewer requests (429, 503 SlowDown)."""
    return isinstance(error, TooBusy) or bool(error.details.get("throttled"))


def delay(attempts: int, draw: Draw, *, slow: bool = False, wanted: int = 0) -> int:
    """Nanoseconds until the next attempt, after `attempts` earlier ones.

    Equal jitter: half of the doubled time is sure, half is drawn, so that a draw of 0 never means
    at once. `slow` after throttling: what is wanted is fewer requests, so the cap is higher.
    `wanted` is the store's own Retry-After, obeyed up to the same cap.
    """
    cap = THROTTLED_MAX if slow else RETRY_MAX
    whole = min(cap, RETRY_FIRST << min(attempts, DOUBLINGS_MAX))
    half = whole // 2
    return max(half + int(half * draw()), min(wanted, THROTTLED_MAX))


def expired(promised: int, now: int) -> bool:
    """Whether a promise has been tried for so long that people must look at it."""
    return now - promised >= PARK_AFTER


@dataclass(frozen=True, slots=True)
class Breaker:
    """Spares a lane whose target fails: opens on consecutive failures, then lets one probe at a
    time through. Every change gives a new value."""

    failures: int = 0
    until: int = 0  # while open: nothing goes before this moment

    @property
    def open(self) -> bool:
        return self.failures >= BREAKER_FAILURES

    def allows(self, now: int) -> bool:
        return not self.open or now >= self.until

    def probing(self, now: int) -> Breaker:
        """One attempt goes; while open no other one does until it ends or is taken as lost."""
        return replace(self, until=now + PROBE_MAX) if self.open else self

    def failed(self, now: int) -> Breaker:
        return Breaker(self.failures + 1, now + BREAKER_PAUSE)

    def spared(self, now: int) -> Breaker:
        """The attempt ended and said nothing of the target: the next one may probe at once."""
        return replace(self, until=now) if self.open else self

    def well(self) -> Breaker:
        return Breaker()
