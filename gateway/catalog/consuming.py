"""A version consumed, inside the writer's transaction."""

from __future__ import annotations

from gateway.catalog import views
from gateway.catalog.conditions import Face, judge_delete
from gateway.catalog.consumed import Consume, Consumed
from gateway.catalog.rows import VERSION, Row, version_of
from gateway.catalog.writer import Transaction
from gateway.errors import Conflict, NoSuchVersion
from gateway.model import ObjectRef, Version

BY_ID = f"SELECT {VERSION} FROM versions v WHERE v.id = ? AND v.bucket = ?"
NOW = """
SELECT moved_to FROM consumed
WHERE party = ? AND bucket = ? AND key = ? AND age = ? AND until = 0"""
END = """
UPDATE consumed SET until = ?
WHERE party = ? AND bucket = ? AND key = ? AND age = ? AND until = 0"""
MARK = "INSERT INTO consumed VALUES (?, ?, ?, ?, ?, 0, ?)"
THERE = """
SELECT key, age FROM consumed INDEXED BY consumed_names
WHERE party = ? AND bucket = ? AND moved_to = ? AND moved_to <> '' AND until = 0"""
MARKS = """
SELECT party, min(since), max(CASE until WHEN 0 THEN moved_to ELSE '' END)
FROM consumed WHERE age = ? GROUP BY party ORDER BY party"""


def consume(tx: Transaction, change: Consume) -> Version:
    row = tx.one(BY_ID, (change.version, change.ref.bucket))
    version = version_of(row) if row else None
    party = change.party
    if version is None or version.marker:
        raise NoSuchVersion
    if all(holder.party != party for holder in views.holders(tx, version.number)):
        raise NoSuchVersion
    mark = (party, version.ref.bucket, version.ref.key, -version.number)
    row = tx.one(NOW, mark)
    name = row[0] if row else version.ref.key
    if row and name == change.moved_to and change.ref == version.ref:
        return version  # it was done before, and the answer got lost
    if name != change.ref.key:
        raise NoSuchVersion
    face = Face(version.id, version.etag, version.marker, version.size, version.at)
    judge_delete(change.expect, face)
    number = tx.number()
    _free(tx, change, number)
    tx.run(END, (number, *mark))
    tx.run(MARK, (*mark, number, change.moved_to))
    for key in {version.ref.key, change.ref.key, change.moved_to} - {""}:
        views.derive(tx, party, ObjectRef(change.ref.bucket, key))
    tx.record(change.event, number)
    return version


def _free(tx: Transaction, change: Consume, number: int) -> None:
    """Whatever else was moved to the new name gives it up, as files do that are renamed over; a
    version that is granted under it does not."""
    if not change.moved_to:
        return
    to = ObjectRef(change.ref.bucket, change.moved_to)
    if views.live_head(tx, change.party, to):
        raise Conflict
    for key, age in tx.all(THERE, (change.party, to.bucket, to.key)):
        other = (change.party, to.bucket, key, age)
        tx.run(END, (number, *other))
        tx.run(MARK, (*other, number, ""))


def consumed_of(row: Row) -> Consumed:
    """From the columns of MARKS."""
    return Consumed(*row)
