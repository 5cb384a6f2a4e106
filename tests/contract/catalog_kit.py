"""What the behaviour suite for catalogs speaks in: short ways to write, and a clock by hand."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from gateway.catalog import (
    Catalog,
    Claim,
    Entry,
    Expect,
    Lane,
    Outcome,
    Page,
    Promise,
    Query,
    Retag,
    Unwrite,
    Write,
)
from gateway.lifecycle import Judged
from gateway.model import (
    Delivery,
    DeliveryState,
    Event,
    Extent,
    Facts,
    Grant,
    Held,
    Mode,
    ObjectRef,
    Part,
    Principal,
    Receipt,
    Upload,
    Version,
)

BUCKET = "orders"
R1, R2 = "revision-1", "revision-2"
LANE = Lane("globex", "home")
SECOND = 10**9
FAR = 2**62


class Clock:
    """Moments by hand; it may go backwards."""

    def __init__(self, now: int = 1_000 * SECOND) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Bench:
    """A catalog at work: every method is one call on it, with everything unsaid filled in."""

    def __init__(self, catalog: Catalog, clock: Clock, first: int = 1) -> None:
        self.catalog = catalog
        self.clock = clock
        self.revision = R1
        self._ids = itertools.count(first)

    def version(self, key: str, **fields: Any) -> Version:
        number = next(self._ids)
        made: dict[str, Any] = {"etag": f"etag-{number}", "size": 10} | fields
        ref = ObjectRef(BUCKET, key)
        return replace(Version(f"v{number}", ref, "acme", "erp", "s3", self.clock.now), **made)

    def write(
        self,
        key: str,
        *,
        to: Iterable[str] = (),
        promises: Iterable[Promise] = (),
        mode: Mode = Mode.SHARE,
        expect: Expect = Expect(),  # noqa: B008 - an immutable value
        inherit: bool = False,
        shown: bool = True,
        upload: str = "",
        parts: tuple[tuple[int, str], ...] = (),
        judged: Judged | None = None,
        **fields: Any,
    ) -> Write:
        version = self.version(key, **fields)
        grants = [Grant(version.author, Mode.OWN, "author", self.revision)]
        grants += [Grant(party, mode, f"rule for {party}", self.revision) for party in to]
        event = event_of("write", version=version.id, readers=tuple(g.party for g in grants))
        return Write(
            *(version, self.revision, event, tuple(grants), tuple(promises)),
            *(inherit, shown, expect, upload, parts),
            judged=judged,
        )

    async def put(self, key: str, **how: Any) -> Version:
        return await self.catalog.commit(self.write(key, **how))

    async def mark(self, key: str, **how: Any) -> Version:
        """A delete marker, by the rules of DELETE."""
        return await self.put(key, marker=True, etag="", size=0, inherit=True, **how)

    async def unwrite(self, version: Version, **how: Any) -> Version:
        event = event_of("unwrite", version=version.id, readers=(version.author,))
        return await self.catalog.commit(
            Unwrite(version.ref, version.id, version.author, event, **how)
        )

    async def retag(self, version: Version, *grants: Grant, **how: Any) -> Version:
        own = Grant(version.author, Mode.OWN, "author", self.revision)
        how = {"tags": {"final": "yes"}, "promises": ()} | how
        return await self.catalog.commit(
            Retag(
                *(version.ref, version.id, version.author, how["tags"], self.revision),
                *(event_of("tags", version=version.id), (own, *grants), tuple(how["promises"])),
            )
        )

    async def new_policy(self, revision: str = R2, starting: Collection[str] = ()) -> None:
        files = {"acme.yaml": revision}
        await self.catalog.put_policy(revision, files, event_of("policy"), starting=starting)
        self.revision = revision

    # --- what a party sees ---------------------------------------------------------------------

    async def head(self, party: str, key: str, **how: Any) -> Held | None:
        return await self.catalog.head(party, ObjectRef(BUCKET, key), **how)

    async def sees(self, party: str, key: str, **how: Any) -> str:
        """The id of the version that the party holds, "" for none."""
        held = await self.head(party, key, **how)
        return held.version.id if held else ""

    async def page(
        self, party: str, sees: Callable[[Facts], bool] = lambda _: True, **how: Any
    ) -> Page:
        return await self.catalog.page(
            Query(**({"party": party, "bucket": BUCKET, "revision": self.revision} | how)), sees
        )

    async def versions(
        self, party: str, sees: Callable[[Facts], bool] = lambda _: True, **how: Any
    ) -> Page:
        return await self.catalog.page_versions(
            Query(**({"party": party, "bucket": BUCKET, "revision": self.revision} | how)), sees
        )

    async def keys(self, party: str, **how: Any) -> list[str]:
        return [entry.key for entry in (await self.page(party, **how)).entries]

    async def entry(self, party: str, key: str) -> Entry:
        page = await self.page(party, prefix=key)
        return next(entry for entry in page.entries if entry.key == key)

    # --- deliveries ----------------------------------------------------------------------------

    async def claim(self, lane: Lane = LANE, limit: int = 100, lease: int = 30) -> list[Claim]:
        claims = await self.catalog.claim(lane, limit, self.clock.now, lease * SECOND)
        return list(claims)

    async def claim_one(self, lane: Lane = LANE) -> Delivery:
        (claim,) = await self.claim(lane)
        return claim.delivery

    async def settle(
        self, delivery: Delivery, state: DeliveryState = DeliveryState.DONE, **how: Any
    ) -> bool:
        if state is DeliveryState.DONE:
            how = {"receipt": receipt_of(self.clock.now)} | how
        outcome = Outcome(state, **how)
        return await self.catalog.settle(delivery.id, delivery.token, outcome, None)

    async def states(self, version: Version) -> list[str]:
        return [each.state.value for each in await self.catalog.deliveries_of(version.number)]


Story = Callable[[Bench], Awaitable[None]]
Tell = Callable[[Story], None]
"""Runs a story on a fresh catalog, under policy R1."""


def event_of(kind: str, **fields: Any) -> Event:
    made: dict[str, Any] = {"at": 1, "party": "acme", "bucket": BUCKET} | fields
    return Event(kind, **made)


def promise(target: str, party: str = "globex", store: str = "home") -> Promise:
    return Promise(party, store, target, f"rule for {party}")


def extent(key: str, length: int = 10, offset: int = 64) -> Extent:
    return Extent("acme", "home", f".crossdock/extents/{key}", offset, length)


def receipt_of(at: int) -> Receipt:
    return Receipt(at, 10, "5e" * 32, "etag-at-target", "native-1")


def upload_of(upload_id: str, key: str = "big", begun: int = 5, party: str = "acme") -> Upload:
    principal = Principal(party, "erp", keys=("in/",))
    return Upload(upload_id, ObjectRef(BUCKET, key), principal, begun, {"content-type": "x/y"})


def part_of(number: int, name: str, etag: str = "") -> Part:
    return Part(number, 10, etag or f"part-{number}", 7, (extent(name),), {"crc32": "AAAA"})


async def drained(page: Callable[..., Awaitable[Page]], **how: Any) -> list[Entry | str]:
    """All pages of a listing, one after the other, as S3 clients ask for them."""
    found: list[Entry | str] = []
    after = after_version = ""
    while True:
        each = await page(after=after, after_version=after_version, **how)
        found += [*each.entries, *each.prefixes]
        if not each.truncated:
            return found
        assert each.entries or each.prefixes
        after, after_version = each.last, each.last_version
