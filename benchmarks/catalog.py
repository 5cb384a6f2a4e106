"""The SQLite catalog: durable commits, point reads, pages, and what a large bucket costs."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.catalog import Lane, Promise, Query, Write
from gateway.catalog.sqlite import SqliteCatalog
from gateway.catalog.writer import Transaction
from gateway.model import Event, Extent, Grant, Mode, ObjectRef, Version

Figure = tuple[str, float, str]

COMMITS = 4000
READS = 20_000
PAGES = 20
KEYS = 1_000_000
VISIBLE = 1000
PARKED = 100_000

BUCKET = "bench"
R = "r1"
PARTIES = (("acme", Mode.OWN), ("globex", Mode.COPY), ("initech", Mode.SHARE))

FILL_VERSIONS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
INSERT INTO versions (number, id, bucket, key, author, at, marker, is_null, size, etag, algorithm,
                      checksum_type, rest, tags, tags_number, heads, past)
SELECT i, 'bulk-' || i, 'large', printf('%04d/%07d', i / 1000, i), 'acme', i, 0, 0, 10, 'etag',
       'crc64nvme', 'FULL_OBJECT', '{}', '', 0, 1, 0 FROM n"""
FILL_GRANTS = """
INSERT INTO grants SELECT ?1, bucket, key, -number, 'share', 'rule', ?2, number, number, 0, 0, 1, 0
FROM versions WHERE bucket = 'large' AND number % ?3 = 0"""
FILL_VIEWS = """
INSERT INTO views SELECT ?1, bucket, key, id, size, etag, at, author, 'share', 0, algorithm,
       checksum_type, ?2, number FROM versions WHERE bucket = 'large' AND number % ?3 = 0"""
FILL_PARKED = """
INSERT INTO deliveries (number, party, store, target, kind, state, rule, size, promised, due, head)
SELECT number, 'globex', 'home', 'parked/' || key, 'copy', 1, 'rule', 10, number, 0, 1
FROM versions WHERE bucket = 'large' AND number <= ?"""


def run() -> list[Figure]:
    """Figures of one run on this machine, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_figures(Path(folder)))


async def _figures(folder: Path) -> list[Figure]:
    catalog = await SqliteCatalog.open(folder / "catalog.db", clock=time.time_ns)
    try:
        await catalog.put_policy(R, {}, Event("policy", 1))
        figures = [await _commits(catalog, clients) for clients in (1, 16, 64)]
        figures += await _reads(catalog)
        figures += await _deliveries(catalog)
        alone = await _page(catalog, "globex", BUCKET)
        figures.append(("page of 1,000 keys", alone, "ms"))
        await catalog.write(_fill)
        for party, name in (("rare", "1,000 of 1,000,000"), ("all", "1,000,000 of 1,000,000")):
            took = await _page(catalog, party, "large")
            figures.append((f"first page of 1,000 where a party sees {name}", took, "ms"))
        took = await _timed(lambda: catalog.page(_query("all", "large", delimiter="/"), _yes))
        figures.append(("page of 1,000 common prefixes over 1,000,000 keys", took, "ms"))
        figures += await _deliveries(catalog, f" beside {PARKED:,} parked")
        return figures
    finally:
        await catalog.close()


async def _commits(catalog: SqliteCatalog, clients: int) -> Figure:
    """Durable PUT commits: three grants, one promise, one record each."""
    writes = iter([make_write(f"{clients}/{n}") for n in range(COMMITS if clients > 1 else 1000)])

    async def client() -> int:
        done = 0
        for write in writes:
            await catalog.commit(write)
            done += 1
        return done

    start = time.perf_counter()
    done = sum(await asyncio.gather(*(client() for _ in range(clients))))
    return (f"durable commits, {clients} clients", done / (time.perf_counter() - start), "1/s")


async def _reads(catalog: SqliteCatalog) -> list[Figure]:
    refs = [ObjectRef(BUCKET, f"64/{n}") for n in range(COMMITS)]
    start = time.perf_counter()
    for n in range(READS):
        await catalog.head("globex", refs[n % COMMITS])
    return [("head", READS / (time.perf_counter() - start), "1/s")]


async def _deliveries(catalog: SqliteCatalog, where: str = "") -> list[Figure]:
    """Deliveries claimed ten at a time, for another party in a lane of their own."""
    claims = 0
    start = time.perf_counter()
    while claims < 1000:
        now = time.time_ns()
        claims += len(await catalog.claim(Lane("globex", "home"), 10, now, 10**12))
    return [(f"claims in tens{where}", claims / (time.perf_counter() - start), "1/s")]


async def _page(catalog: SqliteCatalog, party: str, bucket: str) -> float:
    return await _timed(lambda: catalog.page(_query(party, bucket), _yes))


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    """Median milliseconds of one call."""
    took = []
    for _ in range(PAGES):
        start = time.perf_counter()
        await act()
        took.append((time.perf_counter() - start) * 1e3)
    return statistics.median(took)


def _query(party: str, bucket: str, delimiter: str = "") -> Query:
    return Query(party, bucket, R, delimiter=delimiter)


def _yes(_: object) -> bool:
    return True


def _fill(tx: Transaction) -> None:
    """A large bucket by bulk SQL: one party sees all of it, one a thousand scattered keys."""
    tx.run(FILL_VERSIONS, (KEYS,))
    for party, step in (("all", 1), ("rare", KEYS // VISIBLE)):
        tx.run(FILL_GRANTS, (party, R, step))
        tx.run(FILL_VIEWS, (party, R, step))
    tx.run(FILL_PARKED, (PARKED,))


def make_write(key: str) -> Write:
    name = os.urandom(16).hex()
    version = Version(
        id=name,
        ref=ObjectRef(BUCKET, key),
        author="acme",
        principal="erp",
        door="s3",
        at=time.time_ns(),
        size=4096,
        etag=name,
        sha256=name * 2,
        checksums={"crc64nvme": "AAAAAAAAAAA="},
        checksum_type="FULL_OBJECT",
        headers={"content-type": "text/csv"},
        metadata={"class": "partner"},
        extents=(Extent("acme", "home", f".crossdock/extents/{name}", 256, 4096, name),),
    )
    readers = tuple(party for party, _ in PARTIES)
    event = Event(
        "write", version.at, "acme", bucket=BUCKET, key=key, version=name, readers=readers
    )
    grants = tuple(Grant(p, mode, "acme.yaml:12 (invoices)", R) for p, mode in PARTIES)
    promises = (Promise("globex", "home", f"{BUCKET}/{key}", "acme.yaml:12 (invoices)"),)
    return Write(version, R, event, grants, promises)


if __name__ == "__main__":
    for name, figure, unit in run():
        print(f"{figure:12,.1f} {unit:4} {name}")
