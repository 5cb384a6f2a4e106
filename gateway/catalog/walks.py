"""The walk over all keys, page by page along the index of keys, from its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gateway.catalog.desk import Desk
from gateway.catalog.rows import (
    DELIVERY,
    DELIVERY_FROM,
    GRANT,
    Row,
    delivery_of,
    dumps,
    grant_of,
)
from gateway.catalog.surveying import (
    LOOKED_AT,
    LOOKED_AT_FROM,
    LOOKED_AT_WIDTH,
    grouped,
    surveyed,
)
from gateway.catalog.walking import Kept, KeyPage, KeySpot, Wanted
from gateway.model import Grant

BACKWARDS = "ORDER BY bucket DESC, key DESC, number DESC LIMIT ?"
PLACE = "SELECT bucket, key, number FROM versions INDEXED BY versions_of_key"
FIRST = f"{PLACE} {BACKWARDS}"
OLDER = f"{PLACE} WHERE bucket = ? AND key = ? AND number < ? {BACKWARDS}"
BEFORE = f"{PLACE} WHERE (bucket, key) < (?, ?) {BACKWARDS}"
"""The index alone is read: a version that nobody wants costs a few microseconds."""
ROWS = f"""
SELECT {LOOKED_AT}, v.rest ->> '$.extents[0][0]', v.rest ->> '$.extents[0][1]'
FROM json_each(?) n CROSS JOIN {LOOKED_AT_FROM} WHERE v.number = n.value"""
GRANTED = f"""
SELECT -g.age, {GRANT}, g.replaced FROM json_each(?) n CROSS JOIN grants g ON g.age = -n.value"""
PROMISED = f"""
SELECT {DELIVERY} FROM json_each(?) n CROSS JOIN {DELIVERY_FROM}
WHERE d.number = n.value AND d.state <= 2 ORDER BY d.id"""

NOBODY: frozenset[str] = frozenset()


class SqliteKeyWalks(Desk):
    async def survey_keys(self, after: KeySpot | None, limit: int, wanted: Wanted) -> KeyPage:
        places = self._key_places(after, limit)
        if not places:
            return KeyPage()
        asked = {where: wanted(*where) for where in dict.fromkeys(place[:2] for place in places)}
        numbers = [number for bucket, key, number in places if asked[bucket, key]]
        kept = tuple(self._keyed(numbers)) if numbers else ()
        return KeyPage(kept, len(places), KeySpot(*places[-1]))

    def _keyed(self, numbers: Sequence[int]) -> Iterator[Kept]:
        """Those that are still there, in this order."""
        wanted = (dumps(numbers),)
        found = {row[0]: row for row in self.reader.all(ROWS, wanted) if not row[1]}
        grants: defaultdict[int, list[Grant]] = defaultdict(list)
        replaced: defaultdict[int, list[str]] = defaultdict(list)
        for number, *grant, newer in self.reader.all(GRANTED, wanted):
            made = grant_of(grant)
            grants[number].append(made)
            if newer:
                replaced[number].append(made.party)
        deliveries = grouped(
            (delivery.number, delivery)
            for delivery in map(delivery_of, self.reader.all(PROMISED, wanted))
        )
        for number in filter(found.__contains__, numbers):
            row, held = found[number], tuple(grants[number])
            author = row[3]
            if any(grant.party == author for grant in held):
                each = surveyed(row[:LOOKED_AT_WIDTH], held, tuple(deliveries.get(number, ())))
                store = (row[-2] or "", row[-1] or "")
                yield Kept(each, frozenset(replaced[number]) if replaced else NOBODY, store)

    def _key_places(self, after: KeySpot | None, limit: int) -> list[Row]:
        """First what is left of the key at hand, so that a key of a million versions costs no more
        than others."""
        if after is None:
            return self.reader.all(FIRST, (limit,))
        rows = self.reader.all(OLDER, (after.bucket, after.key, after.number, limit))
        if len(rows) < limit:
            rows += self.reader.all(BEFORE, (after.bucket, after.key, limit - len(rows)))
        return rows
