"""A second evaluator, written from product.md in the plainest way, on plain dictionaries.

It shares no code with gateway.policy: patterns are matched by recursion, rules by walking all of
them, and nothing is indexed, compiled or cached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STRENGTH = ["share", "copy-on-read", "copy"]


@dataclass(frozen=True)
class World:
    topology: dict[str, Any]
    files: dict[str, dict[str, Any]]  # by party
    made: dict[str, str]  # bucket made through a door -> its creator


@dataclass(frozen=True)
class Thing:
    """A version, as policy sees it."""

    bucket: str
    key: str
    author: str
    size: int
    type: str
    metadata: dict[str, str]
    tags: dict[str, str]


def fits(pattern: str, key: str, fresh: bool = True) -> bool:
    """Does the pattern match? `fresh`: a segment begins here."""
    if not pattern:
        return not key
    if pattern.startswith("**/") and fresh:
        rests = [key] + [key[i + 1 :] for i in range(len(key)) if key[i] == "/"]
        return any(fits(pattern[3:], rest) for rest in rests)
    if pattern.startswith("**"):
        return any(fits(pattern[2:], key[i:], False) for i in range(len(key) + 1))
    if pattern.startswith("*"):
        here = key.partition("/")[0]
        return any(fits(pattern[1:], key[i:], False) for i in range(len(here) + 1))
    return key[:1] == pattern[0] and fits(pattern[1:], key[1:], pattern[0] == "/")


def members(world: World, bucket: str) -> set[str]:
    if bucket in world.topology["buckets"]:
        return set(world.topology["buckets"][bucket]["members"])
    owner = world.made[bucket]
    found = {owner}
    for rule in world.files.get(owner, {}).get("sends", []):
        if rule["bucket"] == bucket:
            found |= {party for party in rule["to"] if party != "*"}
    return found


def writes(world: World, party: str, bucket: str, key: str) -> bool:
    if bucket not in world.topology["buckets"]:
        return world.made[bucket] == party
    member = world.topology["buckets"][bucket]["members"].get(party, {})
    return any(fits(pattern, key) for pattern in member.get("write", []))


def is_about(rule: dict[str, Any], thing: Thing) -> bool:
    if rule.get("bucket", thing.bucket) != thing.bucket:
        return False
    if not any(fits(pattern, thing.key) for pattern in rule.get("keys", ["**"])):
        return False
    if any(fits(pattern, thing.key) for pattern in rule.get("except", [])):
        return False
    when = rule.get("when", {})
    for name, values in when.get("metadata", {}).items():
        if thing.metadata.get(name) not in values:
            return False
    for name, values in when.get("tags", {}).items():
        if thing.tags.get(name) not in values:
            return False
    types = when.get("type", [])
    plain = thing.type.split(";")[0].strip().lower()
    if types and plain not in types and plain.split("/")[0] + "/*" not in types:
        return False
    size = when.get("size", {})
    return bool(size.get("min", 0) <= thing.size <= size.get("max", thing.size))


def co_authors(world: World, thing: Thing) -> set[str]:
    if not writes(world, thing.author, thing.bucket, thing.key):
        return set()
    everyone = members(world, thing.bucket)
    return {p for p in everyone if writes(world, p, thing.bucket, thing.key)} - {thing.author}


def given(
    world: World,
    thing: Thing,
    held: dict[str, str] | None = None,
    reaches: Callable[[dict[str, Any]], bool] = lambda rule: True,
) -> dict[str, str]:
    """By recipient, "own" or the mode; the author left out. `held` are the open grants; `reaches`
    tells of a rule whether its `since` goes back to the version."""
    inside = members(world, thing.bucket)
    if thing.author not in inside:
        return {}
    answer = {}
    for party in inside - {thing.author}:
        mode = between(world, party, thing, (held or {}).get(party), reaches)
        if mode:
            answer[party] = mode
    for party in co_authors(world, thing):
        answer[party] = "own"
    return answer


def between(
    world: World,
    party: str,
    thing: Thing,
    held: str | None,
    reaches: Callable[[dict[str, Any]], bool],
) -> str | None:
    author = world.files.get(thing.author, {})
    for rule in author.get("forbids", []):
        if is_about(rule, thing) and (party in rule["to"] or "*" in rule["to"]):
            return None
    offered = [
        mode if reaches(rule) else weaker(mode, held)
        for rule in author.get("sends", [])
        if is_about(rule, thing)
        for name, mode in rule["to"].items()
        if name in (party, "*") and (reaches(rule) or held)
    ]
    admitted = []
    for rule in world.files.get(party, {}).get("accepts", []):
        if is_about(rule, thing) and (thing.author in rule["from"] or "*" in rule["from"]):
            store = "store" in world.topology["parties"][party]
            admitted.append("copy" if "into" in rule and store else "share")
    if not offered or not admitted:
        return None
    return STRENGTH[min(max(map(STRENGTH.index, offered)), max(map(STRENGTH.index, admitted)))]


def weaker(mode: str, held: str | None) -> str:
    levels = [*STRENGTH, "own"]
    return levels[min(levels.index(mode), levels.index(held or ""))]


def sees(world: World, party: str, thing: Thing) -> bool:
    if party not in members(world, thing.bucket):
        return False
    return party == thing.author or party in given(world, thing)
