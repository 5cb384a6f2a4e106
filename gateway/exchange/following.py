"""A delete and the copies: whose follow it, and who is asked."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.catalog import Removal
from gateway.exchange.floor import Floor
from gateway.model import Bucket, Event, Grant, Share, Version
from gateway.policy.clauses import FOLLOW

KEEP = "keep"


def following(
    floor: Floor,
    marker: Version,
    bucket: Bucket,
    holders: Sequence[Grant],
    hidden: Version | None,
) -> tuple[Removal, ...]:
    """What the policy in force makes of the copies of the version that a marker hides, whoever
    holds it. `deletes: follow` of both sides removes them; of the sender alone it asks."""
    if hidden is None or hidden.marker:
        return ()
    held = {grant.party: grant.mode for grant in holders}
    shares = floor.mesh.policy.decide(hidden.facts, bucket, held).shares
    return tuple(_removal(floor, marker, share) for share in shares if share.deletes != KEEP)


def _removal(floor: Floor, marker: Version, share: Share) -> Removal:
    event = Event(
        "request",
        floor.means.clock(),
        party=marker.author,
        bucket=marker.ref.bucket,
        key=marker.ref.key,
        version=marker.id,
        outcome="asked",
        rule=str(share.rule),
        revision=floor.mesh.revision,
        recipients={share.party: "removal asked"},
        readers=(marker.author, share.party),
        detail={"author": marker.author},
    )
    agreed = share.deletes == FOLLOW
    return Removal(share.party, str(share.rule), agreed, event, share.store, share.target)
