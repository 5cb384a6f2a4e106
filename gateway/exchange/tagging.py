"""Tags: the one thing about a version that may change, by its author alone."""

from __future__ import annotations

from dataclasses import replace

from gateway.catalog import Retag
from gateway.errors import Denied
from gateway.exchange.drafts import check_tags
from gateway.exchange.floor import Floor
from gateway.exchange.objects import Objects
from gateway.exchange.publishing import (
    commit_decided,
    decided_event,
    grants_of,
    retag_promises,
)
from gateway.exchange.terms import Draft, Found
from gateway.faults import fault
from gateway.model import Caller, ObjectRef


class Tagging:
    def __init__(self, floor: Floor, objects: Objects) -> None:
        self._floor = floor
        self._objects = objects

    async def set_tags(
        self, caller: Caller, ref: ObjectRef, tags: Draft, *, version: str = ""
    ) -> Found:
        """Replaces a version's tags, by its author alone; grants and deliveries are decided again
        in the same transaction."""
        check_tags(tags.tags)
        bucket = await self._floor.writable(caller, ref)
        held = await self._objects.visible(caller, ref, bucket, version, None)
        if held.version.author != caller.party:
            text = "only the author of a version can change its tags"
            raise self._floor.refused(caller, ref, Denied(text), held.version)
        made = await self._floor.rows.deliveries_of(held.version.number)
        holders = await self._floor.rows.grants_of(held.version.number)
        modes = {grant.party: grant.mode for grant in holders}

        def change() -> Retag:
            facts = replace(held.version.facts, tags=tags.tags, changed=0)
            decision = self._floor.mesh.policy.decide(facts, bucket, modes)
            fault("exchange.before-tags")
            return Retag(
                ref,
                held.version.id,
                caller.party,
                tags.tags,
                decision.revision,
                decided_event(self._floor, "tags", "tagged", caller, held.version, decision),
                grants_of(caller.party, decision),
                retag_promises(decision, made),
                self._floor.withheld(holders, held.version, bucket),
            )

        committed = await commit_decided(self._floor, caller, ref, bucket, change)
        fault("exchange.after-tags")
        self._floor.withdrew()
        return await self._objects.found(caller, bucket, replace(held, version=committed))
