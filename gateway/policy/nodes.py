"""YAML text to plain values, each with its place; a strict subset without YAML 1.1's surprises.

Values are built from the parser's events, so tags, anchors and aliases are refused at sight and
nothing can be made to explode. Only `true`, `false`, `null` and plain decimal integers are not
text; whatever another YAML reader would take for something else becomes a `Trap`, which fits
nowhere but where a field says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import yaml

from gateway.errors import Problem

FILE_BYTES_MAX = 4 * 1024**2
DEPTH_MAX = 64
INTEGER_DIGITS_MAX = 18

Path = tuple[str | int, ...]
KEY = "#key"
"""Last element of the path of a key's own place."""
DOUBLE = "\0"
"""Stands in the key of a value whose key was written before."""


@dataclass(frozen=True, slots=True)
class Trap:
    """A bare word that YAML 1.1 or another reader takes for something else than text."""

    text: str
    reading: str

    def __str__(self) -> str:
        return f"bare `{self.text}` is {self.reading} to YAML; put it in quotes if it is text"


@dataclass(frozen=True, slots=True)
class Tree:
    """A file's value and the place (line, column; from 1) of every value and key in it."""

    value: Any
    marks: Mapping[Path, tuple[int, int]]
    problems: tuple[Problem, ...] = ()


_WORDS: Mapping[str, Any] = MappingProxyType({"true": True, "false": False, "null": None, "": None})
_TRAP_WORDS = MappingProxyType(
    dict.fromkeys(("y", "n", "yes", "no", "true", "false", "on", "off"), "true or false")
    | {"~": "nothing", "null": "nothing", "=": "a default value"}
)
_TRAP_NUMBERS = tuple(
    (re.compile(pattern), reading)
    for pattern, reading in (
        (r"[-+]?0(x[0-9a-f_]+|b[01_]+|o?[0-9_]+)", "a number in another base"),
        (r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", "a number in base 60"),
        (r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)(e[-+]?[0-9]+)?", "a number"),
        (r"[-+]?\.(inf|nan)", "a number"),
        (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([t ].*)?", "a date"),
    )
)
_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")


def scalar(text: str) -> Any:
    """What a bare word stands for."""
    if text in _WORDS:
        return _WORDS[text]
    lowered = text.lower()
    if lowered in _TRAP_WORDS:
        return Trap(text, _TRAP_WORDS[lowered])
    if text[0] not in _NUMBER_STARTS:
        return text
    if len(text) <= INTEGER_DIGITS_MAX and _INTEGER.fullmatch(text):
        return int(text)
    reading = next((r for pattern, r in _TRAP_NUMBERS if pattern.fullmatch(lowered)), "")
    return Trap(text, reading) if reading else text


def read(name: str, text: str) -> Tree:
    """The file's value; with problems it is good for finding more problems alone, and None where
    reading could not go on."""
    too_early = _unreadable(name, text)
    if too_early:
        return Tree(None, {}, (too_early,))
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except _Refused as refused:
        builder.problems.append(refused.problem)
        return Tree(None, {}, tuple(builder.problems))
    except yaml.MarkedYAMLError as error:
        what = " ".join(filter(None, (error.context, error.problem)))
        place = _mark(error.problem_mark or error.context_mark)
        return Tree(None, {}, (*builder.problems, Problem(name, *place, f"not YAML: {what}")))
    if not builder.documents:
        return Tree(None, {}, (Problem(name, 1, 1, "the file is empty"),))
    return Tree(builder.value, builder.marks, tuple(builder.problems))


_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What a YAML file can't contain (YAML 1.1, 5.1): control characters and lone surrogates."""


def _unreadable(name: str, text: str) -> Problem | None:
    if found := _UNPRINTABLE.search(text):
        before = text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
        what = f"the character U+{ord(found.group()):04X} can't stand in a YAML file"
        return Problem(name, line, column, what)
    if len(text.encode()) > FILE_BYTES_MAX:
        return Problem(name, 1, 1, f"the file has more than {FILE_BYTES_MAX // 1024**2} MiB")
    return None


class _Refused(Exception):
    """What ends the reading of a file at once."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being filled; `key` is the one whose value comes next."""

    value: list[Any] | dict[str, Any]
    path: Path
    key: str | None = None
    doubles: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))


class _Builder:
    """Takes events, keeps one frame per open collection: no recursion, so depth is no danger."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.value: Any = None
        self.documents = 0
        self.marks: dict[Path, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._frames: list[_Frame] = []

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self._refusal(event, "a second document; expected one in each file")
        elif isinstance(event, yaml.AliasEvent):
            raise self._refusal(event, "an alias (`*name`); write the value out instead")
        elif isinstance(event, yaml.ScalarEvent):
            self._check(event)
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check(event)
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._frames.pop()

    def _refusal(self, event: yaml.Event, text: str) -> _Refused:
        return _Refused(self._problem(event, text))

    def _problem(self, event: yaml.Event, text: str) -> Problem:
        return Problem(self.name, *_place(event), text)

    def _check(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            raise self._refusal(event, "an anchor (`&name`); write the value out instead")
        if event.tag is not None:
            raise self._refusal(event, f"a tag (`{event.tag}`); expected a plain value")

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._frames) >= DEPTH_MAX:
            raise self._refusal(event, f"more than {DEPTH_MAX} levels deep")
        if self._awaits_key():
            raise self._refusal(event, "a list or mapping as a key; expected a name")
        value: list[Any] | dict[str, Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._frames.append(_Frame(value, self._put(event, value)))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        value = event.value if event.style else scalar(event.value)
        if self._awaits_key():
            self._key(event, value)
        else:
            self._put(event, value)

    def _awaits_key(self) -> bool:
        return bool(
            self._frames
            and isinstance(self._frames[-1].value, dict)
            and self._frames[-1].key is None
        )

    def _key(self, event: yaml.ScalarEvent, value: Any) -> None:
        frame = self._frames[-1]
        if event.value == "<<" and not event.style:
            raise self._refusal(event, "a merge key (`<<`); write the fields out instead")
        key: str = event.value
        if isinstance(value, Trap):
            self.problems.append(self._problem(event, str(value)))
        elif not isinstance(value, str):
            kind = {bool: "true or false", int: "a number"}.get(type(value), "nothing")
            self.problems.append(self._problem(event, str(Trap(key, kind))))
        if key in frame.value:
            line, _ = self.marks[(*frame.path, key, KEY)]
            text = f"`{key}` is written twice; it is already on line {line}"
            self.problems.append(self._problem(event, text))
            # The second one is read for its own mistakes, under a name that nothing else has.
            key = f"{key}{DOUBLE}{next(frame.doubles)}"
        self.marks[(*frame.path, key, KEY)] = _place(event)
        frame.key = key

    def _put(self, event: yaml.Event, value: Any) -> Path:
        if not self._frames:
            self.value = value
            self.marks[()] = _place(event)
            return ()
        frame = self._frames[-1]
        if isinstance(frame.value, list):
            path: Path = (*frame.path, len(frame.value))
            frame.value.append(value)
        else:
            path = (*frame.path, frame.key or "")
            frame.value[frame.key or ""] = value
            frame.key = None
        self.marks[path] = _place(event)
        return path


def _place(event: yaml.Event) -> tuple[int, int]:
    return _mark(event.start_mark)


def _mark(mark: Any) -> tuple[int, int]:
    """A mark of PyYAML (which has two classes for it) as line and column from 1."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
