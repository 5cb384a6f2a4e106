"""Who may write, who receives, who may still read: one immutable value, asked by every verb.

The law, in four lines:
1. nothing is shared unless a rule of the author sends it and a rule of the recipient accepts it;
2. the strongest mode that both sides admit wins;
3. any `forbids` of the author that matches beats all of that;
4. whoever wrote a version sees it, and so does a co-author, whose write grant covers its key too.
All four hold for members of the bucket alone.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from gateway.model import (
    Bucket,
    Decision,
    Facts,
    May,
    Mode,
    ObjectRef,
    Principal,
    Reason,
    Rule,
    Share,
)
from gateway.policy.clauses import (
    ASKED,
    EVERY_BUCKET,
    EVERYONE,
    FOLLOW,
    MODES,
    NOTHING,
    NOW,
    Accept,
    Clause,
    Forbid,
    Send,
    target_values,
)
from gateway.policy.explain import OPERATOR, Answer, Explanation, Question, read, written
from gateway.policy.membership import Grants, granted
from gateway.policy.patterns import Index, Pattern, compiled

K = TypeVar("K", bound=Hashable)
C = TypeVar("C", bound=Clause)

NOT_OFFERED = Reason(False, "not offered")
"""The one answer for what is absent, unshared, unaccepted, forbidden or hypothetical: any other
would tell a party that there is something it may not see."""
NOBODY_HOLDS: Mapping[str, Mode] = MappingProxyType({})
NO_STARTS: Mapping[str, int] = MappingProxyType({})
NO_RULE = Rule("owner", "", 0)
"""Stands for the creator's own grant in a bucket that it made through a door."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of all parties' files, compiled; sends and forbids by the author's name."""

    sends: Mapping[str, tuple[Send, ...]] = field(default_factory=dict)
    forbids: Mapping[str, tuple[Forbid, ...]] = field(default_factory=dict)
    accepts: tuple[Accept, ...] = ()


class Policy:
    """Immutable; swapped whole. The order of rules and files never matters.

    `stores` maps every party to the name of its home store, or "" where it has none; `creates` to
    the patterns of the names of buckets that it may create.
    """

    def __init__(
        self,
        revision: str,
        rules: Rules,
        grants: Mapping[str, Grants],
        stores: Mapping[str, str],
        creates: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.revision = revision
        self.rules = rules
        self._grants = grants
        self._stores = stores
        self._creates = creates
        self._sends = _index(
            ((author, send.bucket), send) for author, sends in rules.sends.items() for send in sends
        )
        self._forbids = _index(
            ((author, rule.bucket), rule)
            for author, forbids in rules.forbids.items()
            for rule in forbids
        )
        self._starts: Mapping[str, int] = NO_STARTS
        self._guests = {author: _guests(sends) for author, sends in rules.sends.items()}
        self._accepts = _acceptances(rules.accepts)

    @property
    def starting(self) -> frozenset[str]:
        """Identities of the rules that count from the commit which brought them (`since: now`)."""
        every = (send for sends in self.rules.sends.values() for send in sends)
        return frozenset(send.identity for send in every if send.since == NOW)

    def dated(self, starts: Mapping[str, int]) -> Policy:
        """The same policy, knowing at which commit its rules first came into force. One that is
        left out is not in force yet: it reaches back to nothing."""
        dated = copy.copy(self)
        dated._starts = starts
        return dated

    # --- writing -------------------------------------------------------------------------------

    def may_write(self, principal: Principal, ref: ObjectRef, bucket: Bucket) -> Reason:
        """May this principal write this key? The text names the grant that is missing."""
        if principal.may not in (May.WRITE, May.BOTH):
            return Reason(False, f"{principal.name} may not write (may: {principal.may.value})")
        if not principal.covers(ref.key):
            return Reason(False, _narrowed(principal))
        party = principal.party
        grants = self.grants(bucket)
        if party not in grants.members:
            return Reason(False, f"{party} is not a member of {bucket.name}")
        rule = grants.rules.get(party)
        if not grants.may_write(party, ref.key):
            allowed = ", ".join(grants.writes.get(party, ())) or "nothing"
            return Reason(
                False, f"no grant for {ref}: in {ref.bucket}, {party} may write {allowed}", rule
            )
        if not self._stores.get(party):
            return Reason(False, f"{party} has no store to write to", rule)
        return Reason(True, "granted", rule)

    def may_stage(self, principal: Principal, bucket: Bucket) -> bool:
        """May this principal write any key of the bucket at all?"""
        may = principal.may in (May.WRITE, May.BOTH)
        return (
            may
            and bool(self.grants(bucket).writes.get(principal.party))
            and bool(self._stores.get(principal.party))
        )

    def may_create(self, party: str, bucket_name: str) -> bool:
        """May this party's principals create a bucket of this name (`create_buckets`)?"""
        return any(compiled(text).matches(bucket_name) for text in self._creates.get(party, ()))

    # --- receiving -----------------------------------------------------------------------------

    def decide(
        self, facts: Facts, bucket: Bucket, held: Mapping[str, Mode] = NOBODY_HOLDS
    ) -> Decision:
        """Who gets this version and how; co-authors with Mode.OWN, the author left out.

        `held` are the open grants on a version that is there already. A rule whose `since` does
        not reach back to it opens nothing, but what a party holds it keeps, no stronger than it
        is held, as long as any rule gives it that.
        """
        grants = self.grants(bucket)
        author = facts.author
        if author not in grants.members:
            return Decision(self.revision)
        shares = self._co_authors(facts, grants)
        forbids = self._forbidding(facts)
        admitting = self._admitting(facts)
        values = target_values(facts)
        for party, (strength, send) in self._offered(facts, grants.members, held).items():
            if party == author or party in shares or party not in grants.members:
                continue
            if forbids and any(forbid.names(party) for forbid in forbids):
                continue
            accepts = _accepting(party, facts.ref.key, admitting)
            if accepts:
                shares[party] = self._share(party, MODES[strength], send, accepts, values)
        return Decision(self.revision, tuple(shares[party] for party in sorted(shares)))

    def _co_authors(self, facts: Facts, grants: Grants) -> dict[str, Share]:
        writers = grants.writers.find(facts.ref.key)
        if facts.author not in writers:
            return {}
        return {
            party: Share(party, Mode.OWN, grants.rules.get(party, NO_RULE))
            for party in writers
            if party != facts.author
        }

    def _forbidding(self, facts: Facts) -> list[Forbid]:
        return [
            rule
            for bucket in (facts.ref.bucket, EVERY_BUCKET)
            if (index := self._forbids.get((facts.author, bucket)))
            for rule in index.find(facts.ref.key)
            if rule.fits(facts)
        ]

    def _sending(self, facts: Facts) -> list[Send]:
        index = self._sends.get((facts.author, facts.ref.bucket))
        return [send for send in index.find(facts.ref.key) if send.fits(facts)] if index else []

    def _offered(
        self, facts: Facts, members: frozenset[str], held: Mapping[str, Mode]
    ) -> dict[str, tuple[int, Send]]:
        """By recipient, the strongest mode and who offers it: among equals the least rank."""
        offered: dict[str, tuple[int, Send]] = {}
        for send in self._sending(facts):
            reach = send.reach(members)
            if not send.reaches(facts, self._starts):
                reach = [(p, min(most, held[p].strength)) for p, most in reach if p in held]
            for party, strength in reach:
                best = offered.get(party)
                if (
                    best is None
                    or strength > best[0]
                    or (strength == best[0] and send.rank < best[1].rank)
                ):
                    offered[party] = (strength, send)
        return offered

    def _admitting(self, facts: Facts) -> list[Mapping[str, Index[Accept]]]:
        """What may admit this version, by recipient."""
        author, bucket = facts.author, facts.ref.bucket
        places = (
            (author, bucket),
            (EVERYONE, bucket),
            (author, EVERY_BUCKET),
            (EVERYONE, EVERY_BUCKET),
        )
        return [self._accepts[place] for place in places if place in self._accepts]

    def admitting(self, party: str, facts: Facts) -> Sequence[Accept]:
        """The party's own rules that admit this version, whatever its author's say."""
        return _accepting(party, facts.ref.key, self._admitting(facts))

    def _share(
        self,
        party: str,
        mode: Mode,
        send: Send,
        accepts: Sequence[Accept],
        values: Mapping[str, str],
    ) -> Share:
        """The strongest mode that both sides admit. Where several rules would take a copy, the
        first target key by name wins, whatever their order in the file."""
        store = self._stores.get(party, "") if mode is not Mode.SHARE else ""
        target, chosen = "", None
        for accept in accepts if store else ():
            key = accept.target(values)
            if key and (chosen is None or (key, accept.rank) < (target, chosen.rank)):
                target, chosen = key, accept
        if chosen is None:
            first = _first(accepts)
            deletes = _deletes(send, first)
            return Share(party, Mode.SHARE, send.rule, first.rule, deletes=deletes)
        ack = send.ack and mode is Mode.COPY
        return Share(
            *(party, mode, send.rule, chosen.rule, store, target, ack, send.deadline),
            lone="{version}" in chosen.into,
            deletes=_deletes(send, chosen),
        )

    # --- reading -------------------------------------------------------------------------------

    def may_read(self, principal: Principal, ref: ObjectRef) -> Reason:
        """Does the principal's own narrowing leave room for this key? (`sees` is its party's.)"""
        if principal.may not in (May.READ, May.BOTH):
            return Reason(False, f"{principal.name} may not read (may: {principal.may.value})")
        if not principal.covers(ref.key):
            return Reason(False, _narrowed(principal))
        return Reason(True, "within the principal's own limits")

    def sees(self, party: str, facts: Facts, bucket: Bucket) -> Reason:
        """May this party read this version under the policy in force? Ignores `since`.

        `rule` is the author's rule that offers it; `text` speaks only of the party's own.
        """
        grants = self.grants(bucket)
        if party not in grants.members:
            return NOT_OFFERED
        if party == facts.author:
            return Reason(True, "your own version")
        if facts.author not in grants.members:
            return NOT_OFFERED
        writers = grants.writers.find(facts.ref.key)
        if party in writers and facts.author in writers:
            return Reason(True, "you may write this key too", grants.rules.get(party))
        sends = [send for send in self._sending(facts) if send.strength(party) != NOTHING]
        if not sends or any(forbid.names(party) for forbid in self._forbidding(facts)):
            return NOT_OFFERED
        accepts = _accepting(party, facts.ref.key, self._admitting(facts))
        if not accepts:
            return NOT_OFFERED
        send = min(sends, key=lambda send: (-send.strength(party), send.rank))
        return Reason(True, f"accepted by {_first(accepts).rule}", send.rule)

    def members(self, bucket: Bucket) -> frozenset[str]:
        """The parties for which this bucket exists."""
        return self.grants(bucket).members

    def grants(self, bucket: Bucket) -> Grants:
        """What topology.yaml says of this bucket; of one made through a door, what it says itself,
        and as its further members those whom its owner's `sends` name."""
        stated = None if bucket.created else self._grants.get(bucket.name)
        if stated:
            return stated
        guests = self._guests.get(bucket.owner, {}) if bucket.created else {}
        return granted(bucket, {}, guests.get(bucket.name, frozenset()) & self._stores.keys())

    # --- explaining ----------------------------------------------------------------------------

    def explain(
        self, party: str, verb: str, facts: Facts, bucket: Bucket, asker: str = OPERATOR
    ) -> Explanation:
        """Why this party may or may not `read` or `write` this, as far as the asker may know;
        every rule that matched or nearly did. For a write only `facts.ref` counts."""
        question = Question(party, facts, bucket.name, asker, self._starts)
        grants = self.grants(bucket)
        if verb == "write":
            reason = self.may_write(Principal(party, party), facts.ref, bucket)
            answer = Answer(self.revision, reason, party in grants.members)
            return written(question, answer, grants.rules.get(party))
        share = next((s for s in self.decide(facts, bucket).shares if s.party == party), None)
        reason = self.sees(party, facts, bucket)
        return read(
            question,
            Answer(self.revision, reason, party in grants.members, share),
            [*self.rules.sends.get(facts.author, ()), *self.rules.forbids.get(facts.author, ())],
            [accept for accept in self.rules.accepts if accept.party == party],
        )


def _deletes(send: Send, accept: Accept) -> str:
    """What becomes of a copy when the file is deleted."""
    if send.deletes != FOLLOW:
        return "keep"
    return FOLLOW if accept.deletes == FOLLOW else ASKED


def _accepting(
    party: str, key: str, admitting: Iterable[Mapping[str, Index[Accept]]]
) -> list[Accept]:
    return [
        accept
        for by_party in admitting
        if (index := by_party.get(party))
        for accept in index.find(key)
        if not (accept.excepts and accept.excepted(key))
    ]


def _first(accepts: Sequence[Accept]) -> Accept:
    return accepts[0] if len(accepts) == 1 else min(accepts, key=lambda accept: accept.rank)


def _narrowed(principal: Principal) -> str:
    return f"{principal.name} is limited to keys that begin with {', '.join(principal.keys)}"


def _index(rules: Iterable[tuple[K, C]]) -> Mapping[K, Index[C]]:
    entries: dict[K, list[tuple[Pattern, C]]] = {}
    for place, rule in rules:
        entries.setdefault(place, []).extend((pattern, rule) for pattern in rule.keys)
    return {place: Index(found) for place, found in entries.items()}


def _acceptances(
    accepts: Iterable[Accept],
) -> Mapping[tuple[str, str], Mapping[str, Index[Accept]]]:
    """By (sender, bucket), and then by recipient."""
    found: dict[tuple[str, str], dict[str, Index[Accept]]] = {}
    places = _index(
        ((sender, accept.bucket, accept.party), accept)
        for accept in accepts
        for sender in accept.senders
    )
    for (sender, bucket, party), index in places.items():
        found.setdefault((sender, bucket), {})[party] = index
    return found


def _guests(sends: Iterable[Send]) -> Mapping[str, frozenset[str]]:
    """By bucket, whom one party's `sends` name."""
    named: dict[str, set[str]] = {}
    for send in sends:
        named.setdefault(send.bucket, set()).update(send.to)
    return {bucket: frozenset(parties) for bucket, parties in named.items()}
