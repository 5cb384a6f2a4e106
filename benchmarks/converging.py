"""What an edit of policy costs those who write meanwhile: convergence over 1,000,000 versions."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.load import Load, press
from benchmarks.servers import SECRET, Server, gateway
from benchmarks.signing import signed
from gateway.catalog.sqlite import SqliteCatalog
from gateway.catalog.writer import Transaction

VERSIONS = 1_000_000
CLIENTS = 4
ROUNDS = 5
SECONDS = 6.0
KIB4 = 4096
WALK_S = 3600.0

Row = tuple[str, str]

TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: ../data/acme}
    principals:
      - {name: bench, access_key: {id: ACME, secret: "env:BENCH_SECRET"}}
  globex: {principals: [{name: p}]}
buckets:
  bench:
    owner: acme
    members: {acme: {write: ["**"]}, globex: {}}
"""
CLOSED = "party: acme\n"
OPEN = """
party: acme
sends:
  - {bucket: bench, keys: ["old/**"], to: {globex: share}, since: always}
"""
ACCEPTS = "party: globex\naccepts:\n  - {from: [acme], bucket: bench}\n"
FILES = {"topology.yaml": TOPOLOGY, "acme.yaml": CLOSED, "globex.yaml": ACCEPTS}

FILL = (
    """
WITH RECURSIVE n (i) AS (SELECT ?2 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2 + ?1)
INSERT INTO versions (number, id, bucket, key, author, at, marker, is_null, size, etag, algorithm,
                      checksum_type, rest, tags, tags_number, heads, past)
SELECT i, 'old-' || i, 'bench', printf('old/%04d/%07d', i / 1000, i), 'acme', i, 0, 0, 10, 'etag',
       'crc64nvme', 'FULL_OBJECT', '{}', '', 0, 1, 0 FROM n""",
    """
INSERT INTO grants
SELECT author, bucket, key, -number, 'own', 'author', '', number, number, 0, 0, 1, 0
FROM versions WHERE id LIKE 'old-%'""",
    """
INSERT INTO views SELECT author, bucket, key, id, size, etag, at, author, 'own', 0, algorithm,
       checksum_type, '', number FROM versions WHERE id LIKE 'old-%'""",
    "UPDATE numbers SET last = max(last, ?2 + ?1), versions = versions + ?1",
)


def converging() -> Iterator[Row]:
    """The p99 of 4 KiB PUTs while a rule opens and closes a share of all the old versions, against
    that while nothing is to be done, in turns; then one walk alone."""
    os.sched_setaffinity(0, {1})
    body = os.urandom(KIB4)
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        with gateway(folder, FILES, {0, 1}):
            pass  # makes the catalog
        asyncio.run(_fill(folder / "data/catalog.db"))
        with gateway(folder, FILES, {0, 1}) as door:
            requests = [signed("PUT", door.port, f"/bench/new/{n}", body) for n in range(2000)]
            _edit(folder, CLOSED)
            yield f"a walk over {VERSIONS:,} versions that changes none", _rate(_walk(folder))
            press(door.port, itertools.cycle(requests), CLIENTS, 2.0, KIB4)
            quiet, busy = _in_turns(folder, door, requests)
            yield from _told(quiet, busy)
            _edit(folder, OPEN)
            yield f"a walk that opens {VERSIONS:,} grants, nobody writing", _rate(_walk(folder))
            yield "the gateway's peak memory", f"{door.peak_rss_mb():.0f} MB"


def _in_turns(
    folder: Path, door: Server, requests: list[bytes]
) -> tuple[list[Load], list[tuple[Load, int]]]:
    """Loads while all is done, and (load, versions passed meanwhile) while a walk goes on."""
    quiet, busy = [], []
    for _ in range(ROUNDS):
        quiet.append(press(door.port, itertools.cycle(requests), CLIENTS, SECONDS, KIB4))
        _edit(folder, OPEN)
        before = _status(folder)["versions_decided"]
        load = press(door.port, itertools.cycle(requests), CLIENTS, SECONDS, KIB4)
        passed = _status(folder)["versions_decided"] - before
        busy.append((load, passed))
        _edit(folder, CLOSED)
        _walk(folder)
    return quiet, busy


def _told(quiet: list[Load], busy: list[tuple[Load, int]]) -> Iterator[Row]:
    for name, p in (("p50", 0.5), ("p99", 0.99)):
        calm = _median([load.percentile(p) for load in quiet])
        under = _median([load.percentile(p) for load, _ in busy])
        ratio = _median(
            [b.percentile(p) / q.percentile(p) for q, (b, _) in zip(quiet, busy, strict=True)]
        )
        text = f"{under * 1e3:.2f} ms against {calm * 1e3:.2f} ms = {ratio:.2f} times"
        yield f"PUT 4 KiB, {CLIENTS} clients, while it converges, {name}", text
    rate = _median([passed / load.seconds for load, passed in busy])
    yield "versions decided again meanwhile", f"{rate:,.0f}/s"


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _rate(seconds: float) -> str:
    return f"{seconds:.0f} s, {VERSIONS / seconds:,.0f}/s"


async def _fill(path: Path) -> None:
    catalog = await SqliteCatalog.open(path, clock=time.time_ns)

    def work(tx: Transaction) -> None:
        start = int(tx.all("SELECT last FROM numbers")[0][0])
        for statement in FILL:
            wanted = (VERSIONS, start) if "?1" in statement else ()
            tx.run(statement, wanted)

    try:
        await catalog.write(work)
    finally:
        await catalog.close()


def _edit(folder: Path, text: str) -> None:
    """In force when this returns: the walk that follows has begun."""
    before = _status(folder)["revision"]
    path = folder / "policies/acme.yaml"
    if path.read_text() == text:
        text += "# again\n"
    path.write_text(text)
    _until(lambda: _status(folder)["revision"] != before)


def _walk(folder: Path) -> float:
    start = time.perf_counter()
    _until(lambda: bool(_status(folder)["done"]))
    return time.perf_counter() - start


def _until(done: Any) -> None:
    end = time.perf_counter() + WALK_S
    while not done():
        if time.perf_counter() > end:
            raise RuntimeError("the walk does not end")
        time.sleep(0.1)


def _status(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "gateway.cli", "policy", "status", "--json"]
    command += ["--config", str(folder / "gateway.yaml")]
    env = {**os.environ, "BENCH_SECRET": SECRET}
    found = subprocess.run(command, capture_output=True, check=False, env=env)
    return dict(json.loads(found.stdout))
