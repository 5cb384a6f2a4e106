"""The deliveries to one store: claimed, attempted side by side, settled; no other lane waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.catalog import Claim, Lane, Outbox, Outcome
from gateway.courier.backoff import BROKEN, SECOND, Breaker, Draw, Side, expired
from gateway.courier.delivery import Attempts, Result, failure
from gateway.courier.ending import Observe, event, observed, outcome
from gateway.errors import CatalogUnavailable, StoreUnavailable
from gateway.faults import fault
from gateway.model import DeliveryKind, DeliveryState

MIB = 1024 * 1024
SLOTS = ((1 * MIB, 16), (128 * MIB, 4), (None, 2))
"""(bytes at most, attempts at once) by size, so that large copies never hold up small ones."""

HELD_MAX = 64
"""Claims that one lane holds at once, those that wait for a slot of their size included."""
ROOM_MIN = 16
"""With a long queue, room for so many is awaited before the next claim: fewer transactions."""

LEASE = 30 * SECOND
HEARTBEAT = 10 * SECOND

ATTEMPT_SECONDS = 120
RATE_BYTES_MIN = 256 * 1024
"""An attempt may take ATTEMPT_SECONDS and its size at so many bytes a second; then it failed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """What all lanes share. `ended` hears of every settled attempt, `well` of every moment at
    which a dead lane answered again."""

    outbox: Outbox
    attempts: Attempts
    clock: Callable[[], int]
    draw: Draw
    revision: Callable[[], str]
    observe: Observe
    ended: Callable[[Claim, Outcome], None]
    well: Callable[[], None]


@dataclass(slots=True)
class _Hold:
    claim: Claim
    task: asyncio.Task[None]
    renewed: int


class LaneWorker:
    """`breaker` outlives `serve`, which may be called again whenever the lane has work."""

    def __init__(self, lane: Lane, desk: Desk) -> None:
        self._lane = lane
        self._desk = desk
        self._slots = tuple(asyncio.Semaphore(count) for _, count in SLOTS)
        self._held: dict[int, _Hold] = {}
        self._probes: set[int] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self.breaker = Breaker()

    def poke(self) -> None:
        """There may be more to claim."""
        self._wake.set()

    def stop(self) -> None:
        """Claims nothing more; what runs goes on."""
        self._stopping = True
        self._wake.set()

    def abandon(self) -> None:
        """Ends what runs, half way or not: the next attempt looks up what came of it."""
        self.stop()
        for hold in self._held.values():
            hold.task.cancel()

    async def serve(self) -> int:
        """Works until nothing is due, the breaker is open, or it is told to stop; returns the
        number of claims taken."""
        taken = 0
        while True:
            self._wake.clear()
            taken += await self._take()
            self._reap()
            if self._held:
                await self._wake.wait()
            elif not self._wake.is_set() or self._stopping:
                return taken

    async def keep_leases(self, now: int) -> None:
        """Renews the leases that grow old; an attempt whose lease is lost ends."""
        old = [hold for hold in self._held.values() if now - hold.renewed >= HEARTBEAT]
        await asyncio.gather(*(self._renew(hold, now) for hold in old))

    async def _renew(self, hold: _Hold, now: int) -> None:
        delivery = hold.claim.delivery
        if await self._desk.outbox.renew(delivery.id, delivery.token, now + LEASE):
            hold.renewed = now
        else:
            hold.task.cancel()

    async def _take(self) -> int:
        now = self._desk.clock()
        room = self._room(now)
        if not room:
            return 0
        probe = self.breaker.open
        self.breaker = self.breaker.probing(now)
        claims = await self._claim(room, now)
        if probe and not claims:
            self.breaker = self.breaker.spared(now)
        for claim in claims:
            fault("courier.claimed")
            if probe:
                self._probes.add(claim.delivery.id)
            task = asyncio.create_task(self._run(claim))
            task.add_done_callback(lambda _: self._wake.set())
            lapsed = self._held.get(claim.delivery.id)
            if lapsed is not None:  # its lease ran out under its hands: this claim takes its place
                lapsed.task.cancel()
            self._held[claim.delivery.id] = _Hold(claim, task, now)
        return len(claims)

    async def _claim(self, room: int, now: int) -> Sequence[Claim]:
        try:
            return await self._desk.outbox.claim(self._lane, room, now, LEASE)
        except CatalogUnavailable as error:
            log.warning("deliveries could not be claimed: %s", error.message)
            return ()

    def _room(self, now: int) -> int:
        if self._stopping:
            return 0
        if self.breaker.open:
            return 1 if self.breaker.allows(now) else 0
        room = HELD_MAX - len(self._held)
        return room if room >= ROOM_MIN else 0

    def _reap(self) -> None:
        for ident, hold in list(self._held.items()):
            if hold.task.done():
                del self._held[ident]
                self._probes.discard(ident)
                if not hold.task.cancelled():
                    hold.task.result()

    async def _run(self, claim: Claim) -> None:
        try:
            async with self._slots[_slot(claim)]:
                began = self._desk.clock()
                if self.breaker.open and claim.delivery.id not in self._probes:
                    await self._release(claim)
                    return
                result = await self._attempt(claim)
                self._learn(result, self._desk.clock())
            await self._settle(claim, result, began)
            if self.breaker.open and claim.delivery.id in self._probes:
                await self._park_overdue(result)
        except CatalogUnavailable as error:
            # the row stays as it is; its lease lapses, and the next attempt finds the copy
            log.warning("a delivery could not be settled: %s", error.message)
        except asyncio.CancelledError:
            await self._release(claim)
            raise
        except Exception:
            log.exception("a delivery could not be settled")

    async def _attempt(self, claim: Claim) -> Result:
        seconds = ATTEMPT_SECONDS + claim.version.size / RATE_BYTES_MIN
        try:
            async with asyncio.timeout(seconds):
                return await self._desk.attempts.attempt(claim)
        except TimeoutError:
            text = f"the attempt had not ended after {seconds:.0f} seconds"
            return failure(Side.TARGET, StoreUnavailable(text))
        except Exception as error:
            # nobody's fault that the table knows: it must not stop the other deliveries
            log.exception("a delivery failed in a way that nobody foresaw")
            return Result(DeliveryState.PENDING, verdict=BROKEN, error=repr(error))

    async def _park_overdue(self, result: Result) -> None:
        """The probe failed. What has waited behind it for a day is parked by the same verdict,
        without an attempt of its own: people must see all of it, not one row a probe."""
        found = HELD_MAX
        while found == HELD_MAX and not self._stopping:
            now = self._desk.clock()
            claims = await self._claim(HELD_MAX, now)
            old = [claim for claim in claims if expired(claim.delivery.promised, now)]
            young = [claim for claim in claims if claim not in old]
            await asyncio.gather(*(self._release(claim) for claim in young))
            await asyncio.gather(*(self._settle(claim, result, now) for claim in old))
            found = len(old)

    def _learn(self, result: Result, now: int) -> None:
        if result.verdict is not None and result.verdict.lane:
            self.breaker = self.breaker.failed(now)
        elif result.told:
            if self.breaker.open:
                self._desk.well()
            self.breaker = self.breaker.well()
        else:
            self.breaker = self.breaker.spared(now)

    async def _settle(self, claim: Claim, result: Result, began: int) -> None:
        desk, delivery = self._desk, claim.delivery
        now = desk.clock()
        ended = outcome(claim, result, now, desk.draw)
        record = event(claim, ended, now, desk.revision())
        fault("courier.settling")
        kept = await desk.outbox.settle(delivery.id, delivery.token, ended, record)
        fault("courier.settled")
        if kept:
            desk.observe(observed(claim, ended, now, began))
            desk.ended(claim, ended)

    async def _release(self, claim: Claim) -> None:
        """Gives the lease back at once, so that nobody waits for its end."""
        delivery = claim.delivery
        try:
            await self._desk.outbox.renew(delivery.id, delivery.token, self._desk.clock())
        except CatalogUnavailable as error:
            log.warning("a lease could not be given back: %s", error.message)


def _slot(claim: Claim) -> int:
    if claim.delivery.kind is not DeliveryKind.COPY:
        return 0
    sizes = (most is None or claim.version.size <= most for most, _ in SLOTS)
    return next(place for place, fits in enumerate(sizes) if fits)
