"""Multipart uploads and staged files, until they become versions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from gateway.catalog import references
from gateway.catalog.desk import Desk
from gateway.catalog.listing import FIRST, prefix_end, start_after
from gateway.catalog.rows import (
    UPLOAD,
    extents_of,
    loads,
    part_of,
    part_rest,
    upload_of,
    upload_row,
)
from gateway.catalog.standings import check_bucket
from gateway.catalog.writer import Transaction
from gateway.errors import NoSuchUpload
from gateway.model import Bucket, Part, Upload

ONE = f"SELECT {UPLOAD} FROM uploads WHERE id = ?"
PARTS = """
SELECT number, size, etag, at, rest FROM parts WHERE upload = ? AND number > ?
ORDER BY number LIMIT ?"""
STALE = f"""
SELECT {UPLOAD} FROM uploads
WHERE bucket = ? AND version = '' AND staged = '' AND begun < ? AND (begun, id) > (?, ?)
ORDER BY begun, id LIMIT ?"""
OPEN = f"""
SELECT {UPLOAD} FROM uploads INDEXED BY uploads_open
WHERE bucket = ? AND party = ? AND version = '' AND staged = ''
  AND (key, begun, id) > (CAST(? AS TEXT), ?, ?) AND key < CAST(? AS TEXT)
ORDER BY key, begun, id"""

BEGUN = "SELECT begun FROM uploads WHERE id = ? AND party = ?"

Spot = tuple[bytes, int, str]
"""Where a scan goes on: after this key (bytes), moment and id."""


class SqliteUploads(Desk):
    async def begin(self, upload: Upload) -> None:
        insert = "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', 0)"
        await self.write(lambda tx: tx.run(insert, upload_row(upload)))

    async def upload(self, upload: str) -> Upload | None:
        row = self.reader.one(ONE, (upload,))
        return upload_of(row) if row else None

    async def add_part(self, upload: str, part: Part) -> None:
        def work(tx: Transaction) -> None:
            _check_open(tx, upload)
            named = (upload, part.number)
            before = tx.one("SELECT rest FROM parts WHERE upload = ? AND number = ?", named)
            references.add(tx, part.extents)
            if before:
                references.drop(tx, extents_of(loads(before[0])[0]))
            row = (*named, part.size, part.etag, part.at, part_rest(part))
            tx.run("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?)", row)

        await self.write(work)

    async def parts(self, upload: str, *, after: int = 0, limit: int = 10_000) -> Sequence[Part]:
        return [part_of(row) for row in self.reader.all(PARTS, (upload, after, limit))]

    async def page_uploads(
        self,
        bucket: str,
        party: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        after_upload: str = "",
        within: Sequence[str] = (),
        limit: int = 1000,
    ) -> tuple[Sequence[Upload], Sequence[str], bool]:
        uploads: list[Upload] = []
        prefixes: list[str] = []
        spot: Spot | None = self._start(party, prefix, delimiter, after, after_upload)
        end = prefix_end(prefix.encode())
        while spot is not None:
            with closing(self.reader.rows(OPEN, (bucket, party, *spot, end))) as rows:
                spot = None
                for row in rows:
                    if within and not row[3].startswith(tuple(within)):
                        continue
                    if len(uploads) + len(prefixes) >= limit:
                        return uploads, prefixes, limit > 0
                    key = row[3]
                    cut = key.find(delimiter, len(prefix)) if delimiter else -1
                    if cut >= 0:
                        prefixes.append(key[: cut + len(delimiter)])
                        spot = (prefix_end(prefixes[-1].encode()), FIRST, "")
                        break
                    uploads.append(upload_of(row))
        return uploads, prefixes, False

    def _start(
        self, party: str, prefix: str, delimiter: str, after: str, after_upload: str
    ) -> Spot:
        """Another party's upload is no place to go on from: when it began is not told."""
        low = start_after(after, prefix, delimiter)
        if after_upload and after.startswith(prefix):
            begun = self.reader.one(BEGUN, (after_upload, party))
            if begun:
                return after.encode(), begun[0], after_upload
        return max(low, prefix.encode()), FIRST, ""

    async def abort(self, upload: str, *, bucket: Bucket | None = None) -> None:
        def work(tx: Transaction) -> None:
            _check_open(tx, upload)
            if bucket is not None:
                check_bucket(tx, bucket)
            references.release_upload(tx, upload, "")

        await self.write(work)

    async def stale_uploads(
        self, bucket: str, before: int, *, after: Upload | None, limit: int
    ) -> Sequence[Upload]:
        spot = (after.begun, after.id) if after else (FIRST, "")
        return [upload_of(row) for row in self.reader.all(STALE, (bucket, before, *spot, limit))]


def _check_open(tx: Transaction, upload: str) -> None:
    if tx.one("SELECT version FROM uploads WHERE id = ?", (upload,)) != ("",):
        raise NoSuchUpload
