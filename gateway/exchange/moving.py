"""Renaming: another name for a file, or for a folder of them, in one commit; no byte moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.catalog import Expect, Write
from gateway.errors import BadInput, CatalogUnavailable, PolicyMoved
from gateway.exchange.consuming import Consuming
from gateway.exchange.floor import Floor
from gateway.exchange.listing import PAGE_KEYS_MAX, Listing, Span
from gateway.exchange.objects import Objects
from gateway.exchange.publishing import DECISIONS_MAX, Publication, written
from gateway.exchange.removals import Removals
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


class Moving:
    def __init__(
        self,
        floor: Floor,
        objects: Objects,
        removals: Removals,
        consuming: Consuming,
        listing: Listing,
    ) -> None:
        self._floor = floor
        self._objects = objects
        self._removals = removals
        self._consuming = consuming
        self._listing = listing

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

    async def rename_folder(self, caller: Caller, source: ObjectRef, target: ObjectRef) -> int:
        """Everything below a prefix (both end in a slash) that the caller sees; all or nothing.
        Returns how many. BadInput beyond FOLDER_KEYS_MAX of them, PreconditionFailed where one of
        the new names is taken."""
        if target.key.startswith(source.key) and target.bucket == source.bucket:
            raise BadInput("a folder can't be moved into itself")
        page = await self._listing.keys(
            caller, source.bucket, Span(prefix=source.key, limit=PAGE_KEYS_MAX)
        )
        if page.truncated:
            text = f"a folder of more than {FOLDER_KEYS_MAX} files can't be renamed in one step"
            raise BadInput(text)
        moves = []
        for entry in page.entries:
            new = ObjectRef(target.bucket, target.key + entry.key.removeprefix(source.key))
            old = ObjectRef(source.bucket, entry.key)
            moves.append(await self._move(caller, old, new, ABSENT))
        if moves:
            await self._commit(caller, moves)
        return len(moves)

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

    async def _commit(self, caller: Caller, moves: Sequence[_Move]) -> None:
        for _ in range(DECISIONS_MAX):
            revision = self._floor.mesh.revision
            changes: list[Write] = []
            for move in moves:
                changes.append(written(self._floor, caller, move.new, move.ready)[0])
                changes.append(move.mark())
            fault("exchange.before-rename")
            try:
                await self._floor.rows.commit_all(changes)
            except PolicyMoved:
                await self._floor.next_mesh(revision)
                for move in moves:
                    self._floor.ask_write(caller, move.ready.version.ref, move.new)
                    self._floor.ask_write(caller, move.source, move.old)
                continue
            fault("exchange.after-rename")
            if any(change.promises or change.removals for change in changes):
                self._floor.means.nudge()
            return
        raise CatalogUnavailable("policy changes too fast to commit under it")
