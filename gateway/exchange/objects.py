"""The verbs on one object: put, copy, look, read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gateway.catalog import Expect
from gateway.errors import (
    BadInput,
    CatalogUnavailable,
    CrossdockError,
    KeyIsDeleted,
    NoSuchKey,
    VersionIsMarker,
)
from gateway.exchange.damage import note_damage
from gateway.exchange.drafts import check_draft, check_tags
from gateway.exchange.floor import READERS, Floor, absent, label_of
from gateway.exchange.intake import Relayed, Taken, take
from gateway.exchange.on_read import promise_copy
from gateway.exchange.publishing import (
    OWN_RULE,
    Publication,
    commit_version,
)
from gateway.exchange.reading import (
    asking,
    first_that_works,
    from_copy,
    from_extents,
    usable_copy,
    while_allowed,
)
from gateway.exchange.terms import (
    CopySource,
    Draft,
    Found,
    Reading,
    Way,
    no_objection,
    overall_status,
)
from gateway.exchange.waiting import awaited, delivered
from gateway.extents import Label
from gateway.faults import fault
from gateway.locks import rule_of
from gateway.model import (
    Body,
    Bucket,
    Caller,
    Delivery,
    Extent,
    Grant,
    Held,
    Lock,
    Mode,
    ObjectRef,
    Source,
    Version,
    Versioning,
)
from gateway.stores import Inbox

EXTENT_SHARD_BITS = 44
"""Extents of about five hours share a folder: few enough to list, and concurrent writers can
share one sync of it."""


class Objects:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    # --- writing -------------------------------------------------------------------------------

    async def put(
        self,
        caller: Caller,
        ref: ObjectRef,
        body: Body,
        draft: Draft,
        expect: Expect,
        *,
        wait: bool = False,
    ) -> Found:
        """Writes a new version. When this returns, nothing of it can be lost. `wait` for every
        copy to be verified first; NotDelivered is then raised once the version is stored.

        Raises Denied and NoSuchBucket before a byte of the body is read; then whatever the body
        raises, BadDigest, IncompleteBody, PreconditionFailed, StoreUnavailable, StoreFull: after
        any of these nothing is visible.
        """
        bucket = await self._floor.writable(caller, ref)
        check_draft(draft)
        version = self.new_version(caller, ref, bucket, draft)
        taken = await self._take(caller, version, body)
        whole = replace(
            version,
            size=taken.extent.length,
            etag=taken.etag,
            sha256=taken.sha256,
            checksums=taken.checksums,
            checksum_type="FULL_OBJECT",
            extents=(taken.extent,),
        )
        return await self.publish(caller, bucket, Publication(whole, expect, wait=wait))

    async def copy(
        self,
        caller: Caller,
        source: CopySource,
        ref: ObjectRef,
        *,
        draft: Draft | None = None,
        tags: Draft | None = None,
        lock: Lock | None = None,
        expect: Expect = Expect(),  # noqa: B008 - an immutable value
        wait: bool = False,
    ) -> Found:
        """A new version with the bytes of another one. `draft` replaces its headers and metadata,
        `tags` its tags; None keeps them. A lock is never copied: `lock` is the new one's.

        Where every byte is the copier's own, no byte moves. Else they do: what one took must
        outlive a withdrawal. The source is decided upon as a read by the caller.
        """
        bucket = await self._floor.writable(caller, ref)
        if draft is not None:
            check_draft(draft)
        if tags is not None:
            check_tags(tags.tags)
        reading = await self._source(caller, source)
        old = reading.version
        if source.ref == ref and draft is None and not source.version:
            raise BadInput(
                "This copy request is illegal because it is trying to copy an object to itself "
                "without changing the object's metadata, storage class, website redirect location "
                "or encryption attributes."
            )
        kept = draft or Draft(headers=old.headers, metadata=old.metadata)
        kept = replace(kept, tags=old.tags if tags is None else tags.tags, lock=lock)
        version = self.new_version(caller, ref, bucket, kept)
        whole = await self._taken_over(caller, version, reading, "copy")
        return await self.publish(caller, bucket, Publication(whole, expect, wait=wait))

    async def renamed(self, caller: Caller, source: ObjectRef, ref: ObjectRef) -> Version:
        """What a source is under another name, ready to be committed: with all that it says of
        itself, and over the same bytes where they are the caller's own."""
        bucket = await self._floor.writable(caller, ref)
        reading = await self._source(caller, CopySource(source))
        old = reading.version
        draft = Draft(headers=old.headers, metadata=old.metadata, tags=old.tags)
        version = self.new_version(caller, ref, bucket, draft)
        return await self._taken_over(caller, version, reading, "rename")

    async def _taken_over(
        self, caller: Caller, version: Version, reading: Reading, how: str
    ) -> Version:
        old = reading.version
        version = replace(version, sources=(*version.sources, Source(how, old.ref, old.id)))
        if all(e.party == caller.party and e.owned for e in old.extents):
            return _same_bytes(version, old)
        return await self._moved(caller, version, reading)

    async def _source(self, caller: Caller, source: CopySource) -> Reading:
        """A read of the source by the caller, judged before a byte moves."""
        try:
            return await self.read(
                caller, source.ref, version=source.version, kind="copy", check=source.check
            )
        except VersionIsMarker:
            raise BadInput(
                "The source of a copy request may not specifically refer to a delete marker by "
                "version id."
            ) from None

    async def _moved(self, caller: Caller, version: Version, reading: Reading) -> Version:
        old = reading.version
        checksum = next(iter(old.checksums), "") if old.checksum_type == "FULL_OBJECT" else ""
        body = Relayed(reading.open(0, old.size), old.size, checksum)
        taken = await self._take(caller, version, body)
        return replace(
            version,
            size=old.size,
            etag=taken.etag,
            sha256=taken.sha256,
            checksums=taken.checksums,
            checksum_type="FULL_OBJECT",
            extents=(taken.extent,),
        )

    async def publish(self, caller: Caller, bucket: Bucket, ready: Publication) -> Found:
        try:
            committed, decision = await commit_version(self._floor, caller, bucket, ready)
        except CatalogUnavailable:
            raise  # the commit may have happened: if not, the collector finds the extent
        except CrossdockError:
            await self._discard(ready.version)
            raise
        label = label_of(bucket, committed)
        await delivered(self._floor, committed, label, awaited(decision, every=ready.wait))
        return await self.found(caller, bucket, _own(committed, self._floor.mesh.revision))

    async def _discard(self, version: Version) -> None:
        """Takes back extents that no commit refers to. What can't be deleted now the collector
        finds; a cancelled commit may still happen, so nothing is taken back then."""
        for extent in version.extents:
            if extent.key.endswith(version.id):
                try:
                    await self._floor.store(extent.party, extent.store).delete(extent.key)
                    fault("exchange.discarded")
                except CrossdockError:
                    return

    def new_version(self, caller: Caller, ref: ObjectRef, bucket: Bucket, draft: Draft) -> Version:
        return Version(
            id=self._floor.means.ids(),
            ref=ref,
            author=caller.party,
            principal=caller.principal.name,
            door=caller.door,
            at=self._floor.means.clock(),
            null=bucket.versioning is not Versioning.ENABLED,
            headers=draft.headers,
            metadata=draft.metadata,
            tags=draft.tags,
            sources=tuple(Source("derived", ref, version) for ref, version in draft.derived),
            invocation=draft.invocation,
            lock=self._lock(bucket, draft),
        )

    def _lock(self, bucket: Bucket, draft: Draft) -> Lock | None:
        """What the client asks for, else what the bucket gives each new version."""
        rule = rule_of(bucket.settings)
        if rule is None:
            if draft.lock is not None:
                raise BadInput("Bucket is missing Object Lock Configuration")
            return None
        usual = rule.lock(self._floor.means.clock())
        if draft.lock is None or draft.lock.mode or usual is None:
            return draft.lock or usual
        return replace(usual, hold=draft.lock.hold)

    async def _take(self, caller: Caller, version: Version, body: Body) -> Taken:
        name, store = self._floor.home(caller, version.ref)
        place = Extent(caller.party, name, extent_key(version.at, version.id), 0, 0)
        label = Label(
            version.ref,
            version.id,
            version.author,
            version.at,
            headers=version.headers,
            metadata=version.metadata,
            tags=version.tags,
        )
        return await take(store, place, label, body, self._floor.means.offload)

    # --- reading -------------------------------------------------------------------------------

    async def look(
        self, caller: Caller, ref: ObjectRef, *, version: str = "", as_of: int | None = None
    ) -> Found:
        """What a HEAD tells. Raises NoSuchKey for what is absent or hidden alike, KeyIsDeleted
        and VersionIsMarker for delete markers in the caller's view."""
        bucket = await self._floor.readable(caller, ref)
        held = await self.visible(caller, ref, bucket, version, as_of)
        self._floor.served("head", caller, held)
        return await self.found(caller, bucket, held)

    async def peek(self, caller: Caller, ref: ObjectRef) -> Found | None:
        """As `look`, for whoever only wants to know whether there is anything: what is absent,
        hidden, deleted or not for this principal to read is None, and that is no refusal."""
        bucket = await self._floor.bucket(caller, ref.bucket)
        principal = caller.principal
        if principal.may not in READERS or not principal.covers(ref.key):
            return None
        held = await self._floor.held(caller, ref, bucket, "", None)
        if held is None or held.version.marker:
            return None
        self._floor.served("head", caller, held)
        return await self.found(caller, bucket, held)

    async def read(
        self,
        caller: Caller,
        ref: ObjectRef,
        *,
        version: str = "",
        as_of: int | None = None,
        kind: str = "read",
        check: Callable[[Found], None] = no_objection,
    ) -> Reading:
        """As `look`, with the way to the bytes. A first read may promise the reader a copy, unless
        `check` refuses what was found. A withdrawal ends a long way, wherever it has come to, as a
        new read would be refused."""
        began = self._floor.withdrawals
        bucket = await self._floor.readable(caller, ref)
        held = await self.visible(caller, ref, bucket, version, as_of)
        self._floor.served(kind, caller, held)
        deliveries = await self._deliveries(caller, held)
        found = self._shown_to(caller, bucket, held, deliveries)
        check(found)
        await promise_copy(self._floor, caller, bucket, held, deliveries)
        ask = partial(self._floor.still, caller, ref, held, version, as_of)
        way = while_allowed(self._way(caller, held.version, deliveries), ask, began)
        return Reading(found, way, asking(ask, began))

    async def visible(
        self, caller: Caller, ref: ObjectRef, bucket: Bucket, version: str, as_of: int | None
    ) -> Held:
        held = await self._floor.rows.head(caller.party, ref, version=version, as_of=as_of)
        if held is None or not self._floor.sees(caller.party, held, bucket):
            about = held.version if held else None
            raise self._floor.refused(caller, ref, absent(ref, version), about)
        if not held.version.marker:
            return held
        if bucket.versioning is Versioning.OFF and not version:
            raise NoSuchKey(key=ref.key)  # a bucket that never was versioned shows no markers
        label = label_of(bucket, held.version)
        what = VersionIsMarker if version else KeyIsDeleted
        own = held.version.author == caller.party
        status = overall_status(await self._deliveries(caller, held)) if own else ""
        at = held.version.at
        raise what(version_id=label, last_modified=at, key=ref.key, replication=status)

    async def found(self, caller: Caller, bucket: Bucket, held: Held) -> Found:
        deliveries = await self._deliveries(caller, held)
        return self._shown_to(caller, bucket, held, deliveries)

    async def _deliveries(self, caller: Caller, held: Held) -> tuple[Delivery, ...]:
        """Asked only where there may be any, to keep a plain read at one look-up."""
        author = held.version.author == caller.party
        if author or held.grant.mode is not Mode.SHARE:
            return tuple(await self._floor.rows.deliveries_of(held.version.number))
        return ()

    def _shown_to(
        self, caller: Caller, bucket: Bucket, held: Held, deliveries: tuple[Delivery, ...]
    ) -> Found:
        author = held.version.author == caller.party
        return Found(
            bucket,
            held,
            label_of(bucket, held.version),
            deliveries if author else (),
            replica=not author and usable_copy(deliveries, caller.party) is not None,
            encrypted=author and self._encrypted(held.version),
        )

    def _encrypted(self, version: Version) -> bool:
        """The author's own store, so the author's own matter."""
        places = {(extent.party, extent.store) for extent in version.extents}
        return bool(places) and all(self._floor.encrypts(*place) for place in places)

    def _way(self, caller: Caller, version: Version, deliveries: tuple[Delivery, ...]) -> Way:
        ways = [from_extents(version, self._floor.store)]
        copy = usable_copy(deliveries, caller.party)
        inbox = copy and self._floor.stores.get((copy.party, copy.store))
        if copy and isinstance(inbox, Inbox):
            distrust = partial(note_damage, self._floor)
            ways.insert(0, from_copy(version, copy, inbox, distrust))
        return first_that_works(ways)


def extent_key(at: int, name: str) -> str:
    return f".crossdock/extents/{at >> EXTENT_SHARD_BITS:x}/{name}"


def _own(version: Version, revision: str) -> Held:
    return Held(version, Grant(version.author, Mode.OWN, OWN_RULE, revision))


def _same_bytes(version: Version, old: Version) -> Version:
    return replace(
        version,
        size=old.size,
        etag=old.etag,
        sha256=old.sha256,
        checksums=old.checksums,
        checksum_type=old.checksum_type,
        extents=old.extents,
        parts=old.parts,
        part_checksums=old.part_checksums,
    )
