"""Brings parked deliveries back when their store is well again: a trial first, then ever more."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.catalog import Claim, Lane, Outbox, Outcome
from gateway.courier.backoff import CURABLE, SECOND
from gateway.model import Delivery, DeliveryState

TRIAL_PAUSE = 300 * SECOND
GROWTH_PAUSE = 1 * SECOND
BATCH_MAX = 512
PAGE = 500
TRIALS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Ward:
    """The parked deliveries of one lane with one code: they are cured together."""

    lane: Lane
    code: str


class Recovery:
    """Goes through the parked rows in rounds, a page at a time. Of each ward it resumes one; when
    that one arrives, the next round resumes twice as many, and after a failure one again. So a
    dead store with 100,000 parked rows costs one attempt a round. Only curable codes come back:
    never `occupied`, which people must look at.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._batch: dict[Ward, int] = {}
        self._left: dict[Ward, int] = {}
        self._trials: dict[int, Ward] = {}
        self._after = 0
        self._next = 0  # the moment of the next page; set by the first step
        self._soon = False

    def heard(self, claim: Claim, ended: Outcome) -> None:
        """How an attempt ended; those that are no trial don't matter here."""
        ward = self._trials.pop(claim.delivery.id, None)
        if ward is None:
            return
        if ended.state is DeliveryState.DONE:
            self._batch[ward] = min(self._batch.get(ward, 1) * 2, BATCH_MAX)
            self._soon = True
        else:
            self._batch.pop(ward, None)

    def hurry(self) -> None:
        """A store is well again: the next round begins soon."""
        self._soon = True

    async def step(self, now: int) -> bool:
        """One page, if it is time; returns whether the round has more of them."""
        if self._next == 0:
            self._next = now + TRIAL_PAUSE
        if self._soon and self._after == 0:
            self._next, self._soon = min(self._next, now + GROWTH_PAUSE), False
        if now < self._next:
            return False
        if self._after == 0:
            self._left = dict(self._batch)
        rows = await self._outbox.deliveries(
            state=DeliveryState.PARKED, after=self._after, limit=PAGE
        )
        chosen = [row.id for row in rows if self._choose(row)]
        if chosen:
            await self._outbox.resume(ids=chosen, now=now)
        if len(rows) == PAGE:
            self._after = rows[-1].id
        else:
            self._after, self._next = 0, now + TRIAL_PAUSE
        return self._after > 0

    def _choose(self, row: Delivery) -> bool:
        ward = Ward(Lane(row.party, row.store), row.code)
        left = self._left.get(ward, 1)
        if row.code not in CURABLE or not left:
            return False
        self._left[ward] = left - 1
        if len(self._trials) >= TRIALS_MAX:  # trials that ended elsewhere are never heard of
            self._trials.clear()
        self._trials[row.id] = ward
        return True
