"""Templates of target keys (`into:`): what they name, and whether two files could meet there.

Everything is judged from the file alone, never from who or what exists today, so that a new party
or bucket can't make two copies meet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.model import RESERVED_PREFIX
from gateway.policy.complaints import suggestion
from gateway.policy.patterns import Token, Wild, intersect, tokens

PLACES = ("author", "bucket", "key", "version")
_SPLIT = re.compile(r"(\{[^{}]*\})")
_RESERVED: tuple[Token, ...] = (RESERVED_PREFIX, Wild.ANY)


@dataclass(frozen=True, slots=True)
class Landing:
    """Where the copies of one rule may land: its template over its senders, bucket and keys."""

    into: str
    senders: frozenset[str]  # with "*" for anyone
    bucket: str  # "" for every bucket
    keys: tuple[str, ...]
    spares_reserved: bool = False  # its exceptions leave out keys below RESERVED_PREFIX

    @property
    def parts(self) -> list[str]:
        return [part for part in _SPLIT.split(self.into) if part]

    def shapes(self) -> Iterator[list[Token]]:
        """Patterns that together match every target key."""
        for keys in self.keys:
            values: dict[str, Sequence[Token]] = {
                "{author}": self._author(),
                "{bucket}": (self.bucket,) if self.bucket else (Wild.NAME,),
                "{key}": tokens(keys),
                "{version}": (Wild.NAME,),
            }
            yield _joined([t for part in self.parts for t in values.get(part, (part,))])

    def _author(self) -> Sequence[Token]:
        only = next(iter(self.senders)) if len(self.senders) == 1 else "*"
        return (Wild.NAME,) if only == "*" else (only,)


def _joined(parts: Sequence[Token]) -> list[Token]:
    """The same pattern with neighbouring literals put together."""
    out: list[Token] = []
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        else:
            out.append(part)
    return out


def mistake(landing: Landing) -> str:
    """What is wrong with this template by itself, or ""."""
    parts = landing.parts
    for part in parts:
        if not _SPLIT.fullmatch(part):
            if "{" in part or "}" in part:
                return "a brace that stands alone; expected {bucket}, {key}, {author} or {version}"
        elif part[1:-1] not in PLACES:
            return f"`{part}` stands for nothing; {suggestion(part[1:-1], PLACES)}"
    if parts[0].startswith("/") or "\0" in landing.into:
        return "a target key begins with a name, not with /"
    if landing.bucket == "" and not _names(parts, "{bucket}"):
        return (
            "two files could meet in one target key: this accepts from every bucket;"
            " put {bucket} into it, or name the bucket"
        )
    literal = len(landing.keys) == 1 and "*" not in landing.keys[0]
    if not literal and not _names(parts, "{key}"):
        return "two files could meet in one target key: put {key} into it"
    if not _readable(landing, parts):
        return (
            "two files could meet in one target key: what stands for a name needs a / between it"
            " and the next, as in {bucket}/{key}, and {key} stands once"
        )
    return _reserved(landing)


def _names(parts: Sequence[str], place: str) -> bool:
    return place in parts or "{version}" in parts


def _readable(landing: Landing, parts: Sequence[str]) -> bool:
    """Could bucket and key be read off a target key again? Names hold no "/", so each must end at
    one (before the key) or begin after one (behind it); names that are fixed don't matter."""
    if parts.count("{key}") > 1:
        return False
    fixed = {"{bucket}"} if landing.bucket else set()
    if len(landing.senders) == 1 and "*" not in landing.senders:
        fixed.add("{author}")
    vary = {f"{{{place}}}" for place in PLACES} - fixed - {"{key}"}
    key = parts.index("{key}") if "{key}" in parts else len(parts)
    for i, part in enumerate(parts):
        after = parts[i + 1] if i + 1 < len(parts) else "/"
        apart = after.startswith("/") if i < key else parts[i - 1].endswith("/")
        if part in vary and not apart:
            return False
    return True


def _reserved(landing: Landing) -> str:
    if landing.spares_reserved and landing.parts[0] == "{key}":
        return ""
    if any(intersect(shape, _RESERVED) for shape in landing.shapes()):
        return (
            f"a copy could land under `{RESERVED_PREFIX}`, which is Crossdock's own; expected a"
            f' first folder, as in in/{{key}}, or except: ["{RESERVED_PREFIX}**"]'
        )
    return ""


def meet(first: Landing, second: Landing) -> bool:
    """Could two different object refs, one by each rule, get the same target key?"""
    if not any(intersect(a, b) for a in first.shapes() for b in second.shapes()):
        return False
    if first.into != second.into:
        return True
    # The same template: what can be read off a target again is the same object ref, provided
    # that the template names all in which the two rules differ.
    both = Landing(
        first.into,
        first.senders | second.senders,
        first.bucket if first.bucket == second.bucket else "",
        (*first.keys, *second.keys),
        spares_reserved=True,
    )
    literal = len(set(both.keys)) == 1 and "*" not in both.keys[0]
    named = (both.bucket or _names(both.parts, "{bucket}")) and (
        literal or _names(both.parts, "{key}")
    )
    return not (named and _readable(both, both.parts))
