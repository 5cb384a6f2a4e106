"""One page of one party's view: a range scan that skips what lies under a common prefix.

Bounds are bytes: the successor of a prefix need not be a string. A walk holds the event loop for
a bounded number of rows, then lets others run and goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from gateway.catalog import names
from gateway.catalog.desk import Reader
from gateway.catalog.rows import MODES, VERSION, Row, facts_of
from gateway.catalog.values import Entry, Page, Query, Sees

STEP_COST_MAX = 2000
"""Rows (a question to policy counts as ASK_COST of them) between two turns of the event loop."""

ASK_COST = 20
SKIPS_MAX = 32
"""Rows of one key stepped over before seeking past it costs less."""

END = b"\xff"
"""Above every key: no byte of UTF-8 is as high."""

FIRST = -(2**63)
"""Below every rank: with it a bound names a key from its first row on."""

Spot = tuple[bytes, int]
"""Where a scan starts: key (bytes) and rank within the key, inclusive."""

LIVE = """
SELECT -number, revision, key, version, size, etag, at, author, mode, is_null, 0, 1, algorithm,
       checksum_type
FROM views
WHERE party = ? AND bucket = ? AND key >= CAST(? AS TEXT) AND key < CAST(? AS TEXT)
ORDER BY key"""

MOVED_RANK = -(2**62)
"""Of what was moved to a name: below the rank of every version that is granted under it."""

_GRANTED = """
SELECT g.age, g.revision, g.key, v.id, v.size, v.etag, v.at, v.author, g.mode, g.is_null,
       {marker}, {latest}, v.algorithm, v.checksum_type
FROM grants g {index} JOIN versions v ON v.number = -g.age
WHERE g.party = ?1 AND g.bucket = ?2 AND (g.key, g.age) >= (CAST(?3 AS TEXT), ?4)
  AND g.key < CAST(?5 AS TEXT) AND {which}"""
_ORDERED = f"{_GRANTED} ORDER BY g.key, g.age"

_NEWEST = """
NOT {hidden} AND g.age = (SELECT n.age FROM grants n
         WHERE n.party = g.party AND n.bucket = g.bucket AND n.key = g.key AND {which}
         ORDER BY n.age LIMIT 1)"""

_THEN = "{g}.age >= -?6 AND {g}.since <= ?6 AND ({g}.replaced = 0 OR {g}.replaced > ?6)"

# What is consumed counts as a marker: it hides what is older, and is not shown itself.
_GRANTED_THEN = _GRANTED.format(
    index="",
    marker=f"(g.marker OR {names.hidden('g', '?6')})",
    latest="1",
    which=_THEN.format(g="g"),
)
_LIVE_THEN = f"""
SELECT NOT (n.marker OR {names.hidden("n", "?6")}) FROM grants n
WHERE n.party = c.party AND n.bucket = c.bucket AND n.key = c.moved_to AND {_THEN.format(g="n")}
ORDER BY n.age LIMIT 1"""
_MOVED_THEN = f"""
SELECT {MOVED_RANK}, g.revision, c.moved_to, v.id, v.size, v.etag, v.at, v.author, g.mode,
       g.is_null, 0, 1, v.algorithm, v.checksum_type
FROM {names.MOVED}
WHERE c.party = ?1 AND c.bucket = ?2
  AND (c.moved_to, {MOVED_RANK}) >= (CAST(?3 AS TEXT), ?4)
  AND c.moved_to < CAST(?5 AS TEXT) AND {names.MOVED_THEN.format(then="?6")}
  AND NOT coalesce(({_LIVE_THEN}), 0)"""
THEN = f"{_GRANTED_THEN} ORDER BY g.key, g.age"
MOVED_THEN = f"{_MOVED_THEN} ORDER BY c.moved_to"
VERSIONS = _ORDERED.format(
    index="INDEXED BY grants_shown",
    marker="g.marker",
    latest=_NEWEST.format(which="n.replaced = 0", hidden=names.hidden("g")),
    which="g.shown = 1 AND g.replaced = 0",
)
VERSIONS_THEN = _ORDERED.format(
    index="",
    marker="g.marker",
    latest=_NEWEST.format(which=_THEN.format(g="n"), hidden=names.hidden("g", "?6")),
    which="g.shown = 1 AND " + _THEN.format(g="g"),
)

# Policy gives a marker to those to whom it gives what that hid.
FACTS = f"""
SELECT {VERSION} FROM versions m
JOIN versions v ON v.number = CASE m.hides WHEN 0 THEN m.number ELSE m.hides END
WHERE m.id = ?"""
EVER_HELD = """
  (EXISTS (SELECT 1 FROM grants g
           WHERE g.party = ?1 AND g.bucket = ?2 AND g.key = ?3 AND g.age = -v.number)
   OR EXISTS (SELECT 1 FROM closed_grants c WHERE c.number = v.number AND c.party = ?1))"""
NUMBER = f"""
SELECT v.number FROM versions v
WHERE v.id = ?4 AND v.bucket = ?2 AND v.key = ?3 AND {EVER_HELD}"""
NULL_SHOWN = """
SELECT -age FROM grants WHERE party = ? AND bucket = ? AND key = ? AND is_null = 1 AND shown = 1
AND replaced = 0 ORDER BY age LIMIT 1"""
NULL_KNOWN = f"""
SELECT max(v.number) FROM versions v
WHERE v.bucket = ?2 AND v.key = ?3 AND v.is_null = 1 AND {EVER_HELD}"""


async def page(reader: Reader, query: Query, sees: Sees) -> Page:
    """Live keys."""
    if query.as_of is None:
        return await Walk(reader, query, sees, LIVE, single=True, ranked=False).page()
    return await Walk(reader, query, sees, THEN, single=True, more=MOVED_THEN).page()


async def page_versions(reader: Reader, query: Query, sees: Sees) -> Page:
    """Shown versions and markers, newest first within a key."""
    sql = VERSIONS if query.as_of is None else VERSIONS_THEN
    start = _inside_key(reader, query) if query.after_version else None
    return await Walk(reader, query, sees, sql, single=False, start=start).page()


def prefix_end(prefix: bytes) -> bytes:
    """The least bytes above everything that starts with `prefix`."""
    return prefix[:-1] + bytes((prefix[-1] + 1,)) if prefix else END


def start_after(after: str, prefix: str, delimiter: str) -> bytes:
    """Where a listing goes on. After a common prefix that is past everything below it; a key that
    equals the prefix asked for is a key, not a common prefix."""
    common = delimiter and after.endswith(delimiter) and after.startswith(prefix)
    if common and len(after) > len(prefix):
        return prefix_end(after.encode())
    return after.encode() + b"\0" if after else b""


def ranges(prefix: str, within: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """The stretches of keys that have the prefix and lie within one of the others, in order."""
    low: list[bytes] = []
    for other in sorted(within or ("",), key=str.encode):
        if other.startswith(prefix) or prefix.startswith(other):
            start = max(other, prefix, key=len).encode()
            if not low or not start.startswith(low[-1]):
                low.append(start)
    return [(start, prefix_end(start)) for start in low]


def _inside_key(reader: Reader, query: Query) -> Spot | None:
    """Just below the version that the last page ended with; it may be gone meanwhile. One that the
    party never held is like one that never was: the listing goes on behind the key."""
    place = (query.party, query.bucket, query.after)
    if query.after_version == "null":
        row = reader.one(NULL_SHOWN, place)
        row = row or reader.one(NULL_KNOWN, place)
    else:
        row = reader.one(NUMBER, (*place, query.after_version))
    if row is None or row[0] is None:
        return None
    return query.after.encode(), 1 - row[0]


@dataclass(slots=True)
class Walk:
    """`single`: of each key only the first row counts, and not if it is a marker. `ranked`: rows
    of a key have a rank, and the SQL a bound for it. `more` is SQL for further rows among them."""

    reader: Reader
    query: Query
    sees: Sees
    sql: str
    single: bool
    ranked: bool = True
    start: Spot | None = None
    more: str = ""

    async def page(self) -> Page:
        query = self.query
        if query.limit <= 0:
            return Page()
        found = Found(query.limit)
        spot = self.start or (start_after(query.after, query.prefix, query.delimiter), FIRST)
        spent = 0
        for low, high in ranges(query.prefix, query.within):
            at: Spot | None = max(spot, (low, FIRST))
            while at is not None and at[0] < high and not found.truncated:
                spot = at
                at, cost = self._step(spot, high, found)
                spent += cost
                if spent >= STEP_COST_MAX:
                    spent = 0
                    await asyncio.sleep(0)
            spot = max(spot, at or spot)
        return found.page(versions=not self.single)

    def _step(self, spot: Spot, high: bytes, found: Found) -> tuple[Spot | None, int]:
        """Runs one scan from `spot`; returns where the next one has to start (None: this range
        is done) and what it cost."""
        prefix, delimiter = self.query.prefix, self.query.delimiter
        cost, skips, past = 0, 0, ""
        with closing(self._rows(spot, high)) as rows:
            for row in rows:
                cost += 1
                key = row[2]
                if self.single and key == past:
                    skips += 1
                    if skips >= SKIPS_MAX:
                        return (key.encode() + b"\0", FIRST), cost
                    continue
                if cost >= STEP_COST_MAX:
                    return (key.encode(), row[0]), cost
                past, skips = key, 0
                if self.single and row[10]:
                    continue
                if row[1] != self.query.revision and not self._settled(row):
                    cost += ASK_COST
                    if not self._visible(row):
                        continue
                cut = key.find(delimiter, len(prefix)) if delimiter else -1
                if not found.room():
                    return None, cost
                if cut >= 0:
                    common = key[: cut + len(delimiter)]
                    found.prefixes.append(common)
                    found.last = common
                    return (prefix_end(common.encode()), FIRST), cost
                found.entries.append(entry_of(row))
                found.last = key
        return None, cost

    def _rows(self, spot: Spot, high: bytes) -> Generator[Row]:
        key, rank = spot
        query = self.query
        bounds = (key, rank, high) if self.ranked else (key, high)
        as_of = () if query.as_of is None else (query.as_of,)
        values = (query.party, query.bucket, *bounds, *as_of)
        rows = self.reader.rows(self.sql, values)
        return _merged(rows, self.reader.rows(self.more, values)) if self.more else rows

    def _settled(self, row: Row) -> bool:
        first, end = self.query.settled
        number = -int(row[0])
        return first <= number < end

    def _visible(self, row: Row) -> bool:
        facts = self.reader.one(FACTS, (row[3],))
        return facts is not None and self.sees(facts_of(facts))


def _merged(*scans: Generator[Row]) -> Generator[Row]:
    """In the order of keys and ranks."""
    with ExitStack() as stack:
        for scan in scans:
            stack.enter_context(closing(scan))
        yield from heapq.merge(*scans, key=lambda row: (row[2].encode(), row[0]))


class Found:
    """What a page has so far."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.entries: list[Entry] = []
        self.prefixes: list[str] = []
        self.last = ""
        self.truncated = False

    def room(self) -> bool:
        """Whether one more fits; the first that does not makes the page a truncated one."""
        self.truncated = len(self.entries) + len(self.prefixes) >= self.limit
        return not self.truncated

    def page(self, *, versions: bool) -> Page:
        entries = self.entries
        inside = versions and self.truncated and entries and entries[-1].key == self.last
        return Page(
            tuple(entries),
            tuple(self.prefixes),
            self.truncated,
            self.last if self.truncated else "",
            entries[-1].version if inside else "",
        )


def entry_of(row: Row) -> Entry:
    _, _, key, version, size, etag, at, author, mode, is_null, marker, latest, algorithm, kind = row
    return Entry(
        key,
        version,
        size,
        etag,
        at,
        author,
        MODES[mode],
        is_null == 1,
        marker == 1,
        latest == 1,
        algorithm,
        kind,
    )
