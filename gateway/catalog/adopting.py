"""Adoption inside the catalog: many versions in one transaction, and what they were made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from gateway.catalog import changes, views
from gateway.catalog.desk import Desk
from gateway.catalog.places import Adopt, Adopted, Shelf
from gateway.catalog.rows import dumps
from gateway.catalog.writer import Transaction

KNOWN = """
SELECT a.key, a.etag, a.number, a.run FROM json_each(?4) wanted
CROSS JOIN adopted a ON a.party = ?1 AND a.store = ?2 AND a.bucket = ?3 AND a.key = wanted.value"""
LAST = "SELECT number FROM adopted WHERE party = ? AND store = ? AND bucket = ? AND key = ?"
KEEP = "INSERT OR REPLACE INTO adopted VALUES (?, ?, ?, ?, ?, ?, ?)"
SEEN = """
UPDATE adopted SET run = ?1
WHERE party = ?2 AND store = ?3 AND bucket = ?4 AND key IN (SELECT value FROM json_each(?5))"""


class SqlitePlaces(Desk):
    async def adopted(self, shelf: Shelf, keys: Collection[str]) -> Mapping[str, Adopted]:
        place = (shelf.party, shelf.store, shelf.bucket)
        rows = self.reader.all(KNOWN, (*place, dumps(list(keys))))
        return {key: Adopted(*rest) for key, *rest in rows}

    async def adopt(
        self, shelf: Shelf, run: int, made: Sequence[Adopt], seen: Collection[str]
    ) -> Sequence[str]:
        if not made and not seen:
            return ()
        return await self.write(partial(_adopt, shelf=shelf, run=run, made=made, seen=seen))


def _adopt(
    tx: Transaction, shelf: Shelf, run: int, made: Sequence[Adopt], seen: Collection[str]
) -> Sequence[str]:
    place = (shelf.party, shelf.store, shelf.bucket)
    left = []
    for each in made:
        version = each.write.version
        last = tx.one(LAST, (*place, each.key))
        if views.head_of(tx, version.author, version.ref) not in (0, last[0] if last else 0):
            left.append(each.key)
            continue
        committed = changes.write(tx, each.write)
        tx.run(KEEP, (*place, each.key, each.etag, committed.number, run))
    tx.run(SEEN, (run, *place, dumps([*seen, *left])))
    return left
