"""One party's file: what is wrong with it, by itself and beside the topology; its rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from gateway.errors import Problem
from gateway.habits import Habits
from gateway.model import RESERVED_PREFIX, Mode, Rule
from gateway.policy import jobs, targets
from gateway.policy.clauses import EVERYONE, Accept, Forbid, Send, When
from gateway.policy.complaints import parsed, place, suggestion
from gateway.policy.nodes import Path, Tree, read
from gateway.policy.patterns import compiled, intersect, tokens
from gateway.policy.schema import (
    AcceptEntry,
    ForbidEntry,
    JobsEntry,
    PartyFile,
    RuleEntry,
    SendEntry,
    WhenEntry,
)
from gateway.policy.topology import Topology

IDENTITY_CHARS = 32
"""Hex digits: 128 bits, no two rules meet."""

NO_DEADLINE = 10**12 - 1
"""Seconds: longer than any deadline."""

AnyEntry = SendEntry | ForbidEntry | AcceptEntry


@dataclass(frozen=True, slots=True)
class PartyRules:
    """One file's content, compiled. `found` and `tree` serve the checks beside the topology."""

    file: str
    party: str
    found: PartyFile
    tree: Tree
    sends: tuple[Send, ...]
    forbids: tuple[Forbid, ...]
    accepts: tuple[Accept, ...]
    jobs: Mapping[str, Habits]


def party_rules(file: str, text: str) -> tuple[PartyRules | None, tuple[Problem, ...]]:
    """The file's rules, or everything that is wrong with the file by itself."""
    tree = read(file, text)
    found, problems = parsed(file, tree, PartyFile)
    if found is None:
        return None, problems
    problems = tuple(_alone(file, found, tree))
    if problems:
        return None, problems
    compile_ = _Compiler(file, found, tree)
    return (
        PartyRules(
            file,
            found.party,
            found,
            tree,
            tuple(compile_.send(i, entry) for i, entry in enumerate(found.sends)),
            tuple(compile_.forbid(i, entry) for i, entry in enumerate(found.forbids)),
            tuple(compile_.accept(i, entry) for i, entry in enumerate(found.accepts)),
            jobs.jobs(found),
        ),
        (),
    )


def _lists(found: PartyFile) -> tuple[tuple[str, Sequence[AnyEntry]], ...]:
    return (("sends", found.sends), ("forbids", found.forbids), ("accepts", found.accepts))


# --- by itself ---------------------------------------------------------------------------------


def _alone(file: str, found: PartyFile, tree: Tree) -> Iterator[Problem]:
    def problem(path: Path, text: str) -> Problem:
        return Problem(file, *place(tree, path), text)

    if file != f"{found.party}.yaml":
        yield problem(("party",), f"the file of {found.party} must be named {found.party}.yaml")
    ids: dict[str, int] = {}
    for kind, entries in _lists(found):
        for i, entry in enumerate(entries):
            path: Path = (kind, i, "id")
            if entry.id and entry.id in ids:
                yield problem(path, f"the id `{entry.id}` is already on line {ids[entry.id]}")
            elif entry.id:
                ids[entry.id] = place(tree, path)[0]
            yield from (problem((kind, i, *at), text) for at, text in _entry(entry))
    yield from (problem(path, text) for path, text in _landings(found))
    yield from (problem(path, text) for path, text in jobs.alone(found))


def _entry(entry: AnyEntry) -> Iterator[tuple[Path, str]]:
    """What is wrong with one rule whatever stands around it."""
    for i, text in enumerate(entry.excepts):
        if not any(intersect(tokens(text), tokens(keys)) for keys in entry.keys):
            yield ("except", i), f"`{text}` can never match: none of the rule's keys is like that"
        if text == "**" or set(entry.keys) == {text}:
            yield ("except", i), f"`{text}` excepts every key, so the rule can never match"
    if isinstance(entry, AcceptEntry):
        return
    limits = entry.when.size
    if limits.max is not None and limits.max < limits.min:
        yield ("when", "size"), "no size is at least `min` and at most `max`; this can never match"


def _landings(found: PartyFile) -> Iterator[tuple[Path, str]]:
    landings = [
        (
            i,
            targets.Landing(
                entry.into,
                frozenset(entry.senders),
                entry.bucket,
                tuple(entry.keys),
                spares_reserved=f"{RESERVED_PREFIX}**" in entry.excepts,
            ),
        )
        for i, entry in enumerate(found.accepts)
        if entry.into
    ]
    usable = []
    for i, landing in landings:
        if text := targets.mistake(landing):
            yield ("accepts", i, "into"), text
        else:
            usable.append((i, landing))
    for (i, first), (j, second) in combinations(usable, 2):
        if targets.meet(first, second):
            text = f"two files could meet in one target key: by this and by accepts number {i + 1}"
            yield ("accepts", j, "into"), text


# --- beside the topology -----------------------------------------------------------------------


def beside(rules: PartyRules, topology: Topology) -> tuple[Problem, ...]:
    """What the file says of parties, buckets and keys that the topology does not bear out."""
    check = _Beside(rules, topology)
    if rules.party not in topology.parties:
        known = suggestion(rules.party, topology.parties)
        text = f"unknown party `{rules.party}`; {known}"
        return (check.problem(("party",), text),)
    return tuple(check.problems())


class _Beside:
    def __init__(self, rules: PartyRules, topology: Topology) -> None:
        self.rules = rules
        self.party = rules.party
        self.topology = topology

    def problem(self, path: Path, text: str, told: str = "", *, key: bool = False) -> Problem:
        return Problem(self.rules.file, *place(self.rules.tree, path, key=key), text, told)

    def problems(self) -> Iterator[Problem]:
        found = self.rules.found
        for i, send in enumerate(found.sends):
            yield from self._authored(("sends", i), send)
            yield from self._recipients(("sends", i, "to"), send.bucket, send.to, on_key=True)
        for i, forbid in enumerate(found.forbids):
            if forbid.bucket:
                yield from self._authored(("forbids", i), forbid)
            yield from self._recipients(("forbids", i, "to"), "", forbid.to)
        for i, accept in enumerate(found.accepts):
            yield from self._accept(("accepts", i), accept)
        for name, entry in found.sftp.items():
            yield from self._jobs((jobs.SECTION, name), name, entry)

    def _authored(self, path: Path, entry: SendEntry | ForbidEntry) -> Iterator[Problem]:
        grants = self.topology.grants.get(entry.bucket)
        if grants is None:
            yield from self._unknown_bucket((*path, "bucket"), entry.bucket, [self.party])
        elif self.party not in grants.members:
            text = f"{self.party} is not a member of {entry.bucket}, so this can never match"
            yield self.problem((*path, "bucket"), text, _unknown("bucket", entry.bucket))
        else:
            writes = grants.writes.get(self.party, ())
            for i, keys in enumerate(entry.keys):
                if not any(intersect(tokens(keys), tokens(grant)) for grant in writes):
                    may = ", ".join(writes) or "nothing"
                    text = f"`{keys}` can never match: in {entry.bucket} {self.party} writes {may}"
                    yield self.problem((*path, "keys", i), text)

    def _jobs(self, path: Path, name: str, entry: JobsEntry) -> Iterator[Problem]:
        known = self.topology.parties[self.party].principals
        if name != EVERYONE and name not in known:
            text = f"{self.party} has no principal `{name}`; {suggestion(name, known)}"
            yield self.problem(path, text, key=True)
        for folder, target in entry.map.items():
            at, bucket = (*path, "map", folder), target.partition("/")[0]
            grants = self.topology.grants.get(bucket)
            if grants is None:
                yield from self._unknown_bucket(at, bucket, self.topology.parties)
            elif self.party not in grants.members:
                text = f"{self.party} is not a member of {bucket}, so nothing can lie here"
                yield self.problem(at, text, _unknown("bucket", bucket))

    def _unknown_bucket(
        self, path: Path, bucket: str, creators: Iterable[str]
    ) -> Iterator[Problem]:
        """A bucket may also be one that somebody creates, if the topology lets them."""
        parties = self.topology.parties
        patterns = [text for name in creators for text in parties[name].create_buckets]
        if not any(compiled(text).matches(bucket) for text in patterns):
            told = _unknown("bucket", bucket)
            text = f"{told}; {suggestion(bucket, self.topology.buckets)}"
            yield self.problem(path, text, told)

    def _recipients(
        self, path: Path, bucket: str, names: Iterable[str], *, on_key: bool = False
    ) -> Iterator[Problem]:
        grants = self.topology.grants.get(bucket)
        for i, name in enumerate(names):
            at: Path = (*path, name if on_key else i)
            if name == EVERYONE:
                continue
            if name not in self.topology.parties:
                told = _unknown("party", name)
                text = f"{told}; {suggestion(name, self.topology.parties)}"
                yield self.problem(at, text, told, key=on_key)
            elif name == self.party:
                text = f"{name} is the party of this file; name others"
                yield self.problem(at, text, key=on_key)
            elif grants and name not in grants.members:
                text = f"{name} is not a member of {bucket}, so it can never receive this"
                yield self.problem(at, text, key=on_key)

    def _accept(self, path: Path, accept: AcceptEntry) -> Iterator[Problem]:
        yield from self._recipients((*path, "from"), "", accept.senders)
        parties = self.topology.parties
        grants = self.topology.grants.get(accept.bucket)
        everyone = EVERYONE in accept.senders
        senders = [name for name in parties if everyone or name in accept.senders]
        if accept.bucket and grants is None:
            yield from self._unknown_bucket((*path, "bucket"), accept.bucket, senders)
        elif grants and self.party not in grants.members:
            text = f"{self.party} is not a member of {accept.bucket}, so this can never match"
            yield self.problem((*path, "bucket"), text, _unknown("bucket", accept.bucket))
        elif grants and senders:
            writes = [text for name in senders for text in grants.writes.get(name, ())]
            for i, keys in enumerate(accept.keys):
                if not any(intersect(tokens(keys), tokens(grant)) for grant in writes):
                    told = f"`{keys}` can never match"
                    text = f"{told}: in {accept.bucket} the senders write "
                    at = (*path, "keys", i)
                    yield self.problem(at, text + (", ".join(writes) or "nothing"), told)
        if accept.into and parties[self.party].home is None:
            text = f"{self.party} has no store to take copies; give it one in the topology"
            yield self.problem((*path, "into"), text)


def _unknown(what: str, name: str) -> str:
    """What is not there and what is nobody's business read alike."""
    return f"unknown {what} `{name}`"


# --- rules -------------------------------------------------------------------------------------


class _Compiler:
    def __init__(self, file: str, found: PartyFile, tree: Tree) -> None:
        self.file = file
        self.party = found.party
        self.tree = tree

    def _rule(self, kind: str, i: int, entry: RuleEntry) -> Rule:
        line = place(self.tree, (kind, i))[0]
        return Rule(entry.id or f"{kind}-{i + 1}", self.file, line, self.party)

    def send(self, i: int, entry: SendEntry) -> Send:
        said = entry.model_dump_json()
        return Send(
            rule=self._rule("sends", i, entry),
            rank=_send_rank(entry, said),
            bucket=entry.bucket,
            keys=tuple(map(compiled, entry.keys)),
            excepts=tuple(map(compiled, entry.excepts)),
            when=_when(entry.when),
            to={party: Mode(mode) for party, mode in entry.to.items()},
            since=entry.since,
            deletes=entry.deletes,
            ack=entry.ack == "all",
            deadline=entry.deadline,
            identity=_identity(self.file, said),
        )

    def forbid(self, i: int, entry: ForbidEntry) -> Forbid:
        return Forbid(
            rule=self._rule("forbids", i, entry),
            rank=entry.model_dump_json(),
            bucket=entry.bucket,
            keys=tuple(map(compiled, entry.keys)),
            excepts=tuple(map(compiled, entry.excepts)),
            when=_when(entry.when),
            to=frozenset(entry.to),
        )

    def accept(self, i: int, entry: AcceptEntry) -> Accept:
        return Accept(
            rule=self._rule("accepts", i, entry),
            rank=entry.model_dump_json(),
            bucket=entry.bucket,
            keys=tuple(map(compiled, entry.keys)),
            excepts=tuple(map(compiled, entry.excepts)),
            when=When(),
            party=self.party,
            senders=frozenset(entry.senders),
            into=entry.into,
            deletes=entry.deletes,
            recall=entry.recall,
            consume=entry.consume,
        )


def _send_rank(entry: SendEntry, said: str) -> str:
    """Among rules that are equally strong, the one that asks for more decides: `ack: all` before
    `home`, then the shorter deadline, then `deletes: follow`; then what they say, as text."""
    asks = (entry.ack != "all", entry.deadline or NO_DEADLINE, entry.deletes != "follow")
    return f"{asks[0]:d} {asks[1]:012d} {asks[2]:d} {said}"


def _identity(file: str, said: str) -> str:
    """Names a rule by all that it says and whose file it is in, wherever it stands there."""
    return hashlib.sha256(f"{file}\n{said}".encode()).hexdigest()[:IDENTITY_CHARS]


def _when(entry: WhenEntry) -> When:
    return When(
        metadata={name: frozenset(values) for name, values in entry.metadata.items()},
        tags={name: frozenset(values) for name, values in entry.tags.items()},
        types=frozenset(entry.type),
        size_min=entry.size.min,
        size_max=entry.size.max,
    )
