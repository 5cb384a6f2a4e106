"""A plan: a folder of policies beside the policy in force, the rules and what is in the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.catalog import Catalog
from gateway.exchange.pace import CHANGE_S
from gateway.exchange.planning import Planning
from gateway.model import EMPTY, Bucket
from gateway.operations.costs import priced
from gateway.policy.costs import Cost, Prices
from gateway.policy.document import load, plan_hash
from gateway.policy.lints import Lint, lints
from gateway.policy.mesh import Mesh
from gateway.policy.plan import Tallies
from gateway.policy.witness import Questions


@dataclass(frozen=True, slots=True)
class Plan:
    """`in_force` is "" before the first policy. `converging`: the versions do not yet all follow
    the policy in force, so what that still has to do is part of the plan. `remarks` tell of each
    whether it is new with this edit. `seconds` is about what convergence will take on an idle
    gateway."""

    in_force: str
    proposed: str
    files: Mapping[str, str]  # name: added | changed | removed
    versions: int
    changes: int
    converging: bool
    seconds: float
    tallies: Tallies
    costs: tuple[Cost, ...]  # by how much they would differ
    remarks: tuple[tuple[Lint, bool], ...]

    @property
    def hash(self) -> str:
        return plan_hash(self.in_force, self.proposed)

    @property
    def changed(self) -> bool:
        return self.in_force != self.proposed


async def plan(
    catalog: Catalog,
    proposed: Mesh,
    base: str,
    prices: Prices,
    report: Callable[[int, int], None],
    ticks: Callable[[], float],
) -> Plan:
    """Reads alone. `base` as in `load`, `ticks` gives seconds that never go back."""
    kept = await catalog.policy()
    revision, texts = kept or ("", EMPTY)
    loaded = load(texts, base=base, last_good=texts).mesh if kept else None
    old = await _dated(catalog, loaded) if loaded else None
    new = await _dated(catalog, proposed)
    progress = await catalog.progress()
    reached = progress.reached if progress else 0
    walk = Planning(catalog, old, new, reached)
    began = ticks()
    if revision != proposed.revision:
        await walk.run(report)
    seconds = ticks() - began + walk.changes * CHANGE_S
    return Plan(
        in_force=revision,
        proposed=proposed.revision,
        files=dict(_files(texts, proposed.texts)),
        versions=await catalog.version_count(),
        changes=walk.changes,
        converging=reached > 0,
        seconds=seconds,
        tallies=walk.tallies,
        costs=priced(walk.usage, prices, new, old),
        remarks=tuple(await _remarks(catalog, old, new)),
    )


async def _dated(catalog: Catalog, mesh: Mesh) -> Mesh:
    return mesh.dated(await catalog.rule_starts(mesh.policy.starting))


def _files(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            what = "added" if name not in old else "removed" if name not in new else "changed"
            yield name, what


async def _remarks(catalog: Catalog, old: Mesh | None, new: Mesh) -> list[tuple[Lint, bool]]:
    made = {bucket.name: bucket for bucket in await catalog.buckets()}
    ask = Questions()
    now = await _lints(catalog, new, made, ask)
    known = {lint.says for lint in await _lints(catalog, old, made, ask)} if old else set()
    return [(lint, lint.says not in known) for lint in now]


async def _lints(
    catalog: Catalog, mesh: Mesh, made: Mapping[str, Bucket], ask: Questions
) -> tuple[Lint, ...]:
    return lints(mesh, made, await catalog.rule_starts(mesh.policy.starting), ask)
