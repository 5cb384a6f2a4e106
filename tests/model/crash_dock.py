"""The real exchange, courier, sealer and collector over folders and a catalog on disk, in one hand.

Everything runs on one thread but the catalog's writer, so that a run can be repeated and the k-th
hit of a fault site is the same point each time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from gateway.audit.notes import Signer
from gateway.catalog import Claim, Shelf, Spot
from gateway.catalog.sqlite import SqliteCatalog
from gateway.courier.asking import asked
from gateway.courier.budget import Budget
from gateway.courier.courier import Courier
from gateway.courier.scrub import Again, Round, Scrub, Tally
from gateway.exchange import Adoption, Exchange, Means
from gateway.exchange.applying import put_in_force
from gateway.exchange.collector import Collector
from gateway.exchange.listing import Span
from gateway.exchange.reading import from_extents
from gateway.herald.herald import Herald
from gateway.herald.lane import Means as HeraldMeans
from gateway.herald.letters import Webhook
from gateway.model import Bucket, Chunks, Event, Share, Version
from gateway.sealer import Sealer
from gateway.stores import Store
from gateway.stores.file import FileStore
from tests.model.world import START, caller, mesh_of, ref

SECOND = 10**9
HOUR = 3600 * SECOND
STEPS_MAX = 99
DAY = 24 * HOUR
PARTIES = ("acme", "globex", "initech")
SIGNER = Signer("crossdock.test/log", bytes(32))

TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: acme}
    create_buckets: [acme-aging, acme-moving]
    principals: [{name: erp}]
    webhooks: {feed: {url: "http://acme/", secret: "env:FEED"}}
  globex:
    store: {type: file, path: globex}
    principals: [{name: erp}]
    webhooks: {feed: {url: "http://globex/", secret: "env:FEED"}}
  initech: {principals: [{name: erp}]}
buckets:
  orders:
    owner: acme
    members:
      acme: {write: ["in/**", "out/**", "past/**", "use/**", "follow/**"]}
      globex: {write: ["acks/**"]}
      initech: {}
"""
ACME = """
party: acme
sends:
  - {id: in, bucket: orders, keys: ["in/**"], to: {globex: copy, initech: share}}
  - {id: use, bucket: orders, keys: ["use/**"], to: {initech: share}}
  - {id: follow, bucket: orders, keys: ["follow/**"], to: {globex: copy}, deletes: follow}
accepts: [{id: acks, from: [globex], bucket: orders}]
"""
ACME_LATER = """
party: acme
sends:
  - {id: in, bucket: orders, keys: ["in/**"], to: {globex: copy, initech: share}}
  - {id: use, bucket: orders, keys: ["use/**"], to: {initech: share}}
  - {id: follow, bucket: orders, keys: ["follow/**"], to: {globex: copy}, deletes: follow}
  - {id: out, bucket: orders, keys: ["out/**"], to: {globex: copy}}
  - {id: past, bucket: orders, keys: ["past/**"], to: {initech: share}, since: always}
accepts: [{id: acks, from: [globex], bucket: orders}]
"""
GLOBEX = """
party: globex
sends:
  - {id: acks, bucket: orders, keys: ["acks/**"], to: {acme: share}}
accepts: [{id: all, from: [acme], bucket: orders, into: "got/{key}", deletes: follow}]
"""
INITECH = """
party: initech
accepts: [{id: all, from: [acme], bucket: orders, consume: true}]
"""
FILES = MappingProxyType(
    {
        "topology.yaml": TOPOLOGY,
        "acme.yaml": ACME,
        "globex.yaml": GLOBEX,
        "initech.yaml": INITECH,
    }
)
LATER = MappingProxyType({**FILES, "acme.yaml": ACME_LATER})


class Inline(Executor):
    """Runs what it is given at once: the order of all that touches the disk is the story's."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is the caller's to see
            future.set_exception(error)
        return future


class Diary:
    """A receiver that outlives the process: one line in a file for each message that it took."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        with self._file.open("a") as lines:
            lines.write(json.dumps([url, body.decode()]) + "\n")

    def read(self) -> list[tuple[str, Any]]:
        """(party, record) in the order in which they came."""
        if not self._file.exists():
            return []
        lines = (json.loads(line) for line in self._file.read_text().splitlines())
        return [(url[len("http://") : -1], json.loads(body)["Records"][0]) for url, body in lines]


class Dock:
    """`life` counts the processes that opened this folder: ids and time go on where the last one
    can't have been."""

    def __init__(self, folder: Path, life: int, catalog: SqliteCatalog, files: Any) -> None:
        self.now = START + life * DAY
        self.folder = folder
        self.catalog = catalog
        self._ids = itertools.count(1)
        self._life = life
        pool = Inline()
        self.stores: dict[tuple[str, str], Store] = {
            (party, "home"): FileStore(str(folder / party), pool) for party in ("acme", "globex")
        }
        self.diary = Diary(folder / "diary")
        self.mesh = mesh_of(dict(files))
        self.sealer = Sealer(catalog, SIGNER, self.clock)
        means = Means(
            rows=catalog,
            clock=self.clock,
            ids=lambda: f"v{life}{next(self._ids):05}",
            observe=self.sealer.observe,
            nudge=lambda: None,
            offload=_inline,
            part_bytes_min=1,
        )
        self.exchange = Exchange(means, self.mesh, self.stores)

    @classmethod
    async def open(cls, folder: Path, life: int) -> Self:
        """As a gateway starts: with the last good policy that the catalog holds, if any."""
        clock = itertools.count(START + DAY - life * HOUR)  # set back at each start
        catalog = await SqliteCatalog.open(
            folder / "catalog.db", clock=lambda: next(clock), salts=lambda n: b"s" * n
        )
        kept = await catalog.policy()
        files = kept[1] if kept else FILES
        dock = cls(folder, life, catalog, files)
        await dock.edit(files)
        return dock

    async def close(self) -> None:
        await self.catalog.close()

    def clock(self) -> int:
        return self.now

    async def edit(self, files: Any) -> None:
        """In the wiring's order: the catalog first, then the exchange."""
        mesh = mesh_of(dict(files))
        event = Event("policy", self.now, revision=mesh.revision)
        self.mesh = await put_in_force(self.catalog, mesh, event)
        self.exchange.enter(self.mesh, self.stores)

    async def converge(self) -> None:
        """A walk of its own brings the versions that are there under the policy in force."""
        ticks = itertools.count()
        walk = self.exchange.converging(lambda: float(next(ticks)), _no_sleep)
        for _ in range(STEPS_MAX):
            if not await walk.step():
                return
        raise AssertionError("convergence does not come to an end")

    async def deliver(self) -> None:
        """A courier of its own works until nothing is due any more."""
        courier = Courier(
            self.catalog,
            decide=self._decide,
            inbox_of=lambda party, name: self.stores.get((party, name)),  # type: ignore[arg-type, return-value]
            read_version=self._read_version,
            clock=self.clock,
            draw=lambda: 0.5,
            revision=lambda: self.mesh.revision,
        )
        await courier.drain()

    async def adopt(self, key: str, content: bytes) -> None:
        """One file of acme's own, and an adoption of all that there are."""
        path = self.folder / "acme" / key
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        this = Adoption(Shelf("acme", "home", "orders"), caller("acme"), 1)
        await self.exchange.adopting().run(this, lambda *_: None, lambda _: None)

    async def scrub(self) -> None:
        """Every copy is held against its receipt; what is gone or damaged is promised again."""
        scrub = Scrub(
            self.catalog,
            self._decide,
            lambda party, name: self.stores.get((party, name)),  # type: ignore[arg-type, return-value]
            self.clock,
            lambda: self.mesh.revision,
            lambda: None,
        )
        this = Round(2**62, Again.MISSING, lambda *_: True)
        budget = Budget(1e9, 1e12, lambda: 0.0, _no_sleep)
        assert await scrub.page(this, Spot(), budget, Tally()) is None

    def rot(self, name: str) -> None:
        """A file of globex gets other bytes, and nobody wrote them, as far as the folder tells."""
        path = self.folder / "globex" / name
        about = path.stat()
        with path.open("r+b") as file:
            file.write(b"X")
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))

    async def tell(self) -> None:
        """A herald of its own works until nothing is due any more."""
        means = HeraldMeans(
            mesh=lambda: self.mesh,
            webhook_of=lambda lane: Webhook(f"http://{lane.party}/", b"k" * 16),
            sender=self.diary,
            region="us-east-1",
            clock=self.clock,
            draw=lambda: 0.5,
        )
        await Herald(self.catalog, means).drain()

    async def seal(self) -> str:
        """Everything into the log; returns the signed checkpoint."""
        self.now += 2 * SECOND
        while await self.sealer.step():
            pass
        newest = await self.catalog.checkpoint()
        return newest[2] if newest else ""

    async def collect(self) -> None:
        """A day later: what nothing refers to goes, in the catalog and in the stores."""
        self.now += 2 * DAY
        collector = Collector(
            self.catalog, lambda party, name: self.stores.get((party, name)), self.clock, _none
        )
        await collector.step()
        for party, name in self.stores:
            await collector.sweep(party, name)

    async def extents(self) -> list[tuple[str, str, str]]:
        """Every extent that lies in a store."""
        return [
            (party, name, key)
            for (party, name), store in self.stores.items()
            async for key in store.keys(".crossdock/extents/")
        ]

    def copies(self) -> dict[str, bytes]:
        """What globex finds in its own folder."""
        root = self.folder / "globex"
        files = (f for f in root.rglob("*") if f.is_file() and ".crossdock" not in f.parts)
        return {str(file.relative_to(root)): file.read_bytes() for file in files}

    async def read(self, party: str, key: str, version: str = "") -> bytes:
        reading = await self.exchange.objects.read(caller(party), ref(key), version=version)
        return b"".join([chunk async for chunk in reading.open(0, reading.version.size)])

    async def listing(self, party: str) -> dict[str, str]:
        page = await self.exchange.listing.keys(caller(party), "orders", Span())
        return {entry.key: entry.version for entry in page.entries}

    def _decide(self, claim: Claim) -> Share | None:
        return asked(self.mesh, claim)

    def _read_version(self, version: Version) -> Chunks:
        way = from_extents(version, lambda party, name: self.stores[party, name])
        return way(0, version.size)


def _none() -> Sequence[Bucket]:
    return ()


async def _inline(work: Callable[[], None]) -> None:
    await asyncio.sleep(0)
    work()


async def _no_sleep(_: float) -> None:
    """Time is the story's own."""
