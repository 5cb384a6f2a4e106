"""What an edit of the policy would do, added up: for each party and rule, never file by file."""

from __future__ import annotations

import enum
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.model import ObjectRef

SAMPLES_MAX = 5
"""Keys named for each line of a plan: the first ones by name."""
LINES_MAX = 20_000
"""Lines of one plan. What else there is goes into one line for each effect."""
OTHERS = "…"


class Effect(enum.Enum):
    """What happens to a version, for one party."""

    READABLE = "newly readable"
    HIDDEN = "no longer readable"
    MODE = "in another mode"
    RULE = "by another rule"
    COPY = "copies to be made"
    WITHDRAWN = "promises withdrawn"
    ORPHANED = "copies left behind"  # they stay where they are, and no rule gives them any more


EFFECTS = tuple(Effect)


@dataclass(frozen=True, slots=True)
class Line:
    """`rule` is the one that does it, or that did it so far ("acme.yaml (invoices)", without its
    line in the file); `detail` is the mode, or the stores from and to which a copy goes."""

    effect: Effect
    party: str
    rule: str
    detail: str = ""

    @property
    def order(self) -> tuple[str, int, str, str]:
        return (self.party, EFFECTS.index(self.effect), self.rule, self.detail)


@dataclass(slots=True)
class Tally:
    """`files` counts keys, `versions` and `bytes` every version of them; `egress` are the bytes
    that leave one cloud for another."""

    files: int = 0
    versions: int = 0
    bytes: int = 0
    egress: int = 0
    samples: list[str] = field(default_factory=list)
    last: ObjectRef | None = None

    def add(self, ref: ObjectRef, size: int, egress: int) -> None:
        self.versions += 1
        self.bytes += size
        self.egress += egress
        if self.last != ref:
            self.last = ref
            self.files += 1
            self._sample(str(ref))

    def _sample(self, text: str) -> None:
        if len(self.samples) == SAMPLES_MAX:
            if text > self.samples[-1]:
                return
            self.samples.pop()
        insort(self.samples, text)


@dataclass(slots=True)
class Tallies:
    """Takes versions key by key: those of one key must come together. What it holds depends on
    how many parties and rules there are, not on how many versions."""

    _lines: dict[Line, Tally] = field(default_factory=dict)

    def add(self, line: Line, ref: ObjectRef, size: int, egress: int = 0) -> None:
        tally = self._lines.get(line)
        if tally is None:
            if len(self._lines) >= LINES_MAX:
                line = Line(line.effect, OTHERS, OTHERS)
            tally = self._lines.setdefault(line, Tally())
        tally.add(ref, size, egress)

    def __iter__(self) -> Iterator[tuple[Line, Tally]]:
        """By party, and then by effect."""
        return iter(sorted(self._lines.items(), key=lambda each: each[0].order))

    def __len__(self) -> int:
        return len(self._lines)
