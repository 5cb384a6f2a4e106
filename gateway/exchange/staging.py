"""Files written name by name, as sFTP does: staged, seen by their principal alone, then published.

What arrives lies as extents in the author's store from the first append on, so giving a file its
final name is one commit, whatever its size, and one version comes of it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from mimetypes import MimeTypes

from gateway.catalog import Expect, Staged
from gateway.errors import Conflict, NoSuchUpload, TooLarge
from gateway.exchange.drafts import check_draft
from gateway.exchange.floor import Floor
from gateway.exchange.intake import DEFAULT_CHECKSUM, Relayed, Taken
from gateway.exchange.objects import Objects
from gateway.exchange.publishing import Publication
from gateway.exchange.terms import Draft, Found
from gateway.exchange.uploads import combined, new_upload, take_part
from gateway.faults import fault
from gateway.model import (
    EMPTY,
    OBJECT_BYTES_MAX,
    PART_NUMBER_MAX,
    Body,
    Bucket,
    Caller,
    Chunks,
    ObjectRef,
    Part,
    Upload,
    Version,
)

PAGE_MAX = 1000
FOLDERS_MAX = 100_000
"""Made folders below one prefix that are looked at."""
TYPES = MimeTypes(filenames=())
"""The same on every machine."""
SHA256 = "sha256"
"""Kept with a part, for a file that is one part: the content's identity."""


class Staging:
    def __init__(self, floor: Floor, objects: Objects) -> None:
        self._floor = floor
        self._objects = objects

    async def begin(
        self,
        caller: Caller,
        ref: ObjectRef,
        draft: Draft,
        *,
        onto: Version | None = None,
        temporary: bool = False,
    ) -> Staged:
        """Begins a file, if the caller may write the key (a `temporary` one: any key of the
        bucket); what its principal was writing there makes way. `onto`: it begins as that
        version, which the caller has read."""
        await self.may_begin(caller, ref, temporary=temporary)
        check_draft(draft)
        upload = new_upload(self._floor, caller, ref, draft)
        await self._floor.rows.stage(upload)
        fault("exchange.staged")
        staged = Staged(upload, 0, 0)
        return staged if onto is None else await self._continue(caller, staged, onto)

    async def may_begin(self, caller: Caller, ref: ObjectRef, *, temporary: bool = False) -> None:
        """Raises what `begin` would, before there is anything to begin with."""
        await (self._floor.stageable if temporary else self._floor.writable)(caller, ref)

    async def look(self, caller: Caller, ref: ObjectRef) -> Staged | None:
        """What the principal itself is writing under that name; of others' nothing is told."""
        await self._floor.bucket(caller, ref.bucket)
        return await self._floor.rows.staged(caller.principal, ref)

    async def page(
        self, caller: Caller, bucket: str, prefix: str, after: str = "", limit: int = PAGE_MAX
    ) -> Sequence[Staged]:
        await self._floor.bucket(caller, bucket)
        return await self._floor.rows.page_staged(
            caller.principal, bucket, prefix, after, min(limit, PAGE_MAX)
        )

    async def append(
        self,
        caller: Caller,
        staged: Staged,
        body: Body,
        after: Awaitable[Staged] | None = None,
    ) -> Staged:
        """Makes more bytes durable at the file's end. Raises NoSuchUpload if it made way or was
        published, TooLarge, Denied once policy takes the right away, and the store's errors.
        `after`: the append before this one, under way, whose result `staged` is; its bytes count
        before these do, so that a crash leaves a beginning of the file and no hole."""
        upload = await self._mine(caller, staged)
        number = staged.parts + 1
        if number > PART_NUMBER_MAX or staged.size + (body.size or 0) > OBJECT_BYTES_MAX:
            raise TooLarge(limit=OBJECT_BYTES_MAX)
        taken = await take_part(self._floor, caller, upload, number, body)
        part = _part(number, taken, self._floor.means.clock())
        if after is not None:
            await after
        await self._floor.rows.add_part(upload.id, part)
        fault("exchange.appended")
        return Staged(upload, staged.size + part.size, number)

    async def describe(self, caller: Caller, staged: Staged, metadata: Mapping[str, str]) -> None:
        """More metadata for the version to be."""
        upload = await self._mine(caller, staged)
        check_draft(Draft(metadata={**upload.metadata, **metadata}))
        await self._floor.rows.describe_staged(upload.id, metadata)

    async def move(
        self, caller: Caller, staged: Staged, ref: ObjectRef, *, temporary: bool = False
    ) -> Staged:
        """Another name for a file that is still being written."""
        upload = await self._mine(caller, staged)
        await (self._floor.stageable if temporary else self._floor.writable)(caller, ref)
        await self._floor.rows.move_staged(upload.id, ref)
        return replace(staged, upload=replace(upload, ref=ref))

    async def publish(
        self, caller: Caller, staged: Staged, ref: ObjectRef, expect: Expect
    ) -> Found:
        """Makes it one version under `ref`. When this returns, nothing of it can be lost. Raises
        as put does; the file is then still staged."""
        bucket, ready = await self.ready(caller, staged, ref, expect)
        return await self._objects.publish(caller, bucket, ready)

    async def ready(
        self, caller: Caller, staged: Staged, ref: ObjectRef, expect: Expect
    ) -> tuple[Bucket, Publication]:
        """The version that it is to be, and its bucket, once the caller may write that key."""
        bucket = await self._floor.writable(caller, ref)
        upload = await self._mine(caller, staged)
        parts = await self._floor.rows.parts(upload.id)
        if not parts:
            await self.append(caller, staged, Bytes(b""))
            parts = await self._floor.rows.parts(upload.id)
        if sum(part.size for part in parts) != staged.size:
            raise Conflict("not all of this file has arrived: resume it, or put it anew")
        headers = upload.headers or typed(ref.key)
        draft = Draft(headers, upload.metadata, upload.tags)
        version = assembled(self._objects.new_version(caller, ref, bucket, draft), parts)
        listed = tuple((part.number, part.etag) for part in parts)
        return bucket, Publication(version, expect, upload.id, listed)

    async def close(self, caller: Caller, staged: Staged, *, done: bool = True) -> None:
        """Notes that its writer is done with it, or (not `done`) goes on."""
        upload = await self._mine(caller, staged)
        await self._floor.rows.close_staged(upload.id, self._floor.means.clock() if done else 0)

    async def abandon(self, caller: Caller, staged: Staged) -> None:
        """Lets it go, with what was written of it."""
        upload = await self._mine(caller, staged)
        await self._floor.rows.abort(upload.id)

    async def dropped(self, caller: Caller, staged: Staged) -> None:
        """Notes that a session ended in the middle of it. It stays staged."""
        upload = await self._mine(caller, staged)
        event = self._floor.event(
            "upload", caller, upload.ref, outcome="dropped", readers=(caller.party,)
        )
        self._floor.means.observe(event)

    # --- times ---------------------------------------------------------------------------------

    async def show_time(self, caller: Caller, ref: ObjectRef, modified: int) -> None:
        """When the party's own tree says that a file was modified, in seconds since 1970: of no
        concern to the version, or to anybody else. NoSuchKey, Denied for who only reads."""
        await self._floor.stageable(caller, ref)
        bucket = await self._floor.readable(caller, ref)
        held = await self._objects.visible(caller, ref, bucket, "", None)
        await self._floor.rows.show_time(caller.party, held.version.id, modified)

    async def shown_times(self, caller: Caller, versions: Sequence[str]) -> Mapping[str, int]:
        """What was set for versions that the caller has seen."""
        return await self._floor.rows.shown_times(caller.party, versions)

    # --- folders -------------------------------------------------------------------------------

    async def make_folder(self, caller: Caller, ref: ObjectRef) -> bool:
        """In the party's own tree alone. `ref.key` ends in a slash. False if it is there."""
        return await self._folder(caller, ref, "made")

    async def drop_folder(self, caller: Caller, ref: ObjectRef) -> bool:
        """False if nobody made it."""
        return await self._folder(caller, ref, "removed")

    async def folders(
        self, caller: Caller, ref: ObjectRef, most: int = FOLDERS_MAX
    ) -> Sequence[str]:
        """Those below a prefix that were made, as keys: at most so many."""
        await self._floor.bucket(caller, ref.bucket)
        found: list[str] = []
        after, full = "", True
        while full and len(found) < most:
            page = await self._floor.rows.folders(
                *(caller.party, ref.bucket, ref.key, after, PAGE_MAX)
            )
            found += [path for path in page if caller.principal.covers(path)]
            full = len(page) == PAGE_MAX
            after = page[-1] if page else ""
        return found[:most]

    async def _folder(self, caller: Caller, ref: ObjectRef, outcome: str) -> bool:
        await self._floor.stageable(caller, ObjectRef(ref.bucket, f"{ref.key}."))
        event = self._floor.event("folder", caller, ref, outcome=outcome, readers=(caller.party,))
        rows = self._floor.rows
        act = rows.make_folder if outcome == "made" else rows.drop_folder
        return await act(caller.party, ref.bucket, ref.key, event)

    # --- inside --------------------------------------------------------------------------------

    async def _mine(self, caller: Caller, staged: Staged) -> Upload:
        """As it is now. Whoever may write nothing there any more is refused."""
        await self._floor.stageable(caller, staged.upload.ref)
        found = await self._floor.rows.staged(caller.principal, staged.upload.ref)
        if found is None or found.upload.id != staged.upload.id:
            error = NoSuchUpload(upload=staged.upload.id)
            raise self._floor.refused(caller, staged.upload.ref, error)
        return found.upload

    async def _continue(self, caller: Caller, staged: Staged, version: Version) -> Staged:
        """No byte moves where all are the caller's own."""
        if any(each.party != caller.party or not each.owned for each in version.extents):
            reading = await self._objects.read(caller, version.ref, version=version.id, kind="copy")
            body = Relayed(reading.open(0, version.size), version.size)
            return await self.append(caller, staged, body)
        etag = version.etag.partition("-")[0]
        part = Part(
            1, version.size, etag, self._floor.means.clock(), version.extents, version.checksums
        )
        await self._floor.rows.add_part(staged.upload.id, part)
        return Staged(staged.upload, version.size, 1)


class Bytes(Relayed):
    """A body that is in memory already."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(_each(pieces), sum(map(len, pieces)))


async def _each(pieces: Sequence[bytes]) -> Chunks:
    for piece in pieces:
        yield piece


def typed(key: str) -> Mapping[str, str]:
    """Content headers for a file whose writer could not say what it is: by its name."""
    kind, encoding = TYPES.guess_type(key.rpartition("/")[2])
    return {"content-type": kind} if kind and not encoding else EMPTY


def _part(number: int, taken: Taken, now: int) -> Part:
    sha256 = base64.b64encode(taken.digests[SHA256]).decode()
    checksums = {**taken.checksums, SHA256: sha256}
    return Part(number, taken.extent.length, taken.etag, now, (taken.extent,), checksums)


def assembled(version: Version, parts: Sequence[Part]) -> Version:
    """The version that the parts make: one part as if it had been put at once, more with S3's
    `md5(joined md5s)-N`."""
    extents = tuple(extent for part in parts for extent in part.extents)
    size = sum(part.size for part in parts)
    value = combined(DEFAULT_CHECKSUM, parts)
    sums = {DEFAULT_CHECKSUM: value} if value else {}
    kind = "FULL_OBJECT" if value else ""
    whole = replace(version, size=size, extents=extents, checksums=sums, checksum_type=kind)
    if len(parts) == 1:
        sha256 = base64.b64decode(parts[0].checksums.get(SHA256, "")).hex()
        return replace(whole, etag=parts[0].etag, sha256=sha256)
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    etag = hashlib.md5(joined, usedforsecurity=False).hexdigest()
    return replace(
        whole,
        etag=f"{etag}-{len(parts)}",
        parts=tuple(part.size for part in parts),
        part_checksums=tuple(part.checksums.get(DEFAULT_CHECKSUM, "") for part in parts),
    )
