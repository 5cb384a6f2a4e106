"""The notices to one webhook: claimed, sent side by side, settled; no other webhook waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.catalog import NoticeClaim, NoticeLane, NoticeOutcome, Notices
from gateway.courier.backoff import PARK_AFTER, SECOND, Breaker, Draw, delay, expired
from gateway.errors import CatalogUnavailable, WebhookFailed
from gateway.faults import fault
from gateway.herald.letters import Webhook, body, headers
from gateway.model import Bucket
from gateway.notifications import GONE
from gateway.policy.mesh import Mesh

SLOTS = 8
"""Notices of one webhook that are under way at once, each of another key."""

LEASE = 60 * SECOND
"""Longer than any attempt may take, so that no lease has to be renewed."""

STALE_SENT_MAX = 500
STALE_STEPS_MAX = 4
"""What has waited for a day behind a dead webhook is parked in steps of so many rows, so many
steps after each probe that failed."""

RESUMED_MAX = 500
RESUME_PAUSE = 300 * SECOND
RESUME_PAUSE_LONG_QUEUE = 10 * SECOND
"""Once a webhook is well its parked notices come back, so many at once, with a pause between: what
it will never take must not be sent all the time."""

SENT, WITHDRAWN, FAILED, PARKED = "sent", "withdrawn", "failed", "parked"
"""What comes of an attempt, for whoever counts."""

log = logging.getLogger(__name__)


class Sender(Protocol):
    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Returns once the receiver took it, within the time of a lease; WebhookFailed if not."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What all lanes share. `mesh` is the one in force; `webhook_of` raises WebhookFailed for one
    that it does not have, or that can't be used; `observe` is told of every attempt: party,
    webhook, what came of it, seconds."""

    mesh: Callable[[], Mesh]
    webhook_of: Callable[[NoticeLane], Webhook]
    sender: Sender
    region: str
    clock: Callable[[], int]
    draw: Draw
    observe: Callable[[str, str, str, float], None] = lambda *_: None


@dataclass(frozen=True, slots=True)
class _Tried:
    """An attempt that ended: `why` it failed, None if it did not."""

    claim: NoticeClaim
    told: bool = False
    why: WebhookFailed | None = None


class LaneWorker:
    """`breaker` outlives `serve`, which may be called again whenever the lane has work."""

    def __init__(self, lane: NoticeLane, notices: Notices, means: Means) -> None:
        self._lane = lane
        self._notices = notices
        self._means = means
        self._wake = asyncio.Event()
        self._stopping = False
        self._resume_at = 0
        self.breaker = Breaker()

    def poke(self) -> None:
        """There may be more to claim."""
        self._wake.set()

    def stop(self) -> None:
        """Claims nothing more; what runs goes on."""
        self._stopping = True

    async def serve(self) -> None:
        """Works until nothing is due, the breaker is open, or it is told to stop."""
        running: set[asyncio.Task[_Tried]] = set()
        waking: asyncio.Task[bool] | None = None
        try:
            while True:
                self._wake.clear()
                for claim in await self._claim(SLOTS - len(running)):
                    running.add(asyncio.create_task(self._try(claim)))
                if not running:
                    return
                waking = waking or asyncio.create_task(self._wake.wait())
                await asyncio.wait({*running, waking}, return_when=asyncio.FIRST_COMPLETED)
                ended = {task for task in running if task.done()}
                running -= ended
                waking = None if waking.done() else waking
                await self._settle([task.result() for task in ended])
        finally:
            for task in (*running, *filter(None, [waking])):
                task.cancel()

    async def _claim(self, room: int) -> Iterable[NoticeClaim]:
        now = self._means.clock()
        if self._stopping or room <= 0 or not self.breaker.allows(now):
            return ()
        probe = self.breaker.open
        try:
            claims = await self._notices.claim_notices(self._lane, 1 if probe else room, now, LEASE)
        except CatalogUnavailable as error:
            log.warning("notices could not be claimed: %s", error.message)
            return ()
        if probe and claims:
            self.breaker = self.breaker.probing(now)
        return claims

    async def _try(self, claim: NoticeClaim) -> _Tried:
        """Policy in force is asked first: what it has withdrawn is not announced."""
        began = self._means.clock()
        bucket = may_be_told(self._means.mesh(), claim)
        if bucket is None:
            self._observe(WITHDRAWN)
            return _Tried(claim)
        try:
            await self._send(claim, bucket)
        except WebhookFailed as error:
            return _Tried(claim, why=error)
        except Exception as error:
            # nobody's fault that is foreseen: it must not stop the other notices
            log.exception("a notice failed in a way that nobody foresaw")
            return _Tried(claim, why=WebhookFailed(repr(error), lane=False))
        self._observe(SENT, (self._means.clock() - began) / SECOND)
        return _Tried(claim, told=True)

    async def _send(self, claim: NoticeClaim, bucket: Bucket) -> None:
        webhook = self._means.webhook_of(self._lane)
        text = body(claim.notice, claim.version, bucket, self._means.region)
        now = self._means.clock() // SECOND
        fault("herald.sending")
        head = headers(webhook, claim.notice, now, text, claim.missed)
        await self._means.sender.post(webhook.url, head, text)
        fault("herald.sent")

    def _observe(self, outcome: str, seconds: float = 0.0) -> None:
        self._means.observe(self._lane.party, self._lane.webhook, outcome, seconds)

    async def _settle(self, tried: list[_Tried]) -> None:
        if not tried:
            return
        now = self._means.clock()
        for each in tried:
            self._learn(each, now)
        try:
            await self._notices.settle_notices([self._outcome(each, now) for each in tried])
            fault("herald.settled")
            await self._look_after_parked(tried, now)
        except CatalogUnavailable as error:
            # the row stays as it is; its lease lapses, and it is sent again
            log.warning("notices could not be settled: %s", error.message)

    def _learn(self, tried: _Tried, now: int) -> None:
        if tried.why is not None and tried.why.details.get("lane"):
            self.breaker = self.breaker.failed(now)
        elif tried.told or tried.why is not None:
            self.breaker = self.breaker.well()
        else:
            self.breaker = self.breaker.spared(now)

    def _outcome(self, tried: _Tried, now: int) -> NoticeOutcome:
        notice, why = tried.claim.notice, tried.why
        if why is None:
            return NoticeOutcome(notice)
        if expired(notice.id, now):
            self._observe(PARKED)
            return NoticeOutcome(notice, parked=True, error=why.message)
        self._observe(FAILED)
        wanted = int(why.details.get("retry_after", 0)) * SECOND
        wait = delay(notice.attempts, self._means.draw, wanted=wanted)
        return NoticeOutcome(notice, due=now + wait, error=why.message)

    async def _look_after_parked(self, tried: list[_Tried], now: int) -> None:
        failed = next((each.why for each in tried if each.why is not None), None)
        if self.breaker.open and failed is not None:
            for _ in range(STALE_STEPS_MAX):
                before = now - PARK_AFTER
                parked = await self._notices.park_notices(
                    self._lane, before, failed.message, STALE_SENT_MAX
                )
                if parked < STALE_SENT_MAX:
                    return
        elif any(each.told for each in tried) and now >= self._resume_at:
            count = await self._notices.resume_notices(lane=self._lane, now=now, limit=RESUMED_MAX)
            pause = RESUME_PAUSE_LONG_QUEUE if count == RESUMED_MAX else RESUME_PAUSE
            self._resume_at = now + pause


def may_be_told(mesh: Mesh, claim: NoticeClaim) -> Bucket | None:
    """The bucket, if the party still wants to be told of this and the policy in force lets it
    know; else None. What goes is told by policy alone, for its grant has ended with it."""
    notice, version = claim.notice, claim.version
    bucket = mesh.buckets.get(notice.ref.bucket) or claim.bucket
    if bucket is None or bucket.created > notice.id or not claim.wanted:
        return None
    if notice.party not in mesh.policy.members(bucket):
        return None
    if version is None:
        return bucket
    gone = notice.event in GONE or notice.copy
    seen = (gone or claim.held) and mesh.policy.sees(notice.party, version.facts, bucket).allowed
    return bucket if seen else None
