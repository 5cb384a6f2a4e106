"""How versions stand in their author's view of what S3 shows: what lifecycle looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.catalog.desk import Desk
from gateway.catalog.listing import FIRST, prefix_end
from gateway.catalog.rows import (
    DECLARED,
    ONE_BUCKET,
    Row,
    bucket_of,
    loads,
    lock_of,
    settings_of,
)
from gateway.catalog.writer import Transaction
from gateway.errors import Conflict, NoSuchBucket
from gateway.lifecycle import Judged, Standing, newer_max, rules_of
from gateway.model import EMPTY, Bucket

_OF_KEY = "n.party = g.party AND n.bucket = g.bucket AND n.key = g.key AND n.replaced = 0"
_NEWER = f"FROM grants n WHERE {_OF_KEY} AND n.age < g.age"
_CURRENT = f"(SELECT n.age FROM grants n WHERE {_OF_KEY} ORDER BY n.age LIMIT 1)"
_STANDING = f"""
SELECT v.number, v.id, v.key, v.at, v.size, v.marker, v.tags, v.lock,
  coalesce((SELECT -n.age {_NEWER} ORDER BY n.age DESC LIMIT 1), 0),
  (SELECT count(*) FROM (SELECT 1 {_NEWER} AND n.age > {_CURRENT} AND n.marker = 0 LIMIT ?4)),
  NOT EXISTS (SELECT 1 FROM grants n WHERE {_OF_KEY} AND n.shown = 1 AND n.age <> g.age),
  EXISTS (SELECT 1 FROM deliveries d WHERE d.number = v.number AND d.state = 0)
FROM grants g {{index}} JOIN versions v ON v.number = -g.age
WHERE g.party = ?1 AND g.bucket = ?2 AND g.shown = 1 AND g.replaced = 0 AND v.author = ?1"""

PAGE = f"""{_STANDING.format(index="INDEXED BY grants_shown")}
  AND (g.key, g.age) > (CAST(?3 AS TEXT), ?5) AND g.key < CAST(?6 AS TEXT)
ORDER BY g.key, g.age LIMIT ?7"""
ONE = f"{_STANDING.format(index='')} AND g.key = ?3 AND g.age = ?5"


class SqliteStandings(Desk):
    async def standings(
        self, bucket: Bucket, prefix: str, *, after: Standing | None, limit: int
    ) -> Sequence[Standing]:
        spot = (after.key.encode(), -after.number) if after else (prefix.encode(), FIRST)
        counted = newer_max(rules_of(bucket))
        bounds = (spot[0], counted, spot[1], prefix_end(prefix.encode()), limit)
        return [
            _standing(row) for row in self.reader.all(PAGE, (bucket.owner, bucket.name, *bounds))
        ]


def check(tx: Transaction, judged: Judged, key: str, number: int) -> None:
    """Conflict unless what was judged still holds of this version, by the bucket as it was."""
    bucket = judged.bucket
    check_bucket(tx, bucket)
    counted = newer_max(rules_of(bucket))
    row = tx.one(ONE, (bucket.owner, bucket.name, key, counted, -number))
    if row is None or not judged.due(_standing(row)):
        raise Conflict


def check_bucket(tx: Transaction, bucket: Bucket) -> None:
    """Conflict unless the bucket is still as it was looked at."""
    if not bucket.created:
        if declared_settings(tx, bucket.name) != bucket.settings:
            raise Conflict
        return
    row = tx.one(ONE_BUCKET, (bucket.name,))
    if row is None:
        raise NoSuchBucket
    if bucket_of(row) != bucket:
        raise Conflict


def declared_settings(tx: Transaction, bucket: str) -> Mapping[str, str]:
    """Those of a bucket of topology.yaml."""
    row = tx.one(DECLARED, (bucket,))
    return settings_of(row[0]) if row else EMPTY


def _standing(row: Row) -> Standing:
    number, id_, key, at, size, marker, tags, lock, since, newer, alone, awaited = row
    return Standing(
        *(number, id_, key, at, size, marker == 1, loads(tags) if tags else EMPTY, lock_of(lock)),
        *(since, newer, alone == 1, awaited == 1),
    )
