"""Uploads in parts: each part is an extent in the author's store, completed into one version."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from gateway.catalog import Expect
from gateway.digests import ALGORITHMS, combine, composite
from gateway.errors import (
    BadDigest,
    BadInput,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    InvalidRange,
    NoSuchKey,
    NoSuchUpload,
    PartTooSmall,
    TooLarge,
)
from gateway.exchange.drafts import check_draft
from gateway.exchange.floor import Floor
from gateway.exchange.intake import DEFAULT_CHECKSUM, Relayed, Taken, take
from gateway.exchange.objects import Objects, extent_key
from gateway.exchange.publishing import Publication
from gateway.exchange.terms import Completion, CopySource, Draft, Found, PartClaim, Reading
from gateway.exchange.waiting import delivered
from gateway.extents import Label, slices
from gateway.faults import fault
from gateway.model import (
    OBJECT_BYTES_MAX,
    PART_BYTES_MAX,
    PART_NUMBER_MAX,
    Body,
    Caller,
    Extent,
    ObjectRef,
    Part,
    Source,
    Upload,
    Version,
)


class Uploads:
    def __init__(self, floor: Floor, objects: Objects) -> None:
        self._floor = floor
        self._objects = objects

    async def begin(self, caller: Caller, ref: ObjectRef, draft: Draft) -> Upload:
        """Opens an upload, if the caller may write the key. It is seen by its party alone."""
        await self._floor.writable(caller, ref)
        check_draft(draft)
        upload = new_upload(self._floor, caller, ref, draft)
        await self._floor.rows.begin(upload)
        fault("exchange.after-begin")
        return upload

    async def add_part(
        self, caller: Caller, ref: ObjectRef, upload: str, number: int, body: Body
    ) -> Part:
        """Stores one part (1 to 10,000, at most 5 GiB). Sent again it replaces the older one."""
        found = await self._open(caller, ref, upload)
        check_number(number)
        if body.size is not None and body.size > PART_BYTES_MAX:
            raise TooLarge(size=body.size, limit=PART_BYTES_MAX)
        if body.checksum and found.algorithm and body.checksum != found.algorithm:
            raise BadInput(
                f"Checksum Type mismatch occurred, expected checksum Type: {found.algorithm}, "
                f"actual checksum Type: {body.checksum}"
            )
        taken = await take_part(self._floor, caller, found, number, body)
        return await self._keep(found, _part(number, taken, self._floor.means.clock()))

    async def add_part_copy(
        self,
        caller: Caller,
        ref: ObjectRef,
        upload: str,
        number: int,
        source: CopySource,
        span: tuple[int, int] | None,
    ) -> tuple[Part, Reading]:
        """A part out of a version that the caller may read; `span` is (first, last) inclusive.

        No byte moves where all are the caller's own and the whole version is taken.
        """
        found = await self._open(caller, ref, upload)
        check_number(number)
        reading = await self._objects.read(
            caller, source.ref, version=source.version, kind="copy", check=source.check
        )
        old = reading.version
        start, length = _within(span, old.size)
        now = self._floor.means.clock()
        lineage = (Source("part-copy", old.ref, old.id),)
        own = all(e.party == caller.party and e.owned for e in old.extents)
        if own and length == old.size and "-" not in old.etag:
            extents = tuple(slices(old.extents, start, length)) or old.extents
            part = Part(number, length, old.etag, now, extents, old.checksums, lineage)
        else:
            body = Relayed(reading.open(start, length), length, found.algorithm)
            taken = await take_part(self._floor, caller, found, number, body)
            part = replace(_part(number, taken, now), sources=lineage)
        return await self._keep(found, part), reading

    async def complete(
        self,
        caller: Caller,
        ref: ObjectRef,
        upload: str,
        claim: Completion,
        expect: Expect,
        *,
        wait: bool = False,
    ) -> Found:
        """Makes the parts one version. A repeated call gives the version that the first made.

        Raises NoSuchUpload, InvalidPart, InvalidPartOrder, PartTooSmall, BadDigest,
        InvalidArgument (a size claimed that is not the sum), PreconditionFailed.
        """
        bucket = await self._floor.writable(caller, ref)
        found = await self._mine(caller, ref, upload)
        if found.version:
            return await self._completed(caller, found, wait=wait)
        parts = await self._chosen(found, claim.parts)
        version = _assembled(
            self._objects.new_version(caller, ref, bucket, _draft(found)), found, parts, claim
        )
        listed = tuple((part.number, part.etag) for part in parts)
        ready = Publication(version, expect, upload, listed, wait)
        return await self._objects.publish(caller, bucket, ready)

    async def abort(self, caller: Caller, ref: ObjectRef, upload: str) -> None:
        """Forgets the upload and its parts."""
        await self._open(caller, ref, upload)
        await self._floor.rows.abort(upload)
        fault("exchange.after-abort")

    async def parts(
        self, caller: Caller, ref: ObjectRef, upload: str, after: int, limit: int
    ) -> tuple[Upload, Sequence[Part], bool]:
        """One page of the parts by number, and whether there are more."""
        found = await self._open(caller, ref, upload)
        parts = await self._floor.rows.parts(upload, after=after, limit=limit + 1)
        return found, parts[:limit], len(parts) > limit

    # --- inside --------------------------------------------------------------------------------

    async def _mine(self, caller: Caller, ref: ObjectRef, upload: str) -> Upload:
        found = await self._floor.rows.upload(upload)
        if found is None or found.ref != ref or found.principal.party != caller.party:
            raise self._floor.refused(caller, ref, NoSuchUpload(upload=upload))
        return found

    async def _open(self, caller: Caller, ref: ObjectRef, upload: str) -> Upload:
        await self._floor.writable(caller, ref)
        found = await self._mine(caller, ref, upload)
        if found.version:
            raise NoSuchUpload(upload=upload)
        return found

    async def _keep(self, upload: Upload, part: Part) -> Part:
        """An extent whose part could not be recorded has no reference: the collector's."""
        await self._floor.rows.add_part(upload.id, part)
        fault("exchange.after-part")
        return part

    async def _completed(self, caller: Caller, upload: Upload, *, wait: bool) -> Found:
        try:
            found = await self._objects.look(caller, upload.ref, version=upload.version)
        except NoSuchKey:
            raise NoSuchUpload(upload=upload.id) from None
        if wait:
            promised = frozenset(delivery.party for delivery in found.deliveries)
            await delivered(self._floor, found.version, found.label, promised)
        return found

    async def _chosen(self, upload: Upload, claims: Sequence[PartClaim]) -> list[Part]:
        if not claims:
            raise InvalidPart("You must specify at least one part")
        if any(a.number >= b.number for a, b in pairwise(claims)):
            raise InvalidPartOrder
        stored = {part.number: part for part in await self._floor.rows.parts(upload.id)}
        parts = [_matching(stored.get(claim.number), claim, upload) for claim in claims]
        least = self._floor.means.part_bytes_min
        for part in parts[:-1]:
            if part.size < least:
                raise PartTooSmall(number=part.number, size=part.size, limit=least, etag=part.etag)
        if sum(part.size for part in parts) > OBJECT_BYTES_MAX:
            raise TooLarge(limit=OBJECT_BYTES_MAX)
        return parts


def new_upload(floor: Floor, caller: Caller, ref: ObjectRef, draft: Draft) -> Upload:
    """An upload that nobody has recorded yet, if the caller has a store that can take it."""
    floor.home(caller, ref)
    return Upload(
        id=floor.means.ids(),
        ref=ref,
        principal=caller.principal,
        begun=floor.means.clock(),
        headers=draft.headers,
        metadata=draft.metadata,
        tags=draft.tags,
        algorithm=draft.checksum,
        checksum_type=draft.checksum_type,
        lock=draft.lock,
    )


async def take_part(floor: Floor, caller: Caller, upload: Upload, number: int, body: Body) -> Taken:
    """Writes a part as an extent of its own in the caller's store."""
    name, store = floor.home(caller, upload.ref)
    now = floor.means.clock()
    place = Extent(caller.party, name, extent_key(now, floor.means.ids()), 0, 0)
    label = Label(
        upload.ref,
        upload.id,
        caller.party,
        upload.begun,
        number,
        upload.headers,
        upload.metadata,
        upload.tags,
    )
    checksum = upload.algorithm or DEFAULT_CHECKSUM
    return await take(store, place, label, body, floor.means.offload, checksum)


def check_number(number: int) -> None:
    if not 1 <= number <= PART_NUMBER_MAX:
        raise InvalidArgument(
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            name="partNumber",
            value=str(number),
        )


def _part(number: int, taken: Taken, now: int) -> Part:
    return Part(number, taken.extent.length, taken.etag, now, (taken.extent,), taken.checksums)


def _within(span: tuple[int, int] | None, size: int) -> tuple[int, int]:
    if span is None:
        return 0, size
    first, last = span
    if first > last or last >= size:
        raise InvalidRange(range=f"bytes={first}-{last}", size=size)
    return first, last - first + 1


def _matching(part: Part | None, claim: PartClaim, upload: Upload) -> Part:
    if part is None or part.etag != claim.etag:
        raise InvalidPart(number=claim.number, etag=claim.etag, upload=upload.id)
    for algorithm, value in claim.checksums.items():
        if part.checksums.get(algorithm, value) != value:
            raise InvalidPart(number=claim.number, etag=claim.etag, upload=upload.id)
    return part


def _draft(upload: Upload) -> Draft:
    return Draft(upload.headers, upload.metadata, upload.tags, lock=upload.lock)


def _assembled(
    version: Version, upload: Upload, parts: Sequence[Part], claim: Completion
) -> Version:
    """The version that the parts make: S3's `md5(joined md5s)-N`, and one checksum for all."""
    size = sum(part.size for part in parts)
    if claim.size is not None and claim.size != size:
        text = "The provided object size does not match the size of the parts"
        raise BadInput(text)
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    etag = hashlib.md5(joined, usedforsecurity=False).hexdigest()
    algorithm, kind = _checksum_kind(upload, parts)
    value = combined(algorithm, parts, kind)
    if claim.checksums.get(algorithm, value) != value:
        raise BadDigest(algorithm=algorithm)
    sources = {source: None for part in parts for source in part.sources}
    return replace(
        version,
        size=size,
        etag=f"{etag}-{len(parts)}",
        checksums={algorithm: value} if value else {},
        checksum_type=kind if value else "",
        extents=tuple(extent for part in parts for extent in part.extents),
        parts=tuple(part.size for part in parts),
        part_checksums=tuple(part.checksums.get(algorithm, "") for part in parts),
        sources=(*version.sources, *sources),
    )


def _checksum_kind(upload: Upload, parts: Sequence[Part]) -> tuple[str, str]:
    """The algorithm named when the upload began; else what all parts happen to carry."""
    if upload.algorithm:
        return upload.algorithm, upload.checksum_type
    common = set.intersection(*(set(part.checksums) for part in parts))
    if not common:
        return "", ""
    algorithm = min(common)
    return algorithm, "FULL_OBJECT" if ALGORITHMS[algorithm].combine else "COMPOSITE"


def combined(algorithm: str, parts: Sequence[Part], kind: str = "FULL_OBJECT") -> str:
    """The checksum (base64) of what the parts make, "" where not all of them have one."""
    values = [part.checksums.get(algorithm) for part in parts]
    if not algorithm or None in values:
        return ""
    raw = [base64.b64decode(value) for value in values if value]
    if kind == "COMPOSITE":
        return f"{base64.b64encode(composite(algorithm, raw)).decode()}-{len(raw)}"
    whole = raw[0]
    for digest, part in zip(raw[1:], parts[1:], strict=True):
        whole = combine(algorithm, whole, digest, part.size)
    return base64.b64encode(whole).decode()
