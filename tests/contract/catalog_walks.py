"""Behaviour suite for catalogs: the walk over all keys."""

from __future__ import annotations

from gateway.catalog import Kept, KeySpot, Surveyed
from gateway.catalog.walking import Wanted
from tests.contract.catalog_kit import FAR, Bench, Tell, extent, promise


def every(bucket: str, key: str) -> bool:
    return True


async def walked(bench: Bench, limit: int = 2, wanted: Wanted = every) -> list[Kept]:
    found: list[Kept] = []
    at: KeySpot | None = None
    while True:
        page = await bench.catalog.survey_keys(at, limit, wanted)
        assert page.seen <= limit
        found += page.versions
        if page.last is None:
            return found
        at = page.last


class WalkSuite:
    def test_the_versions_of_a_key_come_together_newest_first(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [await bench.put(key) for key in ("b", "a", "b", "c", "a", "b", "ä")]
            made.append(await bench.mark("a"))
            wanted = sorted(made, key=lambda v: (v.ref.key.encode(), v.number), reverse=True)
            for limit in (1, 2, 3, 100):
                found = await walked(bench, limit)
                assert [kept.each.number for kept in found] == [v.number for v in wanted]

        tell(story)

    def test_it_shows_what_the_other_walk_shows(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", to=("globex",), promises=(promise("in/k"),), tags={"a": "1"})
            await bench.put("k", metadata={"class": "open"}, headers={"content-type": "text/csv"})
            await bench.mark("k")
            await bench.unwrite(await bench.put("gone", to=("globex",)))
            other: list[Surveyed] = list((await bench.catalog.survey(FAR, 100)).versions)
            assert [kept.each for kept in await walked(bench)] == other

        tell(story)

    def test_it_tells_where_the_bytes_begin(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            where = extent("x")
            await bench.put("b", extents=(where, extent("y")))
            await bench.put("a", extents=())
            stores = [kept.store for kept in await walked(bench)]
            assert stores == [(where.party, where.store), ("", "")]

        tell(story)

    def test_it_tells_which_null_versions_were_replaced(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", null=True, to=("globex",))
            await bench.put("k", null=True)
            await bench.put("k")
            replaced = [sorted(kept.replaced) for kept in await walked(bench)]
            assert replaced == [[], [], ["acme"]]

        tell(story)

    def test_it_leaves_out_what_nobody_wants(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for key in ("a", "b", "c", "b"):
                await bench.put(key)
            found = await walked(bench, 2, lambda bucket, key: (bucket, key) == ("orders", "b"))
            assert [kept.each.facts.ref.key for kept in found] == ["b", "b"]
            page = await bench.catalog.survey_keys(None, 100, lambda bucket, key: False)
            assert (page.versions, page.seen) == ((), 4)

        tell(story)

    def test_an_empty_catalog_has_nothing_to_walk_over(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            assert await walked(bench) == []

        tell(story)
