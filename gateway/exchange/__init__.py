"""The exchange: the verbs on everything, called by every front door; nothing else sequences."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.catalog import Entry, Expect, Page, Request, Staged
from gateway.exchange.adopting import Adopting, Adoption
from gateway.exchange.buckets import Buckets
from gateway.exchange.consuming import Consuming
from gateway.exchange.convergence import Convergence, Headway
from gateway.exchange.explaining import Explaining
from gateway.exchange.floor import Floor, Means, StoreOf
from gateway.exchange.history import History
from gateway.exchange.intake import Relayed
from gateway.exchange.lifecycle import Lifecycle
from gateway.exchange.listing import Listing, Span
from gateway.exchange.locking import Locking
from gateway.exchange.moving import Moving
from gateway.exchange.notifying import Notifying
from gateway.exchange.objects import Objects
from gateway.exchange.pace import BUSY_VERSIONS, IDLE_VERSIONS, Pace
from gateway.exchange.recalling import Recalling
from gateway.exchange.removals import Removals
from gateway.exchange.settling import Settling
from gateway.exchange.staging import Bytes, Staging, typed
from gateway.exchange.tagging import Tagging
from gateway.exchange.terms import (
    Completion,
    CopySource,
    Draft,
    Found,
    PartClaim,
    Reading,
    Removed,
    overall_status,
)
from gateway.exchange.uploads import Uploads
from gateway.policy.mesh import Mesh


class Exchange:
    """All verbs over one mesh, which `enter` swaps whole while requests are running."""

    def __init__(self, means: Means, mesh: Mesh, stores: StoreOf) -> None:
        self._floor = Floor(means, mesh, stores)
        self.objects = Objects(self._floor)
        self.consuming = Consuming(self._floor)
        self.removals = Removals(self._floor, self.objects, self.consuming)
        self.recalling = Recalling(self._floor)
        self.tagging = Tagging(self._floor, self.objects)
        self.locking = Locking(self._floor, self.objects)
        self.uploads = Uploads(self._floor, self.objects)
        self.listing = Listing(self._floor)
        self.staging = Staging(self._floor, self.objects)
        self.moving = Moving(
            *(self._floor, self.objects, self.removals),
            *(self.consuming, self.listing, self.staging),
        )
        self.buckets = Buckets(self._floor)
        self.notifying = Notifying(self._floor)
        self.history = History(self._floor)
        self.explaining = Explaining(self._floor)
        self._lifecycle = Lifecycle(self._floor, self.removals)

    def enter(self, mesh: Mesh, stores: StoreOf) -> None:
        """Puts another mesh in force: from now on every verb asks it."""
        self._floor.enter(mesh, stores)

    @property
    def lifecycle(self) -> Lifecycle:
        """For the worker alone: no door calls it, and nobody asks for it."""
        return self._lifecycle

    def converging(
        self,
        ticks: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        versions: tuple[int, int] = (BUSY_VERSIONS, IDLE_VERSIONS),
    ) -> Convergence:
        """For the worker alone, one for each exchange."""
        return Convergence(self._floor, self.pace(ticks, sleep, versions), ticks)

    def settling(self, resume_s: int) -> Settling:
        """For the worker alone. `resume_s`: for how long an unfinished file is kept."""
        return Settling(self._floor, self.staging, resume_s)

    def adopting(self) -> Adopting:
        """For the operator alone."""
        return Adopting(self._floor, self.objects)

    def pace(
        self,
        ticks: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        versions: tuple[int, int] = (BUSY_VERSIONS, IDLE_VERSIONS),
    ) -> Pace:
        """For workers: whether requests come just now."""
        return Pace(lambda: self._floor.asked, ticks, sleep, versions)

    @property
    def mesh(self) -> Mesh:
        return self._floor.mesh


__all__ = [
    "Adopting",
    "Adoption",
    "Bytes",
    "Completion",
    "Convergence",
    "CopySource",
    "Draft",
    "Entry",
    "Exchange",
    "Expect",
    "Found",
    "Headway",
    "Means",
    "Page",
    "PartClaim",
    "Reading",
    "Relayed",
    "Removed",
    "Request",
    "Span",
    "Staged",
    "StoreOf",
    "overall_status",
    "typed",
]
