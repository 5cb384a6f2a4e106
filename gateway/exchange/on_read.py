"""Copy-on-read: a recipient's first read of a version promises it a copy of its own."""

from __future__ import annotations

from gateway.catalog import FirstRead
from gateway.errors import PolicyMoved
from gateway.exchange.floor import Floor
from gateway.exchange.publishing import promise_of
from gateway.model import Bucket, Caller, Delivery, DeliveryKind, DeliveryState, Held, Mode


async def promise_copy(
    floor: Floor, caller: Caller, bucket: Bucket, held: Held, made: tuple[Delivery, ...]
) -> None:
    """Promises the reader a copy of the version that is about to be read, where policy gives it one
    on reading. `made` are the version's deliveries.

    Once per party and version, however many read at once: the catalog judges it. If policy moves
    under it nothing is promised: the read that sees the new policy asks again.
    """
    if held.grant.mode is not Mode.COPY_ON_READ or _promised(made, caller.party):
        return
    party = caller.party
    share = floor.mesh.share_of(party, held.version.facts, bucket, held.grant.mode)
    if share is None or share.mode is not Mode.COPY_ON_READ or not share.target:
        return
    version = held.version
    event = floor.event(
        "promise",
        caller,
        version.ref,
        version=version.id,
        outcome="promised",
        rule=str(share.rule),
        recipients={caller.party: "copy-on-read"},
        readers=(caller.party, version.author),
        detail={"author": version.author},
    )
    change = FirstRead(version.ref, version.id, floor.mesh.revision, promise_of(share), event)
    try:
        await floor.rows.commit(change)
    except PolicyMoved:
        return
    floor.means.nudge()


def _promised(made: tuple[Delivery, ...], party: str) -> bool:
    """What was withdrawn counts for nothing: policy gives it again."""
    return any(
        delivery.party == party
        and delivery.kind is DeliveryKind.COPY
        and delivery.state is not DeliveryState.WITHDRAWN
        for delivery in made
    )
