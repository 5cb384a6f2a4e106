"""Behaviour suite for catalogs: what was taken over of sFTP depots."""

from __future__ import annotations

from gateway.catalog import Imported, Origin
from tests.contract.catalog_kit import Bench, Tell

DEPOT = Origin("acme", "depot")


class DepotSuite:
    def test_a_files_state_is_kept_for_its_source_alone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            one, other = Imported(7, 10, "v1"), Imported(8, 2**40, "", "u1")
            await bench.catalog.note_imported(DEPOT, {"a": one, "d/ä": other})
            found = await bench.catalog.imported(DEPOT, ["a", "d/ä", "x"])
            assert found == {"a": one, "d/ä": other}
            assert await bench.catalog.imported(Origin("acme", "another"), ["a"]) == {}

        tell(story)

    def test_the_newest_state_replaces_the_one_before(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.note_imported(DEPOT, {"a": Imported(9, 1, "v1")})
            await bench.catalog.note_imported(DEPOT, {"a": Imported(3, 1, "v1", "u")})
            assert await bench.catalog.imported(DEPOT, ["a"]) == {"a": Imported(3, 1, "v1", "u")}
            await bench.catalog.note_imported(DEPOT, {})
            assert await bench.catalog.imported(DEPOT, []) == {}

        tell(story)

    def test_the_partys_own_tree_shows_the_depots_times(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            files = {"a": Imported(7, 1, "v1"), "b": Imported(8, 1, "v2", "u"), "c": Imported(9, 1)}
            await bench.catalog.note_imported(DEPOT, files)
            assert await bench.catalog.shown_times("acme", ["v1", "v2", ""]) == {"v1": 7}
            assert await bench.catalog.shown_times("globex", ["v1"]) == {}

        tell(story)
