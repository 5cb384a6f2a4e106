"""Bytes that nothing needs any more: purged from the catalog first, then from the stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.catalog import Extents
from gateway.errors import CrossdockError, MissingFromStore
from gateway.faults import fault
from gateway.model import RESERVED_PREFIX, Bucket, Extent
from gateway.stores import Store

EXTENTS_PREFIX = f"{RESERVED_PREFIX}extents/"
GRACE_NS = 24 * 3600 * 10**9
"""An extent is left alone this long after its last use: a slow reader may still be at it, or the
upload that wrote it may not have committed yet."""

COMPLETED_NS = 7 * 24 * 3600 * 10**9
"""How long an upload that became a version is known: to complete it again answers 200 till then,
for clients whose answer was lost."""

BATCH = 500
"""Rows of one bounded unit of work."""

S_NS = 10**9


@dataclass(frozen=True, slots=True)
class Collected:
    versions: int = 0
    extents: int = 0
    uploads: int = 0

    def __bool__(self) -> bool:
        return bool(self.versions or self.extents or self.uploads)


class Collector:
    """Its stores are handed in narrowed: it deletes below `.crossdock/` alone."""

    def __init__(
        self,
        rows: Extents,
        store_of: Callable[[str, str], Store | None],
        clock: Callable[[], int],
        buckets: Callable[[], Sequence[Bucket]],
    ) -> None:
        self._rows = rows
        self._store_of = store_of
        self._clock = clock
        self._buckets = buckets

    async def step(self) -> Collected:
        """One bounded unit: expire history, forget what became of old uploads, then forget and
        delete what nothing refers to."""
        return Collected(
            await self._expire(),
            await self._delete_unreferenced(),
            await self._rows.forget_uploads(self._clock() - COMPLETED_NS, BATCH),
        )

    async def _expire(self) -> int:
        now = self._clock()
        count = 0
        for bucket in self._buckets():
            if bucket.history:
                before = now - bucket.history * S_NS
                count += await self._rows.expire(bucket.name, before, BATCH)
        return count

    async def _delete_unreferenced(self) -> int:
        """Catalog first, then bytes: a crash in between leaves an orphan, never a version
        without bytes."""
        candidates = await self._rows.unreferenced(self._clock() - GRACE_NS, BATCH)
        reachable = [e for e in candidates if self._store_of(e.party, e.store) is not None]
        gone = await self._rows.forget(reachable)
        fault("collector.forgotten")
        for extent in gone:
            await self._delete(extent)
        return len(gone)

    async def sweep(self, party: str, name: str) -> int:
        """Deletes extents in one store that the catalog never heard of, once they are old enough
        (an upload that broke off, a crash before the commit). Returns how many."""
        store = self._store_of(party, name)
        if store is None:
            return 0
        count = 0
        async for key in store.keys(EXTENTS_PREFIX):
            if await self._rows.knows(party, name, key):
                continue
            count += await self._delete_old(store, Extent(party, name, key, 0, 0))
        return count

    async def _delete_old(self, store: Store, extent: Extent) -> int:
        try:
            stat = await store.stat(extent.key)
        except MissingFromStore:
            return 0
        if stat.modified > self._clock() - GRACE_NS:
            return 0
        await self._delete(extent)
        return 1

    async def _delete(self, extent: Extent) -> None:
        if not extent.key.startswith(EXTENTS_PREFIX):
            raise CrossdockError(f"the collector may not delete {extent.key}")
        store = self._store_of(extent.party, extent.store)
        if store is not None:
            await store.delete(extent.key)
            fault("collector.deleted")
