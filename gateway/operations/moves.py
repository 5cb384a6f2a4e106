"""An edit of topology.yaml must not cut off bytes: what it drops or points elsewhere is checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gateway.errors import Problem
from gateway.policy.mesh import Mesh, StoreSpec
from gateway.policy.topology import TOPOLOGY


class Holdings(Protocol):
    """What is asked of the catalog."""

    async def holds(self, party: str, store: str) -> bool: ...
    async def has_shown(self, bucket: str) -> bool: ...


async def cut_off(rows: Holdings, old: Mesh, new: Mesh) -> tuple[Problem, ...]:
    """What of `old` would become unreachable under `new`, with its place and its mend."""
    problems = [
        _store_problem(new, spec)
        for spec in _moved_stores(old, new)
        if await rows.holds(spec.party, spec.name)
    ]
    for name in old.buckets.keys() - new.buckets.keys():
        if await rows.has_shown(name):
            text = f"bucket {name} still holds files; empty it before you take it out"
            problems.append(Problem(TOPOLOGY, 1, 1, text))
    return tuple(sorted(problems))


def _moved_stores(old: Mesh, new: Mesh) -> Iterator[StoreSpec]:
    for party in old.parties.values():
        known = new.parties[party.name].stores if party.name in new.parties else {}
        for name, spec in party.stores.items():
            if name not in known or _place(known[name]) != _place(spec):
                yield spec


def _place(spec: StoreSpec) -> tuple[str, ...]:
    """Where the bytes are; credentials and region may change freely."""
    where = (spec.path, spec.bucket, spec.container, spec.account, spec.prefix, spec.endpoint)
    server = (spec.host, str(spec.port), spec.user) if spec.host else ()
    return (spec.type, *where, *server)


def _store_problem(new: Mesh, spec: StoreSpec) -> Problem:
    party = new.parties.get(spec.party)
    there = party.stores.get(spec.name) if party else None
    line = (there.line if there else party.line if party else 0) or 1
    what = f"store {spec.name} of {spec.party} still holds bytes that versions refer to"
    mend = f"keep it under that name, in `former_stores` if {spec.party} writes to another one now"
    return Problem(TOPOLOGY, line, 1, f"{what}; {mend}")
