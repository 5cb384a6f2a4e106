"""Bodies on their way into a store: held to their declared length, and cut to the store's taste."""

from __future__ import annotations

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
