"""What is done now and then: bytes that nothing needs are collected, store by store."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from gateway.errors import CrossdockError
from gateway.exchange.collector import Collector
from gateway.exchange.lifecycle import Lifecycle
from gateway.exchange.settling import HabitsOf, Settling
from gateway.lifecycle import turn
from gateway.locks import DAY_NS
from gateway.model import Bucket
from gateway.notifications import FILE_DOOR
from gateway.stores import CanTidy, Store

COLLECT_SECONDS = 60.0
SETTLE_SECONDS = 5.0
SWEEP_SECONDS = 24 * 3600.0

log = logging.getLogger(__name__)


class Housekeeping:
    """`places` are the (party, store name) of every store of the mesh in force. A store that is
    not well is tried again the next time; nothing is in a hurry here."""

    def __init__(
        self,
        collector: Collector,
        places: Callable[[], Sequence[tuple[str, str]]],
        store_of: Callable[[str, str], Store | None],
    ) -> None:
        self._collector = collector
        self._places = places
        self._store_of = store_of

    async def run(self) -> None:
        """Until cancelled."""
        elapsed = 0.0
        await self._tidy()
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            elapsed += COLLECT_SECONDS
            await self._try(self._collect)
            if elapsed >= SWEEP_SECONDS:
                elapsed = 0.0
                await self._try(self._sweep)
                await self._tidy()

    async def _collect(self) -> None:
        while True:
            done = await self._collector.step()
            if not done:
                return
            log.info("collected", extra=asdict(done))

    async def _sweep(self) -> None:
        for party, name in self._places():
            count = await self._collector.sweep(party, name)
            if count:
                log.info("swept", extra={"party": party, "store": name, "orphans": count})

    async def _tidy(self) -> None:
        """Here and not in `_sweep`, for a gateway may never run a whole day."""
        for party, name in self._places():
            store = self._store_of(party, name)
            if isinstance(store, CanTidy):
                await self._try(functools.partial(self._tidy_one, store, party, name))

    async def _tidy_one(self, store: CanTidy, party: str, name: str) -> None:
        count = await store.tidy()
        if count:
            log.info("tidied", extra={"party": party, "store": name, "half_written": count})

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        await _attempt("housekeeping", work)


class Expiring:
    """Applies lifecycle rules. A bucket is passed over again when its rules changed, when time may
    have made something due, and when the last pass did anything: what it did may have made
    something else due."""

    def __init__(
        self, lifecycle: Lifecycle, clock: Callable[[], int], *, day_ns: int, every_s: float
    ) -> None:
        self._lifecycle = lifecycle
        self._clock = clock
        self._day_ns = day_ns
        self._every_s = every_s
        self._settled: dict[str, tuple[Bucket, int]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        if self._day_ns != DAY_NS:
            log.warning("lifecycle.day is not 24h: what rules expire goes too soon, or too late")
        while True:
            await _attempt("lifecycle", self.step)
            await asyncio.sleep(self._every_s)

    async def step(self) -> None:
        buckets = await self._lifecycle.buckets()
        names = {bucket.name for bucket in buckets}
        self._settled = {name: at for name, at in self._settled.items() if name in names}
        for bucket in buckets:
            state = (bucket, turn(self._clock(), self._day_ns))
            if self._settled.get(bucket.name) == state:
                continue
            passed = await self._lifecycle.run(bucket, self._day_ns)
            if passed:
                log.info("lifecycle", extra={"bucket": bucket.name, **asdict(passed)})
            else:
                self._settled[bucket.name] = state


class Resting:
    """Looks after files that were staged and left: see exchange/settling.py."""

    def __init__(self, settling: Settling, habits_of: HabitsOf) -> None:
        self._settling = settling
        self._habits_of = habits_of

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await _attempt("settling", self._step)
            await asyncio.sleep(SETTLE_SECONDS)

    async def _step(self) -> None:
        count = await self._settling.round(self._habits_of, FILE_DOOR)
        if count:
            log.info("settled", extra={"files": count})


async def _attempt(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """What is not well now is tried again the next time."""
    try:
        await work()
    except CrossdockError as error:
        log.warning("%s has to wait", what, extra={"problem": error.message})
