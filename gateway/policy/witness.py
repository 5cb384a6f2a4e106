"""Is there a key that some patterns match and others do not? Decided exactly, within bounds.

Patterns are run side by side as sets of states (the subset construction), a character at a time,
shortest keys first. That can take exponentially many sets for hostile patterns, so the search is
bounded, and where it gives up it says that it can't tell.
"""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.policy.patterns import Automaton, Some, tokens

STEPS_MAX = 50_000
"""Characters tried in one question, over all sets of states: some tenths of a second."""

ALL_STEPS_MAX = 2_000_000
"""Steps for all questions about one policy, or two: some twenty seconds."""
STATES_A_STEP = 16
"""States that are moved on at the price of one more step."""
PLAIN = string.ascii_lowercase + string.digits
"""Stand for any character that no pattern names."""


@dataclass(frozen=True, slots=True)
class Witness:
    """`key` is a shortest key that will do, "" if there is none; `sure` is False where the search
    gave up, and nobody can tell. `steps` is what it took."""

    key: str
    sure: bool
    steps: int

    @property
    def absent(self) -> bool:
        return self.sure and not self.key


def witness(
    within: Sequence[Sequence[str]], without: Iterable[str] = (), steps: int = STEPS_MAX
) -> Witness:
    """A key that in each list of `within` some pattern matches, and of `without` none does.

    Keys are any text but "": longer ones than S3 takes count too, which can only make a rule look
    as if it reached further.
    """
    return _Search(within, without, steps).result()


class Questions:
    """Asks each question once, and answers all of them within so many steps; what is left then
    nobody can tell."""

    def __init__(self, steps: int = ALL_STEPS_MAX) -> None:
        self._left = steps
        self._known: dict[tuple[tuple[tuple[str, ...], ...], tuple[str, ...]], Witness] = {}

    def __call__(self, within: Sequence[Sequence[str]], without: Iterable[str] = ()) -> Witness:
        question = (tuple(map(tuple, within)), tuple(without))
        found = self._known.get(question)
        if found is None:
            if self._left <= 0:
                return Witness("", False, 0)
            found = self._known[question] = witness(*question, min(STEPS_MAX, self._left))
            self._left -= found.steps
        return found


class _Union:
    """Several patterns as one automaton; sets of its states are the bits of an int."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._edges: list[list[tuple[str | Some, int]]] = []
        self._closed: list[int] = []
        self._moves: dict[tuple[int, str], int] = {}
        self.begin = self.ends = 0
        for text in texts:
            self._add(Automaton(tokens(text)))

    def _add(self, pattern: Automaton) -> None:
        first = len(self._edges)
        self._edges += [[(chars, first + to) for chars, to in each] for each in pattern.edges]
        closed = [0] * len(pattern.skips)
        for state in reversed(range(len(closed))):  # a skip leads only forward
            closed[state] = 1 << state
            for to in pattern.skips[state]:
                closed[state] |= closed[to]
        self._closed += [bits << first for bits in closed]
        self.begin |= self._closed[first]
        self.ends |= 1 << (first + pattern.end)

    def after(self, states: int, char: str) -> int:
        """The states that a character leads to."""
        known = self._moves.get((states, char))
        if known is None:
            known = 0
            for chars, to in self._out(states):
                if chars == char if isinstance(chars, str) else chars.holds(char):
                    known |= self._closed[to]
            self._moves[states, char] = known
        return known

    def named(self, states: int) -> Iterator[str]:
        """The characters that patterns name where they stand."""
        return (chars for chars, _ in self._out(states) if isinstance(chars, str))

    def _out(self, states: int) -> Iterator[tuple[str | Some, int]]:
        while states:
            lowest = states & -states
            yield from self._edges[lowest.bit_length() - 1]
            states ^= lowest


_States = tuple[int, ...]


class _Search:
    """Breadth first over the sets of states of all lists at once; the last one is `without`."""

    def __init__(self, within: Sequence[Sequence[str]], without: Iterable[str], steps: int) -> None:
        self._lists = [*map(_Union, within), _Union(without)]
        self._left = self._all = steps
        begin = tuple(each.begin for each in self._lists)
        self._came: dict[_States, tuple[_States, str] | None] = {begin: None}
        self._todo = deque([begin])

    def result(self) -> Witness:
        while self._todo:
            states = self._todo.popleft()
            cost = 1 + sum(map(int.bit_count, states)) // STATES_A_STEP
            for char in self._characters(states):
                self._left -= cost
                if self._left < 0:
                    return Witness("", False, self._all)
                after = tuple(
                    each.after(bits, char) for each, bits in zip(self._lists, states, strict=True)
                )
                if not all(after[:-1]) or after in self._came:
                    continue
                self._came[after] = (states, char)
                if self._fits(after):
                    return Witness(self._key(after), True, self._all - self._left)
                self._todo.append(after)
        return Witness("", True, self._all - self._left)

    def _characters(self, states: _States) -> list[str]:
        """One for each way on: those that some pattern names here, the two that wildcards tell
        apart, and one that stands for all others."""
        named = {"/", "."}
        for each, bits in zip(self._lists, states, strict=True):
            named.update(each.named(bits))
        other = next((char for char in PLAIN if char not in named), None)
        if other is None:
            other = next(char for char in map(chr, range(0xC0, 0x10000)) if char not in named)
        return [other, *sorted(named)]

    def _fits(self, states: _States) -> bool:
        *inside, outside = (
            bits & each.ends for each, bits in zip(self._lists, states, strict=True)
        )
        return all(inside) and not outside

    def _key(self, states: _States) -> str:
        chars = []
        step = self._came[states]
        while step is not None:
            states, char = step
            chars.append(char)
            step = self._came[states]
        return "".join(reversed(chars))
