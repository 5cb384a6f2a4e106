"""Copies that follow a delete, over the real exchange and courier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.model import Delivery, DeliveryKind, DeliveryState
from tests.model.world import HOUR, START, World, ref

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, principals: [{name: erp}]}
  globex: {store: {type: file, path: g}, principals: [{name: erp}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["**"]}, globex: {}}}
"""
SENDS = (
    'party: acme\nsends:\n  - {bucket: orders, keys: ["**"], to: {globex: copy}, deletes: follow}\n'
)
KEEPS = SENDS.replace("follow", "keep")
AGREES = (
    "party: globex\naccepts:\n"
    '  - {from: [acme], bucket: orders, into: "in/{key}", deletes: follow}\n'
)
REFUSES = AGREES.replace("follow", "keep")
FILES = {"topology.yaml": TOPOLOGY, "acme.yaml": SENDS, "globex.yaml": AGREES}
COPY, REMOVAL = DeliveryKind.COPY, DeliveryKind.REMOVAL


@pytest.fixture
def world() -> Iterator[World]:
    world = World(FILES)
    yield world
    world.close()


def made(world: World, kind: DeliveryKind, key: str = "k") -> list[Delivery]:
    story = world.run(world.catalog.story(ref(key)))
    return [d for version in reversed(story) for d in version.deliveries if d.kind is kind]


def states(world: World, kind: DeliveryKind, key: str = "k") -> list[str]:
    return [delivery.state.value for delivery in made(world, kind, key)]


def test_a_delivered_copy_follows_the_delete_and_a_receipt_says_so(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.put("acme", "other", b"stays", {})
    world.drain()
    world.now += HOUR
    marker = world.delete("acme", "k")
    assert world.copies() == {"in/k": b"one", "in/other": b"stays"}
    world.drain()
    assert world.copies() == {"in/other": b"stays"}
    (removal,) = made(world, REMOVAL)
    assert (removal.version, removal.state) == (marker, DeliveryState.DONE)
    assert removal.receipt is not None
    assert removal.receipt.at >= START + HOUR
    (copy,) = made(world, COPY)
    assert copy.receipt is not None
    assert (copy.gone, copy.receipt.replaced) == ("removal", True)
    assert (removal.receipt.size, removal.receipt.sha256) == (3, copy.receipt.sha256)


@pytest.mark.parametrize(("acme", "globex"), [(KEEPS, AGREES), (SENDS, REFUSES), (KEEPS, REFUSES)])
def test_a_copy_stays_unless_both_sides_say_follow(acme: str, globex: str) -> None:
    world = World({**FILES, "acme.yaml": acme, "globex.yaml": globex})
    world.put("acme", "k", b"one", {})
    world.drain()
    world.delete("acme", "k")
    world.drain()
    assert world.copies() == {"in/k": b"one"}
    requests = world.run(world.catalog.requests(party="globex"))
    asked = (acme, globex) == (SENDS, REFUSES)
    assert [(each.kind, each.asked_by, each.answer) for each in requests] == (
        [(REMOVAL, "acme", "")] if asked else []
    )
    world.close()


def test_a_copy_that_was_not_sent_is_not_sent_any_more(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.delete("acme", "k")
    assert states(world, COPY) == ["superseded"]
    assert states(world, REMOVAL) == []
    world.drain()
    assert world.copies() == {}


def test_the_older_copy_that_lies_there_goes_too(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    world.put("acme", "k", b"two", {})
    world.delete("acme", "k")
    world.drain()
    assert world.copies() == {}
    assert states(world, REMOVAL) == ["done"]


def test_a_newer_version_ends_a_removal_that_was_not_made(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    world.delete("acme", "k")
    world.put("acme", "k", b"two", {})
    assert states(world, REMOVAL) == ["superseded"]
    world.drain()
    assert world.copies() == {"in/k": b"two"}
    (old, new) = made(world, COPY)
    assert (old.gone, new.gone) == ("", "")


@pytest.mark.parametrize("orders", [["before"], ["after"], ["before", "after", "before"]])
def test_an_unknown_outcome_is_looked_up(world: World, orders: list[str]) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    world.delete("acme", "k")
    world.stores["globex", "home"].orders.extend(orders)
    world.drain()
    assert world.copies() == {}
    assert states(world, REMOVAL) == ["done"]


def test_a_copy_whose_receipt_was_never_written_goes_too(world: World) -> None:
    """Its bytes arrived, then the gateway died."""
    world.put("acme", "k", b"one", {})
    world.stores["globex", "home"].orders.append("after")
    world.run(world.courier.drain())
    assert states(world, COPY) == ["pending"]
    assert world.copies() == {"in/k": b"one"}
    world.delete("acme", "k")
    world.drain()
    assert world.copies() == {}
    assert states(world, REMOVAL) == ["done"]


def test_what_its_owner_changed_or_put_there_stays(world: World) -> None:
    for key in ("changed", "gone"):
        world.put("acme", key, b"one", {})
    world.drain()
    store = world.stores["globex", "home"]
    store.put("in/changed", b"mine now")
    world.run(store.delete("in/gone"))
    for key in ("changed", "gone"):
        world.delete("acme", key)
    world.run(world.courier.drain())
    assert world.copies() == {"in/changed": b"mine now"}
    (parked,) = made(world, REMOVAL, "changed")
    assert (parked.state, parked.code) == (DeliveryState.PARKED, "DstObjectOccupied")
    assert states(world, REMOVAL, "gone") == ["done"]


def test_policy_is_asked_again_before_it_happens(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    world.delete("acme", "k")
    world.edit({**FILES, "globex.yaml": REFUSES})
    world.drain()
    assert world.copies() == {"in/k": b"one"}
    assert states(world, REMOVAL) == ["withdrawn"]


def test_a_newer_version_that_is_taken_back_leaves_the_delete_in_force(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    world.delete("acme", "k")
    newer = world.put("acme", "k", b"two", {})
    world.delete("acme", "k", newer.id)
    assert states(world, REMOVAL) == ["superseded", "pending"]
    world.drain()
    assert world.copies() == {}


def test_new_tags_on_what_was_replaced_long_ago_send_nothing(world: World) -> None:
    old = world.put("acme", "k", b"one", {})
    world.drain()
    world.put("acme", "k", b"two", {})
    world.drain()
    world.delete("acme", "k")
    world.drain()
    world.tag("acme", "k", old.id, {"a": "b"})
    world.drain()
    assert world.copies() == {}


def test_undeleted_before_it_happened_the_copy_stays(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    marker = world.delete("acme", "k")
    world.delete("acme", "k", marker)
    assert states(world, REMOVAL) == ["cancelled"]
    world.drain()
    assert world.copies() == {"in/k": b"one"}


def test_undeleted_afterwards_the_copy_is_sent_again(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    marker = world.delete("acme", "k")
    world.drain()
    assert world.copies() == {}
    world.converge()
    world.drain()
    assert world.copies() == {}
    world.delete("acme", "k", marker)
    world.drain()
    assert world.copies() == {"in/k": b"one"}
    assert states(world, COPY) == ["done", "done"]


def test_a_restart_forgets_no_removal(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    world.delete("acme", "k")
    world.restart()
    world.drain()
    assert world.copies() == {}


def test_the_author_sees_how_far_it_is(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    marker = world.delete("acme", "k")
    for state in (DeliveryState.PENDING, DeliveryState.DONE):
        deliveries = world.run(world.catalog.deliveries_of(world.number(marker)))
        assert [(d.kind, d.state) for d in deliveries] == [(REMOVAL, state)]
        world.drain()


def test_new_tags_on_what_was_deleted_bring_no_copy_back(world: World) -> None:
    version = world.put("acme", "k", b"one", {})
    world.drain()
    world.delete("acme", "k")
    world.drain()
    world.tag("acme", "k", version.id, {"a": "b"})
    world.drain()
    assert world.copies() == {}
