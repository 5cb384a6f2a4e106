"""Repair and scrub over the real catalog, exchange and courier: what is found, and what follows."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.catalog import Finding, Spot
from gateway.courier.budget import BUSY_FACTOR, Budget
from gateway.courier.losses import NEWEST, Losses
from gateway.courier.scrub import FAILURES_MAX, Again, Round, Scrub, Tally
from gateway.errors import Damaged, StoreUnavailable
from gateway.faults import arm
from gateway.model import DeliveryState
from tests.model.world import HOUR, World, caller, ref

FILES = {
    "topology.yaml": """
parties:
  acme: {store: {type: file, path: /acme}, principals: [{name: erp}]}
  globex: {store: {type: file, path: /globex}, principals: [{name: erp}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["**"]}, globex: {}}}
""",
    "acme.yaml": """
party: acme
sends: [{id: all, bucket: orders, keys: ["**"], to: {globex: copy}}]
""",
    "globex.yaml": """
party: globex
accepts: [{from: [acme], bucket: orders, into: "in/{key}"}]
""",
}
SILENT = {**FILES, "acme.yaml": "party: acme\n"}
POINTS = ("scrub.before-note", "scrub.after-note", "scrub.damage-noted", "scrub.damage-removed")


class KilledError(BaseException):
    """The process is gone."""


@pytest.fixture
def world() -> Iterator[World]:
    made = World(FILES)
    try:
        yield made
    finally:
        made.close()


def scrub_of(world: World) -> Scrub:
    return Scrub(
        world.catalog,
        world.decide,
        lambda party, name: world.stores.get((party, name)),
        lambda: world.now,
        lambda: world.mesh.revision,
        lambda: None,
    )


async def _no_sleep(_: float) -> None: ...


def budget() -> Budget:
    return Budget(1000, 1e9, lambda: 0.0, _no_sleep)


def scrub(world: World, again: Again = Again.MISSING, *, whole: bool = True) -> Tally:
    """One round over everything; time passes, so that all is due."""
    world.now += HOUR
    this = Round(world.now, again, lambda *_: whole)
    tally = Tally()

    async def run() -> None:
        spot: Spot | None = Spot()
        while spot is not None:
            spot = await scrub_of(world).page(this, spot, budget(), tally)

    world.run(run())
    return tally


def deliver(world: World, *keys: str, content: bytes = b"content") -> None:
    for key in keys:
        world.put("acme", key, content, {})
    world.drain()


def inbox(world: World) -> Any:
    return world.stores["globex", "home"]


def rot(world: World, key: str) -> None:
    """Other bytes under the same etag."""
    held = inbox(world)._held[key]
    inbox(world)._held[key] = replace(held, data=b"X" * len(held.data))


def findings(world: World) -> list[tuple[str, Finding, int]]:
    return list(world.run(world.catalog.found_copies()))


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_well_is_left_as_it_is(world: World, whole: bool) -> None:
    deliver(world, "a", "b")
    calls = len(inbox(world).calls)
    tally = scrub(world, whole=whole)
    assert (tally.checked, tally.bytes, tally.sent_again) == (2, 14 if whole else 0, 0)
    assert not tally.found
    assert len(inbox(world).calls) == calls
    assert world.run(world.catalog.oldest_check()) == world.now


def test_a_repair_sends_again_what_is_gone(world: World) -> None:
    deliver(world, "a", "b")
    del inbox(world)._held["in/a"]
    assert scrub(world).sent_again == 1
    assert findings(world) == [("globex", Finding.MISSING, 1)]
    world.drain()
    assert world.copies() == {"in/a": b"content", "in/b": b"content"}
    assert not scrub(world).found
    assert findings(world) == []


def test_the_scrub_notes_it_alone_for_its_owner_may_have_taken_it(world: World) -> None:
    deliver(world, "a")
    del inbox(world)._held["in/a"]
    for _ in range(2):
        assert scrub(world, Again.WRONG).sent_again == 0
    world.drain()
    assert world.copies() == {}
    assert findings(world) == [("globex", Finding.MISSING, 1)]
    assert world.read("globex", "a") == b"content"  # from the author's store


def test_what_came_back_is_well_again(world: World) -> None:
    deliver(world, "a")
    taken = inbox(world)._held.pop("in/a")
    scrub(world, Again.WRONG)
    inbox(world)._held["in/a"] = taken
    assert not scrub(world, Again.WRONG).found
    assert findings(world) == []


@pytest.mark.parametrize("again", [Again.WRONG, Again.MISSING])
def test_bytes_that_rotted_are_replaced_and_never_served(world: World, again: Again) -> None:
    deliver(world, "a")
    rot(world, "in/a")
    assert scrub(world, again).sent_again == 1
    assert world.read("globex", "a") == b"content"
    world.drain()
    assert world.copies() == {"in/a": b"content"}
    assert findings(world) == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_reader_finds_them_too_and_the_scrub_comes_there_first(world: World, whole: bool) -> None:
    deliver(world, "a")
    rot(world, "in/a")
    assert world.read("globex", "a") == b"content"
    assert findings(world) == [("globex", Finding.DAMAGED, 1)]
    assert scrub(world, Again.WRONG, whole=whole).sent_again == 1
    world.drain()
    assert world.copies() == {"in/a": b"content"}


def test_of_a_long_one_the_read_breaks_off_and_the_next_one_goes_home(world: World) -> None:
    content = bytes(1_000_000)
    deliver(world, "a", content=content)
    held = inbox(world)._held["in/a"]
    inbox(world)._held["in/a"] = replace(held, data=b"X" + content[1:])

    async def get() -> bytes:
        reading = await world.exchange.objects.read(caller("globex"), ref("a"))
        return b"".join([chunk async for chunk in reading.open(0, len(content))])

    with pytest.raises(Damaged):
        world.run(get())
    assert world.run(get()) == content


def test_a_look_at_the_etag_alone_does_not_see_that(world: World) -> None:
    deliver(world, "a")
    rot(world, "in/a")
    assert not scrub(world, whole=False).found


def test_what_its_owner_put_there_is_its_owners(world: World) -> None:
    deliver(world, "a")
    inbox(world).put("in/a", b"mine now")
    assert scrub(world).found == {Finding.TAKEN: 1}
    world.drain()
    assert world.copies() == {"in/a": b"mine now"}
    assert world.read("globex", "a") == b"content"


def test_our_copy_that_its_owner_changed_is_its_owners(world: World) -> None:
    deliver(world, "a")
    held = inbox(world)._held["in/a"]
    inbox(world)._held["in/a"] = replace(held, data=b"edited.", etag="edited")
    assert scrub(world).found == {Finding.ALTERED: 1}
    world.drain()
    assert world.copies() == {"in/a": b"edited."}


def test_the_same_bytes_under_another_etag_are_the_copy_again(world: World) -> None:
    deliver(world, "a")
    held = inbox(world)._held["in/a"]
    inbox(world)._held["in/a"] = replace(held, etag="restored")
    assert not scrub(world, whole=False).found
    (made,) = world.run(world.catalog.deliveries())
    assert made.receipt is not None
    assert made.receipt.etag == "restored"


def test_an_older_copy_that_was_put_back_is_replaced(world: World) -> None:
    deliver(world, "a", content=b"old")
    old = inbox(world)._held["in/a"]
    deliver(world, "a", content=b"new")
    inbox(world)._held["in/a"] = old
    assert scrub(world, Again.WRONG).found == {Finding.OLDER: 1}
    world.drain()
    assert world.copies() == {"in/a": b"new"}


def test_nothing_is_sent_that_policy_promises_no_more(world: World) -> None:
    deliver(world, "a")
    world.edit(SILENT)
    world.converge()
    del inbox(world)._held["in/a"]
    assert scrub(world).sent_again == 0
    world.drain()
    assert world.copies() == {}


def test_nor_what_its_author_deleted(world: World) -> None:
    deliver(world, "a")
    world.delete("acme", "a")
    del inbox(world)._held["in/a"]
    assert scrub(world).sent_again == 0


def test_nor_what_its_recipient_consumed(world: World) -> None:
    world.edit({**FILES, "globex.yaml": FILES["globex.yaml"].replace("}]", ", consume: true}]")})
    deliver(world, "a")
    world.delete("globex", "a")
    assert world.read("globex", "a") is None
    del inbox(world)._held["in/a"]
    assert scrub(world).sent_again == 0
    world.drain()
    assert world.copies() == {}


def test_a_dry_run_sends_nothing(world: World) -> None:
    deliver(world, "a", "b")
    del inbox(world)._held["in/a"]
    rot(world, "in/b")
    tally = scrub(world, Again.NOTHING)
    assert tally.found == {Finding.MISSING: 1, Finding.DAMAGED: 1}
    assert tally.sent_again == 0
    assert world.copies() == {"in/b": b"XXXXXXX"}


def test_a_dead_store_is_left_alone_and_its_copies_stay_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"k{n}" for n in range(2 * FAILURES_MAX + 8)]
    deliver(world, *keys)
    asked = 0

    async def dead(key: str) -> None:
        nonlocal asked
        asked += 1
        raise StoreUnavailable

    before = world.run(world.catalog.oldest_check())
    monkeypatch.setattr(inbox(world), "examine", dead)
    tally = scrub(world)
    assert (tally.checked, tally.unreachable) == (0, len(keys))
    assert asked <= FAILURES_MAX + 7  # those that were under way together
    assert world.run(world.catalog.oldest_check()) == before
    monkeypatch.undo()
    assert scrub(world).checked == len(keys)


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_the_next_round_ends_it(world: World, point: str) -> None:
    deliver(world, "a", "b")
    rot(world, "in/a")
    del inbox(world)._held["in/b"]

    def die(at: str) -> None:
        if at == point:
            raise KilledError

    def killed() -> None:
        arm(die)
        with pytest.raises(KilledError):
            scrub(world)

    contextvars.copy_context().run(killed)
    world.restart()
    scrub(world)
    world.drain()
    scrub(world)
    world.drain()
    assert world.copies() == {"in/a": b"content", "in/b": b"content"}
    assert findings(world) == []
    made = world.run(world.catalog.deliveries())
    assert sum(not d.receipt.replaced for d in made if d.receipt) == 2
    assert {d.state for d in made} == {DeliveryState.DONE}


def test_the_author_is_not_told_what_the_recipient_did_with_its_copy(world: World) -> None:
    deliver(world, "a")
    inbox(world).put("in/a", b"mine now")
    scrub(world)
    (story,) = world.run(world.exchange.history.of(caller("acme"), ref("a")))
    (copy,) = story.deliveries
    assert (copy.state, copy.finding, copy.checked) == (DeliveryState.DONE, "", 0)
    (own,) = world.run(world.exchange.history.of(caller("globex"), ref("a")))
    assert own.deliveries[0].finding == "taken"


def test_lost_bytes_of_an_author_are_known_until_they_are_back(world: World) -> None:
    deliver(world, "a", "b")
    store: Any = world.stores["acme", "home"]
    walk = Losses(
        world.catalog, lambda *place: world.stores.get(place), lambda *_: True, lambda: world.now
    )

    def losses() -> list[Finding]:
        tally = Tally()
        assert world.run(walk.page(NEWEST, budget(), tally)) == 0
        assert tally.checked == 2
        return [loss.finding for loss in world.run(world.catalog.losses())]

    assert losses() == []
    keys = sorted(key for key in store._held if key.startswith(".crossdock/"))
    whole = dict(store._held)
    del store._held[keys[0]]
    held = store._held[keys[1]]
    store._held[keys[1]] = replace(held, data=held.data[:-1] + b"X")
    assert sorted(f.value for f in losses()) == ["damaged", "missing"]
    store._held.update(whole)
    assert losses() == []


def test_looks_are_spaced_and_bytes_are_paid_for() -> None:
    waits: list[float] = []
    clock, busy = 0.0, False

    async def sleep(seconds: float) -> None:
        nonlocal clock
        waits.append(round(seconds, 3))
        clock += seconds

    spent = Budget(10, 1000, lambda: clock, sleep, lambda: busy)

    async def story() -> None:
        nonlocal busy
        await spent.look()
        await spent.look()
        spent.read(500)
        await spent.look()
        busy = True
        await spent.look()
        await spent.look()

    world_loop(story())
    assert waits == [0.1, 0.6, 0.1, 0.1 * BUSY_FACTOR]


def world_loop(story: Any) -> None:
    world = World(FILES)
    try:
        world.run(story)
    finally:
        world.close()
