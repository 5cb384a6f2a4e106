"""Copies and authors' bytes are looked at again and again, and at once when somebody asks."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.catalog import Catalog, Claim, Finding, Spot
from gateway.courier.budget import Budget
from gateway.courier.losses import NEWEST, Losses
from gateway.courier.scrub import Again, Round, Scrub, Tally
from gateway.errors import BadInput, CrossdockError
from gateway.model import Event
from gateway.operations.adopting import AdoptCommand
from gateway.operations.control import Action, Progress
from gateway.operations.import_command import ImportCommand
from gateway.operations.site import Running, Site
from gateway.sections import ScrubEntry
from gateway.telemetry import Telemetry

S_NS = 10**9
LEAD = 0.75
"""A copy is due when so much of the period has passed: what remains is for stores that are away."""

IDLE_SECONDS = 60.0
CURSOR = "scrub.extents"
LISTED_MAX = 1000
"""Findings that a repair lists one by one; all of them are counted."""

RATE_MAX = 10_000
BYTES_S = 1024**3
"""Bytes that `crossdock repair` reads back a second, at most: `--rate` is what bounds it."""

KindOf = Callable[[str, str], str]
"""The type of the store of (party, name), "" if the mesh has none of that name."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sweep:
    """How far the walk over authors' bytes is: when it began, and below which version it goes on
    (0: it is done)."""

    began: int
    below: int


class Scrubbing:
    """The worker. Copies come when they are due, by the moments of their own last checks; the
    bytes of versions in a walk, one in each half of the period, so that none is left out for more
    than a whole one."""

    def __init__(
        self,
        catalog: Catalog,
        scrub: Scrub,
        losses: Losses,
        entry: ScrubEntry,
        budget: Budget,
        telemetry: Telemetry,
    ) -> None:
        self._catalog = catalog
        self._scrub = scrub
        self._losses = losses
        self._entry = entry
        self._budget = budget
        self._telemetry = telemetry
        self._period = entry.period * S_NS

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.step()
            except CrossdockError as error:
                log.warning("the scrub has to wait", extra={"problem": error.message})
            await asyncio.sleep(IDLE_SECONDS)

    async def step(self) -> Tally:
        """All that is due now."""
        due = self._scrub.clock() - int(LEAD * self._period)
        this = Round(due, Again(self._entry.again), self._losses.whole)
        copies, extents = Tally(), Tally()
        spot: Spot | None = Spot()
        sweep = await self._sweep()
        while spot is not None or sweep.below:
            if spot is not None:
                spot = await self._scrub.page(this, spot, self._budget, copies, _tell)
            if sweep.below:
                below = await self._losses.page(sweep.below, self._budget, extents)
                sweep = await self._keep(Sweep(sweep.began, below))
        self._telemetry.scrub.looked("copy", copies.checked, copies.bytes, copies.unreachable)
        self._telemetry.scrub.looked("extent", extents.checked, extents.bytes, extents.unreachable)
        if copies.checked or extents.checked:
            log.info("scrubbed", extra={"copies": copies.shown(), "extents": extents.shown()})
        return copies

    async def _sweep(self) -> Sweep:
        """The walk that is under way, or one that begins now, if it is time."""
        kept = await self._catalog.get(CURSOR)
        sweep = Sweep(*json.loads(kept)) if kept else Sweep(0, 0)
        now = self._scrub.clock()
        if sweep.below or sweep.began + self._period // 2 > now:
            return sweep
        return Sweep(now, NEWEST)

    async def _keep(self, sweep: Sweep) -> Sweep:
        await self._catalog.put(CURSOR, json.dumps([sweep.began, sweep.below]).encode())
        return sweep


def _tell(claim: Claim, finding: Finding, again: bool) -> None:
    delivery = claim.delivery
    about: Mapping[str, object] = {
        "party": delivery.party,
        "store": delivery.store,
        "target": delivery.target,
        "object": str(delivery.ref),
        "version": delivery.version,
        "finding": finding.value,
        "sent_again": again,
    }
    log.warning("a copy is not what its receipt says", extra=about)


# --- on demand ---------------------------------------------------------------------------------


def whole_in(kind_of: KindOf, read: str) -> Callable[[str, str], bool]:
    """For (party, store): whether bytes are read back though the store's etag is the receipt's. In
    a cloud every write gives another etag and the cloud heals what rots; a folder does neither."""
    return lambda party, store: (
        read == "all" or (read == "folders" and kind_of(party, store) == "file")
    )


@dataclass(frozen=True, slots=True)
class Repair:
    """`crossdock repair`: one round over all copies that there are when it begins."""

    catalog: Catalog
    scrub: Scrub
    kind_of: KindOf
    ticks: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, arguments: Mapping[str, Any], progress: Progress) -> Any:
        """`party`, `bucket`, `rate` (looks a second), `dry` (nothing is sent again), `quick` (in
        clouds the etag is trusted). What is found is noted in any case."""
        rate = arguments.get("rate", RATE_MAX)
        if not isinstance(rate, int | float) or not 0 < rate <= RATE_MAX:
            raise BadInput(f"a rate is a number of copies a second, up to {RATE_MAX}")
        dry = bool(arguments.get("dry"))
        this = Round(
            self.scrub.clock(),
            Again.NOTHING if dry else Again.MISSING,
            whole_in(self.kind_of, "folders" if arguments.get("quick") else "all"),
            str(arguments.get("party") or ""),
            str(arguments.get("bucket") or ""),
        )
        tally, listed = Tally(), list[Mapping[str, Any]]()

        def heard(claim: Claim, finding: Finding, again: bool) -> None:
            if len(listed) < LISTED_MAX:
                listed.append(_found(claim, finding, again))

        budget = Budget(rate, BYTES_S, self.ticks, self.sleep)
        total = 0 if this.party or this.bucket else await self.catalog.count_kept(this.before)
        spot: Spot | None = Spot()
        while spot is not None:
            spot = await self.scrub.page(this, spot, budget, tally, heard)
            done = tally.checked + tally.unreachable
            progress(done, max(done, total))
        await self.catalog.append([self._event(this, tally)])
        return {**tally.shown(), "dry": dry, "copies": listed}

    def _event(self, this: Round, tally: Tally) -> Event:
        shown = {name: str(value) for name, value in tally.shown().items()}
        about = {"versions": shown.pop("checked")}
        return Event(
            "repair", self.scrub.clock(), party=this.party, bucket=this.bucket, detail=about
        )


def _found(claim: Claim, finding: Finding, again: bool) -> Mapping[str, Any]:
    delivery = claim.delivery
    return {
        "party": delivery.party,
        "store": delivery.store,
        "target": delivery.target,
        "object": str(delivery.ref),
        "version": delivery.version,
        "finding": finding.value,
        "sent_again": again,
    }


# --- wiring ------------------------------------------------------------------------------------


def at_rest(site: Site) -> Mapping[str, Action]:
    """The commands that look into stores."""
    repair = Repair(site.catalog, _scrub_of(site), _kinds(site), site.outside.ticks)
    return MappingProxyType(
        {
            "repair": repair.run,
            "adopt": AdoptCommand(site).run,
            "sftp.import": ImportCommand(site).run,
        }
    )


def scrubbing_of(site: Running) -> Scrubbing:
    entry, ticks, clock = site.config.scrub, site.outside.ticks, site.outside.clock
    pace = site.exchange.pace(ticks)
    budget = Budget(entry.rate, entry.bytes, ticks, asyncio.sleep, lambda: pace.busy)
    losses = Losses(site.catalog, site.rooms.store, whole_in(_kinds(site), entry.read), clock)
    telemetry = site.vitals.telemetry
    return Scrubbing(site.catalog, _scrub_of(site), losses, entry, budget, telemetry)


def _scrub_of(site: Site) -> Scrub:
    return Scrub(
        site.catalog,
        site.decide,
        site.rooms.inbox,
        site.outside.clock,
        lambda: site.mesh.revision,
        site.nudge,
    )


def _kinds(site: Site) -> KindOf:
    def kind_of(party: str, store: str) -> str:
        known = site.mesh.parties.get(party)
        spec = known.stores.get(store) if known else None
        return spec.type if spec else ""

    return kind_of
