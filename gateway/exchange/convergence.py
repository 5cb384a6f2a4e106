"""Convergence: the versions that are there already follow the policy that is in force now.

It walks over all of them, newest first, once for each policy, and decides each again. What that
changes is committed in small steps; a step also says how far the walk has come, so it goes on there
after a crash. Until it has passed a version, whoever reads or lists that is asked about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gateway.catalog import Progress, Redecided, Step, Survey, Surveyed
from gateway.errors import CatalogUnavailable, PolicyMoved
from gateway.exchange.floor import Floor
from gateway.exchange.pace import Pace
from gateway.exchange.redeciding import Verdict, changed, judge
from gateway.faults import fault
from gateway.policy.mesh import Mesh

UNSAVED_VERSIONS_MAX = 20_000
"""Looked at, and found as they should be, before that is written down: a few seconds' work."""
WATCH_S = 1.0
"""How often a finished walk looks whether the catalog has another policy in force by now."""
RETRY_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Headway:
    """How far the walk is: `reached` as in Progress; `seconds` are those that it took so far in
    this process, for `fresh` versions."""

    revision: str
    reached: int
    seen: int
    total: int
    fresh: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        return self.reached == 0

    @classmethod
    def of(cls, progress: Progress) -> Headway:
        return cls(progress.revision, progress.reached, progress.seen, progress.total)

    @property
    def left_s(self) -> float | None:
        """Seconds until it is done, None where nothing tells yet."""
        if self.done:
            return 0.0
        return (self.total - self.seen) * self.seconds / self.fresh if self.fresh else None


class Convergence:
    """One walk at a time, for the policy in force. `ticks` gives seconds that never go back."""

    def __init__(self, floor: Floor, pace: Pace, ticks: Callable[[], float]) -> None:
        self._floor = floor
        self._pace = pace
        self._ticks = ticks
        self._walk: _Walk | None = None

    @property
    def headway(self) -> Headway | None:
        """None until the policy in force was looked up."""
        return self._walk.headway if self._walk else None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                more = await self.step()
            except CatalogUnavailable as error:
                log.warning("convergence has to wait", extra={"problem": error.message})
                await self._floor.next_entry(RETRY_S)
                continue
            if not more:
                await self._floor.next_entry(WATCH_S)

    async def step(self) -> bool:
        """One bounded unit of work, and the pause that others are owed for it; False if there is
        nothing to do for now."""
        walk = await self._current()
        if walk is None or walk.headway.done:
            return False
        try:
            worked_s, changed = await walk.step(self._pace.versions)
        except PolicyMoved:
            self._walk = None  # another policy, or another gateway has taken the same step
            return True
        await self._pace.rest(worked_s, changed)
        return True

    async def _current(self) -> _Walk | None:
        """The walk for the mesh in force. None while that is not the catalog's policy: then the
        one that is will be entered in a moment."""
        mesh = self._floor.mesh
        if self._walk is None or self._walk.mesh is not mesh:
            progress = await self._floor.rows.progress()
            if progress is None or progress.revision != mesh.revision:
                return None
            self._walk = _Walk(self._floor, mesh, progress, self._ticks)
        return self._walk


class _Walk:
    """The walk over the versions that are older than one policy."""

    def __init__(
        self, floor: Floor, mesh: Mesh, progress: Progress, ticks: Callable[[], float]
    ) -> None:
        self.mesh = mesh
        self.headway = Headway.of(progress)
        self._floor = floor
        self._rows = floor.rows
        self._number = progress.number
        self._saved = progress.reached
        self._unsaved = 0
        self._ticks = ticks
        self._settle()

    async def step(self, limit: int) -> tuple[float, int]:
        """Looks at so many versions; returns the seconds that this kept the event loop, and how
        many were to be changed."""
        began = self._ticks()
        page = await self._rows.survey(self.headway.reached, limit)
        changes = tuple(await self._changes(page))
        worked_s = self._ticks() - began
        unsaved = self._unsaved + page.seen
        if changes or page.last == 0 or unsaved >= UNSAVED_VERSIONS_MAX:
            await self._save(Step(self.mesh.revision, self._saved, page.last, unsaved, changes))
        else:
            self._unsaved = unsaved
        self._advance(page, began)
        return worked_s, len(changes)

    def _advance(self, page: Survey, began: float) -> None:
        old = self.headway
        self.headway = replace(
            old,
            reached=page.last,
            seen=old.seen + page.seen,
            fresh=old.fresh + page.seen,
            seconds=old.seconds + self._ticks() - began,
        )
        self._settle()
        if self.headway.done:
            log.info("converged", extra={"revision": old.revision, "versions": self.headway.seen})

    async def _save(self, step: Step) -> None:
        fault("convergence.before-step")
        await self._rows.redecide(step)
        fault("convergence.after-step")
        self._saved, self._unsaved = step.reached, 0
        if any(change.promises for change in step.changes):
            self._floor.means.nudge()

    async def _changes(self, page: Survey) -> Iterator[Redecided]:
        verdicts = [verdict for each in page.versions if (verdict := await self._judge(each))]
        return changed(verdicts, self._floor.means.clock())

    async def _judge(self, each: Surveyed) -> Verdict | None:
        """None for what policy has nothing to say of: a marker on nothing, a version in a bucket
        that is no more."""
        name = each.facts.ref.bucket
        bucket = self.mesh.buckets.get(name) or await self._floor.rows.bucket(name)
        if bucket is None or (each.marker and not each.hides):
            return None
        return judge(self.mesh.policy, each, bucket)

    def _settle(self) -> None:
        """Reads and listings need not ask about what was decided again."""
        if self._floor.mesh is self.mesh:
            self._floor.settled = (self.headway.reached, self._number)
