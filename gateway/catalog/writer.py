"""The one thread that writes: it commits whatever has queued up in one synced transaction.

A commit waits for one disk sync, whoever shares it. Each request runs inside a savepoint of its
own, so a refused one takes nothing of its neighbours with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import apsw

from gateway.audit.records import Salts, Sealed
from gateway.catalog.rows import Row
from gateway.errors import CatalogUnavailable
from gateway.faults import fault
from gateway.model import Event
from gateway.notifications import Watchers, watchers_from

BATCH_REQUESTS_MAX = 256
"""Requests that share one commit: enough to hide the sync, few enough to bound their wait."""

STOP_WAIT_S = 60

KEEP_COUNTS = "UPDATE numbers SET last = ?, versions = ?"

UNAVAILABLE = (
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.PermissionsError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.ProtocolError,
)
"""What SQLite says where the place is not well, rather than the request."""

WATCHERS = "SELECT bucket, party, watches FROM notifications ORDER BY bucket, party"
WATCHERS_OF = "SELECT bucket, party, watches FROM notifications WHERE bucket = ? ORDER BY party"

T = TypeVar("T")
Seal = Callable[[Event, int, Salts], Sealed]
Outcome = tuple[asyncio.Future[Any], Any, BaseException | None]

log = logging.getLogger(__name__)


class Transaction:
    """What a request may do inside the writer's transaction: ask, change, number, record."""

    def __init__(
        self, connection: apsw.Connection, clock: Callable[[], int], salts: Salts, seal: Seal
    ) -> None:
        self._execute = connection.cursor().execute
        self._changes = connection.changes
        self._seal = seal
        self.clock = clock
        self.salts = salts
        self.last: int
        self.versions: int
        self.last, self.versions = self.all("SELECT last, versions FROM numbers")[0]
        self.records: int = self.all("SELECT coalesce(max(place), -1) + 1 FROM records")[0][0]

        self.watchers: Watchers = watchers_from(self.all(WATCHERS))
        self.told = False  # whether a notice was made since the flag was last lowered

    @property
    def counts(self) -> tuple[int, int, int, Watchers]:
        """What is known here and not only by the database; a roll-back sets it to what it was."""
        return self.last, self.versions, self.records, self.watchers

    @counts.setter
    def counts(self, before: tuple[int, int, int, Watchers]) -> None:
        self.last, self.versions, self.records, self.watchers = before

    def watch(self, bucket: str) -> None:
        """Reads anew who watches that bucket: kept, so that no commit has to ask."""
        others = {name: each for name, each in self.watchers.items() if name != bucket}
        self.watchers = {**others, **watchers_from(self.all(WATCHERS_OF, (bucket,)))}

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        rows = self._execute(sql, values).fetchall()
        return rows[0] if rows else None

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Returns how many rows the statement changed."""
        self._execute(sql, values)
        return self._changes()

    def number(self) -> int:
        """The next commit number: a moment, but always above every one before it."""
        self.last = max(self.clock(), self.last + 1)
        return self.last

    def record(self, event: Event, number: int) -> None:
        self.append(self._seal(event, number, self.salts), number)

    def append(self, sealed: Sealed, number: int) -> int:
        """Puts a sealed record at the end of the log; returns its place."""
        place = self.records
        self.run(
            "INSERT INTO records VALUES (?, ?, ?, ?)",
            (place, number, sealed.entry, sealed.openings),
        )
        self.records = place + 1
        return place


class Writer:
    """Owns the writing connection; `submit` is called on the event loop alone."""

    def __init__(self, connection: apsw.Connection, transaction: Transaction) -> None:
        self._connection = connection
        self._execute = connection.cursor().execute
        self._transaction = transaction
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[Any, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._closed = False
        self.told: Callable[[], None] | None = None  # hears, on the loop, that notices were made
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._serve,), name="catalog-writer", daemon=True
        )
        self._thread.start()

    async def submit(self, work: Callable[[Transaction], T]) -> T:
        """Runs `work` in the next commit; returns once that is on disk.

        CatalogUnavailable if it can't be put there. Cancelling the wait does not undo the work.
        """
        if self._closed:
            raise CatalogUnavailable("the catalog is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put((work, future))
        return await future

    async def close(self) -> None:
        """Commits what is queued, then ends the thread and closes the connection."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, STOP_WAIT_S)
        self._connection.close()

    # --- on the writer's thread ----------------------------------------------------------------

    def _serve(self) -> None:
        stopping = False
        while not stopping:
            batch, stopping = self._take()
            if not batch:
                continue
            outcomes = self._commit(batch)
            try:
                self._loop.call_soon_threadsafe(_wake, outcomes)
                if self._transaction.told and self.told:
                    self._transaction.told = False
                    self._loop.call_soon_threadsafe(self.told)
            except RuntimeError:  # the loop is closed: whoever waited is gone
                log.warning("the event loop ended before the catalog was closed")
                return

    def _take(self) -> tuple[list[tuple[Any, asyncio.Future[Any]]], bool]:
        batch = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH_REQUESTS_MAX:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: Sequence[tuple[Any, asyncio.Future[Any]]]) -> list[Outcome]:
        transaction = self._transaction
        before = transaction.counts
        try:
            if self._connection.in_transaction:  # the roll-back failed too: the disk was away
                self._execute("ROLLBACK")
            self._execute("BEGIN IMMEDIATE")
            fault("catalog.begun")
            outcomes = [self._attempt(work, future) for work, future in batch]
            if transaction.last != before[0]:
                self._execute(KEEP_COUNTS, (transaction.last, transaction.versions))
            fault("catalog.before-commit")
            self._execute("COMMIT")
            before = transaction.counts
            fault("catalog.after-commit")
        except Exception as error:  # noqa: BLE001 - everyone who waits is told, and the thread lives
            if self._connection.in_transaction:
                with contextlib.suppress(*UNAVAILABLE):  # tried again before the next batch
                    self._execute("ROLLBACK")
            transaction.counts = before
            return [(future, None, _as_told(error)) for _, future in batch]
        return outcomes

    def _attempt(self, work: Callable[[Transaction], T], future: asyncio.Future[T]) -> Outcome:
        transaction = self._transaction
        before = transaction.counts
        self._execute("SAVEPOINT request")
        try:
            result = work(transaction)
        except UNAVAILABLE:
            raise  # SQLite may have rolled everything back: the whole batch fails
        except Exception as error:  # noqa: BLE001 - it is the answer to this request alone
            self._execute("ROLLBACK TO request")
            self._execute("RELEASE request")
            transaction.counts = before
            return future, None, error
        self._execute("RELEASE request")
        return future, result, None


def _as_told(error: Exception) -> Exception:
    if not isinstance(error, UNAVAILABLE):
        return error
    told = CatalogUnavailable(f"the catalog can't take this now: {error}")
    told.__cause__ = error
    return told


def _wake(outcomes: Sequence[Outcome]) -> None:
    for future, result, error in outcomes:
        if future.done():  # cancelled meanwhile
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
