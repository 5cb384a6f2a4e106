"""What can be put around any store: more tries, fewer at once, and a measure of it all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gateway.errors import StoreUnavailable
from gateway.model import Chunks
from gateway.stores import (
    CanClose,
    CanInspect,
    CanTidy,
    Inbox,
    Natural,
    Parcel,
    Placed,
    Stat,
    Store,
    Written,
)

T = TypeVar("T")


class Place(Store, Inbox, CanInspect, Protocol):
    """What the wiring handles: a store that is an inbox, too."""


@dataclass(frozen=True, slots=True)
class Tries:
    """`wait(n)` gives the seconds before the try after the nth one failed."""

    most: int
    wait: Callable[[int], float]


class Around:
    """Passes everything on; its heirs say what they add, in `once` and `flow`."""

    def __init__(self, inner: Place) -> None:
        self.inner = inner

    async def once(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        """One call that answers once."""
        return await work()

    def flow(self, verb: str, opened: Callable[[int], Chunks]) -> Chunks:
        """A read; `opened(n)` opens it anew behind its first n bytes."""
        return opened(0)

    async def aclose(self) -> None:
        if isinstance(self.inner, CanClose):
            await self.inner.aclose()

    async def tidy(self) -> int:
        return await self.inner.tidy() if isinstance(self.inner, CanTidy) else 0

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        return await self.once("write", lambda: self.inner.write(key, body, size=size))

    def read(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        def opened(skip: int) -> Chunks:
            left = None if length is None else length - skip
            return self.inner.read(key, start + skip, left, if_match=if_match)

        return self.flow("read", opened)

    async def stat(self, key: str) -> Stat:
        return await self.once("stat", lambda: self.inner.stat(key))

    async def delete(self, key: str) -> None:
        await self.once("delete", lambda: self.inner.delete(key))

    def keys(self, prefix: str = "") -> AsyncIterator[str]:
        return self.inner.keys(prefix)

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        return await self.once(
            "deliver", lambda: self.inner.deliver(key, parcel, body, replace=replace)
        )

    async def examine(self, key: str) -> Placed | None:
        return await self.once("examine", lambda: self.inner.examine(key))

    async def inspect(self, key: str) -> Natural | None:
        return await self.once("inspect", lambda: self.inner.inspect(key))

    def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        def opened(skip: int) -> Chunks:
            left = None if length is None else length - skip
            return self.inner.read_copy(key, start + skip, left, if_match=if_match)

        return self.flow("read_copy", opened)

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        return await self.once("retag", lambda: self.inner.retag(key, tags, if_match=if_match))

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        await self.once("remove_copy", lambda: self.inner.remove_copy(key, if_match=if_match))


class Retrying(Around):
    """Tries again what can be: stat, delete, examine, and reads.

    A body is gone once it was sent, so a write is never repeated. A read that broke goes on
    behind its last byte, on the condition that the content is still the same; without an etag
    from the caller only an extent, which never changes, can be resumed.
    """

    AGAIN = frozenset(("stat", "delete", "examine", "inspect"))

    def __init__(
        self, inner: Place, tries: Tries, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        super().__init__(inner)
        self._tries = tries
        self._sleep = sleep

    async def once(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        tried = 0
        while True:
            try:
                return await work()
            except StoreUnavailable:
                tried += 1
                if verb not in self.AGAIN or tried >= self._tries.most:
                    raise
            await self._sleep(self._tries.wait(tried))

    def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        if if_match is None:  # another content may lie there by the second try
            return self.inner.read_copy(key, start, length)
        return super().read_copy(key, start, length, if_match=if_match)

    async def flow(self, verb: str, opened: Callable[[int], Chunks]) -> Chunks:
        passed = tried = 0
        while True:
            reading = opened(passed)
            try:
                async with closing(reading):
                    async for chunk in reading:
                        passed += len(chunk)
                        tried = 0
                        yield chunk
                    return
            except StoreUnavailable:
                tried += 1
                if tried >= self._tries.most:
                    raise
            await self._sleep(self._tries.wait(tried))


class Limited(Around):
    """At most `most` calls at once; the others wait in order, but no longer than `wait_s`.

    A read counts while it waits for the store, and not while its reader takes what it got: slow
    readers would keep the store from all others.
    """

    def __init__(self, inner: Place, most: int, wait_s: float) -> None:
        super().__init__(inner)
        self._slots = asyncio.Semaphore(most)
        self._wait_s = wait_s

    async def once(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        async with self._slot():
            return await work()

    async def flow(self, verb: str, opened: Callable[[int], Chunks]) -> Chunks:
        async with closing(reading := opened(0)):
            while True:
                async with self._slot():
                    chunk = await anext(reading, None)
                if chunk is None:
                    return
                yield chunk

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._slots.acquire()
        except TimeoutError:
            raise StoreUnavailable("too many calls at once to this store") from None
        try:
            yield
        finally:
            self._slots.release()


Measure = Callable[[str, float, int, str], None]
"""Told of each call: verb, seconds that the store took, bytes read, and the name of the error (""
for none)."""


class Measured(Around):
    """`clock` gives seconds, monotone. Without `reads` these pass as they are: those of a folder
    take less time than would be added to them."""

    def __init__(
        self, inner: Place, measure: Measure, clock: Callable[[], float], *, reads: bool = True
    ) -> None:
        super().__init__(inner)
        self._measure = measure
        self._clock = clock
        if not reads:
            self.read = inner.read  # type: ignore[method-assign]
            self.read_copy = inner.read_copy  # type: ignore[method-assign]

    async def once(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        began = self._clock()
        error = ""
        try:
            return await work()
        except BaseException as problem:
            error = type(problem).__name__
            raise
        finally:
            self._measure(verb, self._clock() - began, 0, error)

    async def flow(self, verb: str, opened: Callable[[int], Chunks]) -> Chunks:
        seconds, passed, error = 0.0, 0, ""
        try:
            async with closing(reading := opened(0)):
                while True:
                    began = self._clock()
                    try:
                        chunk = await anext(reading, None)
                    finally:
                        seconds += self._clock() - began
                    if chunk is None:
                        return
                    passed += len(chunk)
                    yield chunk
        except BaseException as problem:
            error = "" if isinstance(problem, GeneratorExit) else type(problem).__name__
            raise
        finally:
            self._measure(verb, seconds, passed, error)


@contextlib.asynccontextmanager
async def closing(reading: Chunks) -> AsyncIterator[None]:
    """Closes the stream when done with it, where it can be closed."""
    try:
        yield
    finally:
        close = getattr(reading, "aclose", None)
        if close is not None:
            await close()


def wrapped(
    place: Place,
    *,
    most: int,
    wait_s: float,
    tries: Tries,
    measure: Measure,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Place:
    """The one composition: each try takes a slot, and each is measured."""
    return Retrying(Measured(Limited(place, most, wait_s), measure, clock), tries, sleep)
