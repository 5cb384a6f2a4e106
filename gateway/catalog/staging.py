"""Files that are being written name by name: staged, moved, let go; and folders without files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.catalog import references
from gateway.catalog.desk import Desk
from gateway.catalog.listing import prefix_end
from gateway.catalog.rows import UPLOAD, Row, dumps, loads, upload_of, upload_row
from gateway.catalog.values import Staged
from gateway.catalog.writer import Transaction
from gateway.errors import NoSuchUpload
from gateway.model import Event, ObjectRef, Principal, Upload

SIZE = "coalesce((SELECT sum(size) FROM parts WHERE upload = uploads.id), 0)"
LAST = "coalesce((SELECT max(number) FROM parts WHERE upload = uploads.id), 0)"
TOUCHED = """
max(begun, closed, coalesce((SELECT max(at) FROM parts WHERE upload = uploads.id), 0))"""
_STAGED = f"SELECT {UPLOAD}, {SIZE}, {LAST}, closed, {TOUCHED} FROM uploads"
_OWN = "party = ? AND staged = ? AND bucket = ?"
ONE = f"{_STAGED} WHERE {_OWN} AND key = ? AND version = '' AND staged <> ''"
PAGE = f"""
{_STAGED} WHERE {_OWN} AND version = '' AND staged <> ''
  AND key >= CAST(? AS TEXT) AND key < CAST(? AS TEXT) ORDER BY key LIMIT ?"""
EVERY = f"""
{_STAGED} WHERE version = '' AND staged <> '' AND (begun, id) > (?, ?) ORDER BY begun, id LIMIT ?"""
INSERT = "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, 0)"
OPEN = "SELECT party, staged, bucket FROM uploads WHERE id = ? AND version = '' AND staged <> ''"
IN_THE_WAY = f"SELECT id FROM uploads WHERE {_OWN} AND key = ? AND version = '' AND staged <> ''"
MOVE = "UPDATE uploads SET bucket = ?, key = ? WHERE id = ?"
CLOSE = "UPDATE uploads SET closed = ? WHERE id = ? AND version = '' AND staged <> ''"
DESCRIBED = "SELECT rest FROM uploads WHERE id = ?"
DESCRIBE = "UPDATE uploads SET rest = ? WHERE id = ?"

FOLDERS = """
SELECT path FROM folders WHERE party = ? AND bucket = ? AND path >= CAST(? AS TEXT)
  AND path < CAST(? AS TEXT) ORDER BY path LIMIT ?"""

SHOW_TIME = "INSERT OR REPLACE INTO shown_times VALUES (?, ?, ?)"
SHOWN_TIMES = """
SELECT version, modified FROM shown_times WHERE party = ?
  AND version IN (SELECT value FROM json_each(?))"""


class SqliteStaging(Desk):
    async def stage(self, upload: Upload) -> None:
        def work(tx: Transaction) -> None:
            _clear(tx, upload.principal, upload.ref)
            tx.run(INSERT, (*upload_row(upload), upload.principal.name))

        await self.write(work)

    async def staged(self, principal: Principal, ref: ObjectRef) -> Staged | None:
        row = self.reader.one(ONE, (principal.party, principal.name, ref.bucket, ref.key))
        return _staged(row) if row else None

    async def page_staged(
        self, principal: Principal, bucket: str, prefix: str, after: str, limit: int
    ) -> Sequence[Staged]:
        low = max(after.encode() + b"\0" if after else b"", prefix.encode())
        end = prefix_end(prefix.encode())
        values = (principal.party, principal.name, bucket, low, end, limit)
        return [_staged(row) for row in self.reader.all(PAGE, values)]

    async def move_staged(self, upload: str, ref: ObjectRef) -> None:
        def work(tx: Transaction) -> None:
            row = tx.one(OPEN, (upload,))
            if row is None:
                raise NoSuchUpload
            _clear(tx, Principal(row[0], row[1]), ref, upload)
            tx.run(MOVE, (ref.bucket, ref.key, upload))

        await self.write(work)

    async def describe_staged(self, upload: str, metadata: Mapping[str, str]) -> None:
        def work(tx: Transaction) -> None:
            row = tx.one(DESCRIBED, (upload,))
            if row is None or tx.one(OPEN, (upload,)) is None:
                raise NoSuchUpload
            rest = loads(row[0])
            rest["metadata"] = {**rest["metadata"], **metadata}
            tx.run(DESCRIBE, (dumps(rest), upload))

        await self.write(work)

    async def close_staged(self, upload: str, at: int) -> None:
        def work(tx: Transaction) -> None:
            if not tx.run(CLOSE, (at, upload)):
                raise NoSuchUpload

        await self.write(work)

    async def every_staged(self, after: tuple[int, str], limit: int) -> Sequence[Staged]:
        return [_staged(row) for row in self.reader.all(EVERY, (*after, limit))]

    # --- folders -------------------------------------------------------------------------------

    async def make_folder(self, party: str, bucket: str, path: str, event: Event) -> bool:
        def work(tx: Transaction) -> bool:
            made = tx.run("INSERT OR IGNORE INTO folders VALUES (?, ?, ?)", (party, bucket, path))
            if made:
                tx.record(event, tx.number())
            return bool(made)

        return await self.write(work)

    async def drop_folder(self, party: str, bucket: str, path: str, event: Event) -> bool:
        def work(tx: Transaction) -> bool:
            drop = "DELETE FROM folders WHERE party = ? AND bucket = ? AND path = ?"
            gone = tx.run(drop, (party, bucket, path))
            if gone:
                tx.record(event, tx.number())
            return bool(gone)

        return await self.write(work)

    async def folders(
        self, party: str, bucket: str, prefix: str, after: str, limit: int
    ) -> Sequence[str]:
        low = max(after.encode() + b"\0" if after else b"", prefix.encode())
        end = prefix_end(prefix.encode())
        return [path for (path,) in self.reader.all(FOLDERS, (party, bucket, low, end, limit))]

    # --- times ---------------------------------------------------------------------------------

    async def show_time(self, party: str, version: str, modified: int) -> None:
        values = (party, version, modified)
        await self.write(lambda tx: tx.run(SHOW_TIME, values))

    async def shown_times(self, party: str, versions: Sequence[str]) -> Mapping[str, int]:
        return dict(self.reader.all(SHOWN_TIMES, (party, dumps(list(versions)))))


def _clear(tx: Transaction, principal: Principal, ref: ObjectRef, spare: str = "") -> None:
    """A name is staged once: what lies there makes way."""
    where = (principal.party, principal.name, ref.bucket, ref.key)
    for (upload,) in tx.all(IN_THE_WAY, where):
        if upload != spare:
            references.release_upload(tx, upload, "")


def _staged(row: Row) -> Staged:
    *upload, size, last, closed, touched = row
    return Staged(upload_of(tuple(upload)), size, last, closed, touched)
