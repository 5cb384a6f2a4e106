"""Behaviour suite for catalogs: how versions stand for lifecycle, and what it may still do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.catalog import Unwrite
from gateway.errors import Conflict, Locked, NoSuchBucket
from gateway.lifecycle import SETTING, Judged, Rule, Standing, text_of
from gateway.locks import ON
from gateway.model import Bucket, Lock, ObjectRef, Version, Versioning
from tests.contract.catalog_kit import (
    BUCKET,
    SECOND,
    Bench,
    Tell,
    event_of,
    promise,
    upload_of,
)

EVERY = 100


def made(*rules: Rule, **fields: object) -> Bucket:
    """The bucket that the kit writes to, made by acme through a door."""
    settings = {SETTING: text_of(rules or (Rule("r", days=1),))}
    bucket = Bucket(BUCKET, "acme", {"acme": ("**",)}, created=1, settings=settings)
    return replace(bucket, **fields)  # type: ignore[arg-type]


async def founded(bench: Bench, *rules: Rule) -> Bucket:
    bucket = made(*rules)
    await bench.catalog.create_bucket(bucket, event_of("bucket"))
    return bucket


async def look(
    bench: Bench,
    bucket: Bucket,
    prefix: str = "",
    after: Standing | None = None,
    limit: int = EVERY,
) -> list[Standing]:
    return list(await bench.catalog.standings(bucket, prefix, after=after, limit=limit))


def judged(bucket: Bucket, due: Callable[[Standing], bool] = lambda _: True) -> Judged:
    return Judged(bucket, "r", due)


async def removed(bench: Bench, version: Version, judged: Judged) -> Version:
    event = event_of("unwrite", version=version.id, readers=("acme",))
    change = Unwrite(version.ref, version.id, "acme", event, judged=judged)
    return await bench.catalog.commit(change)


class Standings:
    def test_newest_first_within_a_key_each_since_the_next_one_came(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench, Rule("r", noncurrent_days=1, newer=5))
            versions = [
                await bench.put("a", size=n, tags={"n": str(n)} if n else {}) for n in range(3)
            ]
            other = await bench.put("b")
            found = await look(bench, bucket)
            assert [(s.key, s.id) for s in found] == [
                ("a", versions[2].id),
                ("a", versions[1].id),
                ("a", versions[0].id),
                ("b", other.id),
            ]
            assert [s.since for s in found] == [0, versions[2].number, versions[1].number, 0]
            assert [s.newer for s in found] == [0, 0, 1, 0]
            assert [s.alone for s in found] == [False, False, False, True]
            told = [(s.size, s.tags) for s in found[:3]]
            assert told == [(2, {"n": "2"}), (1, {"n": "1"}), (0, {})]
            assert [s.at for s in found] == [bench.clock.now] * 4
            assert not any(s.marker or s.lock or s.awaited for s in found)

        tell(story)

    def test_a_marker_is_current_and_alone_once_it_hides_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            version = await bench.put("k")
            marker = await bench.mark("k")
            first, second = await look(bench, bucket)
            assert (first.id, first.marker, first.since, first.alone) == (marker.id, True, 0, False)
            assert (second.id, second.since) == (version.id, marker.number)
            await bench.unwrite(version)
            (only,) = await look(bench, bucket)
            assert (only.id, only.alone) == (marker.id, True)

        tell(story)

    def test_newer_ones_count_if_they_have_content_and_no_further_than_asked(
        self, tell: Tell
    ) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench, Rule("r", noncurrent_days=1, newer=2))
            for _ in range(4):
                await bench.put("k")
                await bench.mark("k")
            found = await look(bench, bucket)
            assert [s.marker for s in found] == [True, False] * 4
            assert [s.newer for s in found] == [0, 0, 1, 1, 2, 2, 2, 2]

        tell(story)

    def test_what_s3_does_not_show_does_not_stand(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            await bench.put("k", null=True)
            newest = await bench.put("k", null=True)
            await bench.put("gone", null=True)
            await bench.mark("gone", null=True, shown=False)
            (only,) = await look(bench, bucket)
            assert (only.id, only.since, only.alone) == (newest.id, 0, True)

        tell(story)

    def test_it_is_the_owners_own_versions_that_stand(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            await bench.put("theirs", author="globex", to=("acme",))
            mine = await bench.put("mine", to=("globex",))
            assert [s.id for s in await look(bench, bucket)] == [mine.id]

        tell(story)

    def test_a_lock_and_a_copy_on_its_way_are_told(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            await bench.put("k", lock=Lock(hold=ON), to=("globex",), promises=(promise("k"),))
            (before,) = await look(bench, bucket)
            assert (before.lock, before.awaited) == (Lock(hold=ON), True)
            await bench.settle(await bench.claim_one())
            (after,) = await look(bench, bucket)
            assert not after.awaited

        tell(story)

    def test_by_the_page_and_below_a_prefix(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            keys = ("a", "a/1", "a/1", "a/2", "a/\U0010ffff", "b")
            for key in keys:
                await bench.put(key)
            every = await look(bench, bucket)
            assert [s.key for s in every] == list(keys)
            below = await look(bench, bucket, "a/")
            assert [s.key for s in below] == list(keys[1:5])
            paged: list[Standing] = []
            while some := await look(bench, bucket, "a/", paged[-1] if paged else None, 1):
                paged += some
            assert paged == below

        tell(story)


class JudgedCommits:
    def test_what_still_holds_is_done(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            old, new = await bench.put("k"), await bench.put("k")
            before = {s.id: s for s in await look(bench, bucket)}
            seen: list[Standing] = []

            def due(standing: Standing) -> bool:
                seen.append(standing)
                return True

            await removed(bench, old, judged(bucket, due))
            await bench.mark("k", judged=judged(bucket, due))
            assert seen == [before[old.id], replace(before[new.id], alone=True)]
            assert [s.marker for s in await look(bench, bucket)] == [True, False]

        tell(story)

    def test_what_no_longer_holds_changes_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            old, new = await bench.put("k"), await bench.put("k")
            before = (await look(bench, bucket), await bench.catalog.size())
            with pytest.raises(Conflict):
                await bench.mark("k", judged=judged(bucket, lambda s: s.id == old.id))
            with pytest.raises(Conflict):
                await removed(bench, old, judged(bucket, lambda s: s.id == new.id))
            with pytest.raises(Conflict):
                await bench.mark("absent", judged=judged(bucket))
            assert (await look(bench, bucket), await bench.catalog.size()) == before

        tell(story)

    @pytest.mark.parametrize("how", ["rules", "versioning", "anew", "gone"])
    def test_it_is_judged_by_the_bucket_as_it_was(self, tell: Tell, how: str) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            old, _ = await bench.put("k"), await bench.put("k")
            await bench.catalog.begin(upload_of("u"))
            catalog, event = bench.catalog, event_of("bucket")
            if how == "rules":
                await catalog.set_setting(BUCKET, SETTING, "", event)
            elif how == "versioning":
                await catalog.set_versioning(BUCKET, Versioning.SUSPENDED, event)
            elif how == "anew":
                bucket = made(created=2)
            else:
                bucket = made(name="gone")
            expected = NoSuchBucket if how == "gone" else Conflict
            with pytest.raises(expected):
                await bench.mark("k", judged=judged(bucket))
            with pytest.raises(expected):
                await removed(bench, old, judged(bucket))
            with pytest.raises(expected):
                await catalog.abort("u", bucket=bucket)
            assert await catalog.upload("u") is not None
            assert await bench.sees("acme", "k", version=old.id) == old.id

        tell(story)

    def test_an_upload_goes_by_the_bucket_as_it_is(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            await bench.catalog.begin(upload_of("u"))
            await bench.catalog.abort("u", bucket=bucket)
            assert await bench.catalog.upload("u") is None

        tell(story)

    def test_a_lock_beats_what_was_judged(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            old = await bench.put("k", lock=Lock(hold=ON))
            await bench.put("k")
            with pytest.raises(Locked):
                await removed(bench, old, judged(bucket))

        tell(story)

    def test_others_lose_what_lifecycle_takes_away(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = await founded(bench)
            old = await bench.put("k", to=("globex",), promises=(promise("k"),))
            bench.clock.now += SECOND
            new = await bench.put("k", to=("globex",))
            await removed(bench, old, judged(bucket))
            assert await bench.sees("globex", "k", version=old.id) == ""
            assert await bench.states(old) == ["cancelled"]
            await bench.mark("k", judged=judged(bucket))
            held = await bench.head("globex", "k")
            assert held is not None
            assert held.version.marker
            assert await bench.sees("globex", "k", version=new.id) == new.id
            (first, *_) = await bench.catalog.story(ObjectRef(BUCKET, "k"))
            assert {grant.party for grant in first.grants} == {"acme", "globex"}

        tell(story)


class LifecycleSuite(Standings, JudgedCommits):
    """Every behaviour that lifecycle rests on."""
