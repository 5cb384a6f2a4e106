"""What the catalog keeps of notifications: configurations for the exchange, notices for who sends
them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.model import Bucket, Event, Version
from gateway.notifications import Notice, Watch


@dataclass(frozen=True, slots=True)
class NoticeLane:
    """The notices to one webhook: they wait for no other one."""

    party: str
    webhook: str


@dataclass(frozen=True, slots=True)
class NoticeClaim:
    """A leased notice with what it is about. `held`: the party has an open grant on the version
    now. `wanted`: its configuration still asks for this. `missed` counts what this webhook was
    never sent, for want of room."""

    notice: Notice
    version: Version | None  # None for a test
    bucket: Bucket | None  # made through a door; None for one of the topology, or one that is gone
    held: bool
    wanted: bool
    missed: int


@dataclass(frozen=True, slots=True)
class NoticeOutcome:
    """How an attempt ended: to be tried again at `due`, parked, or (neither) over and forgotten.
    `tried` is False where there was none: it does not count as one."""

    notice: Notice
    due: int = 0
    parked: bool = False
    error: str = ""
    tried: bool = True

    @property
    def over(self) -> bool:
        return not self.due and not self.parked


@dataclass(frozen=True, slots=True)
class NoticeBacklog:
    """What one webhook is owed. `oldest` is the moment of the oldest notice that waits, 0 if none
    does."""

    lane: NoticeLane
    pending: int
    parked: int
    missed: int
    oldest: int


class Configurations(Protocol):
    """What the exchange needs."""

    async def watches(self, bucket: str, party: str) -> Sequence[Watch]: ...
    async def set_watches(
        self, bucket: Bucket, party: str, watches: Sequence[Watch], event: Event, *, test: bool
    ) -> None:
        """Replaces a party's configuration for its own view of a bucket; `test` for a test notice
        to every webhook that it names. NoSuchBucket if one made through a door is gone."""
        ...


class Notices(Protocol):
    """What the herald needs. A notice is made by the commit that it tells of."""

    def on_notice(self, nudge: Callable[[], None]) -> None:
        """Has `nudge` called, on the event loop, after each commit of this process that made a
        notice."""
        ...

    async def notice_lanes(self, now: int) -> Sequence[NoticeLane]:
        """Lanes with a notice that is due."""
        ...

    async def next_notice(self) -> int | None:
        """The moment at which the next one is due, None if none is pending."""
        ...

    async def claim_notices(
        self, lane: NoticeLane, limit: int, now: int, lease: int
    ) -> Sequence[NoticeClaim]:
        """Leases due notices until now + `lease` (ns): of each key only the oldest pending one, and
        none whose key has a running lease. Raises each one's token."""
        ...

    async def settle_notices(self, outcomes: Sequence[NoticeOutcome]) -> int:
        """Ends attempts and releases their leases, in one transaction; what another one has claimed
        since is left alone. Returns how many counted."""
        ...

    async def park_notices(self, lane: NoticeLane, before: int, error: str, limit: int) -> int:
        """Parks up to `limit` pending notices that were made before that moment and are not under
        way. Returns how many."""
        ...

    async def resume_notices(
        self, *, ids: Sequence[int] = (), lane: NoticeLane | None = None, now: int, limit: int
    ) -> int:
        """Makes up to `limit` parked notices pending again, the oldest first: those named, those of
        a lane, or any."""
        ...

    async def notices(
        self, *, parked: bool | None = None, party: str = "", after: int = 0, limit: int = 1000
    ) -> Sequence[Notice]:
        """What waits, oldest first, beyond the notice `after`."""
        ...

    async def notice_backlog(self) -> Sequence[NoticeBacklog]: ...
