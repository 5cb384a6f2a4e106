"""Which keys an edit of the policy can have to do with at all: those alone must be decided again.

What policy says of a version depends on its bucket's members and write grants, on the recipients'
stores, and on the rules that match its key. Where none of that differs between two policies, both
say the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from gateway.policy.clauses import EVERY_BUCKET, EVERYONE, NOTHING, Accept, Clause, Send
from gateway.policy.mesh import Mesh
from gateway.policy.patterns import Index, Pattern


class Touching:
    """Asked of bucket and key: may the two policies say different things of a version there?"""

    def __init__(self, old: Mesh | None, new: Mesh) -> None:
        self._everything = old is None or _moved(old, new)
        differing = list(_differing(old, new)) if old else []
        self._buckets = frozenset(_buckets(old, new, differing)) if old else frozenset[str]()
        meshes = [mesh for mesh in (old, new) if mesh]
        entries: dict[str, list[tuple[Pattern, Clause]]] = {}
        for clause in differing:
            for bucket, keys in _matched(clause, meshes):
                entries.setdefault(bucket, []).append((keys, clause))
        self._keys = {bucket: Index(patterns) for bucket, patterns in entries.items()}

    def __call__(self, bucket: str, key: str) -> bool:
        if self._everything or bucket in self._buckets:
            return True
        index = self._keys.get(bucket)
        return index is not None and any(_about(clause, key) for clause in index.find(key))


def _about(clause: Clause, key: str) -> bool:
    return any(keys.matches(key) for keys in clause.keys) and not clause.excepted(key)


def _matched(clause: Clause, meshes: Iterable[Mesh]) -> Iterator[tuple[str, Pattern]]:
    """Where the rule may count. What a rule forbids or accepts must be sent as well."""
    if isinstance(clause, Send):
        yield from ((clause.bucket, keys) for keys in clause.keys)
        return
    for mesh in meshes:
        for author, sends in mesh.policy.rules.sends.items():
            for send in sends:
                if clause.bucket in (EVERY_BUCKET, send.bucket) and _meets(clause, author, send):
                    yield from ((send.bucket, keys) for keys in send.keys)


def _meets(clause: Clause, author: str, send: Send) -> bool:
    if isinstance(clause, Accept):
        theirs = not clause.senders.isdisjoint({author, EVERYONE})
        return theirs and send.strength(clause.party) != NOTHING
    return author == clause.rule.owner


def _moved(old: Mesh, new: Mesh) -> bool:
    """Has a party that stays another store for its copies?"""
    return any(_home(old, name) != _home(new, name) for name in old.parties.keys() & new.parties)


def _home(mesh: Mesh, name: str) -> str:
    home = mesh.parties[name].home
    return home.name if home else ""


def _differing(old: Mesh, new: Mesh) -> Iterator[Clause]:
    """The rules that are in one policy and not, word for word and by that name, in the other."""
    before, after = dict(_said(old)), dict(_said(new))
    for said in before.keys() ^ after.keys():
        yield before.get(said) or after[said]


def _said(mesh: Mesh) -> Iterator[tuple[Hashable, Clause]]:
    rules = mesh.policy.rules
    lists: Iterable[Iterable[Clause]] = (
        *rules.sends.values(),
        *rules.forbids.values(),
        rules.accepts,
    )
    for clauses in lists:
        for clause in clauses:
            # The kind is in the rank too: each kind has a field that no other has.
            yield (clause.rule.file, clause.rule.id, clause.rank), clause


def _buckets(old: Mesh, new: Mesh, differing: Iterable[Clause]) -> Iterator[str]:
    """Those whose members or writers differ. In one that the topology does not state, whom a rule
    names is a member."""
    for name in old.buckets.keys() | new.buckets.keys():
        if _rights(old, name) != _rights(new, name):
            yield name
    stated = {EVERY_BUCKET, *new.buckets}
    yield from (clause.bucket for clause in differing if clause.bucket not in stated)
    strangers = old.parties.keys() ^ new.parties.keys()
    for sends in new.policy.rules.sends.values():
        for send in sends:
            if send.bucket not in stated and not strangers.isdisjoint(send.to):
                yield send.bucket


def _rights(mesh: Mesh, name: str) -> tuple[object, ...] | None:
    bucket = mesh.buckets.get(name)
    grants = mesh.policy.grants(bucket) if bucket else None
    return (grants.members, dict(grants.writes)) if grants else None
