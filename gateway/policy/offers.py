"""Consent that is missing: what senders offer and recipients have not accepted, with the line that
would accept it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from gateway.model import Bucket, Mode, Rule
from gateway.policy import targets
from gateway.policy.clauses import EVERY_BUCKET, EVERYONE, Accept, Send
from gateway.policy.covering import implies, spared, texts
from gateway.policy.mesh import Mesh
from gateway.policy.patterns import intersect, tokens
from gateway.policy.witness import Questions

WAYS_MAX = 16
"""Ways in which a key can slip through rules that have exceptions; beyond it, such rules count as
if they accepted nothing."""

ANY_KEY = ("**",)
TEMPLATES = ("{bucket}/{key}", "{author}/{bucket}/{key}", "from-{author}/{bucket}/{key}")
"""Where a proposed line puts copies: the first that can't meet what is accepted already."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What `author` offers `party` and is not accepted, or not so strongly: `mode` is the most that
    it could have, `have` what some of it is accepted as. `rule` is the author's own business."""

    author: str
    party: str
    bucket: str
    keys: tuple[str, ...]
    mode: Mode
    have: Mode | None
    rule: Rule
    line: str


def outstanding(mesh: Mesh, made: Mapping[str, Bucket], about: str = EVERYONE) -> Iterator[Offer]:
    """By author, in the order of its rules; only those from or to one party, if it is `about` one.
    `made` are the buckets made through a door. What takes more steps than Questions has for all of
    it is left out."""
    ask = Questions()
    ours: dict[str, list[Accept]] = {}
    for accept in mesh.policy.rules.accepts:
        ours.setdefault(accept.party, []).append(accept)
    for author, sends in sorted(mesh.policy.rules.sends.items()):
        for send in sends:
            for party in sorted(_recipients(mesh, made, author, send)):
                if about not in (EVERYONE, author, party):
                    continue
                offer = _offer(ask, mesh, made, author, send, party, ours.get(party, ()))
                if offer:
                    yield offer


def _recipients(mesh: Mesh, made: Mapping[str, Bucket], author: str, send: Send) -> frozenset[str]:
    """Those whom it names, where they are members; in a bucket to be made they will be."""
    bucket = mesh.buckets.get(send.bucket) or made.get(send.bucket)
    named = frozenset(send.to) - {EVERYONE, author}
    if bucket is None:
        return named & mesh.parties.keys()
    members = mesh.policy.members(bucket) - {author}
    return members if EVERYONE in send.to else members & named


def _offer(
    ask: Questions,
    mesh: Mesh,
    made: Mapping[str, Bucket],
    author: str,
    send: Send,
    party: str,
    ours: Sequence[Accept],
) -> Offer | None:
    offered = send.offer(party)
    known = mesh.parties.get(party)
    if offered is None or known is None or _forbidden(ask, mesh, author, send, party):
        return None
    mode = offered if known.home else Mode.SHARE
    bucket = mesh.buckets.get(send.bucket) or made.get(send.bucket)
    writes = mesh.policy.grants(bucket).writes.get(author, ()) if bucket else ANY_KEY
    apt = [accept for accept in ours if admits(accept, author, send)]
    strong = [accept for accept in apt if mode is Mode.SHARE or accept.into]
    if not _slips(ask, send, writes, strong):
        return None
    have = None if not apt else mode if strong else Mode.SHARE
    keys = tuple(texts(send.keys))
    line = _line(author, send.bucket, keys, _into(mode, author, send, ours))
    return Offer(author, party, send.bucket, keys, mode, have, send.rule, line)


def admits(accept: Accept, author: str, send: Send) -> bool:
    """Does the rule accept any of it?"""
    return (
        not accept.senders.isdisjoint({author, EVERYONE})
        and accept.bucket in (EVERY_BUCKET, send.bucket)
        and any(
            intersect(tokens(ours.text), tokens(theirs.text))
            for ours in accept.keys
            for theirs in send.keys
        )
    )


def _forbidden(ask: Questions, mesh: Mesh, author: str, send: Send, party: str) -> bool:
    """All of it is kept from the party by the author's own rule: then it is no offer."""
    return any(
        forbid.names(party)
        and forbid.bucket in (EVERY_BUCKET, send.bucket)
        and implies(send.when, forbid.when)
        and spared(ask, forbid, send).absent
        for forbid in mesh.policy.rules.forbids.get(author, ())
    )


def _slips(ask: Questions, send: Send, writes: Sequence[str], accepts: Sequence[Accept]) -> bool:
    """Is there a key of the offer that none of the rules takes? A rule with exceptions lets one
    through in two ways: it is not among its keys, or it is among its exceptions."""
    plain = [accept for accept in accepts if not accept.excepts]
    holed = [accept for accept in accepts if accept.excepts]
    if 2 ** len(holed) > WAYS_MAX:
        holed = []
    within = [texts(send.keys), list(writes)]
    without = [*texts(send.excepts), *_keys(plain)]
    for way in product((False, True), repeat=len(holed)):
        outside = [accept for accept, inside in zip(holed, way, strict=True) if not inside]
        spots = [texts(a.excepts) for a, inside in zip(holed, way, strict=True) if inside]
        if ask([*within, *spots], [*without, *_keys(outside)]).key:
            return True
    return False


def _keys(accepts: Iterable[Accept]) -> list[str]:
    return [text for accept in accepts for text in texts(accept.keys)]


def _into(mode: Mode, author: str, send: Send, ours: Iterable[Accept]) -> str:
    if mode is Mode.SHARE:
        return ""
    keys = tuple(texts(send.keys))
    there = [
        targets.Landing(a.into, a.senders, a.bucket, tuple(texts(a.keys))) for a in ours if a.into
    ]
    for into in TEMPLATES:
        landing = targets.Landing(into, frozenset({author}), send.bucket, keys)
        if not any(targets.meet(landing, other) for other in there):
            return into
    return TEMPLATES[-1]


def _line(author: str, bucket: str, keys: Sequence[str], into: str) -> str:
    """One entry for the recipient's `accepts:`, ready to be pasted."""
    quoted = ", ".join(json.dumps(key, ensure_ascii=False) for key in keys)
    copy = f", into: {json.dumps(into)}" if into else ""
    return f"- {{from: [{author}], bucket: {bucket}, keys: [{quoted}]{copy}}}"
