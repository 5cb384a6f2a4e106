"""Depots inside the catalog: one row for each file that was taken over."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.catalog.depots import Imported
from gateway.catalog.desk import Desk
from gateway.catalog.rows import dumps
from gateway.catalog.writer import Transaction

KNOWN = """
SELECT d.path, d.mtime, d.size, d.version, d.upload FROM json_each(?2) wanted
CROSS JOIN depot_files d ON d.source = ?1 AND d.path = wanted.value"""
KEEP = "INSERT OR REPLACE INTO depot_files VALUES (?, ?, ?, ?, ?, ?)"


class SqliteDepots(Desk):
    async def imported(self, source: str, paths: Collection[str]) -> Mapping[str, Imported]:
        rows = self.reader.all(KNOWN, (source, dumps(list(paths))))
        return {path: Imported(*rest) for path, *rest in rows}

    async def note_imported(self, source: str, files: Mapping[str, Imported]) -> None:
        def work(tx: Transaction) -> None:
            for path, file in files.items():
                row = (source, path, file.mtime, file.size, file.version, file.upload)
                tx.run(KEEP, row)

        if files:
            await self.write(work)
