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
_STAGED = f"SELECT {UPLOAD}, {SIZE}, {LAST} FROM uploads"
_OWN = "party = ? AND staged = ? AND bucket = ?"
ONE = f"{_STAGED} WHERE {_OWN} AND key = ? AND version = '' AND staged <> ''"
PAGE = f"""
{_STAGED} WHERE {_OWN} AND version = '' AND staged <> ''
  AND key >= CAST(? AS TEXT) AND key < CAST(? AS TEXT) ORDER BY key LIMIT ?"""
STALE = f"""
{_STAGED} WHERE version = '' AND staged <> '' AND begun < ? ORDER BY begun LIMIT ?"""
INSERT = "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)"
OPEN = "SELECT party, staged, bucket FROM uploads WHERE id = ? AND version = '' AND staged <> ''"
IN_THE_WAY = f"SELECT id FROM uploads WHERE {_OWN} AND key = ? AND version = '' AND staged <> ''"
MOVE = "UPDATE uploads SET bucket = ?, key = ? WHERE id = ?"
DESCRIBED = "SELECT rest FROM uploads WHERE id = ?"
DESCRIBE = "UPDATE uploads SET rest = ? WHERE id = ?"

FOLDERS = """
SELECT path FROM folders WHERE party = ? AND bucket = ? AND path >= CAST(? AS TEXT)
  AND path < CAST(? AS TEXT) ORDER BY path LIMIT ?"""


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

    async def stale_staged(self, before: int, limit: int) -> Sequence[Staged]:
        return [_staged(row) for row in self.reader.all(STALE, (before, limit))]

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

    async def folders(self, party: str, bucket: str, prefix: str, limit: int) -> Sequence[str]:
        low, end = prefix.encode(), prefix_end(prefix.encode())
        return [path for (path,) in self.reader.all(FOLDERS, (party, bucket, low, end, limit))]


def _clear(tx: Transaction, principal: Principal, ref: ObjectRef, spare: str = "") -> None:
    """A name is staged once: what lies there makes way."""
    where = (principal.party, principal.name, ref.bucket, ref.key)
    for (upload,) in tx.all(IN_THE_WAY, where):
        if upload != spare:
            references.release_upload(tx, upload, "")


def _staged(row: Row) -> Staged:
    *upload, size, last = row
    return Staged(upload_of(tuple(upload)), size, last)
