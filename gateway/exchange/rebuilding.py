"""Rebuilding: a lost catalog is made again from what lies in the parties' stores.

Nothing is believed that its owner could not have said itself: an extent's label counts in the store
of the party that it names as the author, for keys that this party may write; a copy's marks count
for the receipt of that very copy. What no store tells (see LOST) stays lost.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.catalog import Rebuilding, Restored, RestoredCopy, Write
from gateway.errors import CrossdockError, StoreUnavailable
from gateway.exchange.intake import ALWAYS, DEFAULT_CHECKSUM, Meter, groups
from gateway.exchange.publishing import grants_of
from gateway.exchange.scanning import Copy, Piece, Scan, Scanned, Tell, grouped
from gateway.exchange.terms import Offload
from gateway.extents import Label
from gateway.model import (
    Bucket,
    Decision,
    Event,
    Principal,
    Receipt,
    Version,
    Versioning,
)
from gateway.policy.mesh import Mesh
from gateway.stores import Inbox, Parcel, Store

DOOR = "rebuild"
BATCH = 50
"""Versions of one transaction."""

LOST = (
    "delete markers, and deletes by version id: what was deleted and not yet collected is back",
    "tags, locks and marks of consumption that were set after the write",
    "versions that shared another one's bytes (CopyObject within a party)",
    "principals, doors, lineage, checksums other than CRC-64/NVME, and the order of versions that "
    "were begun in the same moment",
    "settings of buckets, notifications, access keys made by command, and the old audit log",
    "adopted objects: adopt them again",
)
"""What no store can tell."""

Digests = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Options:
    """`uploads`: parts that no copy proves to be a whole version are taken for one. `rules_from`:
    the moment before which `since: now` rules reach nothing; 0 for none."""

    uploads: bool = False
    rules_from: int = 0


@dataclass(frozen=True, slots=True)
class Means:
    """What the wiring gives. `stores` are inboxes that can be looked into, too."""

    rows: Rebuilding
    mesh: Mesh
    stores: Mapping[tuple[str, str], Store]
    clock: Callable[[], int]
    offload: Offload[None]
    tell: Tell
    progress: Callable[[int, int], None]


class Rebuild:
    """One run, into an empty catalog that holds the policy in force and nothing else."""

    def __init__(self, means: Means, options: Options) -> None:
        self._means = means
        self._options = options
        self._counts: Counter[str] = Counter()
        self._buckets: dict[str, Bucket] = {}
        self._sha256: dict[str, tuple[str, int]] = {}  # of versions that have copies
        self._decisions: dict[str, Decision] = {}

    async def run(self) -> Counter[str]:
        scan = Scan(self._left, self._means.progress)
        scanned = scan.found
        for (party, name), store in self._means.stores.items():
            try:
                await scan.of(party, name, store)
            except CrossdockError as error:
                self._left("store", {"party": party, "store": name, "why": error.message})
        self._counts["looked_at"] = scan.looked_at
        await self._versions(scanned)
        await self._copies(scanned)
        if self._options.rules_from:
            await self._means.rows.date_rules(self._options.rules_from)
        self._counts["own_objects"] = scanned.own
        return self._counts

    def _left(self, what: str, about: Mapping[str, str]) -> None:
        self._counts[f"left_{what}"] += 1
        self._means.tell(what, about)

    # --- versions ------------------------------------------------------------------------------

    async def _versions(self, scanned: Scanned) -> None:
        """In the order in which they were begun."""
        copies = defaultdict(list)
        for copy in scanned.copies:
            copies[copy.parcel.ref].append(copy)
        groups_ = grouped(scanned.pieces)
        total, seen, made = len(groups_), set[str](), list[Restored]()
        for done, pieces in enumerate(groups_, 1):
            version = await self._version(pieces, copies.get(pieces[0].label.ref, ()))
            if version is not None and version.id in seen:
                self._left("extent", {**pieces[0].shown, "why": "the version is there already"})
            elif version is not None:
                seen.add(version.id)
                made.append(self._restored(version))
            if made and (len(made) == BATCH or done == total):
                await self._means.rows.restore(made)
                made = []
            self._means.progress(done, total)
        if made:
            await self._means.rows.restore(made)

    async def _version(self, pieces: Sequence[Piece], copies: Sequence[Copy]) -> Version | None:
        first = pieces[0]
        bucket = await self._bucket(first)
        if bucket is None:
            return None
        try:
            if first.label.part == 0:
                return await self._single(first, bucket)
            return await self._multipart(pieces, bucket, copies)
        except CrossdockError as error:
            self._left("extent", {**first.shown, "why": error.message})
            return None

    async def _bucket(self, piece: Piece) -> Bucket | None:
        """The bucket, if the author may write that key in it today."""
        name, author = piece.label.ref.bucket, piece.label.author
        bucket = self._buckets.get(name) or self._means.mesh.buckets.get(name)
        bucket = bucket or await self._made(name)
        if bucket is None:
            self._left("extent", {**piece.shown, "why": f"there is no bucket {name}"})
            return None
        self._buckets[name] = bucket
        principal = Principal(author, DOOR)
        reason = self._means.mesh.policy.may_write(principal, piece.label.ref, bucket)
        if not reason.allowed:
            self._left("extent", {**piece.shown, "why": reason.text})
            return None
        return bucket

    async def _made(self, name: str) -> Bucket | None:
        """A bucket that a party made through a door: of the one party that may make it."""
        policy = self._means.mesh.policy
        owners = [party for party in self._means.mesh.parties if policy.may_create(party, name)]
        if len(owners) != 1:
            return None
        bucket = Bucket(name, owners[0], {}, Versioning.ENABLED, created=self._means.clock())
        await self._means.rows.restore_bucket(bucket)
        self._counts["buckets"] += 1
        self._means.tell("bucket", {"bucket": name, "owner": owners[0], "why": "made again, bare"})
        return bucket

    async def _single(self, piece: Piece, bucket: Bucket) -> Version:
        whole, _ = await self._read([piece])
        digests = whole.digests()
        return replace(
            _bare(piece.label, piece.label.version, bucket),
            size=piece.length,
            etag=digests["md5"].hex(),
            sha256=digests["sha256"].hex(),
            checksums={DEFAULT_CHECKSUM: base64.b64encode(digests[DEFAULT_CHECKSUM]).decode()},
            checksum_type="FULL_OBJECT",
            extents=(replace(piece.extent, digest=digests["xxhash128"].hex()),),
        )

    async def _multipart(
        self, pieces: Sequence[Piece], bucket: Bucket, copies: Sequence[Copy]
    ) -> Version | None:
        """Whether an upload was completed no part tells; a copy that holds all of them does."""
        first = pieces[0]
        if [piece.label.part for piece in pieces] != list(range(1, len(pieces) + 1)):
            self._left("upload", {**first.shown, "why": "parts are missing in between"})
            return None
        whole, each = await self._read(pieces)
        size, sha256 = whole.size, whole.digests()["sha256"].hex()
        proof = await self._proof(copies, (sha256, size))
        if proof is None and not self._options.uploads:
            why = f"{len(pieces)} parts: no copy proves that the upload was completed"
            self._left("upload", {**first.shown, "why": why})
            return None
        joined = b"".join(digests["md5"] for digests in each)
        etag = hashlib.md5(joined, usedforsecurity=False).hexdigest()
        return replace(
            _bare(first.label, proof.version if proof else first.label.version, bucket),
            size=size,
            etag=f"{etag}-{len(pieces)}",
            sha256=sha256,
            extents=tuple(
                replace(piece.extent, digest=digests["xxhash128"].hex())
                for piece, digests in zip(pieces, each, strict=True)
            ),
            parts=tuple(piece.length for piece in pieces),
        )

    async def _proof(self, copies: Sequence[Copy], content: tuple[str, int]) -> Parcel | None:
        """What a copy of exactly this content says of its version; a copy of an upload does not
        name its SHA-256, so it is read."""
        for copy in copies:
            if copy.parcel.size == content[1] and copy.parcel.sha256 in ("", content[0]):
                with suppress(CrossdockError):  # then it proves nothing
                    if await self._digest(copy) == content:
                        return copy.parcel
        return None

    async def _read(self, pieces: Iterable[Piece]) -> tuple[Meter, Sequence[Digests]]:
        """All of them as one, and each for itself; every byte is read once."""
        whole, each = Meter(ALWAYS | {DEFAULT_CHECKSUM}), list[Digests]()
        for piece in pieces:
            store = self._means.stores[piece.party, piece.store]
            one = Meter(ALWAYS)
            async for group in groups(store.read(piece.key, piece.offset, piece.length)):
                for meter in (whole, one):
                    for hashing in meter.update(group, self._means.offload):
                        await hashing
            if one.size != piece.length:
                raise StoreUnavailable("a store returned fewer bytes than it holds")
            each.append(one.digests())
        return whole, each

    def _restored(self, version: Version) -> Restored:
        """With the number of its moment, so that rules which look at that find it as it was."""
        number = version.at
        bucket = self._buckets[version.ref.bucket]
        facts = replace(version, number=number).facts
        decision = self._means.mesh.policy.decide(facts, bucket)
        self._counts["versions"] += 1
        self._sha256[version.id] = (version.sha256, version.size)
        self._decisions[version.id] = decision
        event = Event(
            "write",
            self._means.clock(),
            party=version.author,
            door=DOOR,
            bucket=version.ref.bucket,
            key=version.ref.key,
            version=version.id,
            outcome="rebuilt",
            revision=decision.revision,
            recipients={s.party: f"{s.mode.value} {s.rule}" for s in decision.shares},
            readers=(version.author, *(s.party for s in decision.shares)),
        )
        return Restored(
            Write(version, decision.revision, event, grants_of(version.author, decision)), number
        )

    # --- copies --------------------------------------------------------------------------------

    async def _copies(self, scanned: Scanned) -> None:
        """Receipts for those that were found and are whole; those that policy gives and that were
        not found wait for somebody's word."""
        found: dict[tuple[str, str, str, str], Receipt] = {}
        for copy in scanned.copies:
            receipt = await self._receipt(copy)
            if receipt is not None:
                place = (copy.parcel.version, copy.party, copy.store, copy.target)
                found[place] = receipt
        rows: list[RestoredCopy] = []
        for version, decision in self._decisions.items():
            for share in decision.shares:
                place = (version, share.party, share.store, share.target)
                receipt = found.pop(place, None)
                if share.copied or receipt is not None:
                    rows.append(RestoredCopy(*place, str(share.rule), receipt, share.lone))
        rows += [RestoredCopy(*place, "", receipt) for place, receipt in found.items()]
        for start in range(0, len(rows), BATCH):
            done = await self._means.rows.restore_copies(rows[start : start + BATCH])
            self._counts["copies"] += done[0]
            self._counts["copies_waiting"] += done[1]

    async def _receipt(self, copy: Copy) -> Receipt | None:
        about = {
            "party": copy.party,
            "store": copy.store,
            "target": copy.target,
            "object": str(copy.parcel.ref),
            "version": copy.parcel.version,
        }
        known = self._sha256.get(copy.parcel.version)
        if known is None:
            self._left("copy", {**about, "why": "no store holds the bytes of its version"})
            return None
        try:
            read_back = await self._digest(copy)
        except CrossdockError as error:
            self._left("copy", {**about, "why": error.message})
            return None
        if read_back != known:
            self._left("copy", {**about, "why": "its bytes are not its version's"})
            return None
        sha256, size = known
        return Receipt(self._means.clock(), size, sha256, copy.etag, copy.native_version)

    async def _digest(self, copy: Copy) -> tuple[str, int]:
        inbox = self._means.stores[copy.party, copy.store]
        if not isinstance(inbox, Inbox):
            raise StoreUnavailable("this store takes no copies")
        meter = Meter(frozenset({"md5", "sha256"}))
        async for group in groups(inbox.read_copy(copy.target, if_match=copy.etag)):
            for hashing in meter.update(group, self._means.offload):
                await hashing
        return meter.digests()["sha256"].hex(), meter.size


def _bare(label: Label, version: str, bucket: Bucket) -> Version:
    return Version(
        id=version,
        ref=label.ref,
        author=label.author,
        principal="",
        door=DOOR,
        at=label.at,
        null=bucket.versioning is not Versioning.ENABLED,
        headers=label.headers,
        metadata=label.metadata,
        tags=label.tags,
    )
