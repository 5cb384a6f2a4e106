"""Adoption over the real catalog, exchange and courier: what is shared, and what never happens."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.catalog import Finding, Shelf
from gateway.courier.budget import Budget
from gateway.courier.losses import NEWEST, Losses
from gateway.courier.scrub import Tally
from gateway.errors import ChangedAtPlace, NotFound
from gateway.exchange import Adoption, CopySource, adopting
from gateway.exchange.collector import Collector
from gateway.faults import arm
from gateway.model import Caller, DeliveryState, Principal
from gateway.stores import Parcel
from tests.model.world import HOUR, World, caller, ref

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: /acme}, principals: [{name: erp}]}
  globex: {store: {type: file, path: /globex}, principals: [{name: erp}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["in/**", "out/**"]}, globex: {}}}
"""
ACME = """
party: acme
sends:
  - {id: in, bucket: orders, keys: ["in/**"], to: {globex: copy}}
  - {id: out, bucket: orders, keys: ["out/**"], to: {globex: share}, since: 2026-01-01}
"""
GLOBEX = 'party: globex\naccepts: [{from: [acme], bucket: orders, into: "in/{key}"}]\n'
FILES = {"topology.yaml": TOPOLOGY, "acme.yaml": ACME, "globex.yaml": GLOBEX}
BATCH = 4


class KilledError(BaseException):
    """The process is gone."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(adopting, "BATCH", BATCH)
    made = World(FILES)
    try:
        yield made
    finally:
        made.close()


def store(world: World) -> Any:
    return world.stores["acme", "home"]


def adopt(world: World, run: int = 1, **how: str) -> dict[str, int]:
    this = Adoption(
        Shelf("acme", "home", "orders"), Caller(Principal("acme", "erp"), "adopt"), run, **how
    )
    left: list[tuple[str, str]] = []
    done = world.run(
        world.exchange.adopting().run(
            this, lambda key, outcome, why: left.append((key, outcome)), lambda _: None
        )
    )
    assert world.run(world.exchange.adopting().count(this)) == sum(done.values())
    return {outcome: count for outcome, count in done.items() if count}


def lay(world: World, *keys: str, content: str = "content of {}") -> None:
    for key in keys:
        store(world).put(key, content.format(key).encode())


def calls(world: World) -> int:
    return len(store(world).calls)


def test_objects_become_versions_and_not_a_byte_moves(world: World) -> None:
    lay(world, "in/a", "out/b")
    before = calls(world)
    assert adopt(world) == {"adopted": 2}
    assert calls(world) == before
    assert world.read("acme", "in/a") == b"content of in/a"
    assert [key for key, _ in world.list("acme")] == ["in/a", "out/b"]
    (story,) = world.run(world.exchange.history.of(caller("acme"), ref("in/a")))
    assert (story.version.door, story.version.principal) == ("adopt", "erp")
    assert story.version.etag.endswith("-1")  # no MD5, and nobody takes it for one


def test_policy_is_applied_to_each(world: World) -> None:
    lay(world, "in/a", "out/b")
    world.now -= 400 * 24 * HOUR  # which is before the second rule's date
    lay(world, "out/old")
    world.now += 400 * 24 * HOUR
    adopt(world)
    world.drain()
    assert [key for key, _ in world.list("globex")] == ["in/a", "out/b"]
    assert world.copies() == {"in/in/a": b"content of in/a"}
    assert world.read("globex", "out/b") == b"content of out/b"


def test_only_what_the_party_may_write_and_what_is_no_copy(world: World) -> None:
    lay(world, "in/a", "elsewhere/b")
    world.run(
        store(world).deliver(
            "in/copy", Parcel(ref("x"), "v", 1, "globex", 1, ""), _once(b"x"), replace=None
        )
    )
    world.put("acme", "in/own", b"an extent", {})
    assert adopt(world) == {"adopted": 1, "refused": 1, "copies": 1}


async def _once(data: bytes) -> Any:
    yield data


def test_by_prefix_and_under_another(world: World) -> None:
    lay(world, "2020/a", "2020/b", "2021/c")
    assert adopt(world, prefix="2020/", under="in/") == {"adopted": 2}
    assert [key for key, _ in world.list("acme")] == ["in/2020/a", "in/2020/b"]


def test_again_it_finds_what_is_new_or_changed(world: World) -> None:
    lay(world, "in/a", "in/b")
    adopt(world)
    assert adopt(world, 2) == {"known": 2}
    lay(world, "in/b", content="changed {}")
    lay(world, "in/c")
    assert adopt(world, 3) == {"known": 1, "adopted": 2}
    assert world.read("acme", "in/b") == b"changed in/b"
    assert len(world.run(world.catalog.story(ref("in/b")))) == 2


def test_a_version_that_was_written_or_deleted_here_is_not_covered(world: World) -> None:
    world.put("acme", "in/a", b"written", {})
    lay(world, "in/a", "in/b")
    assert adopt(world) == {"kept": 1, "adopted": 1}
    assert world.read("acme", "in/a") == b"written"
    world.delete("acme", "in/b")
    lay(world, "in/b", content="changed {}")
    assert adopt(world, 2) == {"kept": 2}
    assert world.read("acme", "in/b") is None


@pytest.mark.parametrize("taken", [False, True])
def test_what_its_owner_changed_is_never_served_as_what_it_was(world: World, taken: bool) -> None:
    lay(world, "in/a", "out/b")
    adopt(world)
    for key in ("in/a", "out/b"):
        if taken:
            del store(world)._held[key]
        else:
            lay(world, key, content="changed {}")

    async def get(party: str, key: str) -> bytes:
        reading = await world.exchange.objects.read(caller(party), ref(key))
        return b"".join([chunk async for chunk in reading.open(0, reading.version.size)])

    for party, key in (("acme", "in/a"), ("globex", "in/a"), ("globex", "out/b")):
        with pytest.raises(ChangedAtPlace):
            world.run(get(party, key))
    world.drain()
    assert world.copies() == {}
    (copy,) = world.run(world.catalog.deliveries())
    assert (copy.state, copy.code) == (DeliveryState.PARKED, "SrcVersionNotFound")
    assert losses(world) == [Finding.MISSING if taken else Finding.ALTERED] * 2


def losses(world: World) -> list[Finding]:
    walk = Losses(
        world.catalog, lambda *place: world.stores.get(place), lambda *_: True, lambda: world.now
    )
    budget = Budget(1e9, 1e12, lambda: 0.0, lambda _: asyncio.sleep(0))
    assert world.run(walk.page(NEWEST, budget, Tally())) == 0
    return [loss.finding for loss in world.run(world.catalog.losses())]


def test_a_copy_within_the_exchange_moves_the_bytes(world: World) -> None:
    lay(world, "in/a")
    adopt(world)
    found = world.run(
        world.exchange.objects.copy(caller("acme"), CopySource(ref("in/a")), ref("out/copy"))
    )
    assert all(extent.owned for extent in found.version.extents)
    del store(world)._held["in/a"]
    assert world.read("acme", "out/copy") == b"content of in/a"


def test_nothing_is_ever_collected(world: World) -> None:
    lay(world, "in/a")
    adopt(world)
    (key, version) = world.list("acme")[0]
    world.delete("acme", key, version)
    collector = Collector(
        world.catalog,
        lambda *place: world.stores.get(place),
        lambda: world.now,
        lambda: list(world.mesh.buckets.values()),
    )
    world.now += 10_000 * HOUR
    world.run(world.catalog.expire("orders", world.now, 100))
    world.now += 10_000 * HOUR
    world.run(collector.step())
    world.run(collector.sweep("acme", "home"))
    assert store(world)._held["in/a"].data == b"content of in/a"
    assert world.list("acme") == []


@pytest.mark.parametrize("point", ["adopt.before-commit", "adopt.after-commit"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_killed_it_goes_on_where_it_was(world: World, point: str, batch: int) -> None:
    keys = [f"in/{n}" for n in range(10)]
    lay(world, *keys)
    hits = 0

    def die(at: str) -> None:
        nonlocal hits
        hits += at == point
        if hits == batch:
            raise KilledError

    def killed() -> None:
        arm(die)
        with pytest.raises(KilledError):
            adopt(world)

    contextvars.copy_context().run(killed)
    world.restart()
    looked: list[str] = []
    inspect = store(world).inspect

    async def watched(key: str) -> Any:
        looked.append(key)
        return await inspect(key)

    store(world).inspect = watched
    done = adopt(world)
    committed = BATCH * (batch if point.endswith("after-commit") else batch - 1)
    committed = min(committed, len(keys))
    counts = {"known": committed, "adopted": len(keys) - committed}
    assert done == {outcome: count for outcome, count in counts.items() if count}
    assert len(looked) == len(keys) - committed
    assert [key for key, _ in world.list("acme")] == sorted(keys)
    records = world.run(world.catalog.records(0, 1000))
    assert sum(b"adopted" in record.openings for record in records) == 10


def test_a_party_that_is_no_member_adopts_nothing(world: World) -> None:
    lay(world, "in/a")
    this = Adoption(Shelf("acme", "home", "nix"), Caller(Principal("acme", "erp"), "adopt"), 1)
    with pytest.raises(NotFound):
        world.run(world.exchange.adopting().run(this, lambda *_: None, lambda _: None))
