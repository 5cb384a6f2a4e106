"""A whole gateway inside the test's process, on an event loop and a thread of its own.

    with Gateway(tmp_path) as gateway:
        gateway.client("acme/erp").put_object(Bucket="orders", Key="a.txt", Body=b"x")
        gateway.drain()                                  # every promised copy is made
        gateway.tell()                                   # every notice that is due is sent
        gateway.edit_policy("acme.yaml", "party: acme")  # in force when it returns

SQLite catalog and file stores lie in the folder; the mesh is parsed from YAML texts as in product
use. Every principal has the access key that `keys` tells. What the exchange observes (reads,
refusals) is in `events`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import boto3
import uvloop
from botocore.config import Config
from prometheus_client import CollectorRegistry

from gateway.catalog import Claim
from gateway.catalog.sqlite import SqliteCatalog
from gateway.courier.asking import asked
from gateway.courier.courier import Courier
from gateway.exchange import Exchange, Means
from gateway.exchange.applying import put_in_force
from gateway.exchange.floor import WAIT_S
from gateway.exchange.reading import from_extents
from gateway.herald.herald import Herald
from gateway.herald.lane import Means as HeraldMeans
from gateway.identity import Credential, Secret
from gateway.model import PART_BYTES_MIN, Chunks, Event, Share, Version
from gateway.operations.hooks import Hooks
from gateway.operations.storerooms import Storerooms
from gateway.policy.document import load
from gateway.policy.mesh import Mesh, StoreSpec
from gateway.s3.desk import Limits
from gateway.s3.server import S3Door
from gateway.stores.build import build, fitted
from gateway.stores.wrappers import Place
from gateway.telemetry import Telemetry
from gateway.webhooks import HttpSender

T = TypeVar("T")

TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: stores/acme}
    create_buckets: ["acme-*"]
    principals:
      - {name: erp}
      - {name: auditor, may: read, keys: ["invoices/"]}
      - {name: scanner, may: write}
  globex:
    store: {type: file, path: stores/globex}
    create_buckets: ["globex-*"]
    principals: [{name: wms}]
  initech:
    principals: [{name: ledger}]
  umbra:
    store: {type: file, path: stores/umbra}
    principals: [{name: desk}]
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["**"]}, globex: {write: ["acks/**"]}, initech: {}}
"""
ACME = """
party: acme
sends:
  - {id: invoices, bucket: orders, keys: ["invoices/**"], to: {globex: copy, initech: share}}
forbids:
  - {id: pii-stays, when: {tags: {class: [pii]}}, to: ["*"]}
accepts:
  - {id: acks, from: [globex], bucket: orders, keys: ["acks/**"]}
"""
GLOBEX = """
party: globex
sends:
  - {id: acks, bucket: orders, keys: ["acks/**"], to: {acme: share}}
accepts:
  - {id: from-acme, from: [acme], bucket: orders, into: "in/{key}"}
"""
INITECH = """
party: initech
accepts: [{id: from-acme, from: [acme], bucket: orders}]
"""
FILES: Mapping[str, str] = {
    "topology.yaml": TOPOLOGY,
    "acme.yaml": ACME,
    "globex.yaml": GLOBEX,
    "initech.yaml": INITECH,
}
REGION = "us-east-1"
START_S = 30
GRACE_S = 5.0


def key_of(principal: str) -> tuple[str, str]:
    """(access key id, secret) of a principal named `party/name`."""
    return principal.upper().replace("/", ""), f"secret+/of {principal}"


class Gateway:
    """`files` are the policies by name. Further keywords go to the S3 door."""

    def __init__(
        self,
        folder: Path,
        files: Mapping[str, str] = FILES,
        *,
        limits: Limits = Limits(),  # noqa: B008
        tls: ssl.SSLContext | None = None,
        part_bytes_min: int = PART_BYTES_MIN,
        wait_s: float = WAIT_S,
        clock: Callable[[], int] = time.time_ns,
        **door: Any,
    ) -> None:
        self.folder = folder
        self.files = dict(files)
        self.clock = clock
        self.events: list[Event] = []
        self.strangers: list[str] = []
        self.telemetry = Telemetry(CollectorRegistry())
        self.catalog: SqliteCatalog
        self.exchange: Exchange
        self.courier: Courier
        self.herald: Herald
        self.sender: HttpSender
        self.hooks = Hooks(Secret)
        self.door: S3Door
        self.rooms: Storerooms
        self.port = 0
        self.tls = tls
        self._limits = limits
        self._door = door
        self._part_bytes_min = part_bytes_min
        self._wait_s = wait_s
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway")
        self._pool = ThreadPoolExecutor(8, "store")
        self._clients: dict[Any, Any] = {}

    # --- its life ------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.run(self._start())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._stop())
        finally:
            self._end()

    def _end(self) -> None:
        for client in self._clients.values():
            client.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._pool.shutdown()

    async def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.catalog = await SqliteCatalog.open(self.folder / "catalog.db", clock=self.clock)
        self.rooms = Storerooms(self._build, Secret)
        self.courier = Courier(
            self.catalog,
            decide=self._decide,
            inbox_of=self.rooms.inbox,
            read_version=self._read_version,
            clock=self.clock,
            draw=random.random,
            revision=lambda: self.exchange.mesh.revision,
        )
        self.sender = await HttpSender("test").__aenter__()
        self.herald = Herald(self.catalog, self._herald_means())
        await self._enter()
        self.door = S3Door(
            self.exchange,
            lookup=self._lookup,
            clock=self.clock,
            ids=lambda: os.urandom(8).hex(),
            telemetry=self.telemetry,
            stranger=self.strangers.append,
            token_secret=b"t" * 32,
            limits=self._limits,
            **self._door,
        )
        self.port = await self.door.start("127.0.0.1", 0, self.tls)

    async def _stop(self) -> None:
        await self.door.stop(GRACE_S)
        await self.courier.stop(GRACE_S)
        await self.herald.stop(GRACE_S)
        await self.sender.__aexit__(None, None, None)
        await self.catalog.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:  # aiohttp waits 10 s for bodies that a client broke off
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _enter(self) -> None:
        loaded = load(self.files, base=str(self.folder))
        assert loaded.mesh is not None, loaded.problems
        assert not loaded.problems, loaded.problems
        stores = self.rooms.enter(loaded.mesh)
        self.hooks.enter(loaded.mesh)
        event = Event("policy", self.clock(), revision=loaded.mesh.revision)
        mesh = await put_in_force(self.catalog, loaded.mesh, event)
        if hasattr(self, "exchange"):
            self.exchange.enter(mesh, stores)
        else:
            self.exchange = Exchange(self._means(), mesh, stores)

    def _build(self, spec: StoreSpec, secrets: Mapping[str, str]) -> Place:
        measure = self.telemetry.store(spec.party, spec.name)
        return fitted(build(spec, secrets, self._pool), measure, random.random)

    def _means(self) -> Means:
        return Means(
            rows=self.catalog,
            clock=self.clock,
            ids=lambda: os.urandom(16).hex(),
            observe=self.events.append,
            nudge=self.courier.nudge,
            offload=lambda work: self._loop.run_in_executor(None, work),
            part_bytes_min=self._part_bytes_min,
            wait_s=self._wait_s,
        )

    def _herald_means(self) -> HeraldMeans:
        return HeraldMeans(
            mesh=lambda: self.mesh,
            webhook_of=self.hooks.of,
            sender=self.sender,
            region=REGION,
            clock=self.clock,
            draw=random.random,
            observe=self.telemetry.webhooks.tried,
        )

    def _lookup(self, access_key: str) -> Credential | None:
        for party in self.mesh.parties.values():
            for spec in party.principals.values():
                key, secret = key_of(f"{party.name}/{spec.principal.name}")
                if key == access_key:
                    return Credential(key, spec.principal, Secret(secret), party.sigv2)
        return None

    def _decide(self, claim: Claim) -> Share | None:
        return asked(self.mesh, claim)

    def _read_version(self, version: Version) -> Chunks:
        def store(party: str, name: str) -> Any:
            return self.rooms.store(party, name)

        return from_extents(version, store)(0, version.size)

    # --- what tests do with it -----------------------------------------------------------------

    @property
    def mesh(self) -> Mesh:
        return self.exchange.mesh

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the gateway's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """The same without waiting for its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def edit_policy(self, name: str, text: str) -> None:
        """Replaces one policy file; it is in force when this returns."""
        self.files[name] = text
        self.run(self._enter())

    def drain(self) -> None:
        """Makes every copy that can be made now."""
        self.run(self.courier.drain())

    def tell(self) -> None:
        """Sends every notice that is due."""
        self.run(self.herald.drain())

    def client(
        self, principal: str = "acme/erp", *, verify: str | bool = True, **config: Any
    ) -> Any:
        """A boto3 client that never retries; `config` are botocore Config's keywords."""
        known = (principal, verify, tuple(sorted((k, str(v)) for k, v in config.items())))
        if known not in self._clients:
            settings = {
                "retries": {"total_max_attempts": 1},
                "s3": {"addressing_style": "path"},
                "signature_version": "s3v4",
                **config,
            }
            key, secret = key_of(principal)
            self._clients[known] = boto3.session.Session().client(
                "s3",
                endpoint_url=self.endpoint,
                region_name=REGION,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                verify=verify,
                config=Config(**settings),
            )
        return self._clients[known]


_numbers = itertools.count(1)


def fresh(kind: str = "acme-bucket") -> str:
    """A name that no other test of this process uses."""
    return f"{kind}-{next(_numbers)}"
