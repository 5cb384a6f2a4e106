"""Copy-on-read, from the first read to the verified copy, over the real exchange and courier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.errors import PreconditionFailed
from gateway.exchange import Found
from gateway.model import DeliveryState
from tests.model.world import World, caller, ref

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, principals: [{name: erp}]}
  globex: {store: {type: file, path: g}, principals: [{name: erp}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["**"]}, globex: {}}}
"""
ON_READ = 'party: acme\nsends:\n  - {bucket: orders, keys: ["**"], to: {globex: copy-on-read}}\n'
INTO = 'party: globex\naccepts:\n  - {from: [acme], bucket: orders, into: "in/{key}"}\n'
FILES = {"topology.yaml": TOPOLOGY, "acme.yaml": ON_READ, "globex.yaml": INTO}


@pytest.fixture
def world() -> Iterator[World]:
    world = World(FILES)
    yield world
    world.close()


def states(world: World, key: str) -> list[str]:
    story = world.run(world.catalog.story(ref(key)))
    return [delivery.state.value for version in story for delivery in version.deliveries]


def replica(world: World, key: str) -> bool:
    return world.run(world.exchange.objects.look(caller("globex"), ref(key))).replica


def test_nothing_is_copied_until_it_is_read(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    assert world.copies() == {}
    assert states(world, "k") == []


def test_the_first_read_is_served_from_home_and_promises_the_copy(world: World) -> None:
    world.put("acme", "k", b"one", {})
    assert world.read("globex", "k") == b"one"
    assert world.copies() == {}
    assert states(world, "k") == ["pending"]
    world.drain()
    assert world.copies() == {"in/k": b"one"}
    assert replica(world, "k")


def test_a_read_that_is_refused_by_its_own_condition_promises_nothing(world: World) -> None:
    world.put("acme", "k", b"one", {})

    def refuse(_: Found) -> None:
        raise PreconditionFailed

    with pytest.raises(PreconditionFailed):
        world.run(world.exchange.objects.read(caller("globex"), ref("k"), check=refuse))
    assert states(world, "k") == []


def test_later_reads_come_from_the_copy_when_home_is_gone(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.read("globex", "k")
    world.drain()
    world.stores["acme", "home"].calls.clear()
    del world.stores["acme", "home"]
    assert world.read("globex", "k") == b"one"


def test_a_look_is_no_read(world: World) -> None:
    world.put("acme", "k", b"one", {})
    assert not replica(world, "k")
    world.run(world.exchange.objects.look(caller("globex"), ref("k")))
    assert states(world, "k") == []


def test_the_authors_own_read_promises_nothing(world: World) -> None:
    world.put("acme", "k", b"one", {})
    assert world.read("acme", "k") == b"one"
    assert states(world, "k") == []


def test_an_empty_file_is_copied_too(world: World) -> None:
    world.put("acme", "k", b"", {})
    world.read("globex", "k")
    world.drain()
    assert world.copies() == {"in/k": b""}


def test_a_withdrawn_promise_sends_no_byte(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.read("globex", "k")
    world.edit({**FILES, "acme.yaml": ON_READ.replace("copy-on-read", "share")})
    world.drain()
    assert world.copies() == {}
    assert states(world, "k") == [DeliveryState.WITHDRAWN.value]
    assert world.read("globex", "k") == b"one"


def test_under_a_policy_that_shares_alone_a_read_promises_nothing(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.edit({**FILES, "acme.yaml": ON_READ.replace("copy-on-read", "share")})
    assert world.read("globex", "k") == b"one"
    assert states(world, "k") == []


def test_new_tags_travel_to_the_copy_that_a_read_made(world: World) -> None:
    version = world.put("acme", "k", b"one", {})
    world.read("globex", "k")
    world.drain()
    world.tag("acme", "k", version.id, {"final": "yes"})
    assert states(world, "k") == ["done", "pending"]
    world.drain()
    assert states(world, "k") == ["done", "done"]


def test_new_tags_make_no_copy_of_what_was_never_read(world: World) -> None:
    version = world.put("acme", "k", b"one", {})
    world.tag("acme", "k", version.id, {"final": "yes"})
    assert states(world, "k") == []


def test_every_promise_is_on_the_log_for_reader_and_author(world: World) -> None:
    world.put("acme", "k", b"one", {})
    before = world.run(world.catalog.size())
    world.read("globex", "k")
    world.read("globex", "k")
    assert world.run(world.catalog.size()) == before + 1
