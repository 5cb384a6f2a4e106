"""The audit log as the pure checks read it: one page after another, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.audit.records import Opened, decode
from gateway.audit.tiles import TILE_WIDTH, Name
from gateway.catalog import Catalog, Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogReader:
    """For a thread beside the event loop that serves `catalog`; memory is bounded."""

    catalog: Catalog
    loop: asyncio.AbstractEventLoop
    progress: Callable[[int, int], None]

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def size(self) -> int:
        return self.wait(self.catalog.size())

    def tile(self, name: Name) -> bytes:
        """A stored tile, b"" if it is missing."""
        return self.wait(self.catalog.tiles([name])).get(name, b"")

    def records(self, until: int | None = None) -> Iterator[Record]:
        total = self.size() if until is None else until
        start = 0
        while start < total:
            page = self.wait(self.catalog.records(start, min(TILE_WIDTH, total - start)))
            if not page:
                return
            yield from page
            start += len(page)
            self.progress(start, total)

    def opened(self, index: int) -> tuple[Record, Opened] | None:
        page = self.wait(self.catalog.records(index, 1))
        return (page[0], decode(page[0].openings)) if page else None


async def beside(
    catalog: Catalog, progress: Callable[[int, int], None], work: Callable[[LogReader], T]
) -> T:
    """Runs `work` in a thread."""
    reader = LogReader(catalog, asyncio.get_running_loop(), progress)
    return await asyncio.to_thread(work, reader)
