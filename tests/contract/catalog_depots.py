"""Behaviour suite for catalogs: what was taken over of sFTP depots."""

from __future__ import annotations

from gateway.catalog import Imported
from tests.contract.catalog_kit import Bench, Tell


class DepotSuite:
    def test_a_files_state_is_kept_for_its_source_alone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            one, other = Imported(7, 10, "v1"), Imported(8, 2**40, "", "u1")
            await bench.catalog.note_imported("depot", {"a": one, "d/ä": other})
            found = await bench.catalog.imported("depot", ["a", "d/ä", "x"])
            assert found == {"a": one, "d/ä": other}
            assert await bench.catalog.imported("another", ["a"]) == {}

        tell(story)

    def test_the_newest_state_replaces_the_one_before(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.note_imported("depot", {"a": Imported(9, 1, "v1")})
            await bench.catalog.note_imported("depot", {"a": Imported(3, 1, "v1", "u")})
            assert await bench.catalog.imported("depot", ["a"]) == {"a": Imported(3, 1, "v1", "u")}
            await bench.catalog.note_imported("depot", {})
            assert await bench.catalog.imported("depot", []) == {}

        tell(story)
