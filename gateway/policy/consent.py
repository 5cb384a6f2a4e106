"""What a recipient lets happen to what it received: asked of its own rules alone."""

from __future__ import annotations

from gateway.model import Facts, Rule
from gateway.policy.rules import Policy


def recalls(policy: Policy, party: str, facts: Facts) -> Rule | None:
    """The rule by which a party lets its copy of a version be called back; None if there is
    none."""
    rules = [each for each in policy.admitting(party, facts) if each.recall]
    return min(rules, key=lambda each: each.rank).rule if rules else None


def consumes(policy: Policy, party: str, facts: Facts) -> Rule | None:
    """The rule by which a party may consume a version that it received; None if there is none."""
    rules = [each for each in policy.admitting(party, facts) if each.consume]
    return min(rules, key=lambda each: each.rank).rule if rules else None
