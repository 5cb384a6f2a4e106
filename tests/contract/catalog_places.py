"""Behaviour suite for catalogs: adopted objects, whose bytes are nobody's but their owner's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.catalog import Adopt, Shelf
from gateway.errors import PolicyMoved
from gateway.model import Extent, ObjectRef, Version
from tests.contract.catalog_kit import FAR, R2, Bench, Tell, extent

SHELF = Shelf("acme", "home", "orders")


def object_of(bench: Bench, key: str, etag: str = "e1", **how: Any) -> Adopt:
    place = Extent("acme", "home", key, 0, 10, etag=etag)
    return Adopt(key, etag, bench.write(key, extents=(place,), **how))


async def number_of(bench: Bench, key: str) -> int:
    found = await bench.catalog.story(ObjectRef("orders", key))
    return found[0].version.number


async def adopt(bench: Bench, *made: Adopt, run: int = 1, seen: tuple[str, ...] = ()) -> list[str]:
    return list(await bench.catalog.adopt(SHELF, run, made, seen))


class Adopting:
    def test_many_objects_become_versions_in_one_transaction(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            size = await bench.catalog.size()
            made = [object_of(bench, key, to=("globex",)) for key in "abc"]
            assert await adopt(bench, *made) == []
            assert await bench.keys("acme") == await bench.keys("globex") == ["a", "b", "c"]
            assert await bench.catalog.size() == size + 3
            known = await bench.catalog.adopted(SHELF, ["a", "c", "x"])
            assert {key: (each.etag, each.run) for key, each in known.items()} == {
                "a": ("e1", 1),
                "c": ("e1", 1),
            }
            held = await bench.head("acme", "a")
            assert held is not None
            assert held.version.extents == made[0].write.version.extents
            assert not held.version.extents[0].owned

        tell(story)

    def test_the_same_place_in_two_buckets_is_two_adoptions(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await adopt(bench, object_of(bench, "a"))
            other = replace(SHELF, bucket="other")
            assert await bench.catalog.adopted(other, ["a"]) == {}

        tell(story)

    def test_a_changed_object_is_a_newer_version_of_the_same(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await adopt(bench, object_of(bench, "a"))
            old = await bench.sees("acme", "a")
            assert await adopt(bench, object_of(bench, "a", "e2"), run=2) == []
            held = await bench.head("acme", "a")
            assert held is not None
            assert held.version.parent == old
            known = (await bench.catalog.adopted(SHELF, ["a"]))["a"]
            assert (known.etag, known.run, known.number) == ("e2", 2, held.version.number)

        tell(story)

    def test_another_version_of_that_name_is_not_covered(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            written = await bench.put("a", extents=(extent("one"),))
            assert await adopt(bench, object_of(bench, "a")) == ["a"]
            assert await bench.sees("acme", "a") == written.id
            await adopt(bench, object_of(bench, "b"))
            newer = await bench.put("b")
            assert await adopt(bench, object_of(bench, "b", "e2")) == ["b"]
            assert await bench.sees("acme", "b") == newer.id

        tell(story)

    def test_what_was_deleted_stays_so(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await adopt(bench, object_of(bench, "a"))
            await bench.mark("a")
            assert await adopt(bench, object_of(bench, "a", "e2")) == ["a"]
            assert await bench.keys("acme") == []

        tell(story)

    def test_what_a_run_has_seen_is_noted(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await adopt(bench, object_of(bench, "a"), object_of(bench, "b"))
            await adopt(bench, run=2, seen=("a",))
            known = await bench.catalog.adopted(SHELF, ["a", "b"])
            assert (known["a"].run, known["b"].run) == (2, 1)

        tell(story)

    def test_under_another_policy_nothing_is_adopted(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [object_of(bench, "a"), object_of(bench, "b")]
            await bench.new_policy(R2)
            with pytest.raises(PolicyMoved):
                await adopt(bench, *made)
            assert await bench.keys("acme") == []
            assert await bench.catalog.adopted(SHELF, ["a", "b"]) == {}

        tell(story)


class OwningNothing:
    def test_a_place_is_no_extent_that_could_be_collected(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            assert not await bench.catalog.holds("acme", "home")
            await adopt(bench, object_of(bench, "a"))
            assert not await bench.catalog.knows("acme", "home", "a")
            assert await bench.catalog.holds("acme", "home")
            await bench.unwrite(await self._version(bench, "a"))
            bench.clock.now += 10**15
            assert await bench.catalog.expire("orders", FAR, 10) == 1
            assert await bench.catalog.unreferenced(FAR, 10) == []
            assert not await bench.catalog.holds("acme", "home")
            assert await bench.catalog.adopted(SHELF, ["a"]) == {}

        tell(story)

    async def _version(self, bench: Bench, key: str) -> Version:
        held = await bench.head("acme", key)
        assert held is not None
        return held.version

    def test_an_older_one_that_goes_takes_nothing_of_the_newer_with_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await adopt(bench, object_of(bench, "a"))
            await adopt(bench, object_of(bench, "a", "e2"))
            bench.clock.now += 10**15
            assert await bench.catalog.expire("orders", FAR, 10) == 1
            assert (await bench.catalog.adopted(SHELF, ["a"]))["a"].etag == "e2"
            assert await bench.catalog.holds("acme", "home")

        tell(story)


class PlaceSuite(Adopting, OwningNothing):
    pass
