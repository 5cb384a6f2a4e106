"""One party's part of the policy of a bucket, as statements of S3's policy language: pure.

For eyes and tools alone: what decides is the YAML. A pattern's `**` becomes `*`, which in S3's
language goes across segments too; conditions that S3 has no word for are `crossdock:` ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.model import Bucket
from gateway.policy.clauses import EVERY_BUCKET, EVERYONE, Clause
from gateway.policy.rules import Policy

Statement = Mapping[str, Any]

READ = ("s3:GetObject", "s3:GetObjectVersion")
WRITE = ("s3:PutObject", "s3:DeleteObject")


def statements(policy: Policy, party: str, bucket: Bucket) -> Sequence[Statement]:
    """What topology.yaml gives this party in the bucket, and what its own file sends, forbids and
    accepts there; nothing of any other party's file."""
    return tuple(_statements(policy, party, bucket))


def _statements(policy: Policy, party: str, bucket: Bucket) -> Iterator[Statement]:
    place = f"arn:aws:s3:::{bucket.name}"
    me = {"AWS": [party]}
    yield _statement("member", "Allow", me, ("s3:ListBucket",), [place])
    grants = policy.grants(bucket)
    keys = grants.writes.get(party, ())
    if keys:
        yield _statement("write", "Allow", me, WRITE, _resources(place, keys))
    rules = policy.rules
    for send in rules.sends.get(party, ()):
        if send.bucket == bucket.name:
            for mode in sorted({mode.value for mode in send.to.values()}):
                named = [who for who, how in send.to.items() if how.value == mode]
                yield _rule(send, "Allow", named, READ, place, {"crossdock:mode": [mode]})
    for forbid in rules.forbids.get(party, ()):
        if forbid.bucket in (EVERY_BUCKET, bucket.name):
            yield _rule(forbid, "Deny", forbid.to, READ, place, {})
    for accept in rules.accepts:
        if accept.party == party and accept.bucket in (EVERY_BUCKET, bucket.name):
            into = {"crossdock:into": [accept.into]} if accept.into else {}
            yield _rule(accept, "Allow", accept.senders, ("crossdock:Accept",), place, into)


def _rule(
    clause: Clause,
    effect: str,
    named: Sequence[str] | frozenset[str],
    actions: Sequence[str],
    place: str,
    more: Mapping[str, Sequence[str]],
) -> Statement:
    when = clause.when
    equal: dict[str, Sequence[str]] = dict(more)
    equal |= {f"s3:ExistingObjectTag/{n}": sorted(v) for n, v in sorted(when.tags.items())}
    equal |= {f"crossdock:metadata/{n}": sorted(v) for n, v in sorted(when.metadata.items())}
    conditions: dict[str, Any] = {"StringEquals": equal} if equal else {}
    if when.types:
        conditions["StringLike"] = {"crossdock:content-type": sorted(when.types)}
    if clause.excepts:
        conditions["StringNotLike"] = {"crossdock:key": [p.text for p in clause.excepts]}
    if when.size_min:
        conditions["NumericGreaterThanEquals"] = {"crossdock:size": when.size_min}
    if when.size_max is not None:
        conditions["NumericLessThanEquals"] = {"crossdock:size": when.size_max}
    who = {"AWS": ["*" if name == EVERYONE else name for name in sorted(named)]}
    resources = _resources(place, [pattern.text for pattern in clause.keys])
    found = _statement(clause.rule.id, effect, who, actions, resources)
    return {**found, "Condition": conditions} if conditions else found


def _statement(
    sid: str,
    effect: str,
    who: Mapping[str, Sequence[str]],
    actions: Sequence[str],
    resources: Sequence[str],
) -> Statement:
    return {
        "Sid": sid,
        "Effect": effect,
        "Principal": who,
        "Action": list(actions),
        "Resource": list(resources),
    }


def _resources(place: str, patterns: Sequence[str]) -> list[str]:
    return [f"{place}/{text.replace('**', '*')}" for text in patterns]
