"""The embedded catalog: one SQLite file, one writing thread, reads on the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import apsw

from gateway.audit.records import Salts, seal
from gateway.catalog import opening
from gateway.catalog.adopting import SqlitePlaces
from gateway.catalog.audit_log import SqliteAuditLog
from gateway.catalog.checking import SqliteChecks
from gateway.catalog.collecting import SqliteExtents
from gateway.catalog.converging import SqliteConvergence
from gateway.catalog.desk import Reader
from gateway.catalog.importing import SqliteDepots
from gateway.catalog.ledger import SqliteLedger
from gateway.catalog.notices import SqliteNotices
from gateway.catalog.outbox import SqliteOutbox
from gateway.catalog.policies import SqlitePolicies
from gateway.catalog.removing import SqliteAsking
from gateway.catalog.restoring import SqliteRebuilding
from gateway.catalog.settings import SqliteSettings
from gateway.catalog.staging import SqliteStaging
from gateway.catalog.standings import SqliteStandings
from gateway.catalog.surveying import SqliteSurvey
from gateway.catalog.uploads import SqliteUploads
from gateway.catalog.walks import SqliteKeyWalks
from gateway.catalog.writer import UNAVAILABLE, Seal, Transaction, Writer
from gateway.errors import CatalogUnavailable

BACKUP_STEP_PAGES = 2000
"""Pages (8 MiB) that a backup copies between two reports of its progress."""

FREE_LEASES = """
UPDATE deliveries SET lease = 0, due = ?, token = token + 1
WHERE state = 0 AND head = 1 AND lease > 0"""
"""Whoever held a lease is dead, since the catalog's lock is ours: the next courier need not wait
for its end, and what the dead one may still say no longer counts."""

FREE_NOTICES = """
UPDATE notices SET lease = 0, due = ?, token = token + 1
WHERE state = 0 AND head = 1 AND lease > 0"""


class SqliteCatalog(
    SqliteLedger,
    SqliteStandings,
    SqliteUploads,
    SqliteStaging,
    SqliteExtents,
    SqliteSurvey,
    SqliteKeyWalks,
    SqliteConvergence,
    SqliteOutbox,
    SqliteAsking,
    SqliteChecks,
    SqlitePlaces,
    SqliteDepots,
    SqliteRebuilding,
    SqliteNotices,
    SqliteAuditLog,
    SqlitePolicies,
    SqliteSettings,
):
    """gateway.catalog.Catalog over one SQLite file. Belongs to the event loop that opened it."""

    def __init__(
        self,
        path: str,
        reader: Reader,
        writer: Writer | None,
        lock: opening.Lock | None,
        vfs: str | None,
    ) -> None:
        super().__init__(reader, writer)
        self._path = path
        self._lock = lock
        self._vfs = vfs

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], int],
        salts: Salts = os.urandom,
        read_only: bool = False,
        sealer: Seal = seal,
        vfs: str | None = None,
    ) -> SqliteCatalog:
        """Opens the catalog at `path`, making it if there is none.

        `clock` gives moments in nanoseconds. `read_only` may stand beside a running gateway.
        Raises CatalogInUse, SchemaTooNew, StartRefused (SQLite's version; nothing to read),
        CatalogUnavailable (the file can't be opened or written).
        """
        path = os.fspath(path)
        opening.check_sqlite(apsw.sqlite_lib_version())
        try:
            if read_only:
                return cls(path, Reader(opening.open_reader(path, vfs)), None, None, vfs)
            lock = opening.Lock(path)
            try:
                connection = opening.open_writer(path, vfs)
                connection.execute(FREE_LEASES, (clock(),))
                connection.execute(FREE_NOTICES, (clock(),))
                transaction = Transaction(connection, clock, salts, sealer)
                reader = Reader(opening.open_reader(path, vfs))
                return cls(path, reader, Writer(connection, transaction), lock, vfs)
            except BaseException:
                lock.release()
                raise
        except (*UNAVAILABLE, OSError) as error:
            raise CatalogUnavailable(f"the catalog can't be opened: {error}") from error

    async def close(self) -> None:
        """Commits what is queued, then lets the file go. Closing again does nothing."""
        self.reader.connection.close()
        if self._writer is not None:
            await self._writer.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def backup(self, path: str, progress: Callable[[int, int], None] | None = None) -> None:
        """A consistent copy as one file, made while commits go on. `progress` is told pages done
        and pages in all. StartRefused if something lies at `path` already."""
        draft = f"{path}.partial"
        try:
            await asyncio.to_thread(opening.check_free, path)
            await self._copy(draft, progress)
            await asyncio.to_thread(opening.settle, draft, path)
        except (*UNAVAILABLE, OSError) as error:
            raise CatalogUnavailable(f"the backup could not be written: {error}") from error
        finally:
            await asyncio.to_thread(opening.discard, draft)

    async def _copy(self, draft: str, progress: Callable[[int, int], None] | None) -> None:
        source = opening.open_reader(self._path, self._vfs)
        target = opening.connect(draft, opening.READ_WRITE)
        try:
            # One snapshot held throughout: commits meanwhile don't make the copy begin again.
            source.execute("BEGIN")
            source.execute("SELECT last FROM numbers").fetchall()
            with target.backup("main", source, "main") as copying:
                while not copying.done:
                    await asyncio.to_thread(copying.step, BACKUP_STEP_PAGES)
                    if progress is not None:
                        progress(copying.page_count - copying.remaining, copying.page_count)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()
        finally:
            target.close()
            source.close()
