"""Behaviour suite for catalogs: the log, keys, the policy in force, settings, backups."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.audit.records import batch_of, decode, seal_read, unpack, verify_opening
from gateway.catalog import SealedKey
from gateway.errors import CrossdockError, StartRefused
from gateway.model import Event, ReadBatch
from tests.contract.catalog_kit import R1, R2, SECOND, Bench, Tell, event_of

KEY = SealedKey("ACMEERP", "acme", "erp", b"\x00sealed\xff", 5)


def batch_at(at: int, events: Sequence[Event]) -> ReadBatch:
    return batch_of(at, [seal_read(event, os.urandom) for event in events], os.urandom)


class Logging:
    def test_records_have_places_without_a_gap(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            size = await bench.catalog.append([event_of("start"), event_of("tick")])
            await bench.put("k")
            assert await bench.catalog.size() == size + 1
            records = await bench.catalog.records(0, 100)
            assert [record.index for record in records] == list(range(size + 1))
            numbers = [record.number for record in records]
            assert numbers == sorted(set(numbers))
            kinds = [decode(record.openings).value("kind") for record in records]
            assert kinds == ["policy", "start", "tick", "write"]
            assert await bench.catalog.records(1, 2) == records[1:3]
            assert await bench.catalog.records(99, 2) == []

        tell(story)

    def test_what_was_refused_half_way_leaves_no_gap(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            size = await bench.catalog.size()
            crowded = {f"party-{n}": "share" for n in range(2000)}  # more than a record takes
            with pytest.raises(CrossdockError):
                await bench.catalog.append([event_of("tick"), event_of("x", recipients=crowded)])
            assert await bench.catalog.append([event_of("tick")]) == size + 1
            assert (await bench.catalog.records(size, 9))[0].index == size

        tell(story)

    def test_an_entry_commits_to_what_its_openings_say(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.append([event_of("start", outcome="up")])
            record = (await bench.catalog.records(1, 1))[0]
            outcome = next(o for o in decode(record.openings).fields if o.field == "outcome")
            assert verify_opening(record.entry, "outcome", outcome.salt, "up")

        tell(story)

    def test_a_batch_of_reads_is_one_record(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            events = [event_of("read", key=f"k{n}") for n in range(5)]
            size = await bench.catalog.append_reads(batch_at(7, events))
            assert size == await bench.catalog.size() == 2
            reads = await bench.catalog.reads_of(size - 1)
            keys = [decode(unpack(read).openings).value("key") for read in reads]
            assert keys == ["k0", "k1", "k2", "k3", "k4"]
            assert await bench.catalog.reads_of(0) == []

        tell(story)

    def test_reads_are_forgotten_but_not_their_record(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            for at in (1, 2, 3):
                await catalog.append_reads(batch_at(at, [event_of("read")]))
            records = await catalog.records(0, 10)
            assert await catalog.drop_reads(3, 1) == 1
            assert [len(await catalog.reads_of(n)) for n in (1, 2, 3)] == [0, 1, 1]
            assert await catalog.drop_reads(3, 10) == 1
            assert await catalog.drop_reads(3, 10) == 0
            assert [len(await catalog.reads_of(n)) for n in (1, 2, 3)] == [0, 0, 1]
            assert await catalog.records(0, 10) == records

        tell(story)

    def test_a_checkpoint_is_published_with_its_tiles(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            assert await catalog.checkpoint() is None
            tiles = {(0, 0): b"a" * 32, (1, 0): b"b" * 64}
            first = {"size": 1, "root": b"r" * 32, "note": "one", "tiles": tiles}
            assert await catalog.publish(old_size=0, **first)  # type: ignore[arg-type]
            assert await catalog.checkpoint() == (1, b"r" * 32, "one")
            assert await catalog.tiles([(0, 0), (1, 0), (0, 9)]) == tiles
            later = {"size": 2, "root": b"s" * 32, "note": "two", "tiles": {(0, 0): b"c" * 64}}
            assert not await catalog.publish(old_size=0, **later)  # type: ignore[arg-type]
            assert await catalog.tiles([(0, 0)]) == {(0, 0): b"a" * 32}
            assert await catalog.publish(old_size=1, **later)  # type: ignore[arg-type]
            assert await catalog.checkpoint() == (2, b"s" * 32, "two")
            assert await catalog.tiles([(0, 0)]) == {(0, 0): b"c" * 64}

        tell(story)


class Remembering:
    def test_keys(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            other = replace(KEY, id="B", created=9)
            await catalog.add_key(other, event_of("key"))
            await catalog.add_key(KEY, event_of("key"))
            assert await catalog.keys() == [KEY, other]
            size = await catalog.size()
            assert await catalog.revoke_key("ACMEERP", 77, event_of("key"))
            assert not await catalog.revoke_key("ACMEERP", 78, event_of("key"))
            assert not await catalog.revoke_key("nobody", 78, event_of("key"))
            assert await catalog.keys() == [replace(KEY, revoked=77), other]
            assert await catalog.size() == size + 1

        tell(story)

    def test_the_policy_in_force_is_the_last_one_put(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            assert await bench.catalog.policy() == (R1, {"acme.yaml": R1})
            for revision in (R2, R1):
                await bench.new_policy(revision)
                assert await bench.catalog.policy() == (revision, {"acme.yaml": revision})
                await bench.put("k")

        tell(story)

    def test_small_values(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            assert await catalog.get("a") is None
            await catalog.put("a", b"\x00one")
            await catalog.put("a", b"two")
            assert await catalog.get("a") == b"two"
            assert await catalog.put_if_absent("a", b"three") == b"two"
            assert await catalog.put_if_absent("b", b"three") == b"three"

        tell(story)

    def test_of_many_first_values_one_counts(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            values = [str(n).encode() for n in range(20)]
            told = await asyncio.gather(*(bench.catalog.put_if_absent("x", v) for v in values))
            assert {*told} == {await bench.catalog.get("x")}

        tell(story)


class BackingUp:
    def test_a_backup_never_overwrites(self, tell: Tell, tmp_path: Path) -> None:
        async def story(bench: Bench) -> None:
            (tmp_path / "there").write_text("precious")
            with pytest.raises(StartRefused):
                await bench.catalog.backup(str(tmp_path / "there"))
            assert (tmp_path / "there").read_text() == "precious"

        tell(story)

    def test_a_backup_goes_on_beside_commits(self, tell: Tell, tmp_path: Path) -> None:
        async def story(bench: Bench) -> None:
            for n in range(50):
                await bench.put(f"k{n}", metadata={"fill": "x" * 1500})
            told: list[tuple[int, int]] = []
            target = tmp_path / "backup"
            copying = asyncio.create_task(
                bench.catalog.backup(str(target), lambda *now: told.append(now))
            )
            while not copying.done():
                bench.clock.now += SECOND
                await bench.put("meanwhile")
            await copying
            assert told[-1][0] == told[-1][1] > 0
            assert target.stat().st_size > 0

        tell(story)


class AuditSuite(Logging, Remembering, BackingUp):
    """Everything else, for one catalog."""
