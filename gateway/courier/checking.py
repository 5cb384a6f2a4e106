"""One look at what lies at rest: a copy against its receipt, an extent against its version."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

import xxhash

from gateway.catalog import Claim, Finding
from gateway.courier.delivery import HASH_INLINE_BYTES_MAX, Found, found
from gateway.errors import ChangedInStore, MissingFromStore
from gateway.model import Chunks, Extent, Receipt
from gateway.stores import Inbox, Placed, Store


@dataclass(frozen=True, slots=True)
class Look:
    """What was found; `receipt` where the same bytes lie there under another etag than the one
    that was noted. `etag` is that of damaged bytes, `read` how many bytes were read back."""

    finding: Finding
    receipt: Receipt | None = None
    etag: str = ""
    read: int = 0


async def look_at_copy(claim: Claim, inbox: Inbox, *, whole: bool) -> Look | None:
    """`whole`: the bytes are read back and hashed; else the store's own etag is trusted, where it
    is the receipt's. None where a newer copy lies there, whose own receipt tells.

    Raises StoreUnavailable and StoreRefused where the store can't tell now.
    """
    delivery = claim.delivery
    placed = await inbox.examine(delivery.target)
    what = found(claim.version, placed)
    if what is Found.NEWER:
        return None
    if placed is None or what is Found.NOTHING:
        # what was damaged is taken away before it is sent again
        was_damaged = delivery.finding == Finding.DAMAGED.value
        return Look(Finding.DAMAGED if was_damaged else Finding.MISSING)
    if what is Found.FOREIGN:
        return Look(Finding.ALTERED if placed.ref == delivery.ref else Finding.TAKEN)
    if what is Found.OLDER:
        return Look(Finding.OLDER)
    return await _compare(claim, inbox, placed, whole)


async def _compare(claim: Claim, inbox: Inbox, placed: Placed, whole: bool) -> Look:
    receipt = claim.delivery.receipt
    same = receipt is not None and placed.etag == receipt.etag
    trusted = same and not whole and not claim.delivery.finding
    if receipt is None or trusted:
        return Look(Finding.WELL)
    try:
        chunks = inbox.read_copy(claim.delivery.target, if_match=placed.etag)
        size, sha256 = await _digest(chunks, receipt.size)
    except MissingFromStore:
        return Look(Finding.MISSING)
    except ChangedInStore:  # in this very moment: the next look tells what it has become
        return Look(Finding.ALTERED)
    if (size, sha256) != (receipt.size, receipt.sha256):
        return Look(Finding.DAMAGED if same else Finding.ALTERED, etag=placed.etag, read=size)
    if same:
        return Look(Finding.WELL, read=size)
    renewed = replace(receipt, etag=placed.etag, target_version=placed.native_version)
    return Look(Finding.WELL, renewed, read=size)


async def _digest(chunks: Chunks, most: int) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    async with aclosing(chunks) as stream:  # type: ignore[type-var]
        async for chunk in stream:
            await _feed(digest.update, chunk)
            size += len(chunk)
            if size > most:
                break  # it is wrong already, and may have no end
    return size, digest.hexdigest()


async def look_at_extent(extent: Extent, store: Store, *, whole: bool) -> Look:
    """`whole` as for a copy, where the extent has a digest; else its store object must be there,
    and long enough. Raises StoreUnavailable and StoreRefused where the store can't tell now."""
    if not extent.owned:
        return await _look_at_place(extent, store)
    try:
        if not whole or not extent.digest:
            stat = await store.stat(extent.key)
            there = stat.size >= extent.offset + extent.length
            return Look(Finding.WELL if there else Finding.DAMAGED)
        digest, size = xxhash.xxh3_128(), 0
        chunks = store.read(extent.key, extent.offset, extent.length)
        async with aclosing(chunks) as stream:  # type: ignore[type-var]
            async for chunk in stream:
                await _feed(digest.update, chunk)
                size += len(chunk)
    except MissingFromStore:
        return Look(Finding.MISSING)
    well = size == extent.length and digest.hexdigest() == extent.digest
    return Look(Finding.WELL if well else Finding.DAMAGED, read=size)


async def _look_at_place(extent: Extent, store: Store) -> Look:
    """Its owner's: what was adopted is there, or something else is, or nothing."""
    there = await store.examine(extent.key) if isinstance(store, Inbox) else None
    if there is None:
        return Look(Finding.MISSING)
    return Look(Finding.WELL if there.etag == extent.etag else Finding.ALTERED)


async def _feed(update: Callable[[bytes], object], chunk: bytes) -> None:
    if len(chunk) > HASH_INLINE_BYTES_MAX:
        await asyncio.to_thread(update, chunk)
    else:
        update(chunk)
