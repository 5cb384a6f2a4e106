"""The walk over all keys, page by page along the index of keys, from its end."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.catalog.desk import Desk
from gateway.catalog.rows import (
    DELIVERY,
    DELIVERY_FROM,
    GRANT,
    Row,
    delivery_of,
    dumps,
    grant_of,
    loads,
)
from gateway.catalog.surveying import (
    LOOKED_AT,
    LOOKED_AT_FROM,
    LOOKED_AT_WIDTH,
    grouped,
    surveyed,
)
from gateway.catalog.walking import Kept, KeyPage, KeySpot
from gateway.model import Delivery, Grant

ROW = f"{LOOKED_AT}, v.is_null, v.rest -> '$.extents[0]'"
BACKWARDS = "ORDER BY v.bucket DESC, v.key DESC, v.number DESC LIMIT ?"
FROM = LOOKED_AT_FROM.replace("versions v ", "versions v INDEXED BY versions_of_key ", 1)
FIRST = f"SELECT {ROW} FROM {FROM} {BACKWARDS}"
OLDER = f"SELECT {ROW} FROM {FROM} WHERE v.bucket = ? AND v.key = ? AND v.number < ? {BACKWARDS}"
BEFORE = f"SELECT {ROW} FROM {FROM} WHERE (v.bucket, v.key) < (?, ?) {BACKWARDS}"
GRANTED = f"""
SELECT -g.age, g.replaced, {GRANT} FROM json_each(?) n CROSS JOIN grants g ON g.age = -n.value"""
PROMISED = f"""
SELECT {DELIVERY} FROM json_each(?) n CROSS JOIN {DELIVERY_FROM}
WHERE d.number = n.value AND d.state <= 2 ORDER BY d.id"""


class SqliteKeyWalks(Desk):
    async def survey_keys(self, after: KeySpot | None, limit: int) -> KeyPage:
        rows = self._rows(after, limit)
        if not rows:
            return KeyPage()
        numbers = dumps([row[0] for row in rows if not row[1]])
        grants = grouped(
            (number, (replaced, grant_of(tuple(grant))))
            for number, replaced, *grant in self.reader.all(GRANTED, (numbers,))
        )
        deliveries = grouped(
            (delivery.number, delivery)
            for delivery in map(delivery_of, self.reader.all(PROMISED, (numbers,)))
        )
        found = (
            _kept(row, grants.get(row[0], ()), tuple(deliveries.get(row[0], ())))
            for row in rows
            if not row[1]
        )
        kept = tuple(kept for kept in found if kept.each.held_by(kept.each.author))
        return KeyPage(kept, len(rows), KeySpot(rows[-1][9], rows[-1][10], rows[-1][0]))

    def _rows(self, after: KeySpot | None, limit: int) -> list[Row]:
        """First what is left of the key at hand, so that a key of a million versions costs no more
        than others."""
        if after is None:
            return self.reader.all(FIRST, (limit,))
        rows = self.reader.all(OLDER, (after.bucket, after.key, after.number, limit))
        if len(rows) < limit:
            rows += self.reader.all(BEFORE, (after.bucket, after.key, limit - len(rows)))
        return rows


def _kept(row: Row, held: Sequence[tuple[int, Grant]], deliveries: tuple[Delivery, ...]) -> Kept:
    each = surveyed(row[:LOOKED_AT_WIDTH], tuple(grant for _, grant in held), deliveries)
    is_null, extent = row[LOOKED_AT_WIDTH:]
    replaced = frozenset(grant.party for newer, grant in held if newer) if is_null else frozenset()
    party, store = loads(extent)[:2] if extent else ("", "")
    return Kept(each, replaced, (party, store))
