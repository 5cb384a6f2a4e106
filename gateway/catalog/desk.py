"""What every role of the SQLite catalog works with: one reading connection, one writer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any, TypeVar

import apsw

from gateway.catalog.rows import Row
from gateway.catalog.writer import UNAVAILABLE, Transaction, Writer
from gateway.errors import CatalogUnavailable

T = TypeVar("T")


class Reader:
    """Reads on the event loop: a point read takes microseconds. Nothing stays open between calls,
    so no snapshot holds up the write-ahead log."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self._execute = connection.cursor().execute

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        try:
            return self._execute(sql, values).fetchall()
        except UNAVAILABLE as error:
            raise CatalogUnavailable(f"the catalog can't be read now: {error}") from error

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        rows = self.all(sql, values)
        return rows[0] if rows else None

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row]:
        """Row by row; close the iterator when enough were seen."""
        try:
            with closing(self.connection.cursor()) as cursor:
                yield from cursor.execute(sql, values)
        except UNAVAILABLE as error:
            raise CatalogUnavailable(f"the catalog can't be read now: {error}") from error


class Desk:
    def __init__(self, reader: Reader, writer: Writer | None) -> None:
        self.reader = reader
        self._writer = writer

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """CatalogUnavailable where the catalog was opened for reading alone."""
        if self._writer is None:
            raise CatalogUnavailable("this catalog is open for reading alone")
        return await self._writer.submit(work)
