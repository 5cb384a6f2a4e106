"""Opening a catalog file: the gate, the lock, the schema; and putting a backup in its place."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import apsw

from gateway.catalog.writer import UNAVAILABLE
from gateway.errors import CatalogInUse, SchemaTooNew, StartRefused

BUSY_MS = 5000
CACHE_KIB = 64 * 1024
CHECKPOINT_PAGES = 4000
"""Write-ahead log pages (16 MiB) after which the writer folds them into the main file."""

_SCHEMA = resources.files("gateway.catalog") / "schema"
_NUMBERED = re.compile(r"(\d{3})_\w+\.sql")

READ_ONLY = apsw.SQLITE_OPEN_READONLY
READ_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


def is_sound(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite is free of the WAL-reset bug, which loses commits or corrupts the file
    when a checkpoint races a writer: mended in 3.51.3, 3.50.7 and 3.44.6; 3.52.0 was withdrawn
    (sqlite.org, release log)."""
    if version[:2] in ((3, 44), (3, 50)):
        return version >= ((3, 44, 6) if version[1] == 44 else (3, 50, 7))
    return version >= (3, 51, 3) and version != (3, 52, 0)


def check_sqlite(text: str) -> None:
    """StartRefused unless this version of SQLite ("3.54.1") can be trusted with a catalog."""
    major, minor, patch = (*(int(part) for part in text.split(".")[:3]), 0, 0)[:3]
    if not is_sound((major, minor, patch)):
        raise StartRefused(
            f"SQLite {text} can lose commits (the WAL-reset bug); "
            "install apsw 3.51.3 or newer, but not 3.52.0"
        )


class Lock:
    """Held by the one gateway on a catalog, on a file beside it; it dies with the process."""

    def __init__(self, path: str) -> None:
        self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise CatalogInUse(f"another gateway has {path} open") from None

    def release(self) -> None:
        os.close(self._file)


def connect(path: str, flags: int, vfs: str | None = None) -> apsw.Connection:
    connection = apsw.Connection(path, flags=flags, vfs=vfs, statementcachesize=200)
    connection.set_busy_timeout(BUSY_MS)
    # Plans don't depend on bound values: else this build (STAT4) prepares a statement anew each
    # time that it is bound, which costs more than running it.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def open_writer(path: str, vfs: str | None = None) -> apsw.Connection:
    """The writing connection, its schema brought up to date in one transaction.

    A commit is on disk when it returns (synchronous=FULL): an acknowledgement rests on it.
    """
    connection = connect(path, READ_WRITE, vfs)
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").fetchall()
        migrate(connection, editions())
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: str, vfs: str | None = None) -> apsw.Connection:
    """A reading connection; StartRefused unless the schema is this build's."""
    if not os.path.exists(path):
        raise StartRefused(f"there is no catalog at {path}")
    connection = connect(path, READ_ONLY, vfs)
    try:
        edition, newest = edition_of(connection), editions()[-1][0]
        if edition > newest:
            raise _too_new(edition, newest)
        if edition < newest:
            raise StartRefused(f"{path} has an older schema: start the gateway once to bring it on")
    except BaseException:
        connection.close()
        raise
    return connection


def editions() -> list[tuple[int, str]]:
    """The schema's numbered files, oldest first."""
    files = ((_NUMBERED.fullmatch(file.name), file) for file in _SCHEMA.iterdir())
    return sorted((int(m[1]), file.read_text("utf-8")) for m, file in files if m)


def edition_of(connection: apsw.Connection) -> int:
    edition = connection.pragma("user_version")
    return edition if isinstance(edition, int) else 0


def migrate(connection: apsw.Connection, known: Sequence[tuple[int, str]]) -> None:
    """Brings an older catalog to the newest edition, whole or not at all; SchemaTooNew for one
    that a newer build wrote."""
    newest = known[-1][0]
    edition = edition_of(connection)
    if edition > newest:
        raise _too_new(edition, newest)
    if edition == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, sql in known:
            if number > edition:
                connection.execute(sql).fetchall()
        connection.execute(f"PRAGMA user_version = {newest}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _too_new(edition: int, newest: int) -> SchemaTooNew:
    return SchemaTooNew(
        f"the catalog has schema {edition}, this Crossdock knows {newest}: "
        "use the newer one, or restore an older backup"
    )


# --- restore -----------------------------------------------------------------------------------


def restore(backup: str, path: str) -> None:
    """Puts a backup in place as the catalog at `path`, once it has proved whole.

    CatalogInUse while a gateway runs on `path`; StartRefused if a catalog lies there, or the
    backup is damaged, of a newer schema, or none at all.
    """
    lock = Lock(path)
    try:
        for end in ("", "-wal", "-shm"):
            check_free(path + end)
        check_backup(backup)
        draft = f"{path}.restoring"
        shutil.copyfile(backup, draft)
        settle(draft, path)
    finally:
        lock.release()


def check_backup(backup: str) -> None:
    if not os.path.isfile(backup):
        raise StartRefused(f"there is no backup at {backup}")
    try:
        connection = open_reader(backup)
        try:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchall()
        finally:
            connection.close()
    except UNAVAILABLE as error:
        raise StartRefused(f"{backup} is no whole backup: {error}") from error
    if verdict != [("ok",)]:
        raise StartRefused(f"{backup} is damaged: {verdict[0][0]}")


def check_free(path: str) -> None:
    """StartRefused if something lies at `path`: neither backup nor restore overwrites."""
    if os.path.exists(path):
        raise StartRefused(f"{path} is there already: move it away first")


def settle(draft: str, path: str) -> None:
    """Gives a finished file its name, both on disk before this returns."""
    sync(draft)
    os.rename(draft, path)
    sync(str(Path(path).resolve().parent))


def discard(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def sync(path: str) -> None:
    """Makes a file's bytes, or a folder's names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
