"""One attempt at one delivery: ask, look, copy, read back; never a byte over what isn't ours."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from gateway.catalog import Claim
from gateway.courier.backoff import (
    NO_COPY,
    NO_STORE,
    SECOND,
    Side,
    throttled,
    verdict,
)
from gateway.courier.removing import Removing
from gateway.courier.results import LOOKS_MAX, occupied
from gateway.courier.results import Found as Found
from gateway.courier.results import Result as Result
from gateway.courier.results import found as found
from gateway.errors import (
    BrokenSource,
    ChangedInStore,
    CrossdockError,
    Damaged,
    Occupied,
)
from gateway.faults import fault
from gateway.model import (
    Chunks,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Mode,
    Receipt,
    Share,
    Version,
)
from gateway.stores import Inbox, Parcel, Placed

HASH_INLINE_BYTES_MAX = 128 * 1024
"""Larger pieces are hashed in a thread, so that the event loop stays free."""

Decide = Callable[[Claim], Share | None]
"""What the policy in force gives the claim's party of the claim's version, None for nothing."""
InboxOf = Callable[[str, str], Inbox | None]
"""The store of (party, name) that takes deliveries; None if the mesh has none of that name."""
ReadVersion = Callable[[Version], Chunks]
"""All bytes of a version from where its author keeps them; raises where they can't be had."""


def promised(delivery: Delivery, share: Share | None) -> bool:
    """Whether this promise would be made today: a copy, to the same store and key; of a removal,
    whether its party still agrees to it."""
    if delivery.kind.removes:
        return share is not None
    return (
        share is not None
        and share.mode in (Mode.COPY, Mode.COPY_ON_READ)
        and (share.store, share.target) == (delivery.store, delivery.target)
    )


def failure(side: Side, error: CrossdockError) -> Result:
    return Result(
        DeliveryState.PENDING,
        verdict=verdict(side, error),
        error=f"{type(error).__name__}: {error.message}",
        slow=throttled(error),
        retry_after=int(float(error.details.get("retry_after") or 0) * SECOND),
    )


@dataclass(frozen=True, slots=True)
class Attempts:
    """Makes attempts; holds nothing of any of them. `clock` gives moments."""

    decide: Decide
    inbox_of: InboxOf
    read_version: ReadVersion
    clock: Callable[[], int]

    async def attempt(self, claim: Claim) -> Result:
        """Never raises a CrossdockError: a failure is a result too. Cancelling is always safe:
        what the target then holds is looked up by the next attempt."""
        delivery = claim.delivery
        if not promised(delivery, self.decide(claim)):
            return Result(DeliveryState.WITHDRAWN)
        inbox = self.inbox_of(delivery.party, delivery.store)
        if inbox is None:
            text = f"{delivery.party} has no store {delivery.store!r} any more"
            return Result(DeliveryState.PENDING, verdict=NO_STORE, error=text)
        if delivery.kind.removes:
            try:
                return await Removing(claim, inbox, self.clock).run()
            except CrossdockError as error:
                return failure(Side.TARGET, error)
        errand = _Errand(claim, inbox, self)
        try:
            return await errand.run()
        except CrossdockError as error:
            side = Side.SOURCE if errand.source_failed is not None else Side.TARGET
            return failure(side, errand.source_failed or error)


class _Errand:
    """One attempt under way. `source_failed` tells whose fault an exception was, for a store may
    pass the source's own through."""

    def __init__(self, claim: Claim, inbox: Inbox, means: Attempts) -> None:
        self._delivery = claim.delivery
        self._version = claim.version
        self._inbox = inbox
        self._means = means
        self._sha256 = claim.version.sha256
        self.source_failed: CrossdockError | None = None

    async def run(self) -> Result:
        """Looks before every write: an unknown outcome of an earlier attempt, a copy that arrived
        meanwhile and a stranger's file all show themselves here, and only here."""
        for _ in range(LOOKS_MAX):
            placed = await self._inbox.examine(self._delivery.target)
            what = found(self._version, placed)
            try:
                if what is Found.NEWER:
                    return Result(DeliveryState.SUPERSEDED, told=True)
                if what is Found.FOREIGN:
                    return occupied("the target key holds something that is not our older copy")
                if self._delivery.kind is DeliveryKind.TAGS:
                    return await self._retag(placed if what is Found.SAME else None)
                if placed is not None and what is Found.SAME:
                    return await self._settle_found(placed)
                return await self._copy(placed)
            except (Occupied, ChangedInStore):
                # it changed since we looked, or a lost answer was a yes: look again
                if self.source_failed is not None:
                    raise
        raise ChangedInStore(f"the target key changed {LOOKS_MAX} times while we looked")

    async def _copy(self, older: Placed | None) -> Result:
        target = self._delivery.target
        fault("courier.delivering")
        async with self._source() as body:
            written = await self._inbox.deliver(
                target, self._parcel(), body, replace=older.etag if older else None
            )
        fault("courier.delivered")
        if not written.read_back and not await self._reads_back(written.etag):
            # exactly this etag is what we have just written, so it may go; a damaged copy under a
            # partner's own key must not wait there for a reader
            await self._inbox.remove_copy(target, if_match=written.etag)
            raise Damaged("what was read back is not what was sent")
        fault("courier.verified")
        return self._done(written.etag, written.native_version)

    async def _settle_found(self, placed: Placed) -> Result:
        """The copy is there already: an answer was lost, or a crash came before the receipt."""
        if not self._sha256:
            async with self._source() as body:
                async for _ in body:
                    pass
        if not await self._reads_back(placed.etag):
            return occupied("the target key holds this version's marks on other bytes")
        fault("courier.verified")
        return self._done(placed.etag, placed.native_version)

    async def _retag(self, same: Placed | None) -> Result:
        if same is None:
            text = "the copy whose tags changed is no longer there"
            return Result(DeliveryState.PENDING, verdict=NO_COPY, error=text, told=True)
        fault("courier.delivering")
        written = await self._inbox.retag(
            self._delivery.target, self._version.tags, if_match=same.etag
        )
        fault("courier.delivered")
        if not self._sha256:
            _, self._sha256 = await self._digest_of_copy(written.etag)
        return self._done(written.etag, written.native_version)

    def _parcel(self) -> Parcel:
        version = self._version
        return Parcel(
            version.ref,
            version.id,
            version.number,
            version.author,
            version.size,
            self._sha256,
            version.headers,
            version.metadata,
            version.tags,
        )

    def _done(self, etag: str, target_version: str) -> Result:
        receipt = Receipt(
            self._means.clock(),
            self._version.size,
            self._sha256,
            etag,
            target_version,
            self._delivery.attempts + 1,
        )
        return Result(DeliveryState.DONE, receipt, told=True)

    async def _reads_back(self, etag: str) -> bool:
        """Whether the target gives back the version's length and SHA-256; never by etag alone."""
        return await self._digest_of_copy(etag) == (self._version.size, self._sha256)

    async def _digest_of_copy(self, etag: str) -> tuple[int, str]:
        digest, size = hashlib.sha256(), 0
        copy = self._inbox.read_copy(self._delivery.target, if_match=etag)
        async with _closing(copy) as chunks:
            async for chunk in chunks:
                await _hash(digest, chunk)
                size += len(chunk)
                if size > self._version.size:
                    break  # it is wrong already, and may have no end
        return size, digest.hexdigest()

    @asynccontextmanager
    async def _source(self) -> AsyncIterator[Chunks]:
        async with aclosing(self._checked_source()) as body:
            yield body

    async def _checked_source(self) -> AsyncGenerator[bytes, None]:
        """The version's bytes. Too few, too many or other bytes raise before the end is reached,
        so no store can take them for a whole object."""
        try:
            async with _closing(self._means.read_version(self._version)) as chunks:
                async for chunk in self._checked(chunks):
                    yield chunk
        except CrossdockError as error:
            self.source_failed = error
            raise

    async def _checked(self, chunks: Chunks) -> Chunks:
        digest, left = hashlib.sha256(), self._version.size
        async for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise BrokenSource("the source runs over its declared length")
            await _hash(digest, chunk)
            yield chunk
        if left:
            raise BrokenSource(f"the source ended {left} bytes early")
        if self._sha256 and digest.hexdigest() != self._sha256:
            raise Damaged("the source's bytes are not what the catalog says they are")
        self._sha256 = digest.hexdigest()


async def _hash(digest: hashlib._Hash, chunk: bytes) -> None:
    if len(chunk) > HASH_INLINE_BYTES_MAX:
        await asyncio.to_thread(digest.update, chunk)
    else:
        digest.update(chunk)


@asynccontextmanager
async def _closing(chunks: Chunks) -> AsyncIterator[Chunks]:
    """Closes a stream that is left early at once, where it can be closed."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
