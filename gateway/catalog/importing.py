"""Depots inside the catalog: one row for each file that was taken over."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.catalog.depots import Imported, Origin
from gateway.catalog.desk import Desk
from gateway.catalog.rows import dumps
from gateway.catalog.staging import SHOW_TIME
from gateway.catalog.writer import Transaction

KNOWN = """
SELECT d.path, d.mtime, d.size, d.version, d.upload FROM json_each(?2) wanted
CROSS JOIN depot_files d ON d.source = ?1 AND d.path = wanted.value"""
KEEP = "INSERT OR REPLACE INTO depot_files VALUES (?, ?, ?, ?, ?, ?)"


class SqliteDepots(Desk):
    async def imported(self, origin: Origin, paths: Collection[str]) -> Mapping[str, Imported]:
        rows = self.reader.all(KNOWN, (origin.source, dumps(list(paths))))
        return {path: Imported(*rest) for path, *rest in rows}

    async def note_imported(self, origin: Origin, files: Mapping[str, Imported]) -> None:
        def work(tx: Transaction) -> None:
            for path, file in files.items():
                state = (file.mtime, file.size, file.version, file.upload)
                tx.run(KEEP, (origin.source, path, *state))
                if file.version and not file.upload:
                    tx.run(SHOW_TIME, (origin.party, file.version, file.mtime))

        if files:
            await self.write(work)
