"""The worker that sends notices: sees which webhooks are owed one, and sets each to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.catalog import NoticeLane, Notices
from gateway.courier.backoff import SECOND
from gateway.herald.lane import LaneWorker, Means

POLL = 1 * SECOND
"""The longest sleep: other gateways' commits, breakers and clocks that jump give no nudge."""

TRIAL_PAUSE = 300 * SECOND
"""How often one parked notice is tried again of a webhook that is owed nothing else."""

Sleep = Callable[[float], Awaitable[None]]
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Post:
    worker: LaneWorker
    task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self.task is not None and not self.task.done()


class Herald:
    """All that it must remember is in the catalog: it may be killed at any point, and another one
    goes on where it was; what was under way is then sent again. `run` works until `stop`."""

    def __init__(self, notices: Notices, means: Means, sleep: Sleep = asyncio.sleep) -> None:
        self._notices = notices
        self._means = means
        self._sleep = sleep
        self._posts: dict[NoticeLane, _Post] = {}
        self._nudged = asyncio.Event()
        self._stopping = False
        self._trial = 0  # the moment of the next one; set by the first step

    def nudge(self) -> None:
        """Notices were made, or resumed: look at once. Never blocks."""
        self._nudged.set()

    async def run(self) -> None:
        """Until `stop`. An error of the catalog is logged, and work goes on when it is well."""
        self._notices.on_notice(self.nudge)
        try:
            while not self._stopping:
                self._nudged.clear()
                seconds = POLL / SECOND
                try:
                    await self.step()
                    seconds = await self._pause()
                except Exception:
                    log.exception("the herald could not look for work")
                await self._rest(seconds)
        finally:
            self._abandon()

    async def stop(self, grace_seconds: float) -> None:
        """Takes no new work, lets what runs finish for so long, then abandons it."""
        self._stopping = True
        self.nudge()
        for post in self._posts.values():
            post.worker.stop()
        tasks = [post.task for post in self._posts.values() if post.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        self._abandon()

    def _abandon(self) -> None:
        for post in self._posts.values():
            if post.task is not None:
                post.task.cancel()

    async def step(self) -> None:
        """One bounded unit of work: sets every webhook that is owed something to it."""
        now = self._means.clock()
        self._reap()
        await self._try_parked(now)
        for lane in await self._notices.notice_lanes(now):
            self._send(lane, now)

    async def drain(self) -> None:
        """Works until nothing is due that can be done now; what waits for its time is left."""
        await self.step()
        while tasks := [post.task for post in self._posts.values() if post.task is not None]:
            await asyncio.gather(*tasks)
            await self.step()

    async def _try_parked(self, now: int) -> None:
        """A webhook whose notices are all parked shows by one of them whether it is well again."""
        if now < self._trial:
            return
        first, self._trial = self._trial == 0, now + TRIAL_PAUSE
        if first:
            return
        for owed in await self._notices.notice_backlog():
            if owed.parked and not owed.pending:
                await self._notices.resume_notices(lane=owed.lane, now=now, limit=1)

    async def _pause(self) -> float:
        """Seconds until there may be more to do."""
        due, now = await self._notices.next_notice(), self._means.clock()
        if due is None or due <= now:  # what is due and was not begun waits for something else
            return POLL / SECOND
        return min(POLL, due - now) / SECOND

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

    def _send(self, lane: NoticeLane, now: int) -> None:
        if self._stopping:
            return
        post = self._posts.setdefault(lane, _Post(LaneWorker(lane, self._notices, self._means)))
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
            if trouble is not None:
                log.error("a webhook's lane stopped: %s", trouble, exc_info=trouble)
            post.task = None
            if not post.worker.breaker.failures:
                del self._posts[lane]
