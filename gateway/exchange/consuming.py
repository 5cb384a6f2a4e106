"""Consuming: a recipient is done with what it received, and says so by deleting or renaming it."""

from __future__ import annotations

from gateway.catalog import Consume, Expect
from gateway.errors import (
    BadInput,
    CatalogUnavailable,
    CrossdockError,
    Denied,
    NoSuchVersion,
    PolicyMoved,
)
from gateway.exchange.floor import WRITERS, Floor, absent, check_key
from gateway.exchange.publishing import DECISIONS_MAX
from gateway.faults import fault
from gateway.model import Bucket, Caller, Event, Held, Mode, ObjectRef, Rule, Version
from gateway.policy.consent import consumes

NO_CONDITION = Expect()


class Consuming:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def consume(
        self,
        caller: Caller,
        ref: ObjectRef,
        *,
        version: str = "",
        moved_to: str = "",
        expect: Expect = NO_CONDITION,
    ) -> Version:
        """Takes what the caller's view has under `ref` (or an older `version` of it) out of that
        view, or gives it the name `moved_to` there; nobody else's view changes. The author is
        told that it was consumed, not of the new name. Returns the version.

        Raises NoSuchKey and NoSuchVersion for what is absent or hidden alike; Denied where the
        caller may write the key (it deletes), or its party's `accepts` don't say `consume: true`;
        Conflict where the view has a granted version under the new name.
        """
        bucket = await self._floor.bucket(caller, ref.bucket)
        check_key(ref.key)
        self._may_act(caller, ref)
        if not caller.principal.covers(ref.key):
            raise self._floor.refused(caller, ref, absent(ref, version))
        if moved_to:
            self._check_name(caller, ref, moved_to)
        held = await self._floor.held(caller, ref, bucket, "", None)
        if version and (held is None or held.version.id != version):
            held = await self._floor.held(caller, ref, bucket, version, None)
        if held is None or held.version.marker:
            raise self._floor.refused(caller, ref, absent(ref, version))
        if self._deletes(caller, ref, held, bucket):
            text = f"{caller.party} may write {ref}, so it deletes it and does not consume it"
            raise self._floor.refused(caller, ref, Denied(text), held.version)
        if not self._consents(caller, ref, held):
            raise self._unwilling(caller, ref, held)
        return await self._commit(caller, ref, held, moved_to, expect)

    async def deleted(self, caller: Caller, ref: ObjectRef, bucket: Bucket, expect: Expect) -> bool:
        """Whether a DELETE by a party that may not write the key was a consuming, or is one that
        was done before. Denied for what it was given and its own rules keep."""
        principal = caller.principal
        if principal.may not in WRITERS or not principal.covers(ref.key):
            return False
        held = await self._floor.held(caller, ref, bucket, "", None)
        if held is None:
            return await self._floor.rows.consumed(caller.party, ref)
        if held.version.marker:
            return False
        if not self._consents(caller, ref, held):
            if held.grant.mode is Mode.OWN:
                return False
            raise self._unwilling(caller, ref, held)
        await self._commit(caller, ref, held, "", expect)
        return True

    async def unnamed(self, caller: Caller, ref: ObjectRef, held: Held, expect: Expect) -> None:
        """The view has nothing under a name but what was moved there: that goes."""
        await self._commit(caller, ref, held, "", expect)

    def _unwilling(self, caller: Caller, ref: ObjectRef, held: Held) -> CrossdockError:
        text = f"no rule of {caller.party} that accepts {ref} says `consume: true`"
        return self._floor.refused(caller, ref, Denied(text), held.version)

    def _may_act(self, caller: Caller, ref: ObjectRef) -> None:
        principal = caller.principal
        if principal.may not in WRITERS:
            text = f"principal {principal.name} of {caller.party} may not consume or rename"
            raise self._floor.refused(caller, ref, Denied(f"{text} (may: {principal.may.value})"))

    def _check_name(self, caller: Caller, ref: ObjectRef, moved_to: str) -> None:
        check_key(moved_to)
        if moved_to == ref.key:
            raise BadInput("a file can't be moved to the name that it has")
        if not caller.principal.covers(moved_to):
            text = f"principal {caller.principal.name} is narrowed to other keys than {moved_to}"
            raise self._floor.refused(caller, ref, Denied(text))

    def _deletes(self, caller: Caller, ref: ObjectRef, held: Held, bucket: Bucket) -> bool:
        """Who may write the key deletes; what was moved is nobody else's."""
        writes = self._floor.mesh.policy.may_write(caller.principal, ref, bucket).allowed
        return writes and held.version.ref == ref

    def _consents(self, caller: Caller, ref: ObjectRef, held: Held) -> bool:
        """What was consumed once may be given another name whatever the rules say by now."""
        if held.version.ref != ref:
            return True
        return held.grant.mode is not Mode.OWN and self._rule(caller, held) is not None

    def _rule(self, caller: Caller, held: Held) -> Rule | None:
        return consumes(self._floor.mesh.policy, caller.party, held.version.facts)

    async def _commit(
        self, caller: Caller, ref: ObjectRef, held: Held, moved_to: str, expect: Expect
    ) -> Version:
        for _ in range(DECISIONS_MAX):
            revision = self._floor.mesh.revision
            event = self._event(caller, held, moved_to)
            change = Consume(
                *(ref, held.version.id, caller.party, revision, event, moved_to, expect)
            )
            fault("exchange.before-consumed")
            try:
                done = await self._floor.rows.commit(change)
            except PolicyMoved:
                await self._floor.next_mesh(revision)
                if self._consents(caller, ref, held):
                    continue
                raise self._floor.refused(caller, ref, Denied(), held.version) from None
            except NoSuchVersion:  # withdrawn, or renamed, in this very moment
                raise self._floor.refused(caller, ref, absent(ref, ""), held.version) from None
            fault("exchange.after-consumed")
            return done
        raise CatalogUnavailable("policy changes too fast to commit under it")

    def _event(self, caller: Caller, held: Held, moved_to: str) -> Event:
        """The author may open it, but for the new name: that is its party's matter."""
        version, rule = held.version, self._rule(caller, held)
        moved = {f"moved-to/{caller.party}": moved_to} if moved_to else {}
        return self._floor.event(
            "consumed",
            caller,
            version.ref,
            version=version.id,
            outcome="consumed",
            rule=str(rule) if rule else "",
            readers=tuple(dict.fromkeys((caller.party, version.author))),
            detail={"author": version.author} | moved,
        )
