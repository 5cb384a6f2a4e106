"""What the policy in force makes of one version that is there already: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.catalog import Promise, Redecided, Surveyed
from gateway.exchange.publishing import OWN_RULE, promise_of
from gateway.model import (
    Bucket,
    Decision,
    DeliveryKind,
    Event,
    Grant,
    Mode,
    Share,
)
from gateway.policy.rules import Policy

WITHDRAWN = "withdrawn"
RULES_CACHED = 4096
"""Texts of rules whose short form is kept: a walk meets each of them a million times."""
_LINE = re.compile(r":\d+ \(")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A version, what policy says of it, and which of its parties that changes."""

    each: Surveyed
    decision: Decision
    grants: tuple[Grant, ...]
    changed: frozenset[str]

    @property
    def copies(self) -> tuple[Share, ...]:
        """Those that are to be promised, and neither wait, are parked nor were ever made."""
        if self.each.marker:
            return ()
        there = {
            (d.party, d.store, d.target)
            for d in self.each.deliveries
            if d.kind is DeliveryKind.COPY
        }
        return tuple(
            share
            for share in self.decision.shares
            if share.copied and (share.party, share.store, share.target) not in there
        )

    @property
    def places(self) -> frozenset[tuple[str, str, str]]:
        given = (share for share in self.decision.shares if share.target)
        return frozenset((share.party, share.store, share.target) for share in given)

    @property
    def broken(self) -> frozenset[str]:
        """The parties that were promised what policy gives them no more."""
        open_ones = (
            d for d in self.each.deliveries if d.state.open and d.kind is not DeliveryKind.RECALL
        )
        return frozenset(
            d.party for d in open_ones if (d.party, d.store, d.target) not in self.places
        )


def judge(policy: Policy, each: Surveyed, bucket: Bucket) -> Verdict:
    """Decides a version again. What a party holds and keeps, by the same rule and in the same
    mode, stays the grant that it is."""
    held = {grant.party: grant for grant in each.grants}
    decision = policy.decide(each.facts, bucket, {p: grant.mode for p, grant in held.items()})
    grants, changed = [], set()
    for grant in _wanted(each, decision):
        was = held.pop(grant.party, None)
        if was and was.mode is grant.mode and same_rule(was.rule, grant.rule):
            grants.append(_bare(was))
        else:
            grants.append(grant)
            changed.add(grant.party)
    return Verdict(each, decision, tuple(grants), frozenset(changed | held.keys()))


def _wanted(each: Surveyed, decision: Decision) -> tuple[Grant, ...]:
    """Whoever wrote it holds it, and a marker also whoever wrote what it hid."""
    authors = dict.fromkeys((each.author, each.facts.author))
    own = (Grant(party, Mode.OWN, OWN_RULE, decision.revision) for party in authors)
    shares = (
        Grant(share.party, share.mode, str(share.rule), decision.revision)
        for share in decision.shares
        if share.party not in authors
    )
    return (*own, *shares)


def _bare(grant: Grant) -> Grant:
    """As it is handed in, without its number."""
    return Grant(grant.party, grant.mode, grant.rule, grant.revision)


def same_rule(one: str, other: str) -> bool:
    """Whether two rules as text ("acme.yaml:3 (out)") are the same but for the line."""
    return one == other or ruling(one) == ruling(other)


@lru_cache(RULES_CACHED)
def ruling(rule: str) -> str:
    """A rule as text without its line."""
    return _LINE.sub(" (", rule, count=1)


def changed(verdicts: Sequence[Verdict], at: int) -> Iterator[Redecided]:
    """What the verdicts of one page change. An older version needs its copy only where it is
    somebody's current one, or where a change in this page may make it that."""
    moving = {verdict.each.facts.ref for verdict in verdicts if verdict.changed}
    for verdict in verdicts:
        current = verdict.each.current or verdict.each.facts.ref in moving
        copies = tuple(share for share in verdict.copies if share.lone or current)
        if verdict.changed or verdict.broken or copies:
            yield redecided(verdict, copies, at)


def redecided(verdict: Verdict, copies: tuple[Share, ...], at: int) -> Redecided:
    """The change, with its record: told to the author, and to each party that it touches."""
    each, decision = verdict.each, verdict.decision
    touched = sorted(verdict.changed | verdict.broken | {share.party for share in copies})
    event = Event(
        "grants",
        at,
        party=each.facts.author,
        bucket=each.facts.ref.bucket,
        key=each.facts.ref.key,
        version=each.version,
        outcome="decided again",
        revision=decision.revision,
        recipients=_told(touched, verdict.grants),
        readers=tuple(dict.fromkeys((each.author, each.facts.author, *touched))),
    )
    promises: tuple[Promise, ...] = tuple(map(promise_of, copies))
    return Redecided(
        *(each.number, each.tags_number, verdict.grants, verdict.places, promises, event)
    )


def _told(parties: list[str], grants: tuple[Grant, ...]) -> Mapping[str, str]:
    now = {grant.party: f"{grant.mode.value} {grant.rule}" for grant in grants}
    return {party: now.get(party, WITHDRAWN) for party in parties}
