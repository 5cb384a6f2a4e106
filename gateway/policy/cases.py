"""What a party's staff expect of the policies: cases in YAML, held against the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.errors import Problem
from gateway.model import (
    KEY_BYTES_MAX,
    Bucket,
    Facts,
    ObjectRef,
    Share,
)
from gateway.policy.complaints import parsed, place, suggestion
from gateway.policy.explain import Explanation
from gateway.policy.mesh import Mesh
from gateway.policy.nodes import Path, Tree, read
from gateway.policy.schema import CaseEntry, CasesFile

NEW = 2**63 - 1
"""The moment of a version not yet written: newer than any rule's `since`."""
OF_READS = ("author", "metadata", "tags", "size", "type", "mode", "into", "rule")


@dataclass(frozen=True, slots=True)
class Case:
    """One case with its place, and all that it leaves to be found in the mesh."""

    file: str
    line: int
    column: int
    name: str
    entry: CaseEntry
    author: str
    bucket: Bucket

    @property
    def facts(self) -> Facts:
        said = self.entry
        ref = ObjectRef(said.bucket, said.key)
        return Facts(ref, self.author, said.size, said.type, said.metadata, said.tags, NEW)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wrong` says what was expected and what the rules say instead; nothing where all is well."""

    case: Case
    wrong: tuple[str, ...]
    explanation: Explanation


def cases(file: str, text: str, mesh: Mesh) -> tuple[tuple[Case, ...], tuple[Problem, ...]]:
    """The cases of one file, or everything that is wrong with it."""
    tree = read(file, text)
    found, problems = parsed(file, tree, CasesFile)
    if found is None:
        return (), problems
    reading = _Reading(file, tree, mesh)
    all_ = [reading.case(i, entry) for i, entry in enumerate(found.cases)]
    problems = tuple(problem for each in all_ if not isinstance(each, Case) for problem in each)
    return tuple(each for each in all_ if isinstance(each, Case)), problems


def imagined(mesh: Mesh, name: str, creator: str) -> Bucket | None:
    """A bucket of the topology, or the one that this party would make of that name."""
    stated = mesh.buckets.get(name)
    if stated or not mesh.policy.may_create(creator, name):
        return stated
    return Bucket(name, creator, MappingProxyType({creator: ("**",)}), created=NEW)


def creators(mesh: Mesh, name: str) -> Sequence[str]:
    """Who might make a bucket of that name."""
    return [party for party in sorted(mesh.parties) if mesh.policy.may_create(party, name)]


def writers(mesh: Mesh, bucket: Bucket, key: str) -> Sequence[str]:
    grants = mesh.policy.grants(bucket)
    return [party for party in sorted(grants.members) if grants.may_write(party, key)]


# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reading:
    file: str
    tree: Tree
    mesh: Mesh

    def case(self, i: int, entry: CaseEntry) -> Case | tuple[Problem, ...]:
        problems = tuple(self._problems(i, entry))
        if problems:
            return problems
        author = self._author(entry)
        bucket = imagined(self.mesh, entry.bucket, author) if author else None
        if not author or bucket is None:
            return (self._nobody(i, entry),)
        where = place(self.tree, ("cases", i))
        name = entry.name or f"{entry.party} {entry.verb} {entry.bucket}/{entry.key}"
        return Case(self.file, *where, name, entry, author, bucket)

    def _author(self, entry: CaseEntry) -> str:
        """Whoever wrote what is to be read; for a write, the party or else who made the bucket."""
        able = self._able(entry)
        if entry.verb == "write":
            made_by_another = entry.bucket not in self.mesh.buckets and entry.party not in able
            return able[0] if made_by_another else entry.party
        return entry.author or (able[0] if len(able) == 1 else "")

    def _able(self, entry: CaseEntry) -> Sequence[str]:
        stated = self.mesh.buckets.get(entry.bucket)
        mesh = self.mesh
        return writers(mesh, stated, entry.key) if stated else creators(mesh, entry.bucket)

    def _problem(self, i: int, field: str, text: str, *, key: bool = False) -> Problem:
        path: Path = ("cases", i, field)
        return Problem(self.file, *place(self.tree, path, key=key), text)

    def _problems(self, i: int, entry: CaseEntry) -> Iterator[Problem]:
        mesh = self.mesh
        for field in ("party", "author"):
            name = getattr(entry, field)
            if name and name not in mesh.parties:
                text = f"unknown party `{name}`; {suggestion(name, mesh.parties)}"
                yield self._problem(i, field, text)
        if entry.bucket not in mesh.buckets and not creators(mesh, entry.bucket):
            text = f"unknown bucket `{entry.bucket}`; {suggestion(entry.bucket, mesh.buckets)}"
            yield self._problem(i, "bucket", text)
        if len(entry.key.encode()) > KEY_BYTES_MAX:
            yield self._problem(i, "key", f"a key of more than {KEY_BYTES_MAX} bytes")
        for field in OF_READS if entry.verb == "write" else ():
            if field in entry.model_fields_set:
                yield self._problem(i, field, f"`{field}` is no part of a write", key=True)
        for field in ("mode", "into") if not entry.allow else ():
            if field in entry.model_fields_set:
                yield self._problem(i, field, f"`{field}` needs `allow: yes`", key=True)

    def _nobody(self, i: int, entry: CaseEntry) -> Problem:
        if entry.author:
            return self._problem(i, "author", f"{entry.author} may not create {entry.bucket}")
        who = " and ".join(self._able(entry)) or "no party"
        return self._problem(i, "key", f"{who} may write this key; expected an `author`")


# --- judging -----------------------------------------------------------------------------------


def judged(mesh: Mesh, asked: Iterable[Case]) -> Iterator[Verdict]:
    """Each case beside what the rules say of a new file."""
    for case in asked:
        said = case.entry
        answer = mesh.policy.explain(said.party, said.verb, case.facts, case.bucket)
        yield Verdict(case, tuple(_wrong(mesh, case, answer)), answer)


def _wrong(mesh: Mesh, case: Case, answer: Explanation) -> Iterator[str]:
    said = case.entry
    if said.allow != answer.allowed:
        words = {True: "yes", False: "no"}
        yield f"expected {words[said.allow]}, but {words[answer.allowed]}: {answer.text}"
        return
    if said.verb == "write":
        return
    mode = answer.mode.value if answer.mode else ""
    if said.mode and said.mode != mode:
        yield f"expected {said.mode}, but {mode}: {answer.text}"
    share = _share(mesh, case)
    target = share.target if share else ""
    if said.into and said.into != target:
        yield f"expected a copy at {said.into}, but {target or 'there is none'}"
    deciding = _deciding(answer, share)
    if said.rule and said.rule not in deciding:
        yield f"expected {said.rule} to decide, but it is {', '.join(deciding) or 'no rule'}"


def _share(mesh: Mesh, case: Case) -> Share | None:
    shares = mesh.policy.decide(case.facts, case.bucket).shares
    return next((share for share in shares if share.party == case.entry.party), None)


def _deciding(answer: Explanation, share: Share | None) -> Sequence[str]:
    """The ids of the rules behind the answer, of either side."""
    if answer.allowed:
        both = (share.rule, share.accept) if share else ()
        return [rule.id for rule in both if rule]
    return [finding.rule.id for finding in answer.findings if finding.outcome == "forbids"]
