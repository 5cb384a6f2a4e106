"""Random policies that `check` finds nothing wrong with, and random versions for them."""

from __future__ import annotations

import json
import random
from typing import Any

from gateway.model import Bucket, Facts, ObjectRef
from gateway.policy.document import load
from gateway.policy.mesh import Mesh

from .naive import Thing, World

PARTIES = ["acme", "globex", "initech", "umbra", "hooli"]
# Any two of these have a key in common, so that no rule is refused as one that can never match.
GRANTS = ["**", "a/**", "**/*.x", "a/*.x", "a/**/c.x"]
PATTERNS = ["**", "a/**", "**/*.x", "a/*", "a/*.x", "a/**/*.x"]
EXCEPTS = ["**/z*", "a/b*", "a/**/c*"]
KEYS = ["a/b.x", "a/c.x", "a/z.x", "a/q/c.x", "a/q", "b.x", "b/c.x", "z", "a/", "x", "a/b/z.x"]
MADE = "acme-made"


def world(rnd: random.Random) -> World:
    topology: dict[str, Any] = {
        "parties": {
            name: {"store": {"type": "file", "path": f"../data/{name}"}}
            for name in PARTIES
            if name != "hooli"
        },
        "buckets": {},
    }
    topology["parties"]["hooli"] = {}
    topology["parties"]["acme"]["create_buckets"] = ["acme-*"]
    for bucket in ("orders", "reports"):
        inside = rnd.sample(PARTIES, rnd.randint(3, 5))
        topology["buckets"][bucket] = {"members": {p: _member(rnd, p) for p in inside}}
    files = {party: _file(rnd, party, topology) for party in PARTIES}
    return World(topology, files, {MADE: "acme"})


def _member(rnd: random.Random, party: str) -> dict[str, Any]:
    if party == "hooli" or rnd.random() < 0.3:
        return {}
    return {"write": [rnd.choice(GRANTS)]}


def _file(rnd: random.Random, party: str, topology: dict[str, Any]) -> dict[str, Any]:
    sends = [send(rnd, party, topology) for _ in range(rnd.randint(1, 6))]
    forbids = [forbid(rnd, party) for _ in range(rnd.choice([0, 0, 0, 1]))]
    accepts = [accept(rnd, party) for _ in range(rnd.randint(1, 4))]
    named = [rule for rule in sends if rule] + forbids + accepts
    for i, rule in enumerate(named):
        rule["id"] = f"r{i}"
    return {
        "party": party,
        "sends": [rule for rule in sends if rule],
        "forbids": forbids,
        "accepts": accepts,
    }


def send(rnd: random.Random, party: str, topology: dict[str, Any]) -> dict[str, Any] | None:
    places = {
        name: [p for p in bucket["members"] if p != party]
        for name, bucket in topology["buckets"].items()
        if "write" in bucket["members"].get(party, {})
    }
    if party == "acme":
        places[MADE] = [p for p in PARTIES if p != "acme"]
    if not places:
        return None
    bucket = rnd.choice(sorted(places))
    names = ["*", *places[bucket]]
    to = {
        name: rnd.choice(["share", "copy", "copy", "copy-on-read"])
        for name in rnd.sample(names, rnd.randint(1, min(3, len(names))))
    }
    return {"bucket": bucket, **_selector(rnd), "to": to}


def forbid(rnd: random.Random, party: str) -> dict[str, Any]:
    others = ["*", *(p for p in PARTIES if p != party)]
    return {**_selector(rnd), "to": rnd.sample(others, rnd.randint(1, 2))}


def accept(rnd: random.Random, party: str) -> dict[str, Any]:
    others = ["*", *(p for p in PARTIES if p != party)]
    rule: dict[str, Any] = {
        "from": rnd.sample(others, rnd.randint(1, 3)),
        "keys": [rnd.choice(PATTERNS)],
    }
    if rnd.random() < 0.3:
        rule["except"] = [rnd.choice(EXCEPTS)]
    if party != "hooli" and rnd.random() < 0.7:
        rule["into"] = "in/{bucket}/{key}"
    return rule


def _selector(rnd: random.Random) -> dict[str, Any]:
    rule: dict[str, Any] = {"keys": rnd.sample(PATTERNS, rnd.randint(1, 2))}
    if rnd.random() < 0.3:
        rule["except"] = [rnd.choice(EXCEPTS)]
    if rnd.random() < 0.4:
        rule["when"] = rnd.choice(
            [
                {"metadata": {"class": ["public", "partner"]}},
                {"tags": {"final": ["yes"]}},
                {"type": ["text/csv", "image/*"]},
                {"size": {"min": 10, "max": 100}},
                {"size": {"max": 10}, "tags": {"final": ["yes", "no"]}},
            ]
        )
    return rule


def thing(rnd: random.Random) -> Thing:
    return Thing(
        bucket=rnd.choice(["orders", "reports", MADE]),
        key=rnd.choice(KEYS),
        author=rnd.choice(PARTIES),
        size=rnd.choice([0, 9, 10, 11, 100, 101]),
        type=rnd.choice(["text/csv", "Text/CSV; charset=utf-8", "image/png", "a/b", ""]),
        metadata=rnd.choice([{}, {"class": "public"}, {"class": "secret"}]),
        tags=rnd.choice([{}, {"final": "yes"}, {"final": "no"}]),
    )


def facts(thing: Thing) -> Facts:
    ref = ObjectRef(thing.bucket, thing.key)
    return Facts(ref, thing.author, thing.size, thing.type, thing.metadata, thing.tags, 1, "v1")


def texts(world: World) -> dict[str, str]:
    """The folder; JSON is YAML too."""
    files = {f"{party}.yaml": json.dumps(file) for party, file in world.files.items()}
    return {**files, "topology.yaml": json.dumps(world.topology)}


def mesh(world: World) -> Mesh:
    loaded = load(texts(world), base="/srv/policies")
    assert loaded.problems == ()
    assert loaded.mesh is not None
    return loaded.mesh


def bucket(mesh: Mesh, name: str) -> Bucket:
    made = Bucket(MADE, "acme", {"acme": ("**",)}, created=7)
    return made if name == MADE else mesh.buckets[name]
