"""Which keys an edit can have to do with: of all others both policies say the same."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Mode, Share
from gateway.policy.document import load
from gateway.policy.mesh import Mesh
from gateway.policy.touching import Touching
from tests.unit.policy import worlds
from tests.unit.policy.naive import World


def said(share: Share) -> tuple[object, ...]:
    rule = (share.rule.file, share.rule.id)
    return (share.party, share.mode, rule, share.store, share.target, share.ack, share.deadline)


def edited(rnd: random.Random, before: World) -> World:
    """The same world with one thing otherwise."""
    world = copy.deepcopy(before)
    party = rnd.choice(worlds.PARTIES)
    edits: list[Callable[[], Any]] = [
        lambda: world.files[party].__setitem__("sends", world.files[party]["sends"][1:]),
        world.files[party]["sends"].reverse,
        lambda: [rule.pop("except", None) for rule in world.files[party]["sends"]],
        world.files[party]["accepts"].pop,
        lambda: world.files[party]["accepts"][0].update({"from": ["*"]}),
        lambda: world.files[party].__setitem__("forbids", [worlds.forbid(rnd, party)]),
        lambda: world.files.__setitem__(party, {"party": party}),
        lambda: [rule.pop("id") for rule in world.files[party]["sends"]],
    ]
    rnd.choice(edits)()
    return world


@given(st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_of_what_is_not_touched_both_policies_say_the_same(seed: int) -> None:
    rnd = random.Random(seed)
    before = worlds.world(rnd)
    old, new = worlds.mesh(before), worlds.mesh(edited(rnd, before))
    touching = Touching(old, new)
    for _ in range(60):
        facts = worlds.facts(worlds.thing(rnd))
        if touching(facts.ref.bucket, facts.ref.key):
            continue
        one, other = (worlds.bucket(mesh, facts.ref.bucket) for mesh in (old, new))
        if facts.author not in one.members:
            continue
        held = {p: rnd.choice(list(Mode)) for p in worlds.PARTIES if rnd.random() < 0.4}
        was, now = old.policy.decide(facts, one, held), new.policy.decide(facts, other, held)
        assert [*map(said, was.shares)] == [*map(said, now.shares)]
        assert old.policy.members(one) == new.policy.members(other)


def base() -> World:
    sends = [
        {"id": "a", "bucket": "orders", "keys": ["a/**"], "to": {"globex": "share"}},
        {"id": "b", "bucket": "orders", "keys": ["b/**"], "to": {"*": "copy"}},
    ]
    files = {
        "acme": {"party": "acme", "sends": sends},
        "globex": {"party": "globex", "accepts": [{"from": ["acme"]}]},
        "initech": {"party": "initech", "accepts": [{"from": ["acme"]}]},
    }
    topology = {
        "parties": {"acme": {"store": {"type": "file", "path": "a"}}, "globex": {}, "initech": {}},
        "buckets": {
            "orders": {"members": {"acme": {"write": ["**"]}, "globex": {}, "initech": {}}},
            "other": {"members": {"acme": {"write": ["**"]}}},
        },
    }
    return World(topology, files, {})


def touched(edit: Callable[[World], object]) -> set[str]:
    before, after = base(), base()
    edit(after)
    touching = Touching(worlds.mesh(before), worlds.mesh(after))
    return {
        f"{bucket}/{key}"
        for bucket in ("orders", "other")
        for key in ("a/1", "b/1", "c/1")
        if touching(bucket, key)
    }


@pytest.mark.parametrize(
    ("edit", "keys"),
    [
        (lambda world: None, set()),
        (lambda world: world.files["acme"]["sends"].reverse(), set()),
        (lambda world: world.files["acme"]["sends"].pop(), {"orders/b/1"}),
        (lambda world: world.files.pop("initech"), {"orders/b/1"}),
        (lambda world: world.files.pop("globex"), {"orders/a/1", "orders/b/1"}),
        (
            lambda world: world.files["acme"].update({"forbids": [{"to": ["*"]}]}),
            {"orders/a/1", "orders/b/1"},
        ),
        (lambda world: world.topology["parties"].update({"hooli": {}}), set()),
        (
            lambda world: world.topology["parties"]["acme"]["store"].update({"name": "eu"}),
            {f"{bucket}/{key}" for bucket in ("orders", "other") for key in ("a/1", "b/1", "c/1")},
        ),
        (
            lambda world: world.topology["buckets"]["other"]["members"].update({"globex": {}}),
            {"other/a/1", "other/b/1", "other/c/1"},
        ),
    ],
)
def test_an_edit_touches_what_its_rules_are_about(
    edit: Callable[[World], object], keys: set[str]
) -> None:
    assert touched(edit) == keys


def guests(*parties: str) -> Mesh:
    """Acme made a bucket, and names globex and hooli in it; these parties there are."""
    world = base()
    made = {"bucket": "acme-lab", "keys": ["**"], "to": {"globex": "share", "hooli": "share"}}
    world.topology["parties"]["acme"]["create_buckets"] = ["acme-*"]
    world.files["acme"]["sends"] = [made]
    texts = worlds.texts(world)
    good = {**world.topology, "parties": {**world.topology["parties"], "hooli": {}}}
    last = {**texts, "topology.yaml": json.dumps(good)}
    topology = {**world.topology, "parties": {**world.topology["parties"]}}
    topology["parties"].update({party: {} for party in parties})
    loaded = load({**texts, "topology.yaml": json.dumps(topology)}, base="/srv", last_good=last)
    assert loaded.mesh is not None
    return loaded.mesh


def test_a_party_that_comes_or_goes_may_be_a_guest_of_a_bucket_that_somebody_made() -> None:
    assert Touching(guests(), guests("hooli"))("acme-lab", "x")
    assert Touching(guests("hooli"), guests())("acme-lab", "x")
    assert not Touching(guests("hooli"), guests("hooli", "umbra"))("acme-lab", "x")
