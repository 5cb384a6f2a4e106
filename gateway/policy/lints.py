"""What can be told of rules without any file: whom `*` admits, whose consent is missing, which
rules can never match, and which add nothing to another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import TypeVar

from gateway.model import Bucket, Rule
from gateway.policy.clauses import EVERY_BUCKET, EVERYONE, Accept, Clause, Send
from gateway.policy.covering import (
    accept_covers,
    forbid_covers,
    implies,
    send_covers,
    spared,
    texts,
)
from gateway.policy.mesh import Mesh
from gateway.policy.patterns import intersect, tokens
from gateway.policy.witness import Questions

ADMITTED = "admitted by *"
NOT_ACCEPTED = "not accepted"
NOT_SENT = "not sent"
NEVER = "never matches"
COVERED = "covered"
UNCLEAR = "unclear"
KINDS = (ADMITTED, NOT_ACCEPTED, NOT_SENT, NEVER, COVERED, UNCLEAR)

ANY_KEY = ("**",)

C = TypeVar("C", bound=Clause)


@dataclass(frozen=True, slots=True)
class Lint:
    """One remark on a rule. `parties` are those whom it is about: admitted by its `*`, or whose
    consent is missing."""

    kind: str
    rule: Rule
    text: str
    parties: tuple[str, ...] = ()

    @property
    def says(self) -> tuple[str, str, str, str, tuple[str, ...]]:
        """What it is about, wherever the rule stands in its file."""
        return (self.kind, self.rule.file, self.rule.id, self.text, self.parties)


def lints(
    mesh: Mesh, made: Mapping[str, Bucket], starts: Mapping[str, int], ask: Questions
) -> tuple[Lint, ...]:
    """All remarks, by kind and then in the order of files and lines. `made` are the buckets that
    were made through a door; of others that don't exist yet only what the rules say is known.
    `starts` as in Policy.dated. Whoever compares two policies asks with the same `ask`."""
    found = _Linting(mesh, made, starts, ask)
    every = [*found.admitted(), *found.consents(), *found.never(), *found.covered()]
    return tuple(sorted(every, key=_order))


def _order(lint: Lint) -> tuple[int, str, int, str]:
    return (KINDS.index(lint.kind), lint.rule.file, lint.rule.line, lint.text)


@dataclass(slots=True)
class _Linting:
    mesh: Mesh
    made: Mapping[str, Bucket]
    starts: Mapping[str, int]
    ask: Questions
    meets: dict[tuple[str, str], bool] = field(default_factory=dict)
    consenting: dict[str, list[Accept]] = field(default_factory=dict)
    sends: list[tuple[str, Send]] = field(default_factory=list)
    offered: dict[str, list[tuple[str, Send]]] = field(default_factory=dict)  # by recipient

    def __post_init__(self) -> None:
        for accept in self.mesh.policy.rules.accepts:
            self.consenting.setdefault(accept.party, []).append(accept)
        for author, sends in self.mesh.policy.rules.sends.items():
            for send in sends:
                self.sends.append((author, send))
                for party in frozenset[str]().union(*self.recipients(author, send)):
                    self.offered.setdefault(party, []).append((author, send))

    # --- who may be meant ----------------------------------------------------------------------

    def bucket(self, name: str) -> Bucket | None:
        return self.mesh.buckets.get(name) or self.made.get(name)

    def recipients(self, author: str, send: Send) -> tuple[frozenset[str], frozenset[str]]:
        """Those whom it names, and those whom its `*` adds, members as they are now."""
        bucket = self.bucket(send.bucket)
        named = frozenset(send.to) - {EVERYONE, author}
        if bucket is None:
            return named, frozenset()
        members = self.mesh.policy.members(bucket) - {author}
        more = members - named if EVERYONE in send.to else frozenset()
        return named & members, more

    def writes(self, author: str, name: str) -> Sequence[str]:
        """The patterns of keys that the author may write there; all in a bucket to be made."""
        bucket = self.bucket(name)
        return self.mesh.policy.grants(bucket).writes.get(author, ()) if bucket else ANY_KEY

    def admits(self, accept: Accept, author: str, send: Send) -> bool:
        return (
            not accept.senders.isdisjoint({author, EVERYONE})
            and accept.bucket in (EVERY_BUCKET, send.bucket)
            and any(
                self.meet(ours.text, theirs.text) for ours in accept.keys for theirs in send.keys
            )
        )

    def meet(self, one: str, other: str) -> bool:
        if (one, other) not in self.meets:
            self.meets[one, other] = intersect(tokens(one), tokens(other))
        return self.meets[one, other]

    def accepted(self, party: str, author: str, send: Send) -> bool:
        ours = self.consenting.get(party, ())
        return any(self.admits(accept, author, send) for accept in ours)

    def senders(self, accept: Accept) -> frozenset[str]:
        """Who sends this party anything that the rule admits."""
        offers = self.offered.get(accept.party, ())
        return frozenset(author for author, send in offers if self.admits(accept, author, send))

    # --- remarks -------------------------------------------------------------------------------

    def admitted(self) -> Iterator[Lint]:
        """Parties that nobody named: `"*"` lets them in, and whoever joins later."""
        for author, send in self.sends:
            if EVERYONE in send.to:
                more = self.recipients(author, send)[1]
                mode = send.to[EVERYONE].value
                text = f"sends as {mode} to every member of {send.bucket}, now and later"
                yield Lint(ADMITTED, send.rule, text, tuple(sorted(more)))
        for accept in self.mesh.policy.rules.accepts:
            if EVERYONE in accept.senders:
                more = self.senders(accept) - accept.senders
                text = f"accepts from anyone in {accept.bucket or 'every bucket'}, now and later"
                yield Lint(ADMITTED, accept.rule, text, tuple(sorted(more)))

    def consents(self) -> Iterator[Lint]:
        """Offers that nobody accepts, and consents that nobody makes use of."""
        for author, send in self.sends:
            named, more = self.recipients(author, send)
            lacking = {p for p in named | more if not self.accepted(p, author, send)}
            if lacking:
                text = f"no rule of theirs accepts anything of it from {author}"
                yield Lint(NOT_ACCEPTED, send.rule, text, tuple(sorted(lacking)))
        for accept in self.mesh.policy.rules.accepts:
            sending = self.senders(accept)
            if EVERYONE in accept.senders:
                lacking = set() if sending else {EVERYONE}
            else:
                lacking = set(accept.senders - sending)
            if lacking:
                text = f"no rule of theirs sends {accept.party} anything that it admits"
                yield Lint(NOT_SENT, accept.rule, text, tuple(sorted(lacking)))

    def never(self) -> Iterator[Lint]:
        for author, send in self.sends:
            yield from self._beyond(send, [self.writes(author, send.bucket)])
            yield from self._forbidden(author, send)
        for author, forbids in self.mesh.policy.rules.forbids.items():
            for forbid in forbids:
                within = [self.writes(author, forbid.bucket)] if forbid.bucket else []
                yield from self._beyond(forbid, within)
        for accept in self.mesh.policy.rules.accepts:
            yield from self._beyond(accept, [self._written(accept)] if accept.bucket else [])

    def _written(self, accept: Accept) -> Sequence[str]:
        """What its senders may write in its bucket."""
        names = self.mesh.parties if EVERYONE in accept.senders else accept.senders
        others = (name for name in names if name != accept.party)
        return list(dict.fromkeys(t for name in others for t in self.writes(name, accept.bucket)))

    def _beyond(self, clause: Clause, within: Sequence[Sequence[str]]) -> Iterator[Lint]:
        """No key that may be written is among its keys and not among its exceptions. (`check`
        refuses what is plain from one pattern.)"""
        left_over = self.ask([texts(clause.keys), *within], texts(clause.excepts))
        if left_over.absent:
            text = "no key that may be written is left by its `keys` and `except`"
            yield Lint(NEVER, clause.rule, text)
        elif not left_over.sure:
            yield Lint(UNCLEAR, clause.rule, "whether any key is left by its `keys` and `except`")

    def _forbidden(self, author: str, send: Send) -> Iterator[Lint]:
        """A rule of the same party keeps all of it from somebody whom it names."""
        for forbid in self.mesh.policy.rules.forbids.get(author, ()):
            kept = tuple(sorted(p for p in send.to if p != EVERYONE and forbid.names(p)))
            if EVERYONE in send.to and EVERYONE in forbid.to:
                kept = (EVERYONE, *kept)
            if not kept or forbid.bucket not in (EVERY_BUCKET, send.bucket):
                continue
            if implies(send.when, forbid.when) and spared(self.ask, forbid, send).absent:
                yield Lint(NEVER, send.rule, f"all of it is forbidden by {forbid.rule}", kept)

    def covered(self) -> Iterator[Lint]:
        rules = self.mesh.policy.rules
        for sends in rules.sends.values():
            yield from self._pairs(sends, self._send_covers)
        for forbids in rules.forbids.values():
            yield from self._pairs(forbids, lambda a, b: forbid_covers(self.ask, a, b))
        for accepts in self.consenting.values():
            yield from self._pairs(accepts, lambda a, b: accept_covers(self.ask, a, b))

    def _send_covers(self, outer: Send, inner: Send) -> bool | None:
        stated = inner.bucket in self.mesh.buckets
        return send_covers(self.ask, outer, inner, self.starts, stated=stated)

    def _pairs(self, clauses: Sequence[C], covers: Callable[[C, C], bool | None]) -> Iterator[Lint]:
        """Of rules that cover each other the first one counts."""
        gone: set[Rule] = set()
        for inner, outer in permutations(clauses[::-1], 2):
            if inner.rule in gone or outer.rule in gone:
                continue
            answer = covers(outer, inner)
            if answer is None:
                yield Lint(UNCLEAR, inner.rule, f"whether {outer.rule} covers all of it")
            elif answer:
                gone.add(inner.rule)
                yield Lint(COVERED, inner.rule, f"adds nothing to {outer.rule}")
