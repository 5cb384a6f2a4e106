"""Who belongs to a bucket, and who may write what in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.model import Bucket, Rule
from gateway.policy.patterns import Index, compiled


@dataclass(frozen=True, slots=True)
class Grants:
    """Who belongs to one bucket, and who may write what in it."""

    members: frozenset[str]
    writes: Mapping[str, tuple[str, ...]]
    writers: Index[str]
    rules: Mapping[str, Rule]  # the lines of topology.yaml; none for a bucket made through a door

    def may_write(self, party: str, key: str) -> bool:
        return party in self.writers.find(key)


def granted(bucket: Bucket, rules: Mapping[str, Rule], guests: Iterable[str] = ()) -> Grants:
    """The grants of one bucket; `guests` are members that its creator's own file names."""
    patterns = [(compiled(text), who) for who, texts in bucket.members.items() for text in texts]
    members = frozenset(bucket.members) | frozenset(guests)
    return Grants(members, bucket.members, Index(patterns), rules)
