"""Deleting: a marker that hides, or one version unwritten by its author."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.catalog import Expect, Unwrite, Write
from gateway.errors import Conflict, Denied, Locked, NoSuchVersion
from gateway.exchange.consuming import Consuming
from gateway.exchange.floor import Floor, check_key, label_of
from gateway.exchange.following import following
from gateway.exchange.locking import may_bypass
from gateway.exchange.objects import Objects
from gateway.exchange.publishing import OWN_RULE, commit_decided
from gateway.exchange.terms import Draft, Removed
from gateway.faults import fault
from gateway.lifecycle import Judged
from gateway.model import (
    EMPTY,
    Bucket,
    Caller,
    Grant,
    Held,
    Mode,
    ObjectRef,
    Version,
    Versioning,
)


class Removals:
    def __init__(self, floor: Floor, objects: Objects, consuming: Consuming) -> None:
        self._floor = floor
        self._objects = objects
        self._consuming = consuming

    async def delete(
        self,
        caller: Caller,
        ref: ObjectRef,
        *,
        version: str = "",
        expect: Expect = Expect(),  # noqa: B008
        bypass: bool = False,
        judged: Judged | None = None,
    ) -> Removed:
        """Without a version: a delete marker (nothing at all where S3 would show none and the key
        is absent). With one: that version is unwritten, by its author alone. A recipient that may
        not write the key consumes, where its party's `accepts` say so.

        Raises Denied where policy gives no right to write the key, or where the version is
        another party's; Locked while its lock keeps it. `bypass` lifts a GOVERNANCE retention.
        `judged`: lifecycle does it, for its author; Conflict where that is no longer due.
        """
        bucket = await self._floor.bucket(caller, ref.bucket)
        check_key(ref.key)
        if not self._floor.mesh.policy.may_write(caller.principal, ref, bucket).allowed:
            if not version and await self._consuming.deleted(caller, ref, bucket, expect):
                return Removed()
            self._floor.ask_write(caller, ref, bucket)
        if judged and judged.bucket != bucket:
            raise Conflict
        if version:
            lifts = bypass and may_bypass(caller, bucket)
            return await self._unwrite(caller, ref, bucket, version, expect, lifts, judged)
        return await self._mark(caller, ref, bucket, expect, judged)

    async def _mark(
        self,
        caller: Caller,
        ref: ObjectRef,
        bucket: Bucket,
        expect: Expect,
        judged: Judged | None,
    ) -> Removed:
        held = await self._floor.held(caller, ref, bucket, "", None)
        if held is not None and held.version.ref != ref:
            await self._consuming.unnamed(caller, ref, held, expect)
            return Removed()
        absent = held is None or held.version.marker
        unmet = held is None and bool(expect)  # what was to be there is not: nothing to mark
        if unmet or (absent and bucket.versioning is Versioning.OFF):
            return Removed()
        change = await self.marking(caller, ref, bucket, held, expect, judged)
        committed = await commit_decided(self._floor, caller, ref, bucket, change)
        fault("exchange.after-marker")
        label = label_of(bucket, committed)
        return Removed(label, marker=bool(label))

    async def marking(
        self,
        caller: Caller,
        ref: ObjectRef,
        bucket: Bucket,
        held: Held | None,
        expect: Expect = Expect(),  # noqa: B008
        judged: Judged | None = None,
    ) -> Callable[[], Write]:
        """Makes the marker that hides what is held, as policy has it when it is called."""
        hidden = held.version if held else None
        marker = self._marker(caller, ref, bucket, held)
        expect = await self._floor.judged_on_view(caller, ref, bucket, expect)
        holders = await self._floor.rows.grants_of(hidden.number) if hidden else ()

        def change() -> Write:
            revision = self._floor.mesh.revision
            event = self._floor.event(
                "marker",
                caller,
                ref,
                version=marker.id,
                outcome="expired" if judged else "deleted",
                readers=(caller.party,),
                detail=_why(judged),
            )
            fault("exchange.before-marker")
            return Write(
                version=marker,
                revision=revision,
                event=event,
                grants=(Grant(caller.party, Mode.OWN, OWN_RULE, revision),),
                inherit=hidden is not None,  # nobody hides from others what it may not see itself
                shown=bucket.versioning is not Versioning.OFF,
                expect=expect,
                judged=judged,
                withheld=self._floor.withheld(holders, hidden, bucket),
                removals=following(self._floor, marker, bucket, holders, hidden),
            )

        return change

    async def _unwrite(
        self,
        caller: Caller,
        ref: ObjectRef,
        bucket: Bucket,
        version: str,
        expect: Expect,
        bypass: bool,
        judged: Judged | None,
    ) -> Removed:
        held = await self._floor.held(caller, ref, bucket, version, None)
        if held is None:
            return Removed(version)  # as S3 does for a version that is not there
        if held.version.author != caller.party:
            text = "only the author of a version can delete it by its version id"
            raise self._floor.refused(caller, ref, Denied(text), held.version)
        event = self._floor.event(
            "unwrite",
            caller,
            ref,
            version=held.version.id,
            outcome="expired" if judged else "unwritten",
            readers=(caller.party,),
            detail=_why(judged),
        )
        holders = await self._floor.rows.grants_of(held.version.number)
        withheld = self._floor.withheld(holders, held.version, bucket)
        change = Unwrite(
            ref, held.version.id, caller.party, event, expect, bypass, judged, withheld
        )
        fault("exchange.before-unwrite")
        try:
            await self._floor.rows.commit(change)
        except Locked as error:
            raise self._floor.refused(caller, ref, error, held.version) from None
        except NoSuchVersion:  # somebody else was faster
            return Removed(version)
        fault("exchange.after-unwrite")
        return Removed(label_of(bucket, held.version), marker=held.version.marker)

    def _marker(self, caller: Caller, ref: ObjectRef, bucket: Bucket, held: Held | None) -> Version:
        """A marker has the facts of what it hides, so that policy hides both or neither."""
        old = held.version if held else None
        draft = Draft(old.headers, old.metadata, old.tags) if old else Draft()
        made = self._objects.new_version(caller, ref, bucket, draft)
        return replace(made, marker=True, lock=None, size=old.size if old else 0)


def _why(judged: Judged | None) -> Mapping[str, str]:
    return {"lifecycle": judged.rule} if judged else EMPTY
