"""The worker that keeps the promises: sees which lanes have work and sets each to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.catalog import Lane, Outbox
from gateway.courier.backoff import SECOND, Draw
from gateway.courier.delivery import Attempts, Decide, InboxOf, ReadVersion
from gateway.courier.ending import Observe, missed
from gateway.courier.lane import HEARTBEAT, Desk, LaneWorker
from gateway.courier.recovery import Recovery

POLL = 1 * SECOND
"""The longest sleep: other gateways' commits, breakers and clocks that jump give no nudge."""

LATE_MAX = 256
"""Missed deadlines told of in one step."""

PAGE_SECONDS = 0.02
"""Between two pages of what is parked, so that a long list takes no more than a small share."""

Sleep = Callable[[float], Awaitable[None]]
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Post:
    worker: LaneWorker
    task: asyncio.Task[int] | None = None

    @property
    def busy(self) -> bool:
        return self.task is not None and not self.task.done()


class Courier:
    """All that it must remember is in the catalog: it may be killed at any point, and another one
    goes on where it was. `clock` gives moments, `draw` numbers in [0, 1) for the jitter,
    `revision` that of the policy in force, `late` is told of the lane of a copy that missed its
    deadline, `sleep` takes seconds.

    `run` works until `stop`; `step` and `drain` do the same by hand.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        decide: Decide,
        inbox_of: InboxOf,
        read_version: ReadVersion,
        clock: Callable[[], int],
        draw: Draw,
        revision: Callable[[], str],
        observe: Observe = lambda _: None,
        late: Callable[[Lane], None] = lambda _: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        attempts = Attempts(decide, inbox_of, read_version, clock)
        self._outbox = outbox
        self._clock = clock
        self._sleep = sleep
        self._late = late
        self._recovery = Recovery(outbox)
        told = self._recovery
        self._desk = Desk(outbox, attempts, clock, draw, revision, observe, told.heard, told.hurry)
        self._posts: dict[Lane, _Post] = {}
        self._nudged = asyncio.Event()
        self._stopping = False
        self._paging = False

    def nudge(self) -> None:
        """Promises were committed, or deliveries resumed: look at once. Never blocks."""
        self._nudged.set()

    async def step(self) -> bool:
        """One bounded unit of work: sets every lane that has something due to it, and looks at a
        page of what is parked. Returns whether any lane is at work."""
        now = self._clock()
        self._reap()
        await self._tell_of_late(now)
        self._paging = await self._recovery.step(now)
        for lane in await self._outbox.lanes(now):
            self._send(lane, now)
        return any(post.busy for post in self._posts.values())

    async def _tell_of_late(self, now: int) -> None:
        revision = self._desk.revision()
        late = await self._outbox.miss(now, LATE_MAX, lambda each: missed(each, now, revision))
        for delivery in late:
            self._late(Lane(delivery.party, delivery.store))

    async def drain(self) -> None:
        """Works until nothing is due that can be done now; what waits for its time is left."""
        while await self.step():
            tasks = [post.task for post in self._posts.values() if post.task is not None]
            if not sum(await asyncio.gather(*tasks)):
                return

    async def run(self) -> None:
        """Until `stop`. An error of the catalog is logged, and work goes on when it is well."""
        heart = asyncio.create_task(self._beat())
        try:
            while not self._stopping:
                self._nudged.clear()
                seconds = POLL / SECOND
                try:
                    seconds = await self._work()
                except Exception:
                    log.exception("the courier could not look for work")
                await self._rest(seconds)
            await self._leave()
        finally:
            heart.cancel()
            self._abandon()

    async def stop(self, grace_seconds: float) -> None:
        """Takes no new work, lets what runs finish for so long, then abandons it; leases are
        given back, so that the next courier need not wait for their end."""
        self._stopping = True
        self.nudge()
        for post in self._posts.values():
            post.worker.stop()
        if not await self._leave(grace_seconds):
            self._abandon()
            await self._leave()

    async def _leave(self, seconds: float | None = None) -> bool:
        """Waits until no lane is at work; False if it took longer."""
        tasks = [post.task for post in self._posts.values() if post.task is not None]
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=seconds)
        return not late

    def _abandon(self) -> None:
        for post in self._posts.values():
            post.worker.abandon()

    async def _work(self) -> float:
        """One step; returns the seconds until there may be more to do."""
        now = self._clock()
        await self.step()
        due = await self._outbox.next_due()
        if self._paging:
            return PAGE_SECONDS
        if due is None or due <= now:  # what is due and was not begun waits for something else
            return POLL / SECOND
        return max(0, min(POLL, due - self._clock())) / SECOND

    async def _rest(self, seconds: float) -> None:
        waits = [
            asyncio.create_task(self._nudged.wait()),
            asyncio.ensure_future(self._sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _beat(self) -> None:
        while True:
            await self._sleep(HEARTBEAT / 2 / SECOND)
            now = self._clock()
            for post in list(self._posts.values()):
                try:
                    await post.worker.keep_leases(now)
                except Exception:
                    log.exception("a lease could not be renewed")

    def _send(self, lane: Lane, now: int) -> None:
        if self._stopping:
            return
        post = self._posts.setdefault(lane, _Post(LaneWorker(lane, self._desk)))
        if post.busy:
            post.worker.poke()
        elif post.worker.breaker.allows(now):
            post.task = asyncio.create_task(post.worker.serve())

    def _reap(self) -> None:
        """Forgets idle lanes, and logs what ended one before its time."""
        for lane, post in list(self._posts.items()):
            if post.task is None or not post.task.done():
                continue
            trouble = None if post.task.cancelled() else post.task.exception()
            if isinstance(trouble, Exception):
                log.error("a lane stopped: %s", trouble, exc_info=trouble)
            elif trouble is not None:
                raise trouble
            post.task = None
            if not post.worker.breaker.failures:
                del self._posts[lane]
