"""More tries, fewer at once, a measure of it all: what each wrapper adds and what it never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import MissingFromStore, StoreUnavailable
from gateway.model import Chunks
from gateway.stores import Stat, Written
from gateway.stores.memory import MemoryStore
from gateway.stores.wrappers import Limited, Measured, Retrying, Tries, wrapped
from tests.contract.store_suite import KEY, StoreSuite, parcel, pieces, whole

TRIES = Tries(most=3, wait=lambda tried: tried / 10)


class Shaky(MemoryStore):
    """Fails the next `failures` calls; a read breaks after its first 4 bytes."""

    def __init__(self) -> None:
        super().__init__(lambda: 1_700_000_000 * 10**9)
        self.failures = 0
        self.calls = 0

    def _maybe(self) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        self._maybe()
        return await super().write(key, body, size=size)

    async def stat(self, key: str) -> Stat:
        self._maybe()
        return await super().stat(key)

    async def _read(self, key: str, start: int, length: int | None, if_match: str | None) -> Chunks:
        async for chunk in super()._read(key, start, length, if_match):
            if self.failures:
                yield chunk[:4]
            self._maybe()
            yield chunk


def retrying(store: Shaky, naps: list[float] | None = None) -> Retrying:
    async def sleep(seconds: float) -> None:
        if naps is not None:
            naps.append(seconds)

    return Retrying(store, TRIES, sleep)


def test_a_stat_is_tried_again_with_the_given_waits() -> None:
    async def main() -> None:
        store, naps = Shaky(), list[float]()
        await store.write(KEY, pieces(b"x"), size=1)
        store.failures = 2
        assert (await retrying(store, naps).stat(KEY)).size == 1
        assert naps == [0.1, 0.2]
        store.failures = 3
        with pytest.raises(StoreUnavailable):
            await retrying(store).stat(KEY)
        assert store.failures == 0

    asyncio.run(main())


def test_what_is_missing_is_not_tried_again() -> None:
    async def main() -> None:
        store = Shaky()
        with pytest.raises(MissingFromStore):
            await retrying(store).stat(KEY)
        assert store.calls == 1

    asyncio.run(main())


def test_a_write_is_never_repeated() -> None:
    async def main() -> None:
        store = Shaky()
        store.failures = 1
        with pytest.raises(StoreUnavailable):
            await retrying(store).write(KEY, pieces(b"x"), size=1)
        assert store.calls == 1

    asyncio.run(main())


def test_a_broken_read_goes_on_behind_its_last_byte() -> None:
    async def main() -> None:
        store = Shaky()
        await store.write(KEY, pieces(b"0123456789"), size=10)
        store.failures = 2
        assert await whole(retrying(store).read(KEY, 1, 8)) == b"12345678"

    asyncio.run(main())


def test_a_read_of_what_is_missing_is_not_tried_again() -> None:
    async def main() -> None:
        store = Shaky()
        with pytest.raises(MissingFromStore):
            await whole(retrying(store).read(KEY))

    asyncio.run(main())


def test_a_copy_is_resumed_on_the_condition_of_its_etag_alone() -> None:
    async def main() -> None:
        store = Shaky()
        etag = (
            await store.deliver("x", parcel(b"01234567"), pieces(b"01234567"), replace=None)
        ).etag
        store.failures = 1
        with pytest.raises(StoreUnavailable):
            await whole(retrying(store).read_copy("x"))
        store.failures = 1
        assert await whole(retrying(store).read_copy("x", if_match=etag)) == b"01234567"

    asyncio.run(main())


def test_no_more_than_the_limit_at_once() -> None:
    async def main() -> None:
        running = most = 0

        async def slow() -> Chunks:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            yield b"x"
            running -= 1

        store = Limited(Shaky(), 3, 5)
        await asyncio.gather(*(store.write(f"{KEY}{i}", slow(), size=1) for i in range(12)))
        assert most == 3

    asyncio.run(main())


def test_slow_readers_keep_the_store_from_nobody() -> None:
    async def main() -> None:
        store = Limited(Shaky(), 1, 1)
        await store.write(KEY, pieces(b"x" * 10**6), size=None)
        readings: list[Any] = [store.read(KEY) for _ in range(3)]
        for reading in readings:
            await anext(reading)
        assert (await store.stat(KEY)).size == 10**6
        for reading in readings:
            await reading.aclose()
        assert (await store.stat(KEY)).size == 10**6

    asyncio.run(main())


def test_who_waits_too_long_is_told_that_the_store_is_busy() -> None:
    async def main() -> None:
        store, go = Limited(Shaky(), 1, 0.01), asyncio.Event()

        async def slow() -> Chunks:
            await go.wait()
            yield b"x"

        writing = asyncio.create_task(store.write(KEY, slow(), size=1))
        await asyncio.sleep(0)
        for busy in (store.stat(KEY), whole(store.read(KEY))):
            with pytest.raises(StoreUnavailable, match="too many"):
                await busy
        go.set()
        await writing
        assert await whole(store.read(KEY)) == b"x"

    asyncio.run(main())


def test_a_cancelled_wait_takes_no_slot() -> None:
    async def main() -> None:
        store, go = Limited(Shaky(), 1, 5), asyncio.Event()

        async def slow() -> Chunks:
            await go.wait()
            yield b"x"

        writing = asyncio.create_task(store.write(KEY, slow(), size=1))
        waiting = asyncio.create_task(store.stat(KEY))
        await asyncio.sleep(0)
        waiting.cancel()
        go.set()
        await writing
        assert (await store.stat(KEY)).size == 1

    asyncio.run(main())


def test_each_call_is_measured() -> None:
    async def main() -> None:
        told: list[tuple[str, float, int, str]] = []
        times = iter(range(100))
        store = Measured(Shaky(), lambda *what: told.append(what), lambda: next(times))
        await store.write(KEY, pieces(b"12345"), size=5)
        await whole(store.read(KEY))
        with pytest.raises(MissingFromStore):
            await store.stat(KEY + "x")
        assert told == [("write", 1, 0, ""), ("read", 2, 5, ""), ("stat", 1, 0, "MissingFromStore")]
        folder = Measured(Shaky(), lambda *what: told.append(what), lambda: 0.0, reads=False)
        await folder.write(KEY, pieces(b"12345"), size=5)
        assert await whole(folder.read(KEY)) == b"12345"
        assert told[3:] == [("write", 0.0, 0, "")]

    asyncio.run(main())


class Wrapped:
    streams = False
    unheard_of: frozenset[str] = frozenset()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Any]:
        inner = MemoryStore(lambda: 1_700_000_000 * 10**9)
        store: Any = wrapped(
            inner, most=4, wait_s=5, tries=TRIES, measure=lambda *_: None, clock=lambda: 0.0
        )
        store.parcel_of, store.put = inner.parcel_of, inner.put
        yield store

    async def plant(self, store: Any, key: str, data: bytes) -> None:
        store.put(key, data)


class TestWrappedStore(StoreSuite):
    @pytest.fixture
    def kind(self) -> Wrapped:
        return Wrapped()
