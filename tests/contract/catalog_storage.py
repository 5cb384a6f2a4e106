"""Behaviour suite for catalogs: uploads, references to extents, history that ends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from gateway.errors import InvalidPart, NoSuchUpload
from gateway.model import Extent, Mode, ObjectRef, Source
from tests.contract.catalog_kit import (
    BUCKET,
    FAR,
    SECOND,
    Bench,
    Tell,
    extent,
    part_of,
    promise,
    upload_of,
)


async def idle(bench: Bench, before: int = FAR) -> list[str]:
    """Names of the extents that nothing refers to any more."""
    found = await bench.catalog.unreferenced(before, 100)
    return sorted(each.key.rpartition("/")[2] for each in found)


class Uploading:
    def test_an_upload_comes_back_as_it_went_in(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            upload = replace(
                upload_of("u"),
                metadata={"m": "ü"},
                tags={"t": "1"},
                algorithm="crc32",
                checksum_type="COMPOSITE",
            )
            await bench.catalog.begin(upload)
            assert await bench.catalog.upload("u") == upload
            assert await bench.catalog.upload("v") is None

        tell(story)

    def test_parts_come_back_in_order(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.begin(upload_of("u"))
            parts = [part_of(n, f"x{n}") for n in (1, 2, 10)]
            copied = (Source("part-copy", ObjectRef("b", "k"), "v"),)
            parts[1] = replace(parts[1], sources=copied)
            for part in reversed(parts):
                await bench.catalog.add_part("u", part)
            assert await bench.catalog.parts("u") == parts
            assert await bench.catalog.parts("u", after=1, limit=1) == parts[1:2]
            assert await bench.catalog.parts("v") == []

        tell(story)

    def test_a_part_sent_again_replaces(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.begin(upload_of("u"))
            await bench.catalog.add_part("u", part_of(1, "old"))
            newer = part_of(1, "new", "other-etag")
            await bench.catalog.add_part("u", newer)
            assert await bench.catalog.parts("u") == [newer]
            assert await idle(bench) == ["old"]

        tell(story)

    def test_no_part_for_an_upload_that_is_gone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            with pytest.raises(NoSuchUpload):
                await catalog.add_part("u", part_of(1, "x"))
            await catalog.begin(upload_of("u"))
            await catalog.abort("u")
            with pytest.raises(NoSuchUpload):
                await catalog.add_part("u", part_of(1, "x"))
            with pytest.raises(NoSuchUpload):
                await catalog.abort("u")
            assert await catalog.upload("u") is None
            assert not await catalog.knows("acme", "home", extent("x").key)

        tell(story)

    def test_aborting_frees_the_parts(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.begin(upload_of("u"))
            await bench.catalog.add_part("u", part_of(1, "x"))
            await bench.catalog.abort("u")
            assert await idle(bench) == ["x"]
            assert await bench.catalog.parts("u") == []

        tell(story)

    def test_completing_moves_the_bytes_to_the_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.begin(upload_of("u"))
            for n in (1, 2, 3):
                await catalog.add_part("u", part_of(n, f"x{n}"))
            listed = ((1, "part-1"), (3, "part-3"))
            extents = (extent("x1"), extent("x3"))
            version = await bench.put("big", upload="u", parts=listed, extents=extents)
            assert await idle(bench) == ["x2"]
            upload = await catalog.upload("u")
            assert upload is not None
            assert upload.version == version.id
            with pytest.raises(NoSuchUpload):
                await catalog.abort("u")
            with pytest.raises(NoSuchUpload):
                await catalog.add_part("u", part_of(4, "x4"))

        tell(story)

    def test_a_second_completion_returns_the_first_ones_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.begin(upload_of("u"))
            await bench.catalog.add_part("u", part_of(1, "x"))
            how = {"upload": "u", "parts": ((1, "part-1"),), "extents": (extent("x"),)}
            first = await bench.put("big", **how)
            size = await bench.catalog.size()
            assert await bench.put("big", **how) == first
            assert await bench.catalog.size() == size
            assert len(await bench.catalog.story(first.ref)) == 1

        tell(story)

    @pytest.mark.parametrize("parts", [((1, "wrong"),), ((2, "part-2"),), ((1, "part-1"), (2, ""))])
    def test_parts_must_be_those_that_were_sent(
        self, tell: Tell, parts: tuple[tuple[int, str], ...]
    ) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.begin(upload_of("u"))
            await bench.catalog.add_part("u", part_of(1, "x"))
            with pytest.raises(InvalidPart):
                await bench.put("big", upload="u", parts=parts)
            assert await bench.keys("acme") == []

        tell(story)

    def test_completing_what_is_gone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            with pytest.raises(NoSuchUpload):
                await bench.put("big", upload="u")

        tell(story)

    def test_stale_ones_are_found_oldest_first(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            uploads = [upload_of(f"u{n}", begun=n) for n in (3, 1, 2)]
            for upload in uploads:
                await bench.catalog.begin(upload)
            await bench.put("big", upload="u1")
            await bench.catalog.begin(replace(upload_of("x"), ref=ObjectRef("other", "k")))
            stale = partial(bench.catalog.stale_uploads, BUCKET, limit=10, after=None)
            assert await stale(3) == [uploads[2]]
            assert await stale(9) == [uploads[2], uploads[0]]
            assert await stale(9, limit=1) == [uploads[2]]
            assert await stale(9, after=uploads[2]) == [uploads[0]]
            assert await stale(9, after=uploads[0]) == []

        tell(story)

    def test_a_complete_one_is_known_for_a_while(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            for name in ("u", "v", "open"):
                await catalog.begin(upload_of(name))
            first = await bench.put("big", upload="u")
            bench.clock.now += SECOND
            await bench.put("big", upload="v")
            assert await catalog.forget_uploads(first.at, 10) == 0
            assert await bench.put("big", upload="u") == first
            assert await catalog.forget_uploads(bench.clock.now, 10) == 1
            with pytest.raises(NoSuchUpload):
                await bench.put("big", upload="u")
            assert await catalog.upload("u") is None
            assert await catalog.forget_uploads(FAR, 0) == 0
            assert await catalog.forget_uploads(FAR, 10) == 1
            assert await catalog.upload("open") is not None
            assert await bench.sees("acme", "big")

        tell(story)


class PagingUploads:
    def test_by_key_then_time_of_one_party(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [
                upload_of("u1", "b", 1),
                upload_of("u3", "a", 3),
                upload_of("u2", "a", 2),
                upload_of("x", "a", 2, party="globex"),
            ]
            for upload in made:
                await bench.catalog.begin(upload)
            page = bench.catalog.page_uploads
            assert await page(BUCKET, "acme") == ([made[2], made[1], made[0]], [], False)
            assert await page(BUCKET, "globex") == ([made[3]], [], False)
            assert await page(BUCKET, "acme", limit=2) == ([made[2], made[1]], [], True)
            inside = await page(BUCKET, "acme", after="a", after_upload="u2")
            assert inside == ([made[1], made[0]], [], False)
            assert await page(BUCKET, "acme", after="a") == ([made[0]], [], False)
            assert await page("other", "acme") == ([], [], False)

        tell(story)

    def test_prefixes_and_delimiters(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            keys = ("a/1", "a/2", "b", "c/1", "\ud7ff/1", "\ud7ff0")
            made = {key: upload_of(f"u-{key}", key) for key in keys}
            for upload in made.values():
                await bench.catalog.begin(upload)
            page = bench.catalog.page_uploads
            uploads, prefixes, more = await page(BUCKET, "acme", delimiter="/")
            assert (uploads, prefixes) == ([made["b"], made["\ud7ff0"]], ["a/", "c/", "\ud7ff/"])
            assert not more
            uploads, _, _ = await page(BUCKET, "acme", prefix="a/", delimiter="/")
            assert uploads == [made["a/1"], made["a/2"]]
            uploads, prefixes, more = await page(BUCKET, "acme", delimiter="/", after="a/", limit=1)
            assert (uploads, prefixes, more) == ([made["b"]], [], True)

        tell(story)

    def test_a_narrowed_principal_pages_through_its_own_alone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [upload_of(f"u{n}", key) for n, key in enumerate(("a/1", "b/1", "b/2", "c/1"))]
            for upload in made:
                await bench.catalog.begin(upload)
            page = bench.catalog.page_uploads
            assert await page(BUCKET, "acme", within=("b/",)) == (made[1:3], [], False)
            assert await page(BUCKET, "acme", within=("b/",), limit=2) == (made[1:3], [], False)
            assert await page(BUCKET, "acme", within=("b/", "c/"), limit=1) == (made[1:2], [], True)
            groups = await page(BUCKET, "acme", within=("b/",), delimiter="/")
            assert groups == ([], ["b/"], False)

        tell(story)

    def test_complete_ones_are_not_listed(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.begin(upload_of("u"))
            await bench.put("big", upload="u")
            assert await bench.catalog.page_uploads(BUCKET, "acme") == ([], [], False)

        tell(story)


class References:
    def test_a_version_keeps_its_bytes(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", extents=(extent("x", 100, 64),))
            assert await idle(bench) == []
            assert await bench.catalog.knows("acme", "home", extent("x").key)
            assert not await bench.catalog.knows("acme", "other", extent("x").key)
            assert not await bench.catalog.knows("globex", "home", extent("x").key)

        tell(story)

    def test_a_store_holds_what_something_refers_to(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.begin(upload_of("u"))
            await catalog.add_part("u", part_of(1, "x"))
            assert await catalog.holds("acme", "home")
            assert not await catalog.holds("acme", "other")
            await catalog.abort("u")
            assert not await catalog.holds("acme", "home")

        tell(story)

    def test_bytes_go_when_the_last_version_is_purged(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", extents=(extent("x"), extent("y")))
            second = await bench.put("copy", extents=(extent("x"),))
            for version in (first, second):
                await bench.unwrite(version)
            bench.clock.now += SECOND
            assert await bench.catalog.expire(BUCKET, first.number + 10, 1) == 1
            assert await idle(bench) == ["y"]
            assert await bench.catalog.expire(BUCKET, FAR, 10) == 1
            assert await idle(bench) == ["x", "y"]

        tell(story)

    def test_slices_of_one_object_count_once(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            slices = (extent("x", 10, 64), extent("x", 10, 84))
            version = await bench.put("k", extents=slices)
            await bench.unwrite(version)
            await bench.catalog.expire(BUCKET, FAR, 10)
            (found,) = await bench.catalog.unreferenced(FAR, 10)
            assert found == Extent("acme", "home", extent("x").key, 0, 94)

        tell(story)

    def test_only_what_was_idle_before_the_moment(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.begin(upload_of("u"))
            await bench.catalog.add_part("u", part_of(1, "x"))
            await bench.catalog.abort("u")
            assert await idle(bench, bench.clock.now) == []
            assert await idle(bench, bench.clock.now + 1) == ["x"]

        tell(story)

    def test_forgetting_spares_what_is_in_use_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.begin(upload_of("u"))
            for name in ("x", "y"):
                await catalog.add_part("u", part_of(ord(name), name))
            await catalog.abort("u")
            found = await catalog.unreferenced(FAR, 10)
            await bench.put("k", extents=(extent("x"),))
            gone = await catalog.forget(found)
            assert [e.key for e in gone] == [extent("y").key]
            assert await catalog.knows("acme", "home", extent("x").key)
            assert not await catalog.knows("acme", "home", extent("y").key)
            assert await catalog.forget(found) == []
            assert await catalog.forget(()) == ()

        tell(story)


class Expiring:
    def test_only_what_is_no_longer_current(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",), extents=(extent("x"),))
            bench.clock.now += SECOND
            second = await bench.put("k", to=("globex",))
            assert await bench.catalog.expire(BUCKET, second.number, 10) == 0
            assert await bench.catalog.expire("other", FAR, 10) == 0
            assert await bench.catalog.expire(BUCKET, second.number + 1, 10) == 1
            assert await bench.catalog.expire(BUCKET, FAR, 10) == 0
            assert await bench.head("acme", "k", version=first.id) is None
            assert await bench.sees("globex", "k") == second.id
            newest, oldest = await bench.catalog.story(first.ref)
            assert (newest.purged, oldest.purged) == (False, True)
            assert all(grant.closed for grant in oldest.grants)
            assert oldest.version == first
            assert await idle(bench) == ["x"]

        tell(story)

    def test_not_what_some_party_still_has_as_its_newest(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",))
            await bench.put("k")
            assert await bench.catalog.expire(BUCKET, FAR, 10) == 0
            assert await bench.sees("globex", "k") == first.id
            await bench.put("k", to=("globex",))
            assert await bench.catalog.expire(BUCKET, FAR, 10) == 2

        tell(story)

    def test_not_what_is_current_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            second = await bench.put("k")
            await bench.unwrite(second)
            assert await bench.catalog.expire(BUCKET, FAR, 10) == 1
            assert await bench.sees("acme", "k") == first.id

        tell(story)

    def test_not_what_is_still_to_be_delivered(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t")])
            await bench.put("k")
            assert await bench.catalog.expire(BUCKET, FAR, 10) == 0
            await bench.settle(await bench.claim_one())
            assert await bench.catalog.expire(BUCKET, FAR, 10) == 1

        tell(story)

    def test_what_a_marker_hides_stops_being_current(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",), mode=Mode.COPY)
            await bench.mark("k")
            assert await bench.catalog.expire(BUCKET, FAR, 10) == 1
            assert await bench.head("globex", "k", version=version.id) is None

        tell(story)

    def test_up_to_the_limit(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for _ in range(6):
                await bench.put("k")
            assert [await bench.catalog.expire(BUCKET, FAR, 2) for _ in range(4)] == [2, 2, 1, 0]

        tell(story)


class StorageSuite(Uploading, PagingUploads, References, Expiring):
    """Everything about bytes, for one catalog."""
