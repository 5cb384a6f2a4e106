"""Notification configurations: what each party wants to be told of its own view of a bucket."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import Denied, NoSuchWebhook
from gateway.exchange.floor import WRITERS, Floor
from gateway.model import Caller, ObjectRef
from gateway.notifications import Watch


class Notifying:
    """A configuration is its party's own: it changes nothing for the other members, who can't see
    it, so that every member has one, in buckets of topology.yaml too."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def watches(self, caller: Caller, bucket: str) -> Sequence[Watch]:
        """The caller's party's. Denied to principals that see some of its keys only: prefixes tell
        of others."""
        await self._floor.bucket(caller, bucket)
        if caller.principal.keys:
            text = f"principal {caller.principal.name} is limited to some of its party's keys"
            raise self._floor.refused(caller, ObjectRef(bucket, ""), Denied(text))
        return await self._floor.rows.watches(bucket, caller.party)

    async def watch(
        self, caller: Caller, bucket: str, watches: Sequence[Watch], *, test: bool
    ) -> None:
        """Replaces the configuration of the caller's party; none takes it away. `test` for a test
        notice to each webhook that it names.

        Raises Denied to principals that may not write all that their party may, NoSuchWebhook for
        one that topology.yaml does not give the party.
        """
        found = await self._floor.bucket(caller, bucket)
        ref = ObjectRef(bucket, "")
        if caller.principal.may not in WRITERS or caller.principal.keys:
            text = f"principal {caller.principal.name} may not change what its party is told"
            raise self._floor.refused(caller, ref, Denied(text))
        party = self._floor.mesh.parties.get(caller.party)
        known = party.webhooks if party else {}
        for watch in watches:
            if watch.webhook not in known:
                raise NoSuchWebhook(webhook=watch.webhook)
        outcome = f"notification {'set' if watches else 'removed'}"
        event = self._floor.event("bucket", caller, ref, outcome=outcome, readers=(caller.party,))
        await self._floor.rows.set_watches(found, caller.party, watches, event, test=test)
