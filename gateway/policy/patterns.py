"""Key patterns: `*` within a path segment, `**` across segments, anything else literal.

Patterns come from partners, so matching must stay cheap whatever they write. A pattern is cut at
its `**`; inside a piece the leftmost match of each literal is always good enough (a later one only
leaves less room), so every choice is atomic and the regular expression never tries combinations:
at worst it takes (key length) squared steps, with keys of at most 1,024 bytes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from gateway.model import KEY_BYTES_MAX

T = TypeVar("T")
Match = Callable[[str], object]


class Wild(enum.Enum):
    """What stands for more than itself."""

    STAR = "*"  # any run of characters but "/"
    ANY = "**"  # any run of characters
    DIRS = "**/"  # at the start of a segment: any number of whole segments, none included
    NAME = "{}"  # one whole name: not empty, no "/", no "." in front (for target templates)


Token = str | Wild
"""A literal, or a wildcard."""

_SPLIT = re.compile(r"((?:(?<=/)|^)\*\*/|\*\*|\*)")


def tokens(text: str) -> tuple[Token, ...]:
    """The pattern as literals and wildcards."""
    wild = {w.value: w for w in Wild}
    return tuple(wild.get(part, part) for part in _SPLIT.split(text) if part)


def mistake(text: str) -> str:
    """What is wrong with this pattern, or ""."""
    if not text:
        return "an empty pattern matches nothing; `**` matches every key"
    if len(text.encode()) > KEY_BYTES_MAX:
        return f"a pattern of more than {KEY_BYTES_MAX} bytes; no key is that long"
    if "***" in text:
        return "`***` means nothing; expected `*` (within a segment) or `**` (across segments)"
    if "\0" in text:
        return "a key can't contain the character NUL, so this can never match"
    return ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. `prefix` is its literal start; `regex` is None where the prefix decides
    alone, either as the whole key (`exact`) or as its start."""

    text: str
    prefix: str
    exact: bool
    regex: re.Pattern[str] | None = None

    def matches(self, key: str) -> bool:
        if not key.startswith(self.prefix):
            return False
        if self.regex is None:
            return not self.exact or len(key) == len(self.prefix)
        return self.regex.fullmatch(key) is not None


def compiled(text: str) -> Pattern:
    """The pattern ready to match; `text` must have no `mistake`."""
    parts = tokens(text)
    prefix = parts[0] if isinstance(parts[0], str) else ""
    rest = parts[1:] if prefix else parts
    if not rest:
        return Pattern(text, prefix, exact=True)
    if rest == (Wild.ANY,):
        return Pattern(text, prefix, exact=False)
    return Pattern(text, prefix, exact=False, regex=re.compile(_regex(parts), re.DOTALL))


def _regex(parts: Sequence[Token]) -> str:
    pieces = list(_pieces(parts))
    return "".join(
        _piece(lead, piece, last=i == len(pieces) - 1) for i, (lead, piece) in enumerate(pieces)
    )


def _pieces(parts: Sequence[Token]) -> Iterator[tuple[Wild | None, list[Token]]]:
    """The pattern cut at its `**`: what leads each piece, and the piece."""
    lead: Wild | None = None
    piece: list[Token] = []
    for part in parts:
        if part in (Wild.ANY, Wild.DIRS):
            yield lead, piece
            lead, piece = part if isinstance(part, Wild) else None, []
        else:
            piece.append(part)
    yield lead, piece


_LEADS = MappingProxyType({Wild.ANY: ".*?", Wild.DIRS: "(?:.*?/)??"})


def _piece(lead: Wild | None, piece: Sequence[Token], *, last: bool) -> str:
    body = _body(piece, last=last)
    if lead is None:
        return body
    if last and all(isinstance(part, str) for part in piece):
        # A literal at the very end: looked for from the end, found at the first try.
        return ("(?:.*/)?" if lead is Wild.DIRS else ".*") + body
    # Only the last piece may have to try a later start, for it must also reach the key's end.
    return _LEADS[lead] + body if last else f"(?>{_LEADS[lead]}{body})"


def _body(piece: Sequence[Token], *, last: bool) -> str:
    """A piece holds literals and `*` in turn."""
    stars = sum(part is Wild.STAR for part in piece)
    out: list[str] = []
    for part in piece:
        if isinstance(part, str):
            atomic = out and out[-1] == "[^/]*?" and not (last and stars == 0)
            literal = re.escape(part)
            out[-1:] = [f"(?>[^/]*?{literal})"] if atomic else [*out[-1:], literal]
        else:
            stars -= 1
            out.append("[^/]*" if last and stars == 0 else "[^/]*?")
    return "".join(out)


# --- do two patterns have a key in common? -----------------------------------------------------


def intersect(left: Sequence[Token], right: Sequence[Token]) -> bool:
    """Is there a text that both match? Walks both as automata, side by side."""
    one, other = _start(left), _start(right)
    if not (one.startswith(other) or other.startswith(one)):
        return False
    if _takes_all(left, one, other) or _takes_all(right, other, one):
        return True
    first, second = Automaton(left), Automaton(right)
    seen = {(0, 0)}
    todo = [(0, 0)]
    while todo:
        a, b = todo.pop()
        if a == first.end and b == second.end:
            return True
        for step in _steps(first, a, second, b):
            if step not in seen:
                seen.add(step)
                todo.append(step)
    return False


def _start(parts: Sequence[Token]) -> str:
    return parts[0] if parts and isinstance(parts[0], str) else ""


def _takes_all(parts: Sequence[Token], start: str, begun: str) -> bool:
    """Is this `start**`, and does whatever has `begun` so begin with that start?"""
    return begun.startswith(start) and tuple(parts) == (*filter(None, [start]), Wild.ANY)


class Some(enum.Enum):
    """Sets of characters, beside single ones."""

    ANY = enum.auto()
    NO_SLASH = enum.auto()
    NAME_START = enum.auto()  # neither "/" nor "."

    def holds(self, char: str) -> bool:
        return self is Some.ANY or (char != "/" and not (self is Some.NAME_START and char == "."))


class Automaton:
    """States 0..end; `edges[s]` reads a character, `skips[s]` reads none."""

    def __init__(self, parts: Sequence[Token]) -> None:
        self.edges: list[list[tuple[str | Some, int]]] = [[]]
        self.skips: list[list[int]] = [[]]
        for part in parts:
            if isinstance(part, str):
                for char in part:
                    self._read(char)
            elif part is Wild.DIRS:
                self._dirs()
            else:
                if part is Wild.NAME:
                    self._read(Some.NAME_START)
                self._loop(Some.ANY if part is Wild.ANY else Some.NO_SLASH)

    @property
    def end(self) -> int:
        return len(self.edges) - 1

    def _state(self) -> int:
        self.edges.append([])
        self.skips.append([])
        return self.end

    def _read(self, chars: str | Some) -> None:
        before, after = self.end, self._state()
        self.edges[before].append((chars, after))

    def _loop(self, chars: Some) -> None:
        before, within, after = self.end, self._state(), self._state()
        self.skips[before].append(within)
        self.edges[within].append((chars, within))
        self.skips[within].append(after)

    def _dirs(self) -> None:
        before = self.end
        self._loop(Some.ANY)
        self._read("/")
        self.skips[before].append(self.end)


def _steps(first: Automaton, a: int, second: Automaton, b: int) -> Iterator[tuple[int, int]]:
    yield from ((skip, b) for skip in first.skips[a])
    yield from ((a, skip) for skip in second.skips[b])
    for chars, to in first.edges[a]:
        yield from ((to, other) for others, other in second.edges[b] if _meet(chars, others))


def _meet(left: str | Some, right: str | Some) -> bool:
    if isinstance(left, str):
        return left == right if isinstance(right, str) else right.holds(left)
    return left.holds(right) if isinstance(right, str) else True


# --- many patterns, few looked at --------------------------------------------------------------


class Index(Generic[T]):
    """Values by pattern. A look-up costs one dictionary access, and one more for each distinct
    length of the patterns' literal prefixes; only patterns whose prefix fits are tried."""

    __slots__ = ("_exact", "_heads", "_lengths")

    def __init__(self, entries: Iterable[tuple[Pattern, T]] = ()) -> None:
        self._exact: dict[str, list[T]] = {}
        self._heads: dict[str, list[tuple[Match | None, T]]] = {}
        for pattern, value in entries:
            if pattern.exact:
                self._exact.setdefault(pattern.text, []).append(value)
            else:
                rest = pattern.regex.fullmatch if pattern.regex else None
                self._heads.setdefault(pattern.prefix, []).append((rest, value))
        self._lengths = tuple(sorted({len(prefix) for prefix in self._heads}))

    def find(self, key: str) -> list[T]:
        """The values whose pattern matches, once for each such pattern."""
        found = [*self._exact[key]] if key in self._exact else []
        for length in self._lengths:
            if length > len(key):
                break
            for rest, value in self._heads.get(key[:length], ()):
                if rest is None or rest(key):
                    found.append(value)
        return found
