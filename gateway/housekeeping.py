"""What is done now and then: bytes that nothing needs are collected, store by store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from gateway.errors import CrossdockError
from gateway.exchange.collector import Collector

COLLECT_SECONDS = 60.0
SWEEP_SECONDS = 24 * 3600.0

log = logging.getLogger(__name__)


class Housekeeping:
    """`places` are the (party, store name) of every store of the mesh in force. A store that is
    not well is tried again the next time; nothing is in a hurry here."""

    def __init__(
        self, collector: Collector, places: Callable[[], Sequence[tuple[str, str]]]
    ) -> None:
        self._collector = collector
        self._places = places

    async def run(self) -> None:
        """Until cancelled."""
        elapsed = 0.0
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            elapsed += COLLECT_SECONDS
            await self._try(self._collect)
            if elapsed >= SWEEP_SECONDS:
                elapsed = 0.0
                await self._try(self._sweep)

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

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except CrossdockError as error:
            log.warning("housekeeping has to wait", extra={"problem": error.message})
