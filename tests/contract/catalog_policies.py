"""What a catalog keeps of the policies that were in force: each whole, and who put it there."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.catalog import Applied, Step
from tests.contract.catalog_kit import R1, Bench, Tell, event_of

FIRST = {"topology.yaml": "t", "acme.yaml": "a", "globex.yaml": "g"}
SECOND = {"topology.yaml": "t", "acme.yaml": "ä" * 1000, "umbra.yaml": "a"}


class Revisions:
    async def _put(self, bench: Bench, revision: str, files: dict[str, str], *who: str) -> None:
        door, party, principal = who or ("folder", "", "")
        event = replace(event_of("policy"), door=door, party=party, principal=principal)
        await bench.catalog.put_policy(revision, files, event)

    def test_each_is_kept_whole_with_who_put_it_there(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await self._put(bench, "f1", FIRST)
            await self._put(bench, "f2", SECOND, "api", "globex", "staff")
            newest, older, oldest = await bench.catalog.policies(2**62, 9)
            changed = ("acme.yaml", "globex.yaml", "umbra.yaml")
            assert newest == Applied(newest.number, "f2", "api", "globex", "staff", changed)
            assert (older.revision, older.door, older.party) == ("f1", "folder", "")
            assert older.changed == ("acme.yaml", "globex.yaml", "topology.yaml")
            assert oldest.revision == R1
            assert await bench.catalog.policy_files(newest.number) == SECOND
            assert await bench.catalog.policy_files(older.number) == FIRST
            assert await bench.catalog.policy_files(oldest.number) == {"acme.yaml": R1}
            assert await bench.catalog.policy() == ("f2", SECOND)
            assert await bench.catalog.policies(newest.number, 1) == [older]

        tell(story)

    def test_they_are_found_by_how_their_revision_begins(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for revision, files in (("ab1", FIRST), ("ab2", SECOND), ("ab1", FIRST)):
                await self._put(bench, revision, files)
            found = await bench.catalog.policies_named("ab", 9)
            assert [each.revision for each in found] == ["ab1", "ab2"]
            assert found[0] == (await bench.catalog.policies(2**62, 1))[0], "as applied last"
            assert [e.revision for e in await bench.catalog.policies_named("ab2", 9)] == ["ab2"]
            assert not await bench.catalog.policies_named("b", 9)
            assert not await bench.catalog.policies_named("%", 9)

        tell(story)

    def test_which_ones_changed_a_file_and_what_it_was_then(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await self._put(bench, "f1", FIRST)
            await self._put(bench, "f2", FIRST | {"acme.yaml": "other"})
            changes = await bench.catalog.policy_changes("globex.yaml", 9)
            assert [(each.revision, each.changed) for each, _ in changes] == [
                ("f1", ("globex.yaml",))
            ]
            (newest, digest), *older = await bench.catalog.policy_changes("acme.yaml", 9)
            assert (newest.revision, [each.revision for each, _ in older]) == ("f2", ["f1", R1])
            assert await bench.catalog.policy_text("acme.yaml", digest) == "other"
            assert await bench.catalog.policy_text("acme.yaml", older[0][1]) == "a"
            assert await bench.catalog.policy_text("globex.yaml", digest) is None, "not its own"
            assert await bench.catalog.policy_changes("nobody.yaml", 9) == []
            assert len(await bench.catalog.policy_changes("acme.yaml", 1)) == 1

        tell(story)

    def test_a_file_is_followed_whatever_other_files_do_later(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            followed = bench.catalog.policy_followed
            await self._put(bench, "f1", FIRST)
            assert not await followed("acme.yaml")
            progress = await bench.catalog.progress()
            assert progress is not None
            await bench.catalog.redecide(Step("f1", progress.reached, 0, 0))
            assert await followed("acme.yaml")
            await self._put(bench, "f2", FIRST | {"globex.yaml": "other"})
            assert await followed("acme.yaml")
            assert not await followed("globex.yaml")

        tell(story)

    def test_any_row_of_edits_comes_back_text_by_text(self, tell: Tell) -> None:
        folders = st.dictionaries(
            st.sampled_from(("a.yaml", "b.yaml", "c.yaml")), st.text("xyé", max_size=3)
        )

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(folders, min_size=1, max_size=6))
        def check(edits: list[dict[str, str]]) -> None:
            async def story(bench: Bench) -> None:
                for n, files in enumerate(edits):
                    await self._put(bench, f"e{n}", files)
                kept = await bench.catalog.policies(2**62, len(edits))
                for applied, files in zip(kept, reversed(edits), strict=True):
                    assert await bench.catalog.policy_files(applied.number) == files
                assert (await bench.catalog.policy() or ("", {}))[1] == edits[-1]

            tell(story)

        check()
