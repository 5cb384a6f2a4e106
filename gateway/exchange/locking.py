"""Object lock: what keeps a version from being unwritten, set by its author alone."""

from __future__ import annotations

from gateway.catalog import Relock
from gateway.errors import BadInput, Denied, Locked
from gateway.exchange.floor import Floor
from gateway.exchange.objects import Objects
from gateway.exchange.terms import Found
from gateway.locks import rule_of
from gateway.model import Bucket, Caller, ObjectRef


class Locking:
    def __init__(self, floor: Floor, objects: Objects) -> None:
        self._floor = floor
        self._objects = objects

    async def authored(self, caller: Caller, ref: ObjectRef, *, version: str = "") -> Found:
        """A version that is the caller's own to rule. Raises Denied where it is another's."""
        bucket = await self._floor.writable(caller, ref)
        held = await self._objects.visible(caller, ref, bucket, version, None)
        if held.version.author != caller.party:
            text = "only the author of a version can change what holds for it"
            raise self._floor.refused(caller, ref, Denied(text), held.version)
        return await self._objects.found(caller, bucket, held)

    async def set_retention(
        self,
        caller: Caller,
        ref: ObjectRef,
        retention: tuple[str, int],
        *,
        version: str = "",
        bypass: bool = False,
    ) -> Found:
        """Mode and moment; an empty mode takes the retention away. Raises Locked where the one in
        force does not admit it."""
        found = await self._lockable(caller, ref, version)
        lifts = bypass and may_bypass(caller, found.bucket)
        return await self._commit(caller, found, retention=retention, bypass=lifts)

    async def set_hold(
        self, caller: Caller, ref: ObjectRef, hold: str, *, version: str = ""
    ) -> Found:
        """`hold` is ON or OFF."""
        found = await self._lockable(caller, ref, version)
        return await self._commit(caller, found, hold=hold)

    async def _lockable(self, caller: Caller, ref: ObjectRef, version: str) -> Found:
        found = await self.authored(caller, ref, version=version)
        if rule_of(found.bucket.settings) is None:
            raise BadInput("Bucket is missing Object Lock Configuration")
        return found

    async def _commit(
        self,
        caller: Caller,
        found: Found,
        *,
        retention: tuple[str, int] | None = None,
        hold: str = "",
        bypass: bool = False,
    ) -> Found:
        version = found.version
        outcome = f"legal hold {hold}" if hold else f"retention {retention and retention[0]}"
        event = self._floor.event(
            "lock",
            caller,
            version.ref,
            version=version.id,
            outcome=outcome.strip(),
            readers=(caller.party,),
        )
        holders = await self._floor.rows.grants_of(version.number)
        withheld = self._floor.withheld(holders, version, found.bucket)
        change = Relock(
            version.ref, version.id, caller.party, event, retention, hold, bypass, withheld
        )
        try:
            await self._floor.rows.commit(change)
        except Locked as error:
            raise self._floor.refused(caller, version.ref, error, version) from None
        return found


def may_bypass(caller: Caller, bucket: Bucket) -> bool:
    """A GOVERNANCE retention is lifted for the bucket's owner alone, by whoever may write all."""
    return bucket.owner == caller.party and not caller.principal.keys
