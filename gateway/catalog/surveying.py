"""A walk over all versions, newest first, page by page: for what looks at everything at leisure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from gateway.catalog.desk import Desk
from gateway.catalog.rows import (
    DELIVERY,
    DELIVERY_FROM,
    GRANT,
    Row,
    delivery_of,
    grant_of,
    loads,
)
from gateway.catalog.values import Survey, Surveyed
from gateway.model import EMPTY, UNTYPED, Delivery, Facts, Grant, ObjectRef

# `rest` may hold 10,000 extents: only what policy looks at leaves it.
LOOKED_AT = """
  v.number, v.unwritten + v.purged, v.id, v.author, v.marker, v.hides, v.heads, v.tags_number,
  f.id, f.bucket, f.key, f.author, f.at, f.number, f.size, f.tags, f.tags_number,
  f.rest ->> '$.headers."content-type"', f.rest -> 'metadata'"""
LOOKED_AT_WIDTH = 19
LOOKED_AT_FROM = """
versions v JOIN versions f ON f.number = CASE v.hides WHEN 0 THEN v.number ELSE v.hides END"""
BELOW = f"""
SELECT {LOOKED_AT} FROM {LOOKED_AT_FROM} WHERE v.number < ? ORDER BY v.number DESC LIMIT ?"""
GRANTED = f"SELECT g.age, {GRANT} FROM grants g WHERE g.age BETWEEN ? AND ?"
PROMISED = f"""
SELECT {DELIVERY} FROM {DELIVERY_FROM}
WHERE d.number BETWEEN ? AND ? AND d.state <= 2 ORDER BY d.number, d.id"""

T = TypeVar("T")


class SqliteSurvey(Desk):
    async def version_count(self) -> int:
        return int(self.reader.all("SELECT versions FROM numbers")[0][0])

    async def survey(self, below: int, limit: int) -> Survey:
        rows = self.reader.all(BELOW, (below, limit))
        if not rows:
            return Survey()
        high, low = rows[0][0], rows[-1][0]
        grants = grouped(
            (-age, grant_of(tuple(grant)))
            for age, *grant in self.reader.all(GRANTED, (-high, -low))
        )
        deliveries = grouped(
            (delivery.number, delivery)
            for delivery in map(delivery_of, self.reader.all(PROMISED, (low, high)))
        )
        found = (
            surveyed(row, tuple(grants.get(row[0], ())), tuple(deliveries.get(row[0], ())))
            for row in rows
            if not row[1]
        )
        kept = tuple(each for each in found if each.held_by(each.author))
        return Survey(kept, len(rows), low)


def grouped(pairs: Iterable[tuple[int, T]]) -> Mapping[int, Sequence[T]]:
    found: defaultdict[int, list[T]] = defaultdict(list)
    for number, each in pairs:
        found[number].append(each)
    return found


def surveyed(row: Row, grants: tuple[Grant, ...], deliveries: tuple[Delivery, ...]) -> Surveyed:
    number, _, id_, author, marker, hides, heads, tags_number = row[:8]
    return Surveyed(
        number,
        id_,
        author,
        _facts(row[8:]),
        marker == 1,
        hides,
        heads > 0,
        tags_number,
        grants,
        deliveries,
    )


def _facts(row: Row) -> Facts:
    id_, bucket, key, author, at, number, size, tags, tags_number, content_type, metadata = row
    return Facts(
        ObjectRef(bucket, key),
        author,
        size,
        UNTYPED if content_type is None else content_type,
        loads(metadata) if metadata else EMPTY,
        loads(tags) if tags else EMPTY,
        at,
        id_,
        max(number, tags_number),
    )
