"""Checks inside the catalog: which copy is next, and what was found of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.catalog import names, promises, views
from gateway.catalog.checks import CopyCheck, Finding, KeptCopy, Loss, Spot
from gateway.catalog.desk import Desk
from gateway.catalog.outbox import BY_ID, MODE_HELD
from gateway.catalog.promises import AT_TARGET
from gateway.catalog.rows import (
    MODES,
    ONE_BUCKET,
    VERSION,
    VERSION_OF,
    Row,
    bucket_of,
    delivery_of,
    receipt_text,
    version_of,
)
from gateway.catalog.values import Claim
from gateway.catalog.writer import Transaction
from gateway.model import Event, Extent, Version

NEXT = """
SELECT d.checked, d.id, d.number, d.party = ?4 OR ?4 = '', v.bucket = ?5 OR ?5 = ''
FROM deliveries d INDEXED BY deliveries_checked JOIN versions v ON v.number = d.number
WHERE d.live = 1 AND d.state = 2 AND d.kind = 'copy'
  AND d.checked < ?1 AND (d.checked, d.id) > (?2, ?3)
ORDER BY d.checked, d.id LIMIT ?6"""
COUNT = """
SELECT count(*) FROM deliveries INDEXED BY deliveries_checked
WHERE live = 1 AND state = 2 AND kind = 'copy' AND checked < ?"""
OLDEST = """
SELECT min(checked) FROM deliveries INDEXED BY deliveries_checked
WHERE live = 1 AND state = 2 AND kind = 'copy'"""
KEPT = """
SELECT party, store, target, number, finding FROM deliveries
WHERE id = ? AND live = 1 AND state = 2 AND kind = 'copy'"""
NOTE = "UPDATE deliveries SET checked = ?, finding = ? WHERE id = ?"
RENEW = "UPDATE deliveries SET receipt = ? WHERE id = ?"
FOUND = """
SELECT party, finding, count(*) FROM deliveries INDEXED BY deliveries_found
WHERE live = 1 AND state = 2 AND finding <> '' GROUP BY party, finding"""
STORED = f"""
SELECT {VERSION} FROM versions v
WHERE v.number < ? AND v.marker = 0 AND v.purged = 0 ORDER BY v.number DESC LIMIT ?"""
LOSE = "INSERT OR IGNORE INTO losses VALUES (?, ?, ?, ?, ?, ?)"
MEND = "DELETE FROM losses WHERE party = ? AND store = ? AND key = ?"
LOSSES = """
SELECT l.party, l.store, l.key, l.number, l.finding, l.found
FROM losses l JOIN versions v ON v.number = l.number
WHERE v.purged = 0 ORDER BY 1, 2, 3 LIMIT ?"""


class SqliteChecks(Desk):
    async def kept_copies(
        self, before: int, after: Spot, limit: int, *, party: str = "", bucket: str = ""
    ) -> tuple[Sequence[KeptCopy], Spot | None]:
        spot = (after.checked, after.delivery)
        rows = self.reader.all(NEXT, (before, *spot, party, bucket, limit))
        found = [self._kept(row) for row in rows if row[3] and row[4]]
        return found, Spot(*rows[-1][:2]) if len(rows) == limit else None

    def _kept(self, row: Row) -> KeptCopy:
        checked, id_, number = row[:3]
        delivery = delivery_of(self.reader.all(BY_ID, (id_,))[0])
        version = version_of(self.reader.all(VERSION_OF, (number,))[0])
        bucket = self.reader.one(ONE_BUCKET, (version.ref.bucket,))
        place = (delivery.party, version.ref.bucket, version.ref.key)
        held = self.reader.one(MODE_HELD, (*place, -number))
        newest = self.reader.one(views.HEAD_AGE, place)
        return KeptCopy(
            Claim(
                delivery,
                version,
                bucket_of(bucket) if bucket else None,
                MODES[held[0]] if held else None,
            ),
            checked,
            newest == (-number,),
        )

    async def note_checks(self, checks: Sequence[CopyCheck]) -> int:
        return await self.write(partial(_note_checks, checks=checks))

    async def count_kept(self, before: int) -> int:
        return int(self.reader.all(COUNT, (before,))[0][0])

    async def oldest_check(self) -> int:
        row = self.reader.one(OLDEST)
        return (row[0] or 0) if row else 0

    async def found_copies(self) -> Sequence[tuple[str, Finding, int]]:
        rows = self.reader.all(FOUND)
        return [(party, Finding(finding), count) for party, finding, count in rows]

    async def stored_versions(self, below: int, limit: int) -> Sequence[Version]:
        return [version_of(row) for row in self.reader.all(STORED, (below, limit))]

    async def note_losses(self, lost: Sequence[tuple[Loss, Event]], well: Sequence[Extent]) -> None:
        known = {loss.extent for loss in await self.losses()}
        mended = [each for each in map(_bare, well) if each in known]
        if lost or mended:
            await self.write(partial(_note_losses, lost=lost, well=mended))

    async def losses(self, limit: int = 1000) -> Sequence[Loss]:
        return [
            Loss(Extent(party, store, key, 0, 0), number, Finding(finding), found)
            for party, store, key, number, finding, found in self.reader.all(LOSSES, (limit,))
        ]


def _note_checks(tx: Transaction, checks: Sequence[CopyCheck]) -> int:
    return sum(_note(tx, check) for check in checks)


def _note(tx: Transaction, check: CopyCheck) -> bool:
    """Whether the copy was promised again."""
    row = tx.one(KEPT, (check.delivery,))
    if row is None:
        return False  # a newer copy has its place by now
    *place, number, before = row
    others = [each for each in tx.all(AT_TARGET, place) if each[0] != check.delivery]
    coming = any(state == promises.PENDING for _, _, _, state, *_ in others)
    if coming and check.finding is not Finding.WELL:
        tx.run(NOTE, (check.at, before, check.delivery))  # what is on its way looks for itself
        return False
    tx.run(NOTE, (check.at, check.finding.value, check.delivery))
    if check.receipt is not None:
        tx.run(RENEW, (receipt_text(check.receipt), check.delivery))
    ahead = any(
        about > number or (about == number and state == promises.PARKED)
        for _, about, _, state, *_ in others
    )
    version = version_of(tx.all(VERSION_OF, (number,))[0])
    done_with = names.is_consumed(tx, place[0], version.ref, number)
    again = check.again is not None and not ahead and not done_with
    if check.again is not None and again:
        promises.promise_version(tx, version, [check.again], tx.number())
    if check.event is not None and (again or check.finding.value != before):
        tx.record(check.event, tx.number())
    return again


def _note_losses(
    tx: Transaction, lost: Sequence[tuple[Loss, Event]], well: Sequence[Extent]
) -> None:
    for loss, event in lost:
        place = (loss.extent.party, loss.extent.store, loss.extent.key)
        if tx.run(LOSE, (*place, loss.number, loss.finding.value, loss.found)):
            tx.record(event, tx.number())
    for extent in well:
        tx.run(MEND, (extent.party, extent.store, extent.key))


def _bare(extent: Extent) -> Extent:
    return Extent(extent.party, extent.store, extent.key, 0, 0)
