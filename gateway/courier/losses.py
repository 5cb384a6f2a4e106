"""Authors' bytes: whether each extent still is where its version says, and what the version says.

A version whose bytes are lost stays in the catalog, and a read of it fails; nothing but a person or
a backup of the store can bring them back, so they are told of loudly, until a look finds them well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from gateway.catalog import Checks, Finding, Loss
from gateway.courier.budget import Budget
from gateway.courier.checking import look_at_extent
from gateway.courier.scrub import Tally
from gateway.errors import CrossdockError
from gateway.model import Event, Extent, Version
from gateway.stores import Store

VERSIONS = 32
"""Looked for in one go; one of them may have 10,000 extents."""

NEWEST = 2**63 - 1
EXTENT_KIND = MappingProxyType({"kind": "extent"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Losses:
    """A walk over all versions, newest first. `whole` tells for (party, store) whether bytes are
    read back, or only the length of what holds them is asked for."""

    rows: Checks
    store_of: Callable[[str, str], Store | None]
    whole: Callable[[str, str], bool]
    clock: Callable[[], int]

    async def page(self, below: int, budget: Budget, tally: Tally) -> int:
        """Checks the extents of the next versions below that number; returns the `below` of the
        next page, 0 at the end."""
        versions = await self.rows.stored_versions(below, VERSIONS)
        for version in versions:
            await self._check(version, budget, tally)
        return versions[-1].number if len(versions) == VERSIONS else 0

    async def _check(self, version: Version, budget: Budget, tally: Tally) -> None:
        lost: list[tuple[Loss, Event]] = []
        well: list[Extent] = []
        for extent in version.extents:
            finding = await self._look(extent, budget, tally)
            if finding is Finding.WELL:
                well.append(extent)
            elif finding is not None:
                loss = Loss(extent, version.number, finding, self.clock())
                lost.append((loss, self._event(version, finding)))
                tally.found[finding] += 1
                self._tell(version, extent, finding)
        if version.extents:
            await self.rows.note_losses(lost, well)

    async def _look(self, extent: Extent, budget: Budget, tally: Tally) -> Finding | None:
        """None where the store can't tell now."""
        place = (extent.party, extent.store)
        store = self.store_of(*place)
        if store is None or tally.gave_up(*place):
            tally.unreachable += 1
            return None
        await budget.look()
        try:
            look = await look_at_extent(extent, store, whole=self.whole(*place))
        except CrossdockError as error:
            tally.unreachable += 1
            tally.failures[place] += 1
            problem = {"party": extent.party, "store": extent.store, "problem": error.message}
            log.info("an extent can't be checked now", extra=problem)
            return None
        budget.read(look.read)
        tally.checked += 1
        tally.bytes += look.read
        return look.finding

    def _event(self, version: Version, finding: Finding) -> Event:
        return Event(
            "check",
            self.clock(),
            party=version.author,
            bucket=version.ref.bucket,
            key=version.ref.key,
            version=version.id,
            outcome=finding.value,
            detail=EXTENT_KIND,
            readers=(version.author,),
        )

    def _tell(self, version: Version, extent: Extent, finding: Finding) -> None:
        about: dict[str, object] = {
            "party": extent.party,
            "store": extent.store,
            "extent": extent.key,
            "object": str(version.ref),
            "version": version.id,
            "finding": finding.value,
        }
        log.error("bytes of a version are lost", extra=about)
