"""The real exchange, catalog and courier in one hand: time stands still, stores fail on order."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gateway.catalog import Claim, Expect
from gateway.catalog.sqlite import SqliteCatalog
from gateway.courier.asking import asked
from gateway.courier.courier import Courier
from gateway.errors import CrossdockError, StoreUnavailable
from gateway.exchange import Exchange, Means
from gateway.exchange.applying import put_in_force
from gateway.exchange.listing import Span
from gateway.exchange.reading import from_extents
from gateway.exchange.terms import Draft
from gateway.model import (
    EMPTY,
    Caller,
    Chunks,
    DeliveryKind,
    Event,
    ObjectRef,
    Principal,
    Share,
    Version,
)
from gateway.policy.document import load
from gateway.policy.mesh import Mesh
from gateway.stores import Parcel, Written
from gateway.stores.memory import MemoryStore

T = TypeVar("T")

HOUR = 3600 * 10**9
BITE = 2
"""Versions that one step of convergence looks at, here."""
START = 1_800_000_000 * 10**9


class FlakyStore(MemoryStore):
    """Fails on order: `before` has no effect, `after` takes effect and then says it failed."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__(clock)
        self.orders: deque[str] = deque()
        self.calls: list[str] = []

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        return await self._ordered(
            "write", lambda: super(FlakyStore, self).write(key, body, size=size)
        )

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        return await self._ordered(
            "deliver",
            lambda: super(FlakyStore, self).deliver(key, parcel, body, replace=replace),
        )

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        await self._ordered(
            "remove", lambda: super(FlakyStore, self).remove_copy(key, if_match=if_match)
        )

    async def _ordered(self, call: str, act: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(call)
        order = self.orders.popleft() if self.orders else ""
        if order == "before":
            raise StoreUnavailable
        result = await act()
        if order == "after":
            raise StoreUnavailable
        return result


class Bytes:
    """A body as a client sends it, without any claim."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size: int | None = len(data)
        self.algorithms: frozenset[str] = frozenset()
        self.claims: dict[str, bytes] = {}
        self.checksum = ""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._data:
            yield self._data


class World:
    """Everything between the doors and the disks, with a clock that only the test moves."""

    def __init__(self, files: dict[str, str], catalog: type[SqliteCatalog] = SqliteCatalog) -> None:
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory()
        self._catalog_class = catalog
        self._ids = itertools.count(1)
        self._salts = itertools.count(1)
        self.now = START
        self.stores = {
            (party, "home"): FlakyStore(lambda: self.now) for party in ("acme", "globex")
        }
        self.events: list[Event] = []
        self.mesh = mesh_of(files)
        self.run(self._open())
        self.edit(files)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _open(self) -> None:
        path = str(Path(self._folder.name) / "catalog.db")
        self.catalog = await self._catalog_class.open(
            path, clock=lambda: self.now, salts=lambda n: next(self._salts).to_bytes(n)
        )
        means = Means(
            rows=self.catalog,
            clock=lambda: self.now,
            ids=lambda: f"v{next(self._ids):06}",
            observe=self.events.append,
            nudge=lambda: None,
            offload=_inline,
        )
        self.exchange = Exchange(means, self.mesh, self.stores)
        self.convergence = self.exchange.converging(lambda: 0.0, _no_sleep, (BITE, BITE))
        self.courier = self.make_courier()

    def make_courier(self) -> Courier:
        return Courier(
            self.catalog,
            decide=self.decide,
            inbox_of=lambda party, name: self.stores.get((party, name)),
            read_version=self._whole,
            clock=lambda: self.now,
            draw=lambda: 0.5,
            revision=lambda: self.mesh.revision,
            sleep=_no_sleep,
        )

    def decide(self, claim: Claim) -> Share | None:
        return asked(self.mesh, claim)

    def _whole(self, version: Version) -> Chunks:
        way = from_extents(version, lambda party, name: self.stores[party, name])
        return way(0, version.size)

    def restart(self) -> None:
        self.run(self.catalog.close())
        self.run(self._open())

    def close(self) -> None:
        self.run(self.catalog.close())
        self._loop.close()
        self._folder.cleanup()

    # --- what people do ------------------------------------------------------------------------

    def edit(self, files: dict[str, str]) -> None:
        mesh = mesh_of(files)
        event = Event(kind="policy", at=self.now, revision=mesh.revision)
        self.mesh = self.run(put_in_force(self.catalog, mesh, event))
        self.exchange.enter(self.mesh, self.stores)

    def put(self, party: str, key: str, content: bytes, tags: dict[str, str]) -> Version:
        return self.put_at(party, ref(key), content, tags)

    def put_at(
        self, party: str, where: ObjectRef, content: bytes, tags: Mapping[str, str] = EMPTY
    ) -> Version:
        body = Bytes(content)
        verb = self.exchange.objects.put(caller(party), where, body, Draft(tags=tags), Expect())
        return self.run(verb).version

    def delete(self, party: str, key: str, version: str = "") -> str:
        return self.delete_at(party, ref(key), version)

    def delete_at(self, party: str, where: ObjectRef, version: str = "") -> str:
        verb = self.exchange.removals.delete(caller(party), where, version=version)
        return self.run(verb).label

    def consume(self, party: str, key: str, moved_to: str = "") -> None:
        self.run(self.exchange.consuming.consume(caller(party), ref(key), moved_to=moved_to))

    def recall(self, key: str, version: str) -> None:
        verb = self.exchange.recalling.recall(caller("acme"), ref(key), "globex", version=version)
        self.run(verb)

    def tag(self, party: str, key: str, version: str, tags: dict[str, str]) -> None:
        draft = Draft(tags=tags)
        self.run(self.exchange.tagging.set_tags(caller(party), ref(key), draft, version=version))

    def read(self, party: str, key: str) -> bytes | None:
        """None where a GET answers 404."""
        return self.read_at(party, ref(key))

    def read_at(self, party: str, where: ObjectRef) -> bytes | None:
        try:
            return self.run(self._read(party, where))
        except CrossdockError:
            return None

    async def _read(self, party: str, where: ObjectRef) -> bytes:
        reading = await self.exchange.objects.read(caller(party), where)
        return b"".join([chunk async for chunk in reading.open(0, reading.version.size)])

    def list(self, party: str, limit: int = 3) -> list[tuple[str, str]]:
        """(key, version) of every page; empty for an outsider."""
        found: list[tuple[str, str]] = []
        after = ""
        while True:
            span = Span(after=after, limit=limit)
            try:
                page = self.run(self.exchange.listing.keys(caller(party), "orders", span))
            except CrossdockError:
                return []
            found += [(entry.key, entry.version) for entry in page.entries]
            if not page.truncated:
                return found
            after = page.last

    def converge(self) -> None:
        """All that is there already follows the policy in force."""
        while self.run(self.convergence.step()):
            pass

    def drain(self) -> None:
        """Couriers work until nothing is owed, hour by hour, as long as stores may recover."""
        for _ in range(12):
            self.run(self.courier.drain())
            if self.run(self.catalog.next_due()) is None:
                return
            self.now += HOUR
        raise AssertionError("the courier does not come to an end")

    def all_versions(self, party: str) -> Sequence[tuple[str, str]]:
        """(key, version) of everything that a version listing shows, markers too."""
        try:
            verb = self.exchange.listing.versions(caller(party), "orders", Span())
            return [(entry.key, entry.version) for entry in self.run(verb)[1].entries]
        except CrossdockError:
            return []

    # --- what the catalog holds ------------------------------------------------------------------

    def number(self, version: str) -> int:
        row = self.catalog.reader.one("SELECT number FROM versions WHERE id = ?", (version,))
        assert row is not None
        return int(row[0])

    def held(self, version: str) -> dict[str, str]:
        """Who holds it, and how."""
        grants = self.run(self.catalog.grants_of(self.number(version)))
        return {grant.party: grant.mode.value for grant in grants}

    def owed(self) -> set[str]:
        """The versions of which a copy waits to be sent, or is parked."""
        made = self.run(self.catalog.deliveries(limit=10_000))
        return {d.version for d in made if d.state.open and d.kind is DeliveryKind.COPY}

    def reached(self) -> int:
        """The number down to which convergence came, as it is written down."""
        progress = self.run(self.catalog.progress())
        assert progress is not None
        return progress.reached

    def copies(self) -> dict[str, bytes]:
        """What lies in globex's own store under natural keys."""
        store = self.stores["globex", "home"]
        return {key: self.run(_all(store.read_copy(key))) for key in self.run(natural_keys(store))}


async def natural_keys(store: MemoryStore) -> list[str]:
    return [key async for key in store.keys("in/")]


async def _all(chunks: Chunks) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def _inline(work: Callable[[], None]) -> None:
    work()


async def _no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def caller(party: str) -> Caller:
    return Caller(Principal(party, "erp"), door="test", request="r")


def ref(key: str) -> ObjectRef:
    return ObjectRef("orders", key)


def mesh_of(files: dict[str, str]) -> Mesh:
    loaded = load(files, base="/nowhere")
    assert loaded.mesh is not None, loaded.problems
    assert not loaded.problems, loaded.problems
    return loaded.mesh
