"""What the scrub found, as health and metrics show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog import Catalog, Finding, Loss
from gateway.gauges import ScrubGauges

S_NS = 10**9


@dataclass(frozen=True, slots=True)
class Findings:
    """`oldest` is the moment of the check of a copy
    that lies furthest back, 0 without copies."""

    oldest: int = 0
    copies: tuple[tuple[str, Finding, int], ...] = ()
    losses: tuple[Loss, ...] = ()

    @classmethod
    async def of(cls, catalog: Catalog) -> Findings:
        copies, losses = await catalog.found_copies(), await catalog.losses()
        return cls(await catalog.oldest_check(), tuple(copies), tuple(losses))

    def shown(self, now: int) -> Mapping[str, Any]:
        return {
            "oldest_check_seconds": self._age(now),
            "copies": [
                {"party": party, "finding": finding.value, "count": count}
                for party, finding, count in self.copies
            ],
            "lost": [
                {
                    "party": loss.extent.party,
                    "store": loss.extent.store,
                    "extent": loss.extent.key,
                    "finding": loss.finding.value,
                }
                for loss in self.losses
            ],
        }

    def _age(self, now: int) -> int:
        return max(0, now - self.oldest) // S_NS if self.oldest else 0

    def measured(self, now: int, gauges: ScrubGauges) -> None:
        copies = ((party, finding.value, count) for party, finding, count in self.copies)
        gauges.found(self._age(now), copies, len(self.losses))
