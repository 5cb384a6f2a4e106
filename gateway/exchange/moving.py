"""Renaming: another name for a file, or for a folder of them, in one commit; no byte moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.catalog import Expect, Staged, Write
from gateway.errors import BadInput, CatalogUnavailable, PolicyMoved
from gateway.exchange.consuming import Consuming
from gateway.exchange.floor import Floor
from gateway.exchange.listing import PAGE_KEYS_MAX, Listing, Span
from gateway.exchange.objects import Objects
from gateway.exchange.publishing import DECISIONS_MAX, Publication, written
from gateway.exchange.removals import Removals
from gateway.exchange.staging import Staging
from gateway.faults import fault
from gateway.model import Bucket, Caller, ObjectRef

FOLDER_KEYS_MAX = 1000
"""Files that one renaming of a folder covers: they are one transaction."""

ABSENT = Expect(if_none_match=("*",))
ANY = Expect()


@dataclass(frozen=True, slots=True)
class _Move:
    """A version ready under its new name, and what makes the marker for the old one."""

    source: ObjectRef
    old: Bucket
    new: Bucket
    ready: Publication
    mark: Callable[[], Write]


@dataclass(frozen=True, slots=True)
class _Release:
    """A file that was being written, ready under its new name."""

    new: Bucket
    ready: Publication


def never(_: str) -> bool:
    return False


def _renamed(key: str, source: ObjectRef, target: ObjectRef) -> ObjectRef:
    return ObjectRef(target.bucket, target.key + key.removeprefix(source.key))


class Moving:
    def __init__(
        self,
        floor: Floor,
        objects: Objects,
        removals: Removals,
        consuming: Consuming,
        listing: Listing,
        staging: Staging,
    ) -> None:
        self._floor = floor
        self._objects = objects
        self._removals = removals
        self._consuming = consuming
        self._listing = listing
        self._staging = staging

    async def rename(
        self, caller: Caller, source: ObjectRef, target: ObjectRef, *, replaces: bool
    ) -> None:
        """One version under the new name and a marker under the old one, or neither. Raises
        NoSuchKey, Denied where either key may not be written (a recipient that may not write the
        old one consumes, where its `accepts` say so), PreconditionFailed where something
        has the new name and `replaces` is False."""
        bucket = await self._floor.bucket(caller, source.bucket)
        held = await self._floor.held(caller, source, bucket, "", None)
        moved = held is not None and held.version.ref != source  # to that name, when it consumed
        writes = self._floor.mesh.policy.may_write(caller.principal, source, bucket).allowed
        if moved or not writes:
            await self._consume(caller, source, target)
            return
        expect = ANY if replaces else ABSENT
        await self._commit(caller, [await self._move(caller, source, target, expect)])

    async def rename_folder(
        self,
        caller: Caller,
        source: ObjectRef,
        target: ObjectRef,
        *,
        stays: Callable[[str], bool] = never,
    ) -> int:
        """Everything below a prefix (both end in a slash) that the caller sees; all or nothing.
        Files that it is still writing there become versions, but those whose new key `stays` says
        is not final. Returns how many files it was. BadInput beyond FOLDER_KEYS_MAX of them,
        PreconditionFailed where one of the new names is taken."""
        if target.key.startswith(source.key) and target.bucket == source.bucket:
            raise BadInput("a folder can't be moved into itself")
        entries, drafts, folders = await self._inside(caller, source)
        moves: list[_Move | _Release] = []
        for key in entries:
            new = _renamed(key, source, target)
            moves.append(await self._move(caller, ObjectRef(source.bucket, key), new, ABSENT))
        left = []
        for staged in drafts:
            new = _renamed(staged.upload.ref.key, source, target)
            if stays(new.key) or not staged.closed:
                left.append((staged, new))
            else:
                moves.append(_Release(*await self._staging.ready(caller, staged, new, ABSENT)))
        if moves:
            await self._commit(caller, moves)
        for staged, new in left:
            await self._staging.move(caller, staged, new, temporary=True)
        for key in folders:
            await self._staging.make_folder(caller, _renamed(key, source, target))
            await self._staging.drop_folder(caller, ObjectRef(source.bucket, key))
        return len(entries) + len(drafts) + len(folders)

    async def _inside(
        self, caller: Caller, source: ObjectRef
    ) -> tuple[Sequence[str], Sequence[Staged], Sequence[str]]:
        span = Span(prefix=source.key, limit=PAGE_KEYS_MAX)
        page = await self._listing.keys(caller, source.bucket, span)
        drafts = await self._staging.page(caller, source.bucket, source.key)
        last = drafts[-1].upload.ref.key if drafts else ""
        more = await self._staging.page(caller, source.bucket, source.key, last, 1)
        folders = await self._staging.folders(caller, source, FOLDER_KEYS_MAX + 1)
        count = len(page.entries) + len(drafts) + len(folders)
        if page.truncated or (drafts and more) or count > FOLDER_KEYS_MAX:
            text = f"a folder of over {FOLDER_KEYS_MAX} files and folders can't be renamed at once"
            raise BadInput(text)
        return [entry.key for entry in page.entries], drafts, folders

    async def _consume(self, caller: Caller, source: ObjectRef, target: ObjectRef) -> None:
        """What a recipient received it moves in its own view alone."""
        if target.bucket != source.bucket:
            await self._floor.writable(caller, source)
        await self._consuming.consume(caller, source, moved_to=target.key)

    async def _move(
        self, caller: Caller, source: ObjectRef, target: ObjectRef, expect: Expect
    ) -> _Move:
        if source == target:
            raise BadInput("the new name is the old one")
        old = await self._floor.writable(caller, source)
        new = await self._floor.writable(caller, target)
        held = await self._objects.visible(caller, source, old, "", None)
        version = await self._objects.renamed(caller, source, target)
        expect = await self._floor.judged_on_view(caller, target, new, expect)
        unchanged = Expect(if_match=(held.version.etag,))
        mark = await self._removals.marking(caller, source, old, held, unchanged)
        return _Move(source, old, new, Publication(version, expect), mark)

    async def _commit(self, caller: Caller, moves: Sequence[_Move | _Release]) -> None:
        for _ in range(DECISIONS_MAX):
            revision = self._floor.mesh.revision
            changes: list[Write] = []
            for move in moves:
                changes.append(written(self._floor, caller, move.new, move.ready)[0])
                if isinstance(move, _Move):
                    changes.append(move.mark())
            fault("exchange.before-rename")
            try:
                await self._floor.rows.commit_all(changes)
            except PolicyMoved:
                await self._floor.next_mesh(revision)
                for move in moves:
                    self._floor.ask_write(caller, move.ready.version.ref, move.new)
                    if isinstance(move, _Move):
                        self._floor.ask_write(caller, move.source, move.old)
                continue
            fault("exchange.after-rename")
            if any(change.promises or change.removals for change in changes):
                self._floor.means.nudge()
            return
        raise CatalogUnavailable("policy changes too fast to commit under it")
