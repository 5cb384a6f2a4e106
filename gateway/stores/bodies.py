"""Bodies on their way into a store: held to their declared length, and cut to the store's taste."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from gateway.errors import BrokenSource
from gateway.model import Chunks


async def exact(body: Chunks, size: int | None) -> Chunks:
    """The same bytes; BrokenSource as soon as the length can no longer be `size`."""
    passed = 0
    async for chunk in body:
        passed += len(chunk)
        if size is not None and passed > size:
            raise BrokenSource(f"The body is longer than the {size} bytes that were declared.")
        yield chunk
    if size is not None and passed < size:
        raise BrokenSource(f"The body ended after {passed} of the declared {size} bytes.")


async def first(body: Chunks, limit: int) -> tuple[list[bytes], bool]:
    """The beginning of the body, just past `limit` bytes, and whether that is all of it."""
    held: list[bytes] = []
    size = 0
    async for chunk in body:
        held.append(chunk)
        size += len(chunk)
        if size > limit:
            return held, False
    return held, True


async def batches(body: Chunks, size: int) -> AsyncIterator[list[bytes]]:
    """The body in lists of chunks of at least `size` bytes together, but for the last."""
    batch: list[bytes] = []
    held = 0
    async for chunk in body:
        batch.append(chunk)
        held += len(chunk)
        if held >= size:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


class Abandoned(Exception):
    """Told to an SDK in the place of more body, so that it takes back what it began."""


class Feed:
    """A body handed to an SDK that pulls from it. `error` is what the body itself raised, for
    the caller to raise again unchanged; `stop` ends the body where it is."""

    def __init__(self, body: Chunks) -> None:
        self._body = body
        self._step: asyncio.Future[bytes | None] | None = None
        self._stopped = False
        self.error: Exception | None = None
        self.size = 0

    def stop(self) -> None:
        self._stopped = True
        if self._step is not None:
            self._step.cancel()

    async def chunks(self) -> Chunks:
        while True:
            if self._stopped:
                raise Abandoned
            self._step = asyncio.ensure_future(self._next())
            try:
                chunk = await self._step
            except asyncio.CancelledError:
                raise Abandoned from None
            if chunk is None:
                return
            self.size += len(chunk)
            yield chunk

    async def _next(self) -> bytes | None:
        try:
            return await anext(self._body, None)
        except Exception as error:
            self.error = error
            raise


async def joined(held: list[bytes], body: Chunks) -> Chunks:
    """The body with its beginning (from `first`) put back before it; what was passed on is not held
    any longer."""
    held.reverse()
    while held:
        yield held.pop()
    async for chunk in body:
        yield chunk


async def blocks(body: Chunks, size: int) -> Chunks:
    """The body in blocks of exactly `size` bytes, but for the last."""
    block = bytearray()
    async for chunk in body:
        block += chunk
        while len(block) >= size:
            yield bytes(block[:size])
            del block[:size]
    if block:
        yield bytes(block)
