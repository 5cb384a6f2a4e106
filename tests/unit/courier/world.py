"""Two parties, a memory store for the recipient, and hands to break things with."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.catalog import Claim
from gateway.courier.delivery import Attempts, Result
from gateway.errors import BrokenSource
from gateway.model import (
    Chunks,
    Delivery,
    Mode,
    ObjectRef,
    Rule,
    Share,
    Version,
)
from gateway.stores import Inbox, Parcel, Placed, Written
from gateway.stores.memory import MemoryStore

REF = ObjectRef("orders", "invoices/1.csv")
TARGET = "in/1.csv"
RULE = Rule("invoices", "acme.yaml", 3, "acme")
SHARE = Share("globex", Mode.COPY, RULE, store="home", target=TARGET)


async def stream(*pieces: bytes) -> Chunks:
    for piece in pieces:
        yield piece


def version_of(data: bytes, number: int = 1, *, known: bool = True, **changed: object) -> Version:
    version = Version(
        f"v{number}",
        REF,
        "acme",
        "erp",
        "s3",
        number,
        number=number,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest() if known else "",
        headers={"content-type": "text/csv"},
        metadata={"class": "partner"},
        tags={"final": "yes"},
    )
    return replace(version, **changed)  # type: ignore[arg-type]


def claim_of(version: Version, **changed: object) -> Claim:
    delivery = Delivery(
        version.number, version.id, version.ref, version.number, "acme", "globex", "home", TARGET
    )
    return Claim(replace(delivery, token=1, **changed), version, None)  # type: ignore[arg-type]


class Lying(MemoryStore):
    """Keeps `lie(data)` where it was given data; the next `lies` deliveries are spoilt. `arrived`
    names the version of every whole copy that it took."""

    def __init__(self, clock: Callable[[], int], lie: Callable[[bytes], bytes]) -> None:
        super().__init__(clock)
        self._lie = lie
        self.lies = 0
        self.arrived: list[str] = []

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        data = b"".join([chunk async for chunk in body])
        if len(data) != parcel.size:
            raise BrokenSource
        kept = self._lie(data)[:: -1 if self.lies else 1]
        marks = dataclasses.replace(parcel, size=len(kept))
        written = await super().deliver(key, marks, stream(kept), replace=replace)
        if kept == data:
            self.arrived.append(parcel.version)
        self.lies = max(0, self.lies - 1)
        return written

    def lose(self, key: str) -> None:
        """The owner takes the file away."""
        del self._held[key]


Trap = Callable[[], Awaitable[None] | None]


@dataclass
class Scripted:
    """An inbox whose every verb first does what `before` says, and afterwards what `after` says;
    `calls` is its journal."""

    inner: MemoryStore
    before: dict[str, list[Trap]] = field(default_factory=dict)
    after: dict[str, list[Trap]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def fails(self, verb: str, *errors: Exception) -> None:
        self.before.setdefault(verb, []).extend(map(raising, errors))

    def fails_after(self, verb: str, *errors: Exception) -> None:
        self.after.setdefault(verb, []).extend(map(raising, errors))

    async def _spring(self, traps: Mapping[str, list[Trap]], verb: str) -> None:
        if traps.get(verb):
            done = traps[verb].pop(0)()
            if done is not None:
                await done

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        self.calls.append("deliver")
        await self._spring(self.before, "deliver")
        written = await self.inner.deliver(key, parcel, body, replace=replace)
        await self._spring(self.after, "deliver")
        return written

    async def examine(self, key: str) -> Placed | None:
        self.calls.append("examine")
        await self._spring(self.before, "examine")
        placed = await self.inner.examine(key)
        await self._spring(self.after, "examine")
        return placed

    async def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        self.calls.append("read_copy")
        await self._spring(self.before, "read_copy")
        async for chunk in self.inner.read_copy(key, start, length, if_match=if_match):
            yield chunk

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        self.calls.append("retag")
        await self._spring(self.before, "retag")
        return await self.inner.retag(key, tags, if_match=if_match)

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        self.calls.append("remove_copy")
        await self._spring(self.before, "remove_copy")
        await self.inner.remove_copy(key, if_match=if_match)


def raising(error: Exception) -> Trap:
    def trap() -> None:
        raise error

    return trap


@dataclass
class World:
    """`sources` maps a version's id to its bytes, or to a function that makes its stream."""

    now: int = 1_000
    share: Share | None = SHARE
    sources: dict[str, bytes | Callable[[], Chunks]] = field(default_factory=dict)
    reads: int = 0
    lie: Callable[[bytes], bytes] = bytes

    def __post_init__(self) -> None:
        self.store = Lying(self.clock, self.lie)
        self.inbox = Scripted(self.store)
        self.inboxes: dict[tuple[str, str], Inbox] = {("globex", "home"): self.inbox}

    def clock(self) -> int:
        return self.now

    def read(self, version: Version) -> Chunks:
        self.reads += 1
        source = self.sources[version.id]
        return stream(source) if isinstance(source, bytes) else source()

    @property
    def attempts(self) -> Attempts:
        return Attempts(
            lambda _: self.share, lambda *lane: self.inboxes.get(lane), self.read, self.clock
        )

    def version(self, data: bytes, number: int = 1, **changed: object) -> Version:
        version = version_of(data, number, **changed)  # type: ignore[arg-type]
        self.sources[version.id] = data
        return version

    def attempt(self, version: Version, **changed: object) -> Result:
        return asyncio.run(self.attempts.attempt(claim_of(version, **changed)))

    def placed(self, version: Version, data: bytes, **changed: object) -> None:
        """Our copy of that version, already there."""
        parcel = Parcel(
            version.ref,
            version.id,
            version.number,
            version.author,
            len(data),
            hashlib.sha256(data).hexdigest(),
        )
        parcel = replace(parcel, **changed)  # type: ignore[arg-type]
        asyncio.run(self.store.deliver(TARGET, parcel, stream(data), replace=None))

    def content(self, key: str = TARGET) -> bytes:
        async def read() -> bytes:
            return b"".join([chunk async for chunk in self.store.read_copy(key)])

        return asyncio.run(read())

    def empty(self, key: str = TARGET) -> bool:
        return asyncio.run(self.store.examine(key)) is None

    def marks(self, key: str = TARGET) -> Parcel:
        parcel = asyncio.run(self.store.parcel_of(key))
        assert parcel is not None
        return parcel
