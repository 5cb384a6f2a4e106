"""Files that are being written name by name, several changes in one commit, and folders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.catalog import Expect
from gateway.errors import NoSuchUpload, PreconditionFailed
from gateway.model import ObjectRef, Principal, Upload
from tests.contract.catalog_kit import BUCKET, Bench, Tell, event_of, extent, part_of

NIGHTLY, OTHER = Principal("acme", "nightly"), Principal("acme", "other")
ABSENT = Expect(if_none_match=("*",))


def upload(name: str, key: str, who: Principal = NIGHTLY, begun: int = 5) -> Upload:
    return Upload(name, ObjectRef(BUCKET, key), who, begun)


def ref(key: str) -> ObjectRef:
    return ObjectRef(BUCKET, key)


class StagingSuite:
    def test_a_staged_file_is_its_principals_alone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.stage(upload("u1", "in/x.tmp"))
            await catalog.add_part("u1", part_of(1, "e1"))
            await catalog.add_part("u1", part_of(2, "e2"))
            found = await catalog.staged(NIGHTLY, ref("in/x.tmp"))
            assert found is not None
            assert (found.upload.id, found.size, found.parts) == ("u1", 20, 2)
            assert await catalog.staged(OTHER, ref("in/x.tmp")) is None
            assert await catalog.staged(Principal("globex", "nightly"), ref("in/x.tmp")) is None
            assert await catalog.page_uploads(BUCKET, "acme") == ([], [], False)
            stale = await catalog.stale_uploads(BUCKET, 2**62, after=None, limit=9)
            assert list(stale) == [], "what lifecycle looks at"

        tell(story)

    def test_pages_go_by_key(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            for key in ("in/b", "in/a", "in", "out/a", "in/c"):
                await catalog.stage(upload(key, key))
            await catalog.stage(upload("theirs", "in/aa", OTHER))
            first = await catalog.page_staged(NIGHTLY, BUCKET, "in/", "", 2)
            assert [each.upload.ref.key for each in first] == ["in/a", "in/b"]
            rest = await catalog.page_staged(NIGHTLY, BUCKET, "in/", "in/b", 2)
            assert [each.upload.ref.key for each in rest] == ["in/c"]
            every = await catalog.page_staged(NIGHTLY, BUCKET, "", "", 9)
            assert [e.upload.ref.key for e in every] == ["in", "in/a", "in/b", "in/c", "out/a"]

        tell(story)

    def test_a_name_is_staged_once(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.stage(upload("u1", "x"))
            await catalog.add_part("u1", part_of(1, "e1"))
            await catalog.stage(upload("u2", "x"))
            assert await catalog.upload("u1") is None
            loose = await catalog.unreferenced(2**62, 9)
            assert [each.key for each in loose] == [extent("e1").key]
            await catalog.stage(upload("u3", "y"))
            await catalog.move_staged("u3", ref("x"))
            assert await catalog.upload("u2") is None
            found = await catalog.staged(NIGHTLY, ref("x"))
            assert found is not None
            assert found.upload.id == "u3"
            assert await catalog.staged(NIGHTLY, ref("y")) is None
            await catalog.move_staged("u3", ref("x"))
            with pytest.raises(NoSuchUpload):
                await catalog.move_staged("u2", ref("z"))

        tell(story)

    def test_it_may_be_described_while_it_is_staged(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.stage(upload("u1", "x"))
            await catalog.describe_staged("u1", {"mtime": "7"})
            await catalog.describe_staged("u1", {"a": "b"})
            found = await catalog.upload("u1")
            assert found is not None
            assert found.metadata == {"mtime": "7", "a": "b"}
            with pytest.raises(NoSuchUpload):
                await catalog.describe_staged("none", {})

        tell(story)

    def test_what_became_a_version_is_staged_no_longer(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.stage(upload("u1", "x.tmp"))
            part = part_of(1, "e1")
            await catalog.add_part("u1", part)
            await bench.put("x", upload="u1", parts=((1, part.etag),), extents=part.extents)
            assert await catalog.staged(NIGHTLY, ref("x.tmp")) is None
            with pytest.raises(NoSuchUpload):
                await catalog.move_staged("u1", ref("y"))
            assert await catalog.unreferenced(2**62, 9) == []

        tell(story)

    def test_old_ones_are_found_oldest_first(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for name, begun in (("a", 30), ("b", 10), ("c", 20)):
                await bench.catalog.stage(upload(name, name, begun=begun))
            found = await bench.catalog.every_staged((0, ""), 2)
            assert [each.upload.id for each in found] == ["b", "c"]
            rest = await bench.catalog.every_staged((20, "c"), 9)
            assert [each.upload.id for each in rest] == ["a"]

        tell(story)

    def test_it_is_known_when_a_file_was_closed_and_last_written(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.stage(upload("u", "x", begun=5))
            (found,) = await catalog.every_staged((0, ""), 9)
            assert (found.closed, found.touched) == (0, 5)
            await catalog.add_part("u", replace(part_of(1, "e1"), at=7))
            await catalog.close_staged("u", 9)
            closed = await catalog.staged(NIGHTLY, ref("x"))
            assert closed is not None
            assert (closed.closed, closed.touched) == (9, 9)
            await catalog.close_staged("u", 0)
            opened = await catalog.staged(NIGHTLY, ref("x"))
            assert opened is not None
            assert (opened.closed, opened.touched) == (0, 7)
            with pytest.raises(NoSuchUpload):
                await catalog.close_staged("none", 9)

        tell(story)

    def test_a_shown_time_is_its_partys_own(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.show_time("acme", "v1", 70)
            await bench.catalog.show_time("acme", "v1", 80)
            await bench.catalog.show_time("globex", "v2", 90)
            assert await bench.catalog.shown_times("acme", ["v1", "v2"]) == {"v1": 80}
            assert await bench.catalog.shown_times("acme", []) == {}

        tell(story)

    def test_several_changes_happen_together_or_not_at_all(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("taken")
            before = await bench.catalog.size()
            with pytest.raises(PreconditionFailed):
                await bench.catalog.commit_all(
                    [bench.write("a", to=["globex"]), bench.write("taken", expect=ABSENT)]
                )
            assert await bench.head("acme", "a") is None
            assert await bench.catalog.size() == before
            done = await bench.catalog.commit_all(
                [bench.write("a", to=["globex"]), bench.write("b", expect=ABSENT)]
            )
            assert [version.ref.key for version in done] == ["a", "b"]
            assert done[0].number < done[1].number
            assert await bench.sees("globex", "a") == done[0].id
            assert await bench.catalog.size() == before + 2

        tell(story)

    def test_folders_are_rows_of_one_party(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            for path in ("in/", "in/a/", "out/"):
                assert await catalog.make_folder("acme", BUCKET, path, event_of("folder"))
            size = await catalog.size()
            assert not await catalog.make_folder("acme", BUCKET, "in/", event_of("folder"))
            assert await catalog.size() == size
            assert await catalog.folders("acme", BUCKET, "in/", "", 9) == ["in/", "in/a/"]
            assert await catalog.folders("acme", BUCKET, "in/", "in/", 9) == ["in/a/"]
            assert await catalog.folders("acme", BUCKET, "in/", "", 1) == ["in/"]
            assert await catalog.folders("globex", BUCKET, "", "", 9) == []
            assert await catalog.drop_folder("acme", BUCKET, "in/a/", event_of("folder"))
            assert not await catalog.drop_folder("acme", BUCKET, "in/a/", event_of("folder"))
            assert await catalog.folders("acme", BUCKET, "", "", 9) == ["in/", "out/"]

        tell(story)
