"""Behaviour suite for catalogs: the walk over all versions."""

from __future__ import annotations

import pytest

from gateway.catalog import Surveyed
from gateway.errors import PolicyMoved
from gateway.model import DeliveryState, Grant, Mode, Version
from tests.contract.catalog_kit import FAR, R1, R2, Bench, Tell, extent, promise


async def walked(bench: Bench, limit: int = 2, below: int = FAR) -> list[Surveyed]:
    """The whole walk, page by page, as whoever walks goes on."""
    found: list[Surveyed] = []
    seen = 0
    while below:
        page = await bench.catalog.survey(below, limit)
        assert page.seen <= limit
        assert page.last < below
        found += page.versions
        seen += page.seen
        below = page.last
    assert seen <= await bench.catalog.version_count()
    return found


async def one(bench: Bench, version: Version) -> Surveyed:
    return next(each for each in await walked(bench) if each.number == version.number)


class SurveySuite:
    def test_a_walk_meets_every_version_and_marker_once_newest_first(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [await bench.put(key) for key in ("b", "a", "b")]
            made.append(await bench.mark("a"))
            found = await walked(bench)
            assert [each.number for each in found] == [v.number for v in reversed(made)]
            assert [each.marker for each in found] == [True, False, False, False]
            assert await bench.catalog.version_count() == 4
            assert await walked(bench, limit=100) == found

        tell(story)

    def test_a_walk_goes_on_below_any_number(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first, second = await bench.put("a"), await bench.put("b")
            assert [each.number for each in await walked(bench, below=second.number)] == [
                first.number
            ]
            assert await walked(bench, below=first.number) == []
            assert (await bench.catalog.survey(0, 10)).last == 0

        tell(story)

    def test_it_shows_what_policy_looks_at(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put(
                "k",
                headers={"content-type": "text/csv"},
                metadata={"class": "öffentlich"},
                tags={"final": "yes"},
                extents=(extent("x"),),
            )
            plain = await bench.put("plain")
            assert (await one(bench, version)).facts == version.facts
            assert (await one(bench, plain)).facts == plain.facts

        tell(story)

    def test_it_shows_the_open_grants_alone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex", "initech"))
            await bench.new_policy(R2)
            kept = Grant("globex", Mode.SHARE, "rule for globex", R2)
            await bench.retag(version, kept)
            found = await one(bench, version)
            held = found.held_by("globex")
            assert held is not None
            assert (held.mode, held.rule, held.revision) == (Mode.SHARE, "rule for globex", R2)
            assert sorted(grant.party for grant in found.grants) == ["acme", "globex"]
            assert found.held_by("initech") is None
            assert found.tags_number > version.number
            assert found.facts.tags == {"final": "yes"}

        tell(story)

    def test_it_shows_deliveries_that_are_open_or_done(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = (promise("done"), promise("open"), promise("withdrawn"))
            version = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=made)
            for claim in await bench.claim():
                state = {
                    "done": DeliveryState.DONE,
                    "open": DeliveryState.PARKED,
                    "withdrawn": DeliveryState.WITHDRAWN,
                }[claim.delivery.target]
                await bench.settle(claim.delivery, state)
            found = await one(bench, version)
            assert [(d.target, d.state) for d in found.deliveries] == [
                ("done", DeliveryState.DONE),
                ("open", DeliveryState.PARKED),
            ]
            assert list(found.deliveries) == [
                each
                for each in await bench.catalog.deliveries_of(version.number)
                if each.target != "withdrawn"
            ]

        tell(story)

    def test_what_is_gone_is_left_out_but_counted(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            gone = await bench.put("k", to=("globex",))
            await bench.unwrite(gone)
            old = await bench.put("j")
            await bench.put("j")
            assert await bench.catalog.expire("orders", FAR, 10) == 2
            found = await walked(bench)
            assert {gone.number, old.number}.isdisjoint(each.number for each in found)
            assert (await bench.catalog.survey(FAR, 10)).seen == 3

        tell(story)

    def test_it_tells_what_is_current_in_somebodys_view(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k")
            behind = await bench.put("j", to=("globex",))
            new, ahead = await bench.put("k"), await bench.put("j")
            current = {each.number: each.current for each in await walked(bench)}
            assert current == {
                old.number: False,
                new.number: True,
                behind.number: True,  # globex sees no newer one
                ahead.number: True,
            }

        tell(story)

    def test_a_marker_is_looked_at_as_what_it_hid(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            fields = {"tags": {"a": "1"}, "metadata": {"class": "open"}}
            version = await bench.put("k", to=("globex",), mode=Mode.OWN, **fields)
            await bench.mark("k")
            top = await bench.mark("k", author="globex")
            lonely = await bench.mark("j")
            await bench.retag(version, Grant("globex", Mode.OWN, "rule for globex", R1))
            marker, alone = await one(bench, top), await one(bench, lonely)
            assert marker.facts == (await one(bench, version)).facts
            assert marker.facts.tags == {"final": "yes"}
            assert (marker.marker, marker.author, marker.version) == (True, "globex", top.id)
            assert (marker.hides, alone.hides) == (version.number, 0)
            assert alone.facts.version == lonely.id

        tell(story)

    def test_a_refused_write_is_not_counted(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k")
            late = bench.write("k")
            await bench.new_policy(R2)
            with pytest.raises(PolicyMoved):
                await bench.catalog.commit(late)
            assert await bench.catalog.version_count() == 1

        tell(story)
