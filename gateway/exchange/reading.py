"""Bytes on their way out: from the party's own copy or the author's store, verified as they go."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing

import xxhash

from gateway.errors import (
    ChangedAtPlace,
    ChangedInStore,
    CrossdockError,
    Damaged,
    MissingFromStore,
    StoreFault,
    StoreUnavailable,
)
from gateway.exchange.terms import Way
from gateway.extents import slices
from gateway.model import Chunks, Delivery, DeliveryKind, DeliveryState, Extent, Version
from gateway.stores import Inbox, Store

ASK_BYTES_MIN = 1024 * 1024
"""A read up to this long is over before a withdrawal could matter."""

StoreFor = Callable[[str, str], Store]
Distrust = Callable[[Delivery], Awaitable[None]]


def from_extents(version: Version, store_for: StoreFor) -> Way:
    """The author's store. Every whole extent is checked against its digest before its last piece
    is passed on, so that a damaged small object never reaches a client. Of an adopted object only
    what was adopted is read: ChangedAtPlace where something else lies there, or nothing."""

    async def read(start: int, length: int) -> Chunks:
        for extent in slices(version.extents, start, length):
            store = store_for(extent.party, extent.store)
            if extent.owned:
                chunks = store.read(extent.key, extent.offset, extent.length)
            else:
                chunks = _from_place(extent, store)
            async with aclosing(chunks):  # type: ignore[type-var]
                async for chunk in _whole(chunks, extent.length, extent.digest):
                    yield chunk

    return read


async def _from_place(extent: Extent, store: Store) -> Chunks:
    if not isinstance(store, Inbox):
        raise StoreUnavailable("this store has no objects of its owner's")
    where, length, etag = extent.offset, extent.length, extent.etag
    chunks = store.read_copy(extent.key, where, length, if_match=etag)
    try:
        async with aclosing(chunks):  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk
    except (ChangedInStore, MissingFromStore) as error:
        raise ChangedAtPlace from error


def from_copy(version: Version, copy: Delivery, inbox: Inbox, distrust: Distrust) -> Way:
    """The party's own copy, as long as it is what its receipt says. Its bytes are the version's, so
    the extents' digests hold for them too; what is damaged is told of, for the next read to go
    another way."""

    async def read(start: int, length: int) -> Chunks:
        receipt = copy.receipt
        if receipt is None:
            raise ChangedInStore("this copy has no receipt")
        chunks = inbox.read_copy(copy.target, start, length, if_match=receipt.etag)
        pieces = slices(version.extents, start, length)
        try:
            async with aclosing(chunks):  # type: ignore[type-var]
                async for chunk in _by_extent(_whole(chunks, length, ""), pieces):
                    yield chunk
        except Damaged:
            await distrust(copy)
            raise

    return read


def usable_copy(deliveries: Sequence[Delivery], party: str) -> Delivery | None:
    """The party's verified copy of this very version, if it still has one."""
    for delivery in deliveries:
        kept = delivery.receipt is not None and not delivery.receipt.replaced
        if (
            delivery.party == party
            and delivery.kind is DeliveryKind.COPY
            and delivery.state is DeliveryState.DONE
            and not delivery.finding
            and kept
        ):
            return delivery
    return None


def first_that_works(ways: Sequence[Way]) -> Way:
    """Tries the ways in turn, and goes on where the one before broke off: they all give the same
    bytes, but for one whose bytes are damaged, after which nothing can be mended. The last one's
    error is raised if none can finish."""

    async def read(start: int, length: int) -> Chunks:
        position, end = start, start + length
        trouble: CrossdockError | None = None
        for way in ways:
            try:
                async with aclosing(way(position, end - position)) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        position += len(chunk)
                        yield chunk
                return
            except (StoreFault, StoreUnavailable, Damaged) as error:
                if isinstance(error, Damaged) and position > start:
                    raise
                trouble = error
        raise trouble or StoreUnavailable

    return read if len(ways) > 1 else ways[0]


def while_allowed(way: Way, ask: Callable[[int], Awaitable[int]], began: int) -> Way:
    """The way, as long as `ask` does not raise. It is given the number of withdrawals that was
    seen last, at first `began`, and returns that of now; each piece waits for it."""

    async def read(start: int, length: int) -> Chunks:
        seen = began
        async with aclosing(way(start, length)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                seen = await ask(seen)
                yield chunk

    def chosen(start: int, length: int) -> Chunks:
        return read(start, length) if length > ASK_BYTES_MIN else way(start, length)

    return chosen


def asking(ask: Callable[[int], Awaitable[int]], began: int) -> Callable[[], Awaitable[None]]:
    """The same question as one that keeps in mind what was seen last."""
    seen = began

    async def again() -> None:
        nonlocal seen
        seen = await ask(seen)

    return again


async def _whole(chunks: AsyncIterable[bytes], length: int, digest: str) -> Chunks:
    """A store that ends early or runs over must not look like a whole object (D-3), nor bytes that
    are not what was written: the last piece is held back until all is known. The others are not:
    what is held of them is held once more for every reader that stalls."""
    left = length
    seen = xxhash.xxh3_128()
    held = b""
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise Damaged("a store returned more bytes than it was asked for")
        if digest:
            seen.update(chunk)
        if left:
            yield chunk
        else:
            held = held or chunk
    if left:
        raise StoreUnavailable("a store returned fewer bytes than it holds")
    if digest and seen.hexdigest() != digest:
        raise Damaged("bytes at rest do not match their digest")
    if held:
        yield held


async def _by_extent(chunks: Chunks, pieces: Iterator[Extent]) -> Chunks:
    """The same bytes, cut where extents end: the last piece of a whole one is passed on once its
    digest is right."""
    left, digest, seen = 0, "", xxhash.xxh3_128()
    async for chunk in chunks:
        while chunk:
            if not left:
                piece = next(pieces)
                left, digest, seen = piece.length, piece.digest, xxhash.xxh3_128()
            part, chunk = chunk[:left], chunk[left:]  # noqa: PLW2901 - eaten piece by piece
            left -= len(part)
            if digest:
                seen.update(part)
                if not left and seen.hexdigest() != digest:
                    raise Damaged("a copy's bytes do not match their digest")
            yield part
