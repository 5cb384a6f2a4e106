"""The audit log at rest: records, batches of reads, tiles and the published checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.catalog.desk import Desk
from gateway.catalog.values import Record
from gateway.catalog.writer import Transaction
from gateway.model import Event, ReadBatch

SIZE = "SELECT coalesce(max(place), -1) + 1 FROM records"
RECORDS = """
SELECT place, number, entry, openings FROM records WHERE place >= ? ORDER BY place LIMIT ?"""
LAST = "SELECT size, root, note FROM checkpoints ORDER BY size DESC LIMIT 1"
TILE = "SELECT hashes FROM tiles WHERE level = ? AND place = ?"


class SqliteAuditLog(Desk):
    async def append(self, events: Sequence[Event]) -> int:
        def work(tx: Transaction) -> int:
            for event in events:
                tx.record(event, tx.number())
            return tx.records

        return await self.write(work)

    async def append_reads(self, batch: ReadBatch) -> int:
        def work(tx: Transaction) -> int:
            place = tx.records
            tx.record(batch.record, tx.number())
            tx.run("INSERT INTO read_batches VALUES (?, ?)", (batch.record.at, place))
            for seq, event in enumerate(batch.events):
                tx.run("INSERT INTO reads VALUES (?, ?, ?)", (place, seq, event))
            return tx.records

        return await self.write(work)

    async def size(self) -> int:
        return int(self.reader.all(SIZE)[0][0])

    async def records(self, start: int, limit: int) -> Sequence[Record]:
        return [Record(*row) for row in self.reader.all(RECORDS, (start, limit))]

    async def reads_of(self, index: int) -> Sequence[bytes]:
        rows = self.reader.all("SELECT event FROM reads WHERE place = ? ORDER BY seq", (index,))
        return [event for (event,) in rows]

    async def drop_reads(self, before: int, limit: int) -> int:
        def work(tx: Transaction) -> int:
            old = tx.all(
                "SELECT at, place FROM read_batches WHERE at < ? ORDER BY at LIMIT ?",
                (before, limit),
            )
            for at, place in old:
                tx.run("DELETE FROM reads WHERE place = ?", (place,))
                tx.run("DELETE FROM read_batches WHERE at = ? AND place = ?", (at, place))
            return len(old)

        return await self.write(work)

    async def tiles(self, names: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        found = {name: self.reader.one(TILE, name) for name in names}
        return {name: row[0] for name, row in found.items() if row}

    async def checkpoint(self) -> tuple[int, bytes, str] | None:
        row = self.reader.one(LAST)
        return (row[0], row[1], row[2]) if row else None

    async def publish(
        self,
        *,
        old_size: int,
        size: int,
        root: bytes,
        note: str,
        tiles: Mapping[tuple[int, int], bytes],
    ) -> bool:
        def work(tx: Transaction) -> bool:
            row = tx.one(LAST)
            if (row[0] if row else 0) != old_size:
                return False
            for (level, place), hashes in tiles.items():
                tx.run("INSERT OR REPLACE INTO tiles VALUES (?, ?, ?)", (level, place, hashes))
            tx.run("DELETE FROM checkpoints")  # the newest says all that those before it said
            tx.run("INSERT INTO checkpoints VALUES (?, ?, ?)", (size, root, note))
            return True

        return await self.write(work)
