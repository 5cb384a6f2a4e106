"""Does one rule do all that another one does? Then the other could be taken out, and nobody would
get more, or less, or otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.policy.clauses import (
    ALWAYS,
    EVERY_BUCKET,
    EVERYONE,
    NOT_YET,
    NOW,
    Accept,
    Clause,
    Forbid,
    Send,
    When,
)
from gateway.policy.party import NO_DEADLINE
from gateway.policy.patterns import Pattern
from gateway.policy.witness import Witness

Ask = Callable[[Sequence[Sequence[str]], Iterable[str]], Witness]
"""`witness`, within what is left of the steps for the whole policy."""


def texts(patterns: Iterable[Pattern]) -> list[str]:
    return [pattern.text for pattern in patterns]


def send_covers(
    ask: Ask, outer: Send, inner: Send, starts: Mapping[str, int], *, stated: bool
) -> bool | None:
    """None where nobody can tell. Whatever `inner` gives somebody `outer` gives at least as
    strongly, as far back, and on terms that beat its own (see Send.rank). In a bucket that is not
    `stated` in the topology, whom a rule names is a member."""
    plain = (
        outer.bucket == inner.bucket
        and (stated or inner.to.keys() <= outer.to.keys())
        and all(outer.strength(party) >= inner.strength(party) for party in inner.to)
        and _reaches(outer, inner, starts)
        and _asks(outer) <= _asks(inner)
        and implies(inner.when, outer.when)
    )
    return plain and _takes_all(ask, outer, inner)


def forbid_covers(ask: Ask, outer: Forbid, inner: Forbid) -> bool | None:
    plain = (
        outer.bucket in (EVERY_BUCKET, inner.bucket)
        and (EVERYONE in outer.to or inner.to <= outer.to)
        and implies(inner.when, outer.when)
    )
    return plain and _takes_all(ask, outer, inner)


def accept_covers(ask: Ask, outer: Accept, inner: Accept) -> bool | None:
    """Both are of one party. What `inner` lets happen to a copy, `outer` does just so."""
    plain = (
        outer.bucket in (EVERY_BUCKET, inner.bucket)
        and (EVERYONE in outer.senders or inner.senders <= outer.senders)
        and (not inner.into or inner.into == outer.into)
        and (outer.deletes, outer.recall, outer.consume)
        == (inner.deletes, inner.recall, inner.consume)
    )
    return plain and _takes_all(ask, outer, inner)


def _reaches(outer: Send, inner: Send, starts: Mapping[str, int]) -> bool:
    if outer.since == ALWAYS:
        return True
    if outer.since == NOW:
        began = starts.get(outer.identity, NOT_YET)
        return inner.since == NOW and began <= starts.get(inner.identity, NOT_YET)
    # A moment compares with a version's own; `now` with its newest tags, which come later.
    return inner.since >= outer.since


def _asks(send: Send) -> tuple[bool, int, bool]:
    return (not send.ack, send.deadline or NO_DEADLINE, send.deletes != "follow")


def _takes_all(ask: Ask, outer: Clause, inner: Clause) -> bool | None:
    left = spared(ask, outer, inner)
    return False if left.key else True if left.sure else None


def spared(ask: Ask, outer: Clause, inner: Clause) -> Witness:
    """A key that `inner` is about and `outer` is not."""
    excepted = texts(inner.excepts)
    left = ask([texts(inner.keys)], [*excepted, *texts(outer.keys)])
    if left.key or not outer.excepts:
        return left
    also = ask([texts(inner.keys), texts(outer.excepts)], excepted)
    return also if also.key or left.sure else left


def implies(inner: When, outer: When) -> bool:
    """Does every version that meets `inner` meet `outer` too?"""
    return (
        _narrower(inner.metadata, outer.metadata)
        and _narrower(inner.tags, outer.tags)
        and (not outer.types or _types(inner.types, outer.types))
        and inner.size_min >= outer.size_min
        and (
            outer.size_max is None
            or (inner.size_max is not None and inner.size_max <= outer.size_max)
        )
    )


def _narrower(inner: Mapping[str, frozenset[str]], outer: Mapping[str, frozenset[str]]) -> bool:
    return all(name in inner and inner[name] <= values for name, values in outer.items())


def _types(inner: frozenset[str], outer: frozenset[str]) -> bool:
    wide = (each.partition("/")[0] + "/*" for each in inner)
    return bool(inner) and all(
        each in outer or whole in outer for each, whole in zip(inner, wide, strict=True)
    )
