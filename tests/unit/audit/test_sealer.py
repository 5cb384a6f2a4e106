"""The sealer's promises on a log in memory: batches, ticks, checkpoints, and what it refuses."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gateway import sealer as sealing
from gateway.audit import notes, records
from gateway.audit.check import audit
from gateway.audit.tiles import Name
from gateway.catalog import Record
from gateway.errors import CatalogUnavailable, CrossdockError, LogDamaged
from gateway.model import Event, ReadBatch
from gateway.sealer import SECOND, Sealer
from tests.unit.audit.samples import KEY


class MemoryLog:
    """An AuditLog as lists; `down` makes every call fail."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.reads: dict[int, Sequence[bytes]] = {}
        self.stored: dict[Name, bytes] = {}
        self.head: tuple[int, bytes, str] | None = None
        self.dropped: list[int] = []
        self.down = False

    def _add(self, sealed: records.Sealed) -> int:
        index = len(self.rows)
        self.rows.append(Record(index, index, sealed.entry, sealed.openings))
        return index

    def _ask(self) -> None:
        if self.down:
            raise CatalogUnavailable

    async def append(self, events: Sequence[Event]) -> int:
        self._ask()
        for event in events:
            self._add(records.seal(event, len(self.rows), os.urandom))
        return len(self.rows)

    async def append_reads(self, batch: ReadBatch) -> int:
        self._ask()
        sealed = records.seal(batch.record, len(self.rows), os.urandom)
        self.reads[self._add(sealed)] = batch.events
        return len(self.rows)

    async def size(self) -> int:
        self._ask()
        return len(self.rows)

    async def records(self, start: int, limit: int) -> Sequence[Record]:
        return self.rows[start : start + limit]

    async def reads_of(self, index: int) -> Sequence[bytes]:
        return self.reads[index]

    async def drop_reads(self, before: int, limit: int) -> int:
        self.dropped.append(before)
        return 0

    async def tiles(self, names: Sequence[Name]) -> Mapping[Name, bytes]:
        return {name: self.stored[name] for name in names if name in self.stored}

    async def checkpoint(self) -> tuple[int, bytes, str] | None:
        return self.head

    async def publish(
        self, *, old_size: int, size: int, root: bytes, note: str, tiles: Mapping[Name, bytes]
    ) -> bool:
        if (self.head[0] if self.head else 0) != old_size:
            return False
        self.stored.update(tiles)
        self.head = (size, root, note)
        return True

    def kinds(self) -> list[str]:
        return [records.decode(row.openings).value("kind") for row in self.rows]

    def whole(self) -> int:
        """How many records are sealed, once the log is shown to verify."""
        assert self.head
        head, _ = notes.open_checkpoint(self.head[2], [KEY.verifier])
        report = audit(self.rows, lambda name: self.stored.get(name, b""), head)
        report.require_whole()
        return report.sealed


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


class Bench:
    def __init__(self, **options: Any) -> None:
        self.log = MemoryLog()
        self.clock = Clock()
        self.options = options
        self.sealer = self.another()

    def another(self) -> Sealer:
        return Sealer(self.log, KEY, self.clock, **self.options)

    def step(self, seconds: float = 1) -> bool:
        self.clock.pass_(seconds)
        return asyncio.run(self.sealer.step())

    def append(self, count: int) -> None:
        asyncio.run(self.log.append([Event(kind="write", at=1)] * count))


def read(key: str = "k") -> Event:
    return Event(kind="read", at=1, party="globex", key=key)


# --- batches ---


def test_all_reads_of_a_second_are_one_record() -> None:
    bench = Bench()
    for n in range(50):
        bench.sealer.observe(read(f"k{n}"))
    bench.step()
    assert bench.log.kinds() == ["reads"]
    assert len(bench.log.reads[0]) == 50
    assert bench.sealer.waiting == 0


def test_batches_are_a_second_apart_however_often_it_steps() -> None:
    bench = Bench()
    for _ in range(40):
        bench.sealer.observe(read())
        bench.step(0.1)
    assert len(bench.log.rows) == 4
    assert sum(map(len, bench.log.reads.values())) == 40


def test_a_quiet_second_writes_nothing() -> None:
    bench = Bench()
    bench.step()
    assert bench.log.rows == []
    assert bench.log.head is None


def test_reads_that_could_not_be_written_are_written_later_in_order() -> None:
    bench = Bench()
    bench.sealer.observe(read("one"))
    bench.log.down = True
    with pytest.raises(CatalogUnavailable):
        bench.step()
    assert isinstance(bench.sealer.fault, CatalogUnavailable)
    bench.sealer.observe(read("two"))
    bench.log.down = False
    bench.step()
    assert bench.sealer.fault is None
    opened = [records.decode(records.unpack(item).openings) for item in bench.log.reads[0]]
    assert [item.value("key") for item in opened] == ["one", "two"]


def test_reads_are_refused_once_they_could_not_be_recorded_for_long() -> None:
    bench = Bench()
    bench.sealer.observe(read())
    bench.log.down = True
    for _ in range(9):
        with pytest.raises(CatalogUnavailable):
            bench.step()
        bench.sealer.observe(read())
    bench.clock.pass_(5)
    with pytest.raises(CatalogUnavailable):
        bench.sealer.observe(read())
    bench.log.down = False
    bench.step()
    bench.sealer.observe(read())


def test_a_full_buffer_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BUFFER_EVENTS_MAX", 3)
    bench = Bench()
    for _ in range(3):
        bench.sealer.observe(read())
    with pytest.raises(CatalogUnavailable):
        bench.sealer.observe(read())
    bench.step()
    bench.sealer.observe(read())


def test_strangers_cost_one_event_a_minute_whatever_they_send() -> None:
    bench = Bench()
    for second in range(180):
        for n in range(300):
            bench.sealer.unsigned(f"10.0.{n % 7}.{n} {second}" if n % 2 else "10.0.0.1")
        bench.step(1)
    assert bench.log.kinds() == ["reads"] * 3
    (packed,) = bench.log.reads[0]
    event = records.decode(records.unpack(packed).openings)
    assert event.value("outcome") == "no valid signature"
    assert event.value("detail/from 10.0.0.1") == str(150 * 60)
    counts = [int(i.value or 0) for i in event.fields if i.field.startswith("detail/from ")]
    assert sum(counts) == 300 * 60
    assert len(counts) <= sealing.SOURCES_MAX + 1


def test_an_hour_without_events_still_leaves_a_tick() -> None:
    bench = Bench()
    for _ in range(8):
        bench.step(900)
    assert bench.log.kinds() == ["tick", "tick"]


def test_a_clock_set_back_holds_nothing_up() -> None:
    bench = Bench()
    bench.sealer.observe(read())
    bench.step(-86_400)
    assert "reads" in bench.log.kinds()


def test_values_of_old_reads_are_dropped_and_kept_forever_without_a_limit() -> None:
    bench = Bench(keep_reads=400 * 86_400 * SECOND)
    bench.step(1)
    assert bench.log.dropped == [bench.clock.now - 400 * 86_400 * SECOND]
    forever = Bench()
    forever.step(4000)
    assert forever.log.dropped == []


# --- checkpoints ---


def test_new_records_are_under_a_checkpoint_after_one_step() -> None:
    bench = Bench()
    for count in (1, 3, 255, 300):
        bench.append(count)
        assert bench.step(0.1) is False
        assert bench.log.whole() == len(bench.log.rows) == bench.sealer.sealed


def test_one_step_is_bounded_and_says_that_more_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "SEAL_RECORDS_MAX", 100)
    bench = Bench()
    bench.append(250)
    assert [bench.step(0.1) for _ in range(3)] == [True, True, False]
    assert bench.log.whole() == 250


def test_after_a_crash_another_sealer_takes_up_from_the_catalog() -> None:
    bench = Bench()
    bench.append(300)
    bench.step()
    bench.append(7)
    bench.sealer = bench.another()
    bench.step()
    assert bench.log.whole() == 307


def test_two_sealers_never_sign_two_roots_of_one_size() -> None:
    bench = Bench()
    first, second = bench.another(), bench.another()
    seen: dict[int, bytes] = {}
    for round_ in range(12):
        bench.append(40)
        for sealer in (first, second) if round_ % 2 else (second, first):
            asyncio.run(sealer.step())
            assert bench.log.head
            size, root, _ = bench.log.head
            assert seen.setdefault(size, root) == root
    assert bench.log.whole() == 480


def test_a_sealer_that_lost_the_race_goes_on_from_what_the_winner_published() -> None:
    bench = Bench()
    loser, winner = bench.another(), bench.another()
    bench.append(10)
    asyncio.run(loser.step())
    bench.append(10)
    asyncio.run(winner.step())
    bench.append(10)
    assert asyncio.run(loser.step()) is True
    asyncio.run(loser.step())
    assert bench.log.whole() == 30


def refuses(bench: Bench) -> dict[str, Any]:
    """The damage that the next sealer finds; nothing new was signed."""
    before = bench.log.head
    bench.sealer = bench.another()
    with pytest.raises(CrossdockError) as caught:
        bench.step()
    assert bench.log.head == before
    assert bench.sealer.fault is caught.value
    return caught.value.details


def test_nothing_is_signed_over_stored_hashes_that_are_not_the_signed_ones() -> None:
    bench = Bench()
    bench.append(300)
    bench.step()
    bench.append(1)
    bench.log.stored[0, 1] = bytes(44 * 32)
    assert refuses(bench) == {"index": 300, "kind": "hashes"}


def test_nothing_is_signed_over_missing_hashes() -> None:
    bench = Bench()
    bench.append(300)
    bench.step()
    del bench.log.stored[0, 1]
    bench.append(1)
    assert refuses(bench)["kind"] == "tile"


def test_nothing_is_signed_over_a_log_that_was_cut_off_or_lost_a_record() -> None:
    bench = Bench()
    bench.append(10)
    bench.step()
    rows = bench.log.rows
    bench.log.rows = rows[:8]
    with pytest.raises(LogDamaged) as caught:
        bench.step()
    assert caught.value.details == {"index": 8, "kind": "cut off"}
    assert refuses(bench) == {"index": 8, "kind": "changed"}
    bench.append(5)
    assert refuses(bench) == {"index": 8, "kind": "changed"}
    bench.log.rows = rows
    bench.append(2)
    del bench.log.rows[10]
    assert refuses(bench) == {"index": 10, "kind": "dropped"}


def test_nothing_is_signed_over_a_checkpoint_by_another_key() -> None:
    bench = Bench()
    bench.append(3)
    bench.step()
    assert bench.log.head
    size, root, note = bench.log.head
    thief = notes.Signer(KEY.name, bytes(32))
    bench.log.head = (
        size,
        root,
        notes.sign_checkpoint(notes.parse_checkpoint(note.split("\n\n")[0] + "\n"), thief),
    )
    bench.append(1)
    assert refuses(bench) == {}


def test_a_damaged_log_still_takes_reads() -> None:
    bench = Bench()
    bench.append(10)
    bench.step()
    bench.log.rows = bench.log.rows[:8]
    bench.sealer.observe(read())
    with pytest.raises(LogDamaged):
        bench.step()
    assert bench.log.kinds()[-1] == "reads"


# --- the loop ---


def test_stop_flushes_and_seals_what_is_left() -> None:
    bench = Bench()

    async def story() -> None:
        running = asyncio.create_task(bench.sealer.run())
        await asyncio.sleep(0)
        bench.sealer.observe(read())
        bench.sealer.unsigned("10.0.0.1")
        await bench.sealer.stop()
        await asyncio.wait_for(running, 5)

    asyncio.run(story())
    assert bench.log.kinds() == ["reads"]
    assert len(bench.log.reads[0]) == 2
    assert bench.log.whole() == 1


def test_the_loop_outlives_a_catalog_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "POLL_SECONDS", 0.001)
    bench = Bench()

    async def story() -> None:
        bench.log.down = True
        running = asyncio.create_task(bench.sealer.run())
        await asyncio.sleep(0.02)
        assert isinstance(bench.sealer.fault, CatalogUnavailable)
        bench.log.down = False
        await bench.log.append([Event(kind="start", at=1)])
        for _ in range(1000):
            if bench.sealer.sealed:
                break
            await asyncio.sleep(0.001)
        await bench.sealer.stop()
        await asyncio.wait_for(running, 5)

    asyncio.run(story())
    assert bench.log.whole() == 1
