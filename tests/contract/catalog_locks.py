"""Behaviour suite for catalogs: object lock, and the settings of buckets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.catalog import Relock
from gateway.errors import BucketNotEmpty, Locked, NoSuchBucket
from gateway.locks import COMPLIANCE, GOVERNANCE, OFF, ON, Lock
from gateway.model import Bucket, ObjectRef, Version
from tests.contract.catalog_kit import (
    BUCKET,
    FAR,
    SECOND,
    Bench,
    Tell,
    event_of,
    extent,
    part_of,
    upload_of,
)


async def relock(bench: Bench, version: Version, **how: object) -> Version:
    event = event_of("lock", version=version.id)
    change = Relock(version.ref, version.id, version.author, event, **how)  # type: ignore[arg-type]
    return await bench.catalog.commit(change)


class Locks:
    def test_a_lock_comes_back_with_its_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            lock = Lock(GOVERNANCE, FAR, ON)
            await bench.put("k", lock=lock)
            held = await bench.head("acme", "k")
            assert held is not None
            assert held.version.lock == lock
            await bench.catalog.begin(replace(upload_of("u"), lock=lock))
            upload = await bench.catalog.upload("u")
            assert upload is not None
            assert upload.lock == lock

        tell(story)

    @pytest.mark.parametrize(
        ("lock", "bypass", "stays"),
        [
            (Lock(GOVERNANCE, FAR), False, True),
            (Lock(GOVERNANCE, FAR), True, False),
            (Lock(COMPLIANCE, FAR), True, True),
            (Lock(COMPLIANCE, 1), False, False),
            (Lock(GOVERNANCE, FAR, ON), True, True),
            (Lock(hold=OFF), False, False),
        ],
    )
    def test_what_a_lock_keeps_from_being_unwritten(
        self, tell: Tell, lock: Lock, bypass: bool, stays: bool
    ) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", lock=lock)
            before = await bench.catalog.size()
            if stays:
                with pytest.raises(Locked):
                    await bench.unwrite(version, bypass=bypass)
                assert await bench.catalog.size() == before
            else:
                await bench.unwrite(version, bypass=bypass)
            assert (await bench.sees("acme", "k") == version.id) is stays

        tell(story)

    def test_a_retention_that_runs_only_grows(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", lock=Lock(GOVERNANCE, FAR))
            for less in ((GOVERNANCE, FAR - 1), (COMPLIANCE, FAR), ("", 0)):
                with pytest.raises(Locked):
                    await relock(bench, version, retention=less)
            longer = await relock(bench, version, retention=(GOVERNANCE, FAR + 1))
            assert longer.lock == Lock(GOVERNANCE, FAR + 1)
            shorter = await relock(bench, version, retention=(COMPLIANCE, FAR), bypass=True)
            assert shorter.lock == Lock(COMPLIANCE, FAR)
            with pytest.raises(Locked):
                await relock(bench, version, retention=(COMPLIANCE, 1), bypass=True)

        tell(story)

    def test_retention_and_hold_change_apart_and_on_the_record(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            before = await bench.catalog.size()
            await relock(bench, version, hold=ON)
            await relock(bench, version, retention=(GOVERNANCE, FAR))
            held = await bench.head("acme", "k")
            assert held is not None
            assert held.version.lock == Lock(GOVERNANCE, FAR, ON)
            assert await bench.catalog.size() == before + 2

        tell(story)

    def test_a_lock_beats_the_history_period(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            held = await bench.put("k", lock=Lock(hold=ON))
            await bench.put("k", lock=Lock(GOVERNANCE, FAR))
            await bench.put("k", lock=Lock(GOVERNANCE, SECOND))
            await bench.put("k")
            assert await bench.catalog.expire(BUCKET, FAR - 1, 10) == 1
            await relock(bench, held, hold=OFF)
            assert await bench.catalog.expire(BUCKET, FAR - 1, 10) == 1

        tell(story)


class DeclaredSettings:
    def test_a_declared_bucket_has_settings_apart_from_a_made_one_of_its_name(
        self, tell: Tell
    ) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            made = Bucket("b", "acme", {}, created=1)
            await catalog.create_bucket(made, event_of("bucket"))
            assert await catalog.declared("b") == {}
            before = await catalog.size()
            for name, value in (("cors", "wörtlich"), ("tagging", "x")):
                event = event_of("bucket")
                await catalog.set_setting("b", name, value, event, declared=True)
            assert await catalog.declared("b") == {"cors": "wörtlich", "tagging": "x"}
            assert await catalog.bucket("b") == made
            assert await catalog.cors("b", declared=True) == "wörtlich"
            assert await catalog.cors("b", declared=False) == ""
            await catalog.set_setting("b", "cors", "", event_of("bucket"), declared=True)
            assert await catalog.declared("b") == {"tagging": "x"}
            assert await catalog.cors("b", declared=True) == ""
            assert await catalog.size() == before + 3

        tell(story)


class BucketSettings:
    def test_settings_come_back_and_go(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.create_bucket(
                Bucket("b", "acme", {}, created=1), event_of("bucket")
            )
            before = await bench.catalog.size()
            await bench.catalog.set_setting("b", "cors", "wörtlich", event_of("bucket"))
            await bench.catalog.set_setting("b", "tagging", "x", event_of("bucket"))
            found = await bench.catalog.bucket("b")
            assert found is not None
            assert found.settings == {"cors": "wörtlich", "tagging": "x"}
            await bench.catalog.set_setting("b", "cors", "", event_of("bucket"))
            found = await bench.catalog.bucket("b")
            assert found is not None
            assert found.settings == {"tagging": "x"}
            assert await bench.catalog.size() == before + 3

        tell(story)

    def test_a_cors_configuration_is_found_by_itself_until_it_goes(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog, made = bench.catalog, Bucket("b", "acme", {}, created=1)
            assert await catalog.cors("b", declared=False) == ""
            await catalog.create_bucket(made, event_of("bucket"))
            await catalog.set_setting("b", "tagging", '{"cors":"not this"}', event_of("bucket"))
            assert await catalog.cors("b", declared=False) == ""
            await catalog.set_setting("b", "cors", "wörtlich", event_of("bucket"))
            assert await catalog.cors("b", declared=False) == "wörtlich"
            assert await catalog.cors("c", declared=False) == ""
            await catalog.set_setting("b", "cors", "", event_of("bucket"))
            assert await catalog.cors("b", declared=False) == ""
            await catalog.set_setting("b", "cors", "again", event_of("bucket"))
            await catalog.delete_bucket("b", event_of("bucket"))
            assert await catalog.cors("b", declared=False) == ""

        tell(story)

    def test_settings_go_with_their_bucket(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = Bucket("b", "acme", {}, created=1, settings={"object-lock": "//"})
            await bench.catalog.create_bucket(made, event_of("bucket"))
            assert await bench.catalog.bucket("b") == made
            await bench.catalog.delete_bucket("b", event_of("bucket"))
            with pytest.raises(NoSuchBucket):
                await bench.catalog.set_setting("b", "cors", "x", event_of("bucket"))
            plain = Bucket("b", "acme", {}, created=1)
            await bench.catalog.create_bucket(plain, event_of("bucket"))
            assert await bench.catalog.bucket("b") == plain

        tell(story)


class BucketsWithUploads:
    def test_open_uploads_go_with_their_bucket_and_with_nothing_less(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            ref = ObjectRef("b", "k")
            await catalog.create_bucket(Bucket("b", "acme", {}, created=1), event_of("bucket"))
            await catalog.begin(replace(upload_of("u"), ref=ref))
            await catalog.add_part("u", part_of(1, "part"))
            version = await catalog.commit(
                replace(bench.write("k"), version=replace(bench.version("k"), ref=ref))
            )
            with pytest.raises(BucketNotEmpty):
                await catalog.delete_bucket("b", event_of("bucket"))
            assert await catalog.upload("u") is not None
            await bench.unwrite(version)
            await catalog.delete_bucket("b", event_of("bucket"))
            assert await catalog.upload("u") is None
            assert [e.key for e in await catalog.unreferenced(FAR, 9)] == [extent("part").key]

        tell(story)


class LockSuite(Locks, BucketSettings, DeclaredSettings, BucketsWithUploads):
    """Every behaviour of locks and settings."""
