"""What is done now and then: bytes that nothing needs are collected, store by store."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence

from gateway.errors import CrossdockError
from gateway.exchange.collector import Collector
from gateway.stores import CanTidy, Store

COLLECT_SECONDS = 60.0
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
            if not done.versions and not done.extents:
                return
            log.info("collected", extra={"versions": done.versions, "extents": done.extents})

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
        try:
            await work()
        except CrossdockError as error:
            log.warning("housekeeping has to wait", extra={"problem": error.message})
