"""What the policy in force says of a delivery, asked before each attempt: pure."""

from __future__ import annotations

from gateway.catalog import Claim
from gateway.model import AGREED, DeliveryKind, Mode, Rule, Share
from gateway.policy.clauses import FOLLOW
from gateway.policy.consent import recalls
from gateway.policy.mesh import Mesh


def asked(mesh: Mesh, claim: Claim) -> Share | None:
    """What the claim's party is to get of its version, None for nothing; of a removal, whether its
    party still agrees to it. Who said yes itself is not asked again."""
    delivery = claim.delivery
    facts = (claim.hidden or claim.version).facts
    if delivery.kind is DeliveryKind.RECALL or delivery.rule.startswith(AGREED):
        rule = recalls(mesh.policy, delivery.party, facts)
        if rule is None and not delivery.rule.startswith(AGREED):
            return None
        return Share(delivery.party, Mode.SHARE, rule or Rule(delivery.rule, "", 0))
    share = mesh.share_of(delivery.party, facts, claim.bucket, claim.held)
    if delivery.kind is DeliveryKind.REMOVAL and share and share.deletes != FOLLOW:
        return None
    return share
