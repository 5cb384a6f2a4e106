"""A lost catalog's rows, written again from what the stores told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.catalog import changes, views
from gateway.catalog.desk import Desk
from gateway.catalog.promises import DONE, PARKED
from gateway.catalog.rebuilt import Restored, RestoredCopy
from gateway.catalog.rows import bucket_row, receipt_text
from gateway.catalog.writer import Transaction
from gateway.model import Bucket

CODE = "DstVersionNotFound"
NOT_FOUND = (
    "the copy was not found when the catalog was rebuilt: it was never sent, or was taken away"
)
COPY = """
INSERT INTO deliveries (number, party, store, target, kind, state, rule, size, promised, due, live,
                        head, code, error, receipt, checked)
VALUES (?, ?, ?, ?, 'copy', ?, ?, ?, ?, 0, 1, ?, ?, ?, ?, ?)"""
MAKE_BUCKET = "INSERT OR IGNORE INTO buckets VALUES (?, ?, ?, ?, ?, ?, NULL, ?)"


class SqliteRebuilding(Desk):
    async def restore(self, made: Sequence[Restored]) -> None:
        await self.write(partial(_restore, made=made))

    async def restore_copies(self, copies: Sequence[RestoredCopy]) -> tuple[int, int]:
        return await self.write(partial(_restore_copies, copies=copies))

    async def restore_bucket(self, bucket: Bucket) -> None:
        await self.write(lambda tx: tx.run(MAKE_BUCKET, bucket_row(bucket)))

    async def date_rules(self, number: int) -> None:
        await self.write(lambda tx: tx.run("UPDATE rule_starts SET number = ?", (number,)))


def _restore(tx: Transaction, made: Sequence[Restored]) -> None:
    for each in made:
        tx.last = max(tx.last, each.number - 1)
        changes.write(tx, each.write)


def _restore_copies(tx: Transaction, copies: Sequence[RestoredCopy]) -> tuple[int, int]:
    found = waiting = 0
    for copy in copies:
        version = changes.version_by_id(tx, copy.version)
        place = (version.number, copy.party, copy.store, copy.target)
        promised = (copy.rule, version.size, version.number)
        if copy.receipt is not None:
            said = (0, "", "", receipt_text(copy.receipt), copy.receipt.at)
            tx.run(COPY, (*place, DONE, *promised, *said))
            found += 1
        elif copy.lone or views.head_of(tx, copy.party, version.ref) == version.number:
            tx.run(COPY, (*place, PARKED, *promised, 1, CODE, NOT_FOUND, None, 0))
            waiting += 1
    return found, waiting
