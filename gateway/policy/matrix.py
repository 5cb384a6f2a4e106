"""Who may write which keys, and who receives which from whom and how: read off the rules alone."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations, product

from gateway.model import Bucket, Mode, Rule
from gateway.policy.cases import imagined
from gateway.policy.clauses import (
    EVERY_BUCKET,
    EVERYONE,
    Accept,
    Forbid,
    Send,
    When,
    either,
)
from gateway.policy.covering import texts
from gateway.policy.membership import Grants
from gateway.policy.mesh import Mesh
from gateway.policy.patterns import Pattern, intersect, tokens
from gateway.policy.rules import NO_RULE
from gateway.policy.witness import Questions, Witness

NO_CONDITION = When()


class Right(enum.Enum):
    WRITE = "write"
    SEE = "see as co-author"
    RECEIVE = "receive"


@dataclass(frozen=True, slots=True)
class Row:
    """One right of one party. It is about the keys that all patterns of `keys` match. `sender` and
    `mode` are of what it receives, `rule` gives it, and `accept` is its own rule that takes it.
    `limits` say what is left out of it; `sure` is False where nobody looked whether anything is
    left at all."""

    party: str
    bucket: str
    keys: tuple[str, ...]
    right: Right
    rule: Rule
    sender: str = ""
    mode: Mode | None = None
    accept: Rule | None = None
    limits: tuple[str, ...] = ()
    sure: bool = True


def matrix(
    mesh: Mesh, made: Mapping[str, Bucket], *, party: str = "", bucket: str = ""
) -> tuple[Row, ...]:
    """By bucket and party: what it may write, then what it receives. `made` are the buckets made
    through a door; of one that a rule names and nobody made yet, its creator is the author."""
    finding = _Finding(mesh)
    return tuple(
        row
        for place in _places(mesh, made)
        if bucket in ("", place.name)
        for name in sorted(mesh.policy.members(place))
        if party in ("", name)
        for row in finding.rows(place, name)
    )


def _places(mesh: Mesh, made: Mapping[str, Bucket]) -> Iterator[Bucket]:
    yield from mesh.buckets.values()
    yield from (bucket for name, bucket in made.items() if name not in mesh.buckets)
    coming = {
        (send.bucket, author)
        for author, sends in mesh.policy.rules.sends.items()
        for send in sends
        if send.bucket not in mesh.buckets and send.bucket not in made
    }
    for name, author in sorted(coming):
        if (bucket := imagined(mesh, name, author)) is not None:
            yield bucket


@dataclass(slots=True)
class _Finding:
    mesh: Mesh
    ask: Questions = field(default_factory=Questions)
    taking: dict[str, list[Accept]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for accept in self.mesh.policy.rules.accepts:
            self.taking.setdefault(accept.party, []).append(accept)

    def rows(self, bucket: Bucket, party: str) -> Iterator[Row]:
        grants = self.mesh.policy.grants(bucket)
        rule = grants.rules.get(party, NO_RULE)
        ours = grants.writes.get(party, ()) if self._writes(party) else ()
        for text in ours:
            yield Row(party, bucket.name, (text,), Right.WRITE, rule)
        yield from self._seen(bucket, grants, party)
        for author, sends in sorted(self.mesh.policy.rules.sends.items()):
            if author in grants.members - {party}:
                for send in sends:
                    if send.bucket == bucket.name:
                        yield from self._received(grants, party, author, send)

    def _writes(self, party: str) -> bool:
        return self.mesh.parties[party].home is not None

    def _seen(self, bucket: Bucket, grants: Grants, party: str) -> Iterator[Row]:
        """Keys that it may write and another one too."""
        rule = grants.rules.get(party, NO_RULE)
        for author, theirs in sorted(grants.writes.items()):
            if author == party or not self._writes(author):
                continue
            for pair in product(grants.writes.get(party, ()), theirs):
                if self._some(pair, ()).key:
                    keys = self._narrowest(pair)
                    yield Row(party, bucket.name, keys, Right.SEE, rule, author, Mode.OWN)

    def _received(self, grants: Grants, party: str, author: str, send: Send) -> Iterator[Row]:
        offered = send.offer(party)
        if offered is None or not self._writes(author):
            return
        forbids = [
            forbid
            for forbid in self.mesh.policy.rules.forbids.get(author, ())
            if forbid.names(party) and forbid.bucket in (EVERY_BUCKET, send.bucket)
        ]
        found: dict[tuple[str, ...], list[tuple[Mode, Accept, bool]]] = {}
        for accept in self.taking.get(party, ()):
            if accept.bucket not in (EVERY_BUCKET, send.bucket):
                continue
            if accept.senders.isdisjoint({author, EVERYONE}):
                continue
            copies = accept.into and self._writes(party)
            mode = offered if copies else Mode.SHARE
            written = grants.writes.get(author, ())
            for each in product(texts(send.keys), texts(accept.keys), written):
                left = self._some(each, _without(send, accept, forbids))
                if left.key or not left.sure:
                    took = (mode, accept, left.sure)
                    found.setdefault(self._narrowest(each), []).append(took)
        for keys, taken in found.items():
            for mode, accept, sure in _strongest(taken):
                limits = tuple(_limits(send, accept, forbids, keys))
                yield Row(
                    *(party, send.bucket, keys, Right.RECEIVE, send.rule, author, mode),
                    *(accept.rule, limits, sure),
                )

    def _some(self, patterns: Sequence[str], without: Iterable[str]) -> Witness:
        """A key that all the patterns match and none of `without` does. Beyond the steps for all
        questions of one matrix nobody can tell."""
        if not all(intersect(tokens(a), tokens(b)) for a, b in pairwise(patterns)):
            return Witness("", True, 0)
        return self.ask([[text] for text in patterns], without)

    def _narrowest(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """The patterns without those that another one makes needless."""
        kept = list(dict.fromkeys(patterns))
        for inner, outer in permutations(tuple(kept), 2):
            if inner in kept and outer in kept and self._some((inner,), (outer,)).absent:
                kept.remove(outer)
        return tuple(kept)


def _without(send: Send, accept: Accept, forbids: Iterable[Forbid]) -> Iterator[str]:
    yield from texts(send.excepts)
    yield from texts(accept.excepts)
    for forbid in forbids:
        if forbid.when == NO_CONDITION and not forbid.excepts:
            yield from texts(forbid.keys)


def _strongest(taken: Sequence[tuple[Mode, Accept, bool]]) -> Iterator[tuple[Mode, Accept, bool]]:
    """The strongest mode wins; a weaker one counts where the stronger one has exceptions."""
    told: set[Rule] = set()
    for took in sorted(taken, key=lambda each: (-each[0].strength, each[1].rank)):
        if took[1].rule not in told:
            told.add(took[1].rule)
            yield took
        if not took[1].excepts:
            return


def _limits(
    send: Send, accept: Accept, forbids: Iterable[Forbid], keys: Sequence[str]
) -> Iterator[str]:
    yield from _conditions(send.when)
    yield from (f"not {text}" for text in _that_meet((*send.excepts, *accept.excepts), keys))
    for forbid in forbids:
        if list(_that_meet(forbid.keys, keys)):
            yield f"unless forbidden by {forbid.rule}"


def _that_meet(patterns: Iterable[Pattern], keys: Sequence[str]) -> Iterator[str]:
    for text in texts(patterns):
        if all(intersect(tokens(text), tokens(key)) for key in keys):
            yield text


def _conditions(when: When) -> Iterator[str]:
    for word, wanted in (("metadata", when.metadata), ("tag", when.tags)):
        yield from (f"{word} {name} is {either(values)}" for name, values in wanted.items())
    if when.types:
        yield f"type is {either(when.types)}"
    if when.size_min:
        yield f"size is at least {when.size_min}"
    if when.size_max is not None:
        yield f"size is at most {when.size_max}"
