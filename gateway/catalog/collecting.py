"""What nothing needs any more: versions past their history, extents without a reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.catalog import references, views
from gateway.catalog.desk import Desk
from gateway.catalog.rows import VERSION, version_of
from gateway.catalog.writer import Transaction
from gateway.model import Extent

IDLE = """
SELECT party, store, key, 0, length FROM extents
WHERE refs = 0 AND idle < ? ORDER BY idle LIMIT ?"""
FORGET = "DELETE FROM extents WHERE party = ? AND store = ? AND key = ? AND refs = 0"
KNOWN = "SELECT 1 FROM extents WHERE party = ? AND store = ? AND key = ?"
HOLDS = """
SELECT 1 FROM extents WHERE party = ?1 AND store = ?2 AND refs > 0
UNION ALL SELECT 1 FROM adopted WHERE party = ?1 AND store = ?2 LIMIT 1"""
DISOWN = (
    "DELETE FROM adopted WHERE party = ? AND store = ? AND bucket = ? AND key = ? AND number = ?"
)
DONE = "SELECT 1 FROM uploads WHERE done > 0 AND done < ? LIMIT 1"
FORGET_UPLOADS = """
DELETE FROM uploads WHERE id IN (
  SELECT id FROM uploads WHERE done > 0 AND done < ? ORDER BY done LIMIT ?)"""
EXPIRED = f"""
SELECT {VERSION} FROM versions v
WHERE v.bucket = ?1 AND v.past > 0 AND v.past < ?2 AND v.purged = 0 AND v.heads = 0
  AND (v.lock = '' OR (v.lock ->> 1 < ?2 AND v.lock ->> 2 <> 'ON'))
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.number = v.number AND d.state < 2)
ORDER BY v.past LIMIT ?3"""


class SqliteExtents(Desk):
    async def unreferenced(self, before: int, limit: int) -> Sequence[Extent]:
        return [Extent(*row) for row in self.reader.all(IDLE, (before, limit))]

    async def forget(self, extents: Sequence[Extent]) -> Sequence[Extent]:
        if not extents:
            return ()
        return await self.write(
            lambda tx: [e for e in extents if tx.run(FORGET, (e.party, e.store, e.key))]
        )

    async def knows(self, party: str, store: str, key: str) -> bool:
        return self.reader.one(KNOWN, (party, store, key)) is not None

    async def holds(self, party: str, store: str) -> bool:
        return self.reader.one(HOLDS, (party, store)) is not None

    async def forget_uploads(self, before: int, limit: int) -> int:
        if not self.reader.all(DONE, (before,)):
            return 0
        return await self.write(lambda tx: tx.run(FORGET_UPLOADS, (before, limit)))

    async def expire(self, bucket: str, before: int, limit: int) -> int:
        if not self.reader.all(EXPIRED, (bucket, before, 1)):
            return 0
        return await self.write(partial(_expire, bucket=bucket, before=before, limit=limit))


def _expire(tx: Transaction, bucket: str, before: int, limit: int) -> int:
    expired = [version_of(row) for row in tx.all(EXPIRED, (bucket, before, limit))]
    moves = views.Moves(tx.number())
    for version in expired:
        held = views.holders(tx, version.number)
        views.close(tx, version, [holder.party for holder in held], moves)
        references.drop(tx, version.extents)
        for extent in version.extents:
            if not extent.owned:
                place = (extent.party, extent.store, version.ref.bucket, extent.key)
                tx.run(DISOWN, (*place, version.number))
        tx.run("UPDATE versions SET purged = 1 WHERE number = ?", (version.number,))
    moves.settle(tx)
    return len(expired)
