"""Lifecycle: what a bucket's own rules expire, done as its owner could do it, and on the record."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from gateway.errors import Conflict, Denied, NoSuchBucket, NoSuchUpload
from gateway.exchange.floor import Floor
from gateway.exchange.removals import Removals
from gateway.faults import fault
from gateway.lifecycle import (
    Act,
    Due,
    Judged,
    Rule,
    Standing,
    abortable,
    due,
    prefixes,
    rules_of,
    upload_days,
)
from gateway.locks import DAY_NS
from gateway.model import Bucket, Caller, ObjectRef, Principal, Upload

NAME = "lifecycle"
"""The door, and the principal of the owner's party, that its doings are recorded under."""

BATCH = 200
"""Versions looked at in one turn of the event loop: about 7 µs each."""

CHECKS = 5000
"""Versions times rules in one turn, at up to a microsecond each: many rules make it shorter."""

TOGETHER = 16
"""Changes at once, so that they share commits."""

PAUSE_S = 0.01
"""After each turn and after each lot of changes, so that a pass leaves requests their speed."""

HIDDEN, REMOVED, ABORTED, MISSED = "hidden", "removed", "aborted", "missed"


@dataclass(frozen=True, slots=True)
class Passed:
    """What one pass over a bucket did. `missed`: what changed between look and commit, and is to
    be judged again."""

    hidden: int = 0
    removed: int = 0
    aborted: int = 0
    missed: int = 0

    def __bool__(self) -> bool:
        return bool(self.hidden or self.removed or self.aborted or self.missed)


@dataclass(frozen=True, slots=True)
class Round:
    """One pass: the bucket and its rules as they are when it begins, and by what clock."""

    bucket: Bucket
    rules: Sequence[Rule]
    now: int
    day_ns: int

    @property
    def batch(self) -> int:
        return max(1, min(BATCH, CHECKS // max(1, len(self.rules))))

    def due(self, standing: Standing) -> Due | None:
        return due(self.rules, standing, self.now, self.day_ns)

    def judged(self, standing: Standing, what: Due) -> Judged:
        """Whether the commit finds the same version, and the same thing due."""
        return Judged(self.bucket, what.rule, lambda s: s.id == standing.id and self.due(s) == what)


Work = Callable[[], Awaitable[str]]
"""Does one thing, and tells what came of it."""


class Lifecycle:
    """Several gateways may do this at once: whatever is due is judged again inside its commit, so
    what another one has done already is no longer due. A pass that breaks off is begun anew."""

    def __init__(self, floor: Floor, removals: Removals) -> None:
        self._floor = floor
        self._removals = removals

    async def buckets(self) -> Sequence[Bucket]:
        """Those with rules, of a party that may still write."""
        mesh = self._floor.mesh
        able = {party.name for party in mesh.parties.values() if party.home}
        made = [b for b in await self._floor.rows.buckets() if b.name not in mesh.buckets]
        stated = [await self._floor.named(name) for name in mesh.buckets]
        return [b for b in (*made, *stated) if b and b.owner in able and rules_of(b)]

    async def run(self, bucket: Bucket, day_ns: int = DAY_NS) -> Passed:
        """One pass over all that is due now. Raises what keeps the catalog from answering."""
        this = Round(bucket, rules_of(bucket), self._floor.means.clock(), day_ns)
        done: Counter[str] = Counter()
        for source in (self._versions(this), self._uploads(this)):
            async with aclosing(source):
                async for works in source:
                    for start in range(0, len(works), TOGETHER):
                        some = works[start : start + TOGETHER]
                        done.update(await asyncio.gather(*(work() for work in some)))
                        await asyncio.sleep(PAUSE_S)
        return Passed(*(done[name] for name in (HIDDEN, REMOVED, ABORTED, MISSED)))

    async def _versions(self, this: Round) -> AsyncGenerator[Sequence[Work]]:
        for prefix in prefixes(this.rules):
            after: Standing | None = None
            while True:
                found = await self._floor.rows.standings(
                    this.bucket, prefix, after=after, limit=this.batch
                )
                yield [partial(self._act, this, s, what) for s in found if (what := this.due(s))]
                if len(found) < this.batch:
                    break
                after = found[-1]
                await asyncio.sleep(PAUSE_S)

    async def _uploads(self, this: Round) -> AsyncGenerator[Sequence[Work]]:
        days = upload_days(this.rules)
        began = this.now - days * this.day_ns
        after: Upload | None = None
        while days:
            found = await self._floor.rows.stale_uploads(
                this.bucket.name, began + 1, after=after, limit=this.batch
            )
            yield [
                partial(self._abort, this, upload)
                for upload in found
                if upload.principal.party == this.bucket.owner
                and abortable(this.rules, upload, this.now, this.day_ns)
            ]
            if len(found) < this.batch:
                return
            after = found[-1]
            await asyncio.sleep(PAUSE_S)

    async def _act(self, this: Round, standing: Standing, what: Due) -> str:
        hides = what.act is Act.HIDE
        try:
            await self._removals.delete(
                Caller(Principal(this.bucket.owner, NAME), NAME),
                ObjectRef(this.bucket.name, standing.key),
                version="" if hides else standing.id,
                judged=this.judged(standing, what),
            )
        except (Conflict, Denied, NoSuchBucket):
            return MISSED
        fault("lifecycle.acted")
        return HIDDEN if hides else REMOVED

    async def _abort(self, this: Round, upload: Upload) -> str:
        try:
            await self._floor.rows.abort(upload.id, bucket=this.bucket)
        except (Conflict, NoSuchUpload, NoSuchBucket):
            return MISSED
        fault("lifecycle.aborted")
        return ABORTED
