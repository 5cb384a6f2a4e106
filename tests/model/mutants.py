"""Bugs planted on purpose: each is a mistake that such systems have really made."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gateway.catalog import (
    Change,
    Claim,
    Lane,
    Outcome,
    Page,
    Query,
    Sees,
    Step,
    Survey,
    Write,
)
from gateway.catalog.sqlite import SqliteCatalog
from gateway.model import DeliveryState, Mode, Rule, Share, Version
from gateway.stores import Placed
from tests.model.world import HOUR, FlakyStore, World


class AckBeforeCommit(World):
    """Every second commit of a write is acknowledged, and never made."""

    def __init__(self, files: dict[str, str]) -> None:
        self._acked = 0
        super().__init__(files)

    async def _open(self) -> None:
        await super()._open()
        commit = self.catalog.commit

        async def lying(change: Change) -> Version:
            self._acked += 1
            if isinstance(change, Write) and self._acked % 2 == 0:
                return change.version
            return await commit(change)

        _replace(self.catalog, "commit", lying)


class OlderOverNewer(World):
    """A courier that was held up comes back late, and the store does not tell it what lies there
    now."""

    async def _open(self) -> None:
        await super()._open()
        claim = self.catalog.claim
        earlier: list[Claim] = []

        async def late(lane: Lane, limit: int, now: int, lease: int) -> Sequence[Claim]:
            claims = await claim(lane, limit, now, lease)
            again = [
                c for c in earlier if claims and c.delivery.target == claims[0].delivery.target
            ]
            earlier.extend(claims)
            return [*claims, *again[:1]]

        _replace(self.catalog, "claim", late)
        self.stores["globex", "home"].__class__ = _Forgetful


class _Forgetful(FlakyStore):
    async def examine(self, key: str) -> Placed | None:
        placed = await super().examine(key)
        return placed and dataclasses.replace(placed, number=0, version="another")


class ViewKeptOnDelete(World):
    """A delete marker takes nothing out of the listings of others than the deleter."""

    async def _open(self) -> None:
        await super()._open()
        commit = self.catalog.commit

        async def selfish(change: Change) -> Version:
            if isinstance(change, Write) and change.inherit:
                object.__setattr__(change, "inherit", False)
            return await commit(change)

        _replace(self.catalog, "commit", selfish)


class PromisesInMemory(World):
    """What is owed is forgotten when the gateway restarts."""

    def restart(self) -> None:
        self.run(self._forget())
        super().restart()

    async def _forget(self) -> None:
        lane = Lane("globex", "home")
        for claim in await self.catalog.claim(lane, 1000, self.now + 1000 * HOUR, 1):
            delivery = claim.delivery
            outcome = Outcome(DeliveryState.CANCELLED)
            await self.catalog.settle(delivery.id, delivery.token, outcome, None)


class WithdrawnButSent(World):
    """The courier keeps what was promised, whatever the policy says by now."""

    def decide(self, claim: Claim) -> Share | None:
        delivery = claim.delivery
        rule = Rule("kept", "memory", 1)
        target = delivery.target
        return Share(delivery.party, Mode.COPY, rule, store=delivery.store, target=target)


class ListingShowsMore(World):
    """A listing trusts its rows, and does not ask the policy in force."""

    async def _open(self) -> None:
        await super()._open()
        page = self.catalog.page

        async def trusting(query: Query, sees: Sees) -> Page:
            return await page(query, lambda facts: True)

        _replace(self.catalog, "page", trusting)


class MarkersLeftBehind(World):
    """Convergence brings old versions to a party, and not the markers that hid them."""

    async def _open(self) -> None:
        await super()._open()
        survey = self.catalog.survey

        async def blind(below: int, limit: int) -> Survey:
            page = await survey(below, limit)
            bare = (dataclasses.replace(each, hides=0) for each in page.versions)
            return dataclasses.replace(page, versions=tuple(bare))

        _replace(self.catalog, "survey", blind)


class SettledTooSoon(World):
    """What was not decided again yet is trusted as if it had been."""

    def edit(self, files: dict[str, str]) -> None:
        super().edit(files)
        floor = self.exchange._floor
        floor.settled = (0, 2**63)


class NowIsAlways(World):
    """A rule that is to reach from now on reaches back to everything."""

    async def _open(self) -> None:
        await super()._open()

        async def ever(rules: Collection[str]) -> Mapping[str, int]:
            return dict.fromkeys(rules, 0)

        _replace(self.catalog, "rule_starts", ever)


class StepsLost(World):
    """Every second step of the walk is written down, and what it changes is not."""

    async def _open(self) -> None:
        await super()._open()
        redecide = self.catalog.redecide
        count = itertools.count()

        async def half(step: Step) -> None:
            lost = next(count) % 2
            await redecide(dataclasses.replace(step, changes=()) if lost else step)

        _replace(self.catalog, "redecide", half)


class PromisesNeverEnd(World):
    """What policy gives no more stays promised."""

    async def _open(self) -> None:
        await super()._open()
        redecide = self.catalog.redecide

        async def keeping(step: Step) -> None:
            for change in step.changes:
                made = await self.catalog.deliveries_of(change.number)
                places = frozenset((d.party, d.store, d.target) for d in made)
                object.__setattr__(change, "places", places)
            await redecide(step)

        _replace(self.catalog, "redecide", keeping)


class DeletedFilesSent(World):
    """Convergence promises copies of what is not current any more, and even of what was deleted."""

    async def _open(self) -> None:
        await super()._open()
        redecide = self.catalog.redecide

        async def eager(step: Step) -> None:
            for change in step.changes:
                every = tuple(dataclasses.replace(p, lone=True) for p in change.promises)
                object.__setattr__(change, "promises", every)
            await redecide(step)

        _replace(self.catalog, "redecide", eager)


class CopiesStay(World):
    """A delete marker is written, and nothing is promised of the copies that are to follow."""

    async def _open(self) -> None:
        await super()._open()
        commit = self.catalog.commit

        async def keeping(change: Change) -> Version:
            if isinstance(change, Write) and change.removals:
                change = dataclasses.replace(change, removals=())
            return await commit(change)

        _replace(self.catalog, "commit", keeping)


class ConsumedComesBack(World):
    """Convergence knows nothing of what was consumed."""

    async def _open(self) -> None:
        await super()._open()
        redecide = self.catalog.redecide

        async def forgetting(step: Step) -> None:
            await self.catalog.write(lambda tx: tx.run("DELETE FROM consumed"))
            await redecide(step)

        _replace(self.catalog, "redecide", forgetting)


def _replace(owner: SqliteCatalog, name: str, with_: Callable[..., Any]) -> None:
    setattr(owner, name, with_)


MUTANTS: Mapping[str, type[World]] = MappingProxyType(
    {
        "ack before commit": AckBeforeCommit,
        "older copy overwrites newer": OlderOverNewer,
        "view not updated on delete": ViewKeptOnDelete,
        "promise dropped on restart": PromisesInMemory,
        "copy sent after a withdrawal": WithdrawnButSent,
        "listing shows what a GET refuses": ListingShowsMore,
        "markers left behind": MarkersLeftBehind,
        "settled before it was decided": SettledTooSoon,
        "now is always": NowIsAlways,
        "steps written down and not done": StepsLost,
        "promises never end": PromisesNeverEnd,
        "copies of what was deleted": DeletedFilesSent,
        "copies that were to follow stay": CopiesStay,
        "what was consumed comes back": ConsumedComesBack,
    }
)
