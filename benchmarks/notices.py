"""Notices: what one adds to a commit, how soon it is sent, and how many are sent a second."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.catalog import BUCKET, PARTIES, R, make_write
from benchmarks.servers import bare
from gateway.catalog import NoticeLane, changes
from gateway.catalog.sqlite import SqliteCatalog
from gateway.catalog.writer import Transaction
from gateway.herald.herald import Herald
from gateway.herald.lane import SENT, Means
from gateway.herald.letters import Webhook
from gateway.model import Bucket, Event
from gateway.notifications import Watch
from gateway.policy.document import load
from gateway.policy.mesh import Mesh
from gateway.webhooks import HttpSender

Figure = tuple[str, float, str]

COMMITS = 3000
RUNS = 5
ROUNDS = 200
QUEUED = 3000

TOPOLOGY = f"""
parties:
  acme: {{store: {{type: file, path: a}}, principals: [{{name: p}}]}}
buckets:
  {BUCKET}: {{owner: acme, members: {{acme: {{write: ["**"]}}}}}}
"""


def run() -> list[Figure]:
    """Figures of one run on this machine, in folders that are thrown away."""
    figures = [
        (f"CPU of a commit that {count or 'no'} parties watch", asyncio.run(_commit(count)), "µs")
        for count in (0, 1, 3)
    ]
    with bare(0, {1}) as receiver:
        return figures + asyncio.run(_sent(f"http://127.0.0.1:{receiver.port}/"))


async def _open(folder: str) -> SqliteCatalog:
    catalog = await SqliteCatalog.open(Path(folder) / "catalog.db", clock=time.time_ns)
    await catalog.put_policy(R, {}, Event("policy", 1))
    return catalog


async def _watch(catalog: SqliteCatalog, party: str) -> None:
    watches = (Watch("w", "queue", "hook", ("s3:ObjectCreated:*",)),)
    bucket, event = Bucket(BUCKET, "acme", {}), Event("bucket", 1)
    await catalog.set_watches(bucket, party, watches, event, test=False)


async def _commit(watched: int) -> float:
    """Microseconds of the writer's thread, without the sync: the least of some runs."""
    took = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            catalog = await _open(folder)
            for party, _mode in PARTIES[:watched]:
                await _watch(catalog, party)
            took.append(await catalog.write(_commits))
            await catalog.close()
    return min(took) / COMMITS * 1e6


def _commits(tx: Transaction) -> float:
    writes = [make_write(f"k/{n}") for n in range(COMMITS)]
    start = time.thread_time()
    for write in writes:
        changes.commit(tx, write)
    return time.thread_time() - start


async def _sent(url: str) -> list[Figure]:
    mesh = load({"topology.yaml": TOPOLOGY}, base="/").mesh
    assert mesh is not None
    with tempfile.TemporaryDirectory() as folder:
        catalog = await _open(folder)
        await _watch(catalog, "acme")
        async with HttpSender("bench") as sender:
            return [
                *await _lag(catalog, mesh, sender, url),
                await _rate(catalog, mesh, sender, url),
            ]


def _herald(
    catalog: SqliteCatalog, mesh: Mesh, sender: HttpSender, url: str, sent: asyncio.Queue[float]
) -> Herald:
    def observe(_party: str, _webhook: str, outcome: str, _seconds: float) -> None:
        if outcome == SENT:
            sent.put_nowait(time.perf_counter())

    def webhook_of(_: NoticeLane) -> Webhook:
        return Webhook(url, b"k" * 32)

    return Herald(
        catalog,
        Means(lambda: mesh, webhook_of, sender, "r", time.time_ns, random.random, observe),
    )


async def _lag(catalog: SqliteCatalog, mesh: Mesh, sender: HttpSender, url: str) -> list[Figure]:
    sent: asyncio.Queue[float] = asyncio.Queue()
    herald = _herald(catalog, mesh, sender, url, sent)
    running = asyncio.create_task(herald.run())
    took = []
    for n in range(ROUNDS):
        await catalog.commit(make_write(f"lag/{n}"))
        start = time.perf_counter()
        took.append((await sent.get() - start) * 1e3)
    await herald.stop(1)
    await running
    return [
        ("a notice taken after its commit, idle, p50", statistics.median(took), "ms"),
        ("the same, p99", sorted(took)[int(len(took) * 0.99)], "ms"),
    ]


async def _rate(catalog: SqliteCatalog, mesh: Mesh, sender: HttpSender, url: str) -> Figure:
    for n in range(QUEUED):
        await catalog.commit(make_write(f"rate/{n}"))
    herald = _herald(catalog, mesh, sender, url, asyncio.Queue())
    start = time.perf_counter()
    await herald.drain()
    return "notices to one webhook", QUEUED / (time.perf_counter() - start), "1/s"
