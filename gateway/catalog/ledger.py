"""Reading and changing versions, and the buckets that parties made through a door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from gateway.catalog import changes, consuming, listing, names, references
from gateway.catalog.desk import Desk
from gateway.catalog.rows import (
    BUCKET,
    DECLARED,
    DELIVERY,
    DELIVERY_FROM,
    GRANT,
    GRANT_WIDTH,
    ONE_BUCKET,
    VERSION,
    VERSION_WIDTH,
    Row,
    bucket_of,
    bucket_row,
    delivery_of,
    grant_of,
    settings_of,
    settings_text,
    version_of,
)
from gateway.catalog.standings import declared_settings
from gateway.catalog.values import Change, Page, Query, Sees, Story, Write
from gateway.catalog.writer import Transaction
from gateway.errors import BucketExists, BucketNotEmpty, NoSuchBucket
from gateway.model import (
    EMPTY,
    Bucket,
    Delivery,
    Event,
    Grant,
    Held,
    ObjectRef,
    Version,
    Versioning,
)

FOREVER = 2**63 - 1

HELD = f"SELECT {VERSION}, {GRANT} FROM grants g JOIN versions v ON v.number = -g.age"
OF_KEY = "WHERE g.party = ?1 AND g.bucket = ?2 AND g.key = ?3"
AS_OF = "AND g.age >= -?4 AND g.since <= ?4 AND (g.replaced = 0 OR g.replaced > ?4)"
NAMED_SO = (
    f"SELECT {VERSION}, {GRANT}, {{hidden}} FROM grants g JOIN versions v ON v.number = -g.age"
)
NEWEST = f"""
{NAMED_SO.format(hidden=names.hidden("g"))}
{OF_KEY} AND g.replaced = 0 ORDER BY g.age LIMIT 1"""
NEWEST_THEN = f"""
{NAMED_SO.format(hidden=names.hidden("g", "?4"))} {OF_KEY} {AS_OF} ORDER BY g.age LIMIT 1"""
_MOVED = f"""
SELECT {VERSION}, {GRANT} FROM {names.MOVED}
WHERE c.party = ?1 AND c.bucket = ?2 AND c.moved_to = ?3 AND """
MOVED = f"{_MOVED} {names.MOVED_NOW} ORDER BY c.since DESC LIMIT 1"
MOVED_THEN = f"{_MOVED} {names.MOVED_THEN.format(then='?4')} ORDER BY c.since DESC LIMIT 1"
CONSUMED = """
SELECT EXISTS (SELECT 1 FROM consumed u
               WHERE u.party = ?1 AND u.bucket = ?2 AND u.key = ?3
                 AND u.age <= coalesce((SELECT g.age FROM grants g
                   WHERE g.party = ?1 AND g.bucket = ?2 AND g.key = ?3 AND g.replaced = 0
                   ORDER BY g.age LIMIT 1), 0))
    OR EXISTS (SELECT 1 FROM consumed c
               WHERE c.party = ?1 AND c.bucket = ?2 AND c.moved_to = ?3 AND c.moved_to <> '')"""
NULL = (
    f"{HELD} {OF_KEY} AND g.is_null = 1 AND g.shown = 1 AND g.replaced = 0 ORDER BY g.age LIMIT 1"
)
NULL_THEN = f"{HELD} {OF_KEY} {AS_OF} AND g.is_null = 1 AND g.shown = 1 ORDER BY g.age LIMIT 1"
NAMED = f"""
{HELD.replace("grants g JOIN versions v", "versions v JOIN grants g")}
  AND g.age = -v.number AND g.party = ?1 AND g.bucket = ?2 AND g.key = ?3
WHERE v.id = ?5 AND v.bucket = ?2 AND v.key = ?3 AND g.since <= ?4"""
HEAD_AGE = f"SELECT g.age FROM grants g {OF_KEY} AND g.replaced = 0 ORDER BY g.age LIMIT 1"
HEAD_AGE_THEN = f"SELECT g.age FROM grants g {OF_KEY} {AS_OF} ORDER BY g.age LIMIT 1"

OF_REF = f"""
SELECT {VERSION}, v.unwritten, v.purged FROM versions v
WHERE v.bucket = ? AND v.key = ? ORDER BY v.number DESC LIMIT ?"""
GRANTS_OF = f"""
SELECT {GRANT}, 0 FROM grants g WHERE g.age = -?1
UNION ALL SELECT {GRANT}, g.closed FROM closed_grants g WHERE g.number = ?1 ORDER BY 5, 1"""
OPEN_GRANTS_OF = f"SELECT {GRANT} FROM grants g WHERE g.age = ? ORDER BY g.party"
DELIVERIES_OF = f"SELECT {DELIVERY} FROM {DELIVERY_FROM} WHERE d.number = ? ORDER BY d.id"
SHOWN = """
SELECT EXISTS (SELECT 1 FROM grants INDEXED BY grants_shown
               WHERE bucket = ?1 AND shown = 1 AND replaced = 0)
    OR EXISTS (SELECT 1 FROM uploads WHERE bucket = ?1 AND version = '')"""

OPEN_UPLOADS = "SELECT id FROM uploads WHERE bucket = ? AND version = ''"

ALL_BUCKETS = f"SELECT {BUCKET} FROM buckets WHERE gone_under IS NULL ORDER BY name"
CORS_OF = """
SELECT 0, settings FROM buckets INDEXED BY buckets_with_cors
WHERE name = ?1 AND gone_under IS NULL AND instr(settings, '"cors":') > 0
UNION ALL SELECT 1, settings FROM declared_settings INDEXED BY declared_with_cors
WHERE bucket = ?1 AND instr(settings, '"cors":') > 0"""
SET_DECLARED = "INSERT OR REPLACE INTO declared_settings VALUES (?, ?)"
MAKE_BUCKET = "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?, ?, NULL, ?)"
PARTIES = """
WITH RECURSIVE every (party) AS (
  SELECT min(party) FROM grants
  UNION ALL SELECT (SELECT min(g.party) FROM grants g WHERE g.party > every.party)
  FROM every WHERE every.party IS NOT NULL)
SELECT party FROM every WHERE party IS NOT NULL"""
CLOSE_ALL = """
INSERT INTO closed_grants
SELECT -age, party, mode, rule, revision, opened, ? FROM grants WHERE party = ? AND bucket = ?"""


class SqliteLedger(Desk):
    async def commit(self, change: Change) -> Version:
        return await self.write(partial(changes.commit, change=change))

    async def commit_all(self, each: Sequence[Write]) -> Sequence[Version]:
        return await self.write(lambda tx: [changes.write(tx, change) for change in each])

    async def head(
        self, party: str, ref: ObjectRef, *, version: str = "", as_of: int | None = None
    ) -> Held | None:
        key = (party, ref.bucket, ref.key)
        if not version:
            return self._shown(key, as_of)
        if version == "null":
            null = (NULL, key) if as_of is None else (NULL_THEN, (*key, as_of))
            row = self.reader.one(*null)
        else:
            moment = FOREVER if as_of is None else as_of
            row = self.reader.one(NAMED, (*key, moment, version))
        if row is None:
            return None
        age = (HEAD_AGE, key) if as_of is None else (HEAD_AGE_THEN, (*key, as_of))
        return _held(row, self.reader.one(*age) == (-row[0],))

    def _shown(self, key: tuple[str, str, str], as_of: int | None) -> Held | None:
        """What the party's view has under the name. The version that is granted under it, if that
        is neither deleted nor consumed, beats what was moved there."""
        then = key if as_of is None else (*key, as_of)
        row = self.reader.one(NEWEST if as_of is None else NEWEST_THEN, then)
        held = _held(row, True) if row and not row[-1] else None
        if held is None or held.version.marker:
            moved = self.reader.one(MOVED if as_of is None else MOVED_THEN, then)
            return _held(moved, True) if moved else held
        return held

    async def consumed(self, party: str, ref: ObjectRef) -> bool:
        return self.reader.one(CONSUMED, (party, ref.bucket, ref.key)) == (1,)

    async def page(self, query: Query, sees: Sees) -> Page:
        return await listing.page(self.reader, query, sees)

    async def page_versions(self, query: Query, sees: Sees) -> Page:
        return await listing.page_versions(self.reader, query, sees)

    async def story(self, ref: ObjectRef, *, limit: int = 1000) -> Sequence[Story]:
        stories = []
        for row in self.reader.all(OF_REF, (ref.bucket, ref.key, limit)):
            *columns, unwritten, purged = row
            version = version_of(tuple(columns))
            grants = map(grant_of, self.reader.all(GRANTS_OF, (version.number,)))
            deliveries = self._deliveries(version.number)
            marks = map(consuming.consumed_of, self.reader.all(consuming.MARKS, (-version.number,)))
            about = (version, tuple(grants), deliveries, unwritten, purged == 1)
            stories.append(Story(*about, tuple(marks)))
        return stories

    async def deliveries_of(self, number: int) -> Sequence[Delivery]:
        return self._deliveries(number)

    def _deliveries(self, number: int) -> tuple[Delivery, ...]:
        return tuple(map(delivery_of, self.reader.all(DELIVERIES_OF, (number,))))

    async def grants_of(self, number: int) -> Sequence[Grant]:
        return [grant_of(row) for row in self.reader.all(OPEN_GRANTS_OF, (-number,))]

    async def has_shown(self, bucket: str) -> bool:
        return self.reader.one(SHOWN, (bucket,)) == (1,)

    # --- buckets made through a door -----------------------------------------------------------

    async def bucket(self, name: str) -> Bucket | None:
        row = self.reader.one(ONE_BUCKET, (name,))
        return bucket_of(row) if row else None

    async def buckets(self) -> Sequence[Bucket]:
        return [bucket_of(row) for row in self.reader.all(ALL_BUCKETS)]

    async def declared(self, bucket: str) -> Mapping[str, str]:
        row = self.reader.one(DECLARED, (bucket,))
        return settings_of(row[0]) if row else EMPTY

    async def cors(self, bucket: str, *, declared: bool) -> str:
        found: dict[int, str] = dict(self.reader.all(CORS_OF, (bucket,)))
        return settings_of(found.get(declared, "")).get("cors", "")

    async def create_bucket(self, bucket: Bucket, event: Event) -> None:
        def work(tx: Transaction) -> None:
            if tx.one(ONE_BUCKET, (bucket.name,)):
                raise BucketExists
            tx.run(MAKE_BUCKET, bucket_row(bucket))
            tx.record(event, tx.number())

        await self.write(work)

    async def delete_bucket(self, name: str, event: Event) -> None:
        await self.write(partial(_delete_bucket, name=name, event=event))

    async def set_versioning(self, name: str, status: Versioning, event: Event) -> None:
        def work(tx: Transaction) -> None:
            change = "UPDATE buckets SET versioning = ? WHERE name = ? AND gone_under IS NULL"
            if not tx.run(change, (status.value, name)):
                raise NoSuchBucket
            tx.record(event, tx.number())

        await self.write(work)

    async def set_setting(
        self, bucket: str, name: str, value: str, event: Event, *, declared: bool = False
    ) -> None:
        def work(tx: Transaction) -> None:
            before = declared_settings(tx, bucket) if declared else _made(tx, bucket).settings
            kept = {k: v for k, v in before.items() if k != name}
            settings = settings_text({**kept, name: value} if value else kept)
            if declared:
                tx.run(SET_DECLARED, (bucket, settings))
            else:
                tx.run("UPDATE buckets SET settings = ? WHERE name = ?", (settings, bucket))
            tx.record(event, tx.number())

        await self.write(work)


def _held(row: Row, latest: bool) -> Held:
    grant = row[VERSION_WIDTH : VERSION_WIDTH + GRANT_WIDTH]
    return Held(version_of(row[:VERSION_WIDTH]), grant_of(grant), latest)


def _made(tx: Transaction, name: str) -> Bucket:
    row = tx.one(ONE_BUCKET, (name,))
    if row is None:
        raise NoSuchBucket
    return bucket_of(row)


def _delete_bucket(tx: Transaction, name: str, event: Event) -> None:
    if tx.one(ONE_BUCKET, (name,)) is None:
        raise NoSuchBucket
    for (upload,) in tx.all(OPEN_UPLOADS, (name,)):
        references.release_upload(tx, upload, "")
    if tx.one(SHOWN, (name,)) == (1,):
        raise BucketNotEmpty
    number = tx.number()
    for (party,) in tx.all(PARTIES):
        tx.run(CLOSE_ALL, (number, party, name))
        tx.run("DELETE FROM grants WHERE party = ? AND bucket = ?", (party, name))
        tx.run("DELETE FROM views WHERE party = ? AND bucket = ?", (party, name))
    tx.run("UPDATE versions SET heads = 0, past = ? WHERE bucket = ? AND heads > 0", (number, name))
    if tx.run("DELETE FROM notifications WHERE bucket = ?", (name,)):
        tx.watch(name)
    revision = tx.one(changes.IN_FORCE)
    tx.run(
        "UPDATE buckets SET gone_under = ? WHERE name = ?", (revision[0] if revision else "", name)
    )
    tx.record(event, number)
