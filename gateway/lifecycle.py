"""S3 lifecycle as arithmetic: a bucket's rules x how a version stands x now -> what is due.

After AWS's "Lifecycle configuration elements" and "Conflicting lifecycle configurations". Moments
are nanoseconds since 1970; a day's length is an argument, for tests make it short.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from gateway.locks import DAY_NS, Lock
from gateway.model import EMPTY, Bucket, Upload

SETTING = "lifecycle"
"""Among a bucket's settings: its rules, as `text_of` writes them."""

NEWER_MAX = 1000
"""Newer noncurrent versions that a rule may ask to be left (AWS documents 100, and takes more)."""

RULES_CACHED = 64
"""Texts of rules kept as values: reading 1,000 rules takes milliseconds, and each GET asks."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it was put. 0 or None: not said. A `bare` prefix stands in the rule itself (the
    older form of rules) and not in a filter. `date` is a moment, sizes are bytes. `lone_markers`
    is S3's ExpiredObjectDeleteMarker."""

    id: str
    enabled: bool = True
    prefix: str | None = None
    bare: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    larger: int | None = None
    smaller: int | None = None
    days: int = 0
    date: int | None = None
    lone_markers: bool | None = None
    noncurrent_days: int = 0
    newer: int = 0
    upload_days: int = 0

    def covers(self, key: str, size: int, tags: Mapping[str, str]) -> bool:
        """Whether the rule is about such a version. All conditions of a filter must hold."""
        return (
            self.enabled
            and key.startswith(self.prefix or "")
            and (self.larger is None or size > self.larger)
            and (self.smaller is None or size < self.smaller)
            and all(tags.get(name) == value for name, value in self.tags)
        )


def text_of(rules: Iterable[Rule]) -> str:
    """As JSON; what a rule does not say is left out."""
    return json.dumps([_said(rule) for rule in rules], ensure_ascii=False, separators=(",", ":"))


def _said(rule: Rule) -> dict[str, object]:
    values = {field.name: (getattr(rule, field.name), field.default) for field in fields(Rule)}
    return {name: value for name, (value, usual) in values.items() if value != usual}


@lru_cache(RULES_CACHED)
def rules_from(text: str) -> tuple[Rule, ...]:
    """From what `text_of` wrote; the empty text has no rules."""
    found = json.loads(text) if text else ()
    return tuple(
        Rule(**{**each, "tags": tuple((name, value) for name, value in each.get("tags", ()))})
        for each in found
    )


def rules_of(bucket: Bucket) -> tuple[Rule, ...]:
    return rules_from(bucket.settings.get(SETTING, ""))


# --- when --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class When:
    """The moment from which something is due, and the id of the rule that says so."""

    at: int
    rule: str


def day_after(start: int, days: int, day_ns: int = DAY_NS) -> int:
    """The midnight (UTC) that ends or follows so many days. A day that tests made short has no
    midnight."""
    end = start + days * day_ns
    return end if day_ns != DAY_NS else -(-end // DAY_NS) * DAY_NS


def turn(now: int, day_ns: int) -> int:
    """Changes whenever time alone may have made something due."""
    return now // DAY_NS if day_ns == DAY_NS else now


def expiry(
    rules: Sequence[Rule],
    key: str,
    size: int,
    tags: Mapping[str, str],
    at: int,
    day_ns: int = DAY_NS,
) -> When | None:
    """When a current version, written at that moment, expires; None if it never does. Of several
    rules the earliest counts, and of equal ones the first."""
    found = [
        When(rule.date if rule.date is not None else day_after(at, rule.days, day_ns), rule.id)
        for rule in rules
        if (rule.days or rule.date is not None) and rule.covers(key, size, tags)
    ]
    return min(found, key=lambda when: when.at, default=None)


def abortion(rules: Sequence[Rule], key: str, begun: int, day_ns: int = DAY_NS) -> When | None:
    """When an upload that never completes is aborted. Its rules have no tags or sizes."""
    found = [
        When(day_after(begun, rule.upload_days, day_ns), rule.id)
        for rule in rules
        if rule.upload_days and rule.covers(key, 0, EMPTY)
    ]
    return min(found, key=lambda when: when.at, default=None)


# --- what --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """How a version, or a delete marker, stands in its author's view of what S3 shows.

    `since` is when a newer one took its place, 0 while it is the current one; `newer` how many
    noncurrent versions with content are newer, `alone` whether nothing else of the key is shown,
    `awaited` whether a copy of it is still on its way.
    """

    number: int
    id: str
    key: str
    at: int
    size: int = 0
    marker: bool = False
    tags: Mapping[str, str] = EMPTY
    lock: Lock | None = None
    since: int = 0
    newer: int = 0
    alone: bool = True
    awaited: bool = False


class Act(enum.Enum):
    """What lifecycle does to a version."""

    HIDE = "hide"  # as DELETE of the key does
    REMOVE = "remove"  # as DELETE of the version's id does


@dataclass(frozen=True, slots=True)
class Due:
    act: Act
    rule: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Why lifecycle changes something, judged again inside the transaction: `bucket` must still be
    as it was looked at, and the version stand so that the same thing is due by the same `rule`."""

    bucket: Bucket
    rule: str
    due: Callable[[Standing], bool]


def due(rules: Sequence[Rule], standing: Standing, now: int, day_ns: int = DAY_NS) -> Due | None:
    """What is to be done with it now. A lock beats every rule, and so does a promised copy that is
    still on its way: AWS too waits for replication."""
    if standing.awaited:
        return None
    if not standing.since and not standing.marker:
        when = expiry(rules, standing.key, standing.size, standing.tags, standing.at, day_ns)
        return Due(Act.HIDE, when.rule) if when and when.at <= now else None
    if standing.lock and standing.lock.keeps(now, bypass=False):
        return None
    ends = (
        _superseded(rules, standing, day_ns) if standing.since else _lone(rules, standing, day_ns)
    )
    first = min(ends, key=lambda when: when.at, default=None)
    return Due(Act.REMOVE, first.rule) if first and first.at <= now else None


def _superseded(rules: Sequence[Rule], standing: Standing, day_ns: int) -> list[When]:
    """Of a version that is no longer current. To be left as one of the newest counts what has
    content, lest delete markers push it out."""
    return [
        When(day_after(standing.since, rule.noncurrent_days, day_ns), rule.id)
        for rule in rules
        if rule.noncurrent_days and standing.newer >= rule.newer and _about(rule, standing)
    ]


def _lone(rules: Sequence[Rule], standing: Standing, day_ns: int) -> list[When]:
    """Of a delete marker that hides nothing any more: S3 clears it away where a rule asks for it,
    and where it has become as old as its object was to be."""
    if not standing.alone:
        return []
    about = [rule for rule in rules if _about(rule, standing)]
    at_once = [When(standing.at, rule.id) for rule in about if rule.lone_markers]
    aged = expiry(about, standing.key, 0, EMPTY, standing.at, day_ns)
    return [*at_once, aged] if aged else at_once


def _about(rule: Rule, standing: Standing) -> bool:
    """A delete marker has no bytes and no tags, whatever it hides."""
    if standing.marker:
        return rule.covers(standing.key, 0, EMPTY)
    return rule.covers(standing.key, standing.size, standing.tags)


def abortable(rules: Sequence[Rule], upload: Upload, now: int, day_ns: int = DAY_NS) -> When | None:
    when = abortion(rules, upload.ref.key, upload.begun, day_ns)
    return when if when and when.at <= now else None


# --- where to look -----------------------------------------------------------------------------


def prefixes(rules: Iterable[Rule]) -> list[str]:
    """The fewest prefixes below which all that enabled rules are about lies."""
    found: list[str] = []
    for prefix in sorted(rule.prefix or "" for rule in rules if rule.enabled):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return found


def newer_max(rules: Iterable[Rule]) -> int:
    """As far as newer versions have to be counted."""
    return max((rule.newer for rule in rules if rule.enabled), default=0)


def upload_days(rules: Iterable[Rule]) -> int:
    """The fewest days after which an upload may have to be aborted; 0 if none ever."""
    return min((rule.upload_days for rule in rules if rule.enabled and rule.upload_days), default=0)
