"""The rules of the parties' files, compiled: what each looks at and what it gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.model import RESERVED_PREFIX, Facts, Mode, Rule
from gateway.policy.patterns import Pattern

EVERYONE = "*"
EVERY_BUCKET = ""
MODES = tuple(sorted(Mode, key=lambda mode: mode.strength))
FOLLOW = "follow"
"""Of a rule's `deletes`; of a decision's, where both sides say it."""
ASKED = "asked"
"""Of a decision's `deletes`: only the sender says it."""
NOTHING = -1
"""Less than the strength of any mode."""

ALWAYS = 0
NOW = -1
"""Values of a rule's `since`, beside moments (nanoseconds since 1970)."""
NOT_YET = 2**63
"""Where a rule that is not in force starts: above every commit's number."""


@dataclass(frozen=True, slots=True)
class When:
    """Conditions on a version, all of which must hold; `tags` and the like map a name to the
    values that will do. Sizes in bytes, both ends included."""

    metadata: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    tags: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    types: frozenset[str] = frozenset()
    size_min: int = 0
    size_max: int | None = None

    def holds(self, facts: Facts) -> bool:
        return (
            not (self.metadata and _missing(self.metadata, facts.metadata))
            and not (self.tags and _missing(self.tags, facts.tags))
            and (not self.types or self._type_fits(facts.content_type))
            and facts.size >= self.size_min
            and (self.size_max is None or facts.size <= self.size_max)
        )

    def unmet(self, facts: Facts) -> Iterator[str]:
        """Each condition that does not hold, in words, with what was found instead."""
        yield from _unlike("metadata", self.metadata, facts.metadata)
        yield from _unlike("tag", self.tags, facts.tags)
        if self.types and not self._type_fits(facts.content_type):
            yield f"type is {facts.content_type or 'absent'}, not {either(self.types)}"
        if facts.size < self.size_min:
            yield f"size is {facts.size}, below {self.size_min}"
        if self.size_max is not None and facts.size > self.size_max:
            yield f"size is {facts.size}, above {self.size_max}"

    def _type_fits(self, content_type: str) -> bool:
        """Media types compare without case and parameters (RFC 9110, 8.3.1)."""
        plain = content_type.partition(";")[0].strip().lower()
        return plain in self.types or plain.partition("/")[0] + "/*" in self.types


def _missing(wanted: Mapping[str, frozenset[str]], given: Mapping[str, str]) -> str:
    for name, values in wanted.items():
        if given.get(name) not in values:
            return name
    return ""


def _unlike(
    what: str, wanted: Mapping[str, frozenset[str]], given: Mapping[str, str]
) -> Iterator[str]:
    for name, values in wanted.items():
        if given.get(name) not in values:
            yield f"{what} {name} is {given.get(name, 'absent')}, not {either(values)}"


def either(values: frozenset[str]) -> str:
    """The values, for people."""
    return " or ".join(sorted(values))


@dataclass(frozen=True, slots=True)
class Clause:
    """What every rule has. `bucket` may be EVERY_BUCKET. `rank` orders rules by what they say, so
    that the choice among equals depends neither on their order nor on their line."""

    rule: Rule
    rank: str
    bucket: str
    keys: tuple[Pattern, ...]
    excepts: tuple[Pattern, ...]
    when: When

    def excepted(self, key: str) -> bool:
        return any(pattern.matches(key) for pattern in self.excepts)

    def fits(self, facts: Facts) -> bool:
        """Do exceptions and conditions leave this version in? (Its key is known to match.)"""
        return not (self.excepts and self.excepted(facts.ref.key)) and self.when.holds(facts)

    def unmet(self, facts: Facts) -> Iterator[str]:
        """Why this rule does not match: everything that stands in the way, in words."""
        if self.bucket not in (EVERY_BUCKET, facts.ref.bucket):
            yield f"it is about the bucket {self.bucket}"
        if not any(pattern.matches(facts.ref.key) for pattern in self.keys):
            yield "its keys are " + ", ".join(pattern.text for pattern in self.keys)
        if excepted := [p.text for p in self.excepts if p.matches(facts.ref.key)]:
            yield f"the key is among its exceptions: {', '.join(excepted)}"
        yield from self.when.unmet(facts)


@dataclass(frozen=True, slots=True)
class Send(Clause):
    """`since`: the moment from which on it reaches versions; ALWAYS, or NOW: the commit that first
    brought a rule into force that says this, known to the catalog by its `identity`."""

    to: Mapping[str, Mode]
    since: int
    deletes: str = "keep"
    ack: bool = False  # waits for the copies
    deadline: int = 0  # seconds; 0: none
    identity: str = ""
    everyone: int = field(init=False, repr=False)
    named: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        strengths = {party: mode.strength for party, mode in self.to.items()}
        everyone = strengths.pop(EVERYONE, NOTHING)
        named = {party: max(strength, everyone) for party, strength in strengths.items()}
        object.__setattr__(self, "everyone", everyone)
        object.__setattr__(self, "named", named)

    def strength(self, party: str) -> int:
        """The stronger of what the party is named for and what everyone gets; NOTHING if
        neither."""
        return self.named.get(party, self.everyone)

    def reach(self, members: frozenset[str]) -> Iterable[tuple[str, int]]:
        """Whom it offers something, members or not, and how strong a mode."""
        if self.everyone == NOTHING:
            return self.named.items()
        return [(party, self.named.get(party, self.everyone)) for party in members]

    def reaches(self, facts: Facts, starts: Mapping[str, int]) -> bool:
        """Does its `since` go back far enough for this version? Whatever is just being made is
        newer than every rule. `starts`: the commit that first brought each rule into force."""
        if self.since == NOW:
            return not facts.changed or facts.changed > starts.get(self.identity, NOT_YET)
        return facts.at >= self.since

    def offer(self, party: str) -> Mode | None:
        strength = self.strength(party)
        return None if strength == NOTHING else MODES[strength]


@dataclass(frozen=True, slots=True)
class Forbid(Clause):
    to: frozenset[str]

    def names(self, party: str) -> bool:
        return party in self.to or EVERYONE in self.to


@dataclass(frozen=True, slots=True)
class Accept(Clause):
    """`into` is the template of the target key; "" admits shares alone."""

    party: str
    senders: frozenset[str]
    into: str = ""
    deletes: str = "keep"
    recall: bool = False
    consume: bool = False

    def target(self, values: Mapping[str, str]) -> str:
        """The key of a copy in the recipient's own store, of a version's `target_values`; "" where
        none can be had."""
        if not self.into:
            return ""
        key = self.into.format_map(values)
        # `check` refuses templates that could lead here; a rule in force in spite of that admits
        # no copy rather than one among Crossdock's own objects.
        return "" if key.startswith(RESERVED_PREFIX) else key


def target_values(facts: Facts) -> dict[str, str]:
    """What the places of a target template stand for."""
    ref = facts.ref
    return {
        "author": facts.author,
        "version": facts.version,
        "bucket": ref.bucket,
        "key": ref.key,
    }
