"""A courier on a real catalog and memory stores, with a clock that tests move by hand."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.catalog import Claim, Lane, Outcome, Promise, Write
from gateway.catalog.sqlite import SqliteCatalog
from gateway.courier.backoff import SECOND
from gateway.courier.courier import Courier
from gateway.courier.ending import Ended
from gateway.courier.lane import LEASE
from gateway.model import (
    Chunks,
    Delivery,
    DeliveryState,
    Event,
    Grant,
    Mode,
    ObjectRef,
    Rule,
    Share,
)
from gateway.stores import Inbox, Parcel, Placed, Written
from tests.unit.courier.world import Lying, Scripted, stream, version_of

RULE = Rule("invoices", "acme.yaml", 3, "acme")
REVISION = ""  # no policy was ever put in force


@dataclass
class Gate:
    """Where an attempt stands still until the test lets it go on."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        self._open.set()

    async def __call__(self) -> None:
        self.reached.set()
        try:
            await self._open.wait()
        finally:
            self.left.set()


@dataclass
class Inboxes(Scripted):
    """`on_deliver` is asked before each delivery; `always` fails every call while it is set."""

    on_deliver: Callable[[str], Awaitable[None]] | None = None
    always: Exception | None = None

    async def examine(self, key: str) -> Placed | None:
        if self.always is not None:
            self.calls.append("examine")
            raise self.always
        return await super().examine(key)

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        if self.on_deliver is not None:
            await self.on_deliver(key.removeprefix("in/"))
        return await super().deliver(key, parcel, body, replace=replace)


class Flaky:
    """A catalog whose next call of a verb may fail; `recorded` are the events of settled ends."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.failing: dict[str, list[Exception]] = {}
        self.recorded: list[Event] = []

    async def settle(
        self, delivery: int, token: int, outcome: Outcome, event: Event | None
    ) -> bool:
        if self.failing.get("settle"):
            raise self.failing["settle"].pop(0)
        kept: bool = await self._inner.settle(delivery, token, outcome, event)
        if kept and event is not None:
            self.recorded.append(event)
        return kept

    async def miss(
        self, now: int, limit: int, tell: Callable[[Delivery], Event]
    ) -> Sequence[Delivery]:
        missed: Sequence[Delivery] = await self._inner.miss(now, limit, tell)
        self.recorded += [tell(each) for each in missed]
        return missed

    def __getattr__(self, verb: str) -> Any:
        if self.failing.get(verb):
            error = self.failing[verb].pop(0)

            async def fail(*_: object, **__: object) -> None:
                raise error

            return fail
        return getattr(self._inner, verb)


class Bench:
    catalog: Flaky
    courier: Courier

    def __init__(self) -> None:
        self.now = 1_000_000 * SECOND
        self.polls = True
        self.withdrawn: set[str] = set()
        self.ended: list[Ended] = []
        self.late: list[Lane] = []
        self.newest: dict[str, str] = {}
        self._sources: dict[str, bytes] = {}
        self._inboxes: dict[tuple[str, str], Inboxes] = {}
        self._random = random.Random(7)
        self._beat = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Bench]:
        bench = cls()
        with tempfile.TemporaryDirectory() as folder:
            catalog = await SqliteCatalog.open(f"{folder}/catalog.db", clock=bench.clock)
            bench.catalog = Flaky(catalog)
            bench.courier = bench.another()
            try:
                yield bench
            finally:
                await catalog.close()

    async def _sleep(self, seconds: float) -> None:
        """Heartbeats come when the test says so; polls are fast, or never come."""
        if seconds > 1 or not self.polls:
            await self._beat.wait()
        else:
            await asyncio.sleep(seconds / 50)

    def clock(self) -> int:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def another(self) -> Courier:
        """A courier that knows nothing but what the catalog holds: a restart, or a second one."""
        return Courier(
            self.catalog,
            decide=self._decide,
            inbox_of=self._inbox_of,
            read_version=lambda version: stream(self._sources[version.id]),
            clock=self.clock,
            draw=self._random.random,
            revision=lambda: REVISION,
            observe=self.ended.append,
            late=self.late.append,
            sleep=self._sleep,
        )

    # what the courier is given

    def _decide(self, claim: Claim) -> Share | None:
        party = claim.delivery.party
        if party in self.withdrawn:
            return None
        key = claim.version.ref.key
        return Share(party, Mode.COPY, RULE, store="home", target=self.target(key))

    def _inbox_of(self, party: str, store: str) -> Inbox | None:
        return self.inbox(party)

    # hands of the test

    def target(self, key: str) -> str:
        return f"in/{key}"

    def inbox(self, party: str = "globex") -> Inboxes:
        lane = (party, "home")
        if lane not in self._inboxes:
            self._inboxes[lane] = Inboxes(Lying(self.clock, bytes))
        return self._inboxes[lane]

    def store(self, party: str = "globex") -> Lying:
        inner = self.inbox(party).inner
        assert isinstance(inner, Lying)
        return inner

    def arrived(self, party: str = "globex") -> list[str]:
        return self.store(party).arrived

    def gate(self, verb: str) -> Gate:
        gate = Gate()
        self.inbox().before.setdefault(verb, []).append(gate)
        return gate

    async def put(
        self,
        key: str,
        data: bytes = b"",
        *parties: str,
        size: int | None = None,
        deadline: int = 0,
    ) -> None:
        """One committed version with a promise to each party (globex if none is named)."""
        ident = f"{key}-{len(self._sources)}"
        ref = ObjectRef("orders", key)
        version = version_of(
            data, id=ident, ref=ref, at=self.now, number=0, size=len(data) if size is None else size
        )
        self._sources[ident] = data
        self.now += 1000  # a commit's number, and so its promise, is later than the one before
        self.newest[key] = ident
        parties = parties or ("globex",)
        shares = [Grant(party, Mode.COPY, str(RULE), REVISION) for party in parties]
        grants = (*shares, Grant("acme", Mode.OWN, "", REVISION))
        promises = tuple(
            Promise(p, "home", self.target(key), str(RULE), deadline=deadline) for p in parties
        )
        event = Event("write", self.now, party="acme", readers=("acme",))
        await self.catalog.commit(Write(version, REVISION, event, grants, promises))

    def catalog_fails(self, verb: str, error: Exception) -> None:
        self.catalog.failing.setdefault(verb, []).append(error)

    async def heartbeat(self) -> None:
        self._beat.set()
        self._beat.clear()
        await asyncio.sleep(0.02)

    # what can be seen

    async def content(self, key: str, party: str = "globex") -> bytes:
        chunks = self.store(party).read_copy(self.target(key))
        return b"".join([chunk async for chunk in chunks])

    async def deliveries(self) -> Sequence[Delivery]:
        found: Sequence[Delivery] = await self.catalog.deliveries()
        return found

    async def row(self, key: str) -> Delivery:
        return next(d for d in await self.deliveries() if d.version == self.newest[key])

    async def is_done(self, key: str) -> bool:
        return (await self.row(key)).state is DeliveryState.DONE

    async def count_done(self, party: str, count: int) -> bool:
        rows = [d for d in await self.deliveries() if d.party == party]
        return sum(d.state is DeliveryState.DONE for d in rows) == count

    async def parked(self) -> list[Delivery]:
        return [d for d in await self.deliveries() if d.state is DeliveryState.PARKED]

    async def open_rows(self) -> list[Delivery]:
        return [d for d in await self.deliveries() if d.state.open]

    async def claimable(self) -> Sequence[Claim]:
        lane = Lane("globex", "home")
        claims: Sequence[Claim] = await self.catalog.claim(lane, 99, self.now, LEASE)
        return claims

    async def events(self) -> list[Event]:
        return self.catalog.recorded
