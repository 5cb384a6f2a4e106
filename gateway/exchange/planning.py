"""What an edit of the policy would do to the versions that are there: each is decided as
convergence would decide it, nothing is written, and the differences are added up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.catalog import Kept, KeyWalks, Surveyed, Surveys
from gateway.exchange.costing import count, replaced
from gateway.exchange.redeciding import Verdict, judge, ruling, same_rule
from gateway.model import Bucket, Delivery, DeliveryKind, Grant, ObjectRef, Share
from gateway.policy.costs import Usage, apart
from gateway.policy.mesh import Mesh, StoreSpec
from gateway.policy.plan import Effect, Line, Tallies
from gateway.policy.touching import Touching

PAGE_VERSIONS = 1000
"""Looked at in one go: a few megabytes, some ten milliseconds."""

Place = tuple[str, str, str]
"""(party, store, target key)."""
Sight = Mapping[str, Grant]
"""Who can read a version, by which grant."""
Report = Callable[[int, int], None]
"""Called with the versions seen and how many there are."""


class Rows(Surveys, KeyWalks, Protocol):
    """What a plan reads."""

    async def bucket(self, name: str) -> Bucket | None: ...


@dataclass(slots=True)
class _Key:
    """What the newer versions of the key at hand have told, `newest` first: who holds one of them
    then, and which target keys they have or get."""

    ref: ObjectRef | None = None
    headed: set[str] = field(default_factory=set)
    taken: set[Place] = field(default_factory=set)


class Planning:
    """One walk. `in_force` is None before the first policy; both meshes are dated. `reached`: the
    versions below that number still have to follow the policy in force (see Progress)."""

    def __init__(self, rows: Rows, in_force: Mesh | None, proposed: Mesh, reached: int) -> None:
        self.tallies = Tallies()
        self.usage = Usage()  # by how much it would differ
        self.changes = 0  # versions that convergence will have to change
        self._rows = rows
        self._old = in_force
        self._new = proposed
        self._reached = reached
        self._made: dict[str, Bucket | None] = {}
        self._key = _Key()

    async def run(self, report: Report) -> None:
        """All versions, in bounded memory. What is committed meanwhile may be left out."""
        total = await self._rows.version_count()
        seen, at = 0, None
        report(0, total)
        wanted = self._wanted()
        while True:
            page = await self._rows.survey_keys(at, PAGE_VERSIONS, wanted)
            if page.last is None:
                report(total, total)
                return
            for kept in page.versions:
                await self._look(kept)
            seen, at = seen + page.seen, page.last
            report(min(seen, total), total)
            await asyncio.sleep(0)

    def _wanted(self) -> Callable[[str, str], bool]:
        """What follows the policy in force, and of which the edit says nothing, stays as it is."""
        touching = Touching(self._old, self._new)
        return (lambda bucket, key: True) if self._reached else touching

    async def _look(self, kept: Kept) -> None:
        each = kept.each
        name = each.facts.ref.bucket
        if name not in self._made:
            self._made[name] = await self._rows.bucket(name)
        if self._key.ref != each.facts.ref:
            self._key = _Key(each.facts.ref)
        made = self._made[name]
        bucket = self._new.buckets.get(name) or made
        if bucket is None or (each.marker and not each.hides):
            # Policy has nothing to say of it: it stays as it is.
            verdict = None
            after = each.grants
        else:
            verdict = judge(self._new.policy, each, bucket)
            after = verdict.grants
        copies = [share for share in verdict.copies if self._is_sent(share)] if verdict else []
        if verdict is not None and (verdict.changed or verdict.broken or copies):
            self.changes += 1
            self._count(kept, verdict, copies)
        elif verdict is not None and any(d.state.open for d in each.deliveries):
            self._count(kept, verdict, ())  # a newer one may take the place of what waits
        if not each.marker:
            self._grants(each, made, _sight(self._new, bucket, after), verdict)
            self._copies(kept, copies)
            if verdict is not None:
                self._left(kept, made, verdict)
        self._pass(kept, after, verdict)

    def _count(self, kept: Kept, verdict: Verdict, copies: Sequence[Share]) -> None:
        """What it costs after, less what it costs now."""
        made, places = kept.each.deliveries, verdict.places - self._key.taken
        others = verdict.changed.union(
            (share.party for share in copies), (d.party for d in made if d.state.open)
        )
        made = tuple(each for each in made if each.party in others)
        stay = [each for each in made if not each.state.open or _place(each) in places]
        before = [grant for grant in kept.each.grants if grant.party in others]
        after = [grant for grant in verdict.grants if grant.party in others]
        count(self.usage, kept, before, made, sign=-1)
        count(self.usage, kept, after, stay, copies)

    def _pass(self, kept: Kept, after: Iterable[Grant], verdict: Verdict | None) -> None:
        """What older versions of the key will find. (A grant that is opened anew stands where its
        author's stands.)"""
        each, key = kept.each, self._key
        held = {grant.party for grant in each.grants} if kept.replaced else frozenset()
        for grant in after:
            if (grant.party if grant.party in held else each.author) not in kept.replaced:
                key.headed.add(grant.party)
        for made in each.deliveries:
            place = _place(made)
            if made.state.open:
                there = verdict is None or place in verdict.places
            else:
                there = made.kind is DeliveryKind.COPY and not replaced(made)
            # A target key that names its version is no other version's.
            if there and each.version not in made.target:
                key.taken.add(place)

    # --- grants ----------------------------------------------------------------------------------

    def _grants(
        self, each: Surveyed, made: Bucket | None, after: Sight, verdict: Verdict | None
    ) -> None:
        pending = each.number < self._reached
        if verdict is not None and not verdict.changed and not pending:
            same = len(after) == len(each.grants)
            if same and after.keys() <= self._members(each, made):
                return
        before = self._before(each, made, pending)
        for party in before.keys() | after.keys():
            line = _difference(before.get(party), after.get(party))
            if line:
                self.tallies.add(line, each.facts.ref, each.facts.size)

    def _members(self, each: Surveyed, made: Bucket | None) -> frozenset[str]:
        """Of the bucket, under the policy in force."""
        old = (self._old.buckets.get(each.facts.ref.bucket) or made) if self._old else None
        return self._old.policy.members(old) if self._old and old else frozenset()

    def _before(self, each: Surveyed, made: Bucket | None, pending: bool) -> Sight:
        """Who can read it now: reads ask the policy in force about what it has not yet decided."""
        if self._old is None:
            return {}
        old = self._old.buckets.get(each.facts.ref.bucket) or made
        sight = _sight(self._old, old, each.grants)
        if old is None or not pending:
            return sight
        sees = self._old.policy.sees
        return {p: grant for p, grant in sight.items() if sees(p, each.facts, old).allowed}

    # --- copies ----------------------------------------------------------------------------------

    def _copies(self, kept: Kept, copies: Iterable[Share]) -> None:
        size = kept.each.facts.size
        for share in copies:
            target = (share.party, share.store)
            rule = ruling(str(share.rule))
            line = Line(Effect.COPY, share.party, rule, _way(kept.store, target))
            leaves = apart(self._store(kept.store), self._store(target))
            self.tallies.add(line, kept.each.facts.ref, size, size if leaves else 0)
            if not share.lone:
                self._key.taken.add((*target, share.target))

    def _left(self, kept: Kept, made: Bucket | None, verdict: Verdict) -> None:
        """Copies that policy no longer gives: promised or made."""
        each = kept.each
        for copy in each.deliveries:
            if copy.kind is not DeliveryKind.COPY or _place(copy) in verdict.places:
                continue
            if copy.state.open:
                effect = Effect.WITHDRAWN
            elif not replaced(copy) and _place(copy) in self._places(each, made):
                effect = Effect.ORPHANED
            else:
                continue
            way = _way(kept.store, (copy.party, copy.store))
            line = Line(effect, copy.party, ruling(copy.rule), way)
            self.tallies.add(line, each.facts.ref, each.facts.size)

    def _is_sent(self, share: Share) -> bool:
        """As the catalog judges it (promise_missing): the recipient's newest version alone, unless
        its target key is its own, and never over a newer one."""
        if share.lone:
            return True
        place = (share.party, share.store, share.target)
        return share.party not in self._key.headed and place not in self._key.taken

    def _places(self, each: Surveyed, made: Bucket | None) -> frozenset[Place]:
        """Where the policy in force wants copies of it."""
        if self._old is None:
            return frozenset()
        old = self._old.buckets.get(each.facts.ref.bucket) or made
        return judge(self._old.policy, each, old).places if old else frozenset()

    def _store(self, name: tuple[str, str]) -> StoreSpec | None:
        party = self._new.parties.get(name[0])
        return party.stores.get(name[1]) if party else None


def _sight(mesh: Mesh, bucket: Bucket | None, grants: Iterable[Grant]) -> Sight:
    """Of those who hold a grant, who can read: for others than members there is no bucket."""
    if bucket is None:
        return {}
    members = mesh.policy.members(bucket)
    return {grant.party: grant for grant in grants if grant.party in members}


def _difference(before: Grant | None, after: Grant | None) -> Line | None:
    if before is None:
        return _line(Effect.READABLE, after, after.mode.value) if after else None
    if after is None:
        return _line(Effect.HIDDEN, before, before.mode.value)
    if before.mode is not after.mode:
        return _line(Effect.MODE, after, f"{before.mode.value} to {after.mode.value}")
    if not same_rule(before.rule, after.rule):
        return _line(Effect.RULE, after, after.mode.value)
    return None


def _line(effect: Effect, grant: Grant, detail: str) -> Line:
    return Line(effect, grant.party, ruling(grant.rule), detail)


def _way(source: tuple[str, str], target: tuple[str, str]) -> str:
    return f"{'/'.join(source)} to {'/'.join(target)}"


def _place(made: Delivery) -> Place:
    return (made.party, made.store, made.target)
