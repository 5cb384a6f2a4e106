"""One attempt at taking a copy away: only what we delivered, and its owner has not changed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from gateway.catalog import Claim
from gateway.courier.results import LOOKS_MAX, Found, Result, found, occupied
from gateway.errors import ChangedInStore
from gateway.faults import fault
from gateway.model import Delivery, DeliveryKind, DeliveryState, Receipt
from gateway.stores import Inbox, Placed


@dataclass(frozen=True, slots=True)
class Removing:
    claim: Claim
    inbox: Inbox
    clock: Callable[[], int]

    async def run(self) -> Result:
        """Done too where nothing lies there: an earlier attempt's answer was lost, or the owner
        took it away. A newer copy of ours ends it as superseded, anything else is occupied."""
        for _ in range(LOOKS_MAX):
            placed = await self.inbox.examine(self.claim.delivery.target)
            if placed is None:
                return self._done(None)
            what = found(self.claim.version, placed)
            if what is Found.NEWER:
                return Result(DeliveryState.SUPERSEDED, told=True)
            if what is Found.FOREIGN:
                return occupied("the target key holds something that is not our copy")
            if what is Found.OLDER and self.claim.delivery.kind is DeliveryKind.RECALL:
                return self._done(None)  # the version that is asked back is not there
            if not await self._unaltered(placed):
                return occupied("the copy is no longer what its receipt says")
            fault("courier.removing")
            try:
                await self.inbox.remove_copy(self.claim.delivery.target, if_match=placed.etag)
            except ChangedInStore:
                continue  # in this very moment: look again
            fault("courier.removed")
            return self._done(placed)
        raise ChangedInStore(f"the target key changed {LOOKS_MAX} times while we looked")

    def _known(self, version: str) -> list[Delivery]:
        return [copy for copy in self.claim.copies if copy.version == version and copy.receipt]

    async def _unaltered(self, placed: Placed) -> bool:
        """By the etag of a receipt, else by reading it back. A copy whose receipt was never written
        (a crash came before it) bears our marks alone."""
        receipts = [copy.receipt for copy in self._known(placed.version) if copy.receipt]
        if not receipts or any(receipt.etag == placed.etag for receipt in receipts):
            return True
        digest, size = hashlib.sha256(), 0
        chunks = self.inbox.read_copy(self.claim.delivery.target, if_match=placed.etag)
        async with aclosing(cast(AsyncGenerator[bytes, None], chunks)) as stream:
            async for chunk in stream:
                digest.update(chunk)
                size += len(chunk)
                if size > receipts[0].size:
                    break
        return (size, digest.hexdigest()) == (receipts[0].size, receipts[0].sha256)

    def _done(self, removed: Placed | None) -> Result:
        """The receipt tells what was there, as far as it is known, and when it no longer was."""
        known = self._known(removed.version) if removed else self.claim.copies
        was = next((copy.receipt for copy in known if copy.receipt), None)
        size = removed.size if removed else 0
        receipt = Receipt(
            self.clock(),
            size,
            was.sha256 if was and removed else "",
            removed.etag if removed else "",
            removed.native_version if removed else "",
            self.claim.delivery.attempts + 1,
        )
        return Result(DeliveryState.DONE, receipt, told=True)
