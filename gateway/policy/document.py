"""The folder of YAML as one Mesh: read, checked, and put together file by file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.errors import Problem
from gateway.policy.mesh import Mesh, SourceFile
from gateway.policy.party import PartyRules, beside, party_rules
from gateway.policy.rules import Policy, Rules
from gateway.policy.topology import TOPOLOGY, Topology, topology

PLAN_HASH_CHARS = 16
"""Hex digits: 64 bits, short enough to be typed."""

Parsed = tuple[PartyRules | None, tuple[Problem, ...]]
"""A party's file by itself: its rules, or its problems."""


@dataclass(frozen=True, slots=True)
class Cache:
    """What an earlier `load` read, by name and text; unchanged files are not read again.

    `beside` holds what was wrong with a file beside `topology_text`, for that topology alone.
    """

    base: str
    topology_text: str
    topology: Topology | None
    parsed: Mapping[tuple[str, str], Parsed]
    beside: Mapping[tuple[str, str], tuple[Problem, ...]]


@dataclass(frozen=True, slots=True)
class Loaded:
    """`mesh` is None only if topology.yaml is unusable and there is no last good one.

    `problems` are errors, sorted by place; `warnings` change nothing. Keep `mesh.texts` as the
    next `last_good`, and `cache` for the next `load`.
    """

    mesh: Mesh | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    cache: Cache | None = None


def load(
    files: Mapping[str, str],
    *,
    base: str,
    last_good: Mapping[str, str] | None = None,
    cache: Cache | None = None,
) -> Loaded:
    """Read the folder. `files` maps each file's name to its text; `base` is the folder's absolute
    path (relative store paths count from it).

    A file with an error keeps its `last_good` text in force and holds up no other one; without a
    last good text it has no part in the mesh. A rule whose file was good, and that now names a
    party or bucket which the topology no longer has, stays in force and simply matches nothing.
    """
    return _Loading(files, base, last_good or {}, cache).result()


@dataclass(slots=True)
class _Loading:
    files: Mapping[str, str]
    base: str
    last_good: Mapping[str, str]
    cache: Cache | None
    problems: list[Problem] = field(default_factory=list)
    sources: list[SourceFile] = field(default_factory=list)
    parsed: dict[tuple[str, str], Parsed] = field(default_factory=dict)
    beside: dict[tuple[str, str], tuple[Problem, ...]] = field(default_factory=dict)

    def result(self) -> Loaded:
        found = self._topology()
        if found is None:
            return Loaded(None, tuple(sorted(self.problems)))
        text, stated = found
        same = self.cache and (self.cache.base, self.cache.topology_text) == (self.base, text)
        known = self.cache.beside if self.cache and same else {}
        rules = [
            rules
            for name in sorted(self.files)
            if name != TOPOLOGY and self._counts(name)
            for rules in self._party(name, stated, known)
        ]
        cache = Cache(self.base, text, stated, self.parsed, self.beside)
        mesh = self._mesh(stated, rules)
        warnings = stated.warnings
        return Loaded(mesh, tuple(sorted(self.problems)), warnings, cache)

    def _counts(self, name: str) -> bool:
        """Other files than *.yaml may lie in the folder (notes, an editor's own)."""
        if name.endswith(".yml") and not name.startswith("."):
            self.problems.append(Problem(name, 1, 1, "expected a name that ends in .yaml"))
        return name.endswith(".yaml") and not name.startswith(".")

    def _topology(self) -> tuple[str, Topology] | None:
        problems: tuple[Problem, ...] = (
            Problem(TOPOLOGY, 1, 1, "the file is missing; it says who takes part"),
        )
        texts = (self.files.get(TOPOLOGY), self.last_good.get(TOPOLOGY))
        for i, text in enumerate(texts):
            if text is None:
                continue
            stated, wrong = self._stated(text)
            if stated:
                shown = tuple(map(str, problems)) if i else ()
                self.problems.extend(problems if i else ())
                self.sources.append(SourceFile(TOPOLOGY, text, shown))
                return text, stated
            problems = wrong if i == 0 else problems
        self.problems.extend(problems)
        return None

    def _stated(self, text: str) -> tuple[Topology | None, tuple[Problem, ...]]:
        cache = self.cache
        if cache and (cache.base, cache.topology_text) == (self.base, text):
            return cache.topology, ()
        return topology(text, self.base)

    def _party(
        self, name: str, stated: Topology, known: Mapping[tuple[str, str], tuple[Problem, ...]]
    ) -> list[PartyRules]:
        """The rules of one file that are in force: at most one set."""
        text = self.files[name]
        rules, problems = self._alone(name, text)
        if rules:
            seen = known.get((name, text))
            problems = beside(rules, stated) if seen is None else seen
            self.beside[(name, text)] = problems
        self.problems.extend(problems)
        shown = tuple(map(str, problems))
        good = self.last_good.get(name, "")
        if problems:
            rules = self._alone(name, good)[0] if good else None
        self.sources.append(SourceFile(name, (good if problems else text) if rules else "", shown))
        return [rules] if rules and rules.party in stated.parties else []

    def _alone(self, name: str, text: str) -> Parsed:
        place = (name, text)
        if place not in self.parsed:
            seen = self.cache.parsed.get(place) if self.cache else None
            self.parsed[place] = seen or party_rules(name, text)
        return self.parsed[place]

    def _mesh(self, stated: Topology, rules: list[PartyRules]) -> Mesh:
        sources = tuple(sorted(self.sources, key=lambda source: source.name))
        revision = revision_of({source.name: source.text for source in sources if source.text})
        policy = Policy(
            revision,
            Rules(
                {r.party: r.sends for r in rules},
                {r.party: r.forbids for r in rules},
                tuple(accept for r in rules for accept in r.accepts),
            ),
            stated.grants,
            {name: party.home.name if party.home else "" for name, party in stated.parties.items()},
            {name: party.create_buckets for name, party in stated.parties.items()},
        )
        return Mesh(
            revision,
            MappingProxyType(dict(stated.parties)),
            MappingProxyType(dict(stated.buckets)),
            policy,
            sources,
            stated.secrets,
            MappingProxyType({r.party: r.jobs for r in rules}),
        )


def revision_of(texts: Mapping[str, str]) -> str:
    """SHA-256 (hex) over names and texts, each with its length in front, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        for part in (name.encode(), texts[name].encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def plan_hash(in_force: str, proposed: str) -> str:
    """Names a plan: the step from one revision to another. `policy plan` prints it, and `policy
    apply --expect` refuses once either end has changed. Files that were written in between do not
    change what the plan says of the rest, so they are no part of it. `in_force` is "" before the
    first policy."""
    return revision_of({"in force": in_force, "proposed": proposed})[:PLAN_HASH_CHARS]
