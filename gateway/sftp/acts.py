"""What jobs do with files: open, close, rename, remove. Each is one or two verbs of the exchange,
chosen by what lies under the name and by the habits of whoever does it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import (
    BadInput,
    BucketNotEmpty,
    Conflict,
    Denied,
    NotFound,
    PreconditionFailed,
)
from gateway.exchange import Expect, Found, Reading, Staged
from gateway.habits import Habits, Settle, flagged, flags_of, is_temporary, stays
from gateway.model import Caller, May, ObjectRef
from gateway.sftp.reading import Ahead, Download
from gateway.sftp.tree import Spot
from gateway.sftp.visit import S_NS, Entry, Visit
from gateway.sftp.writing import MTIME, Slots, Upload

ABSENT = Expect(if_none_match=("*",))
ANY = Expect()


@dataclass(frozen=True, slots=True)
class How:
    """How a file is opened for writing: what sFTP's flags say."""

    truncates: bool = True
    appends: bool = False
    creates: bool = True
    only_new: bool = False


class Acts:
    def __init__(self, visit: Visit, slots: Slots) -> None:
        self._visit = visit
        self._exchange = visit.exchange
        self._slots = slots
        self._ahead = Ahead()

    # --- reading -------------------------------------------------------------------------------

    async def open_to_read(self, path: bytes) -> Download:
        spot, ref = self._visit.file(path)
        caller = self._visit.standing()
        if self._visit.upload_only(caller, spot.path):
            error = Denied("files can only be put here, not read")
            raise self._visit.refused(caller, ref, error)
        if await self._exchange.staging.look(caller, ref) is not None:
            raise BadInput("this file is still being written; it can be read once it is complete")
        return Download(await self._exchange.objects.read(caller, ref), self._ahead)

    # --- writing -------------------------------------------------------------------------------

    async def open_to_write(self, path: bytes, how: How) -> Upload:
        spot, ref = self._visit.file(path)
        caller = self._visit.standing()
        temporary = is_temporary(self._visit.habits(caller), ref.key)
        await self._exchange.staging.may_begin(caller, ref, temporary=temporary)
        if how.only_new and await self._visit.exists(caller, ref):
            raise PreconditionFailed
        before = self._visit.shared.writing.pop(self._visit.key(caller, ref), None)
        if before is not None:
            await before.give_way(keep=not how.truncates)
        upload = await self._upload(caller, spot, ref, how, temporary=temporary)
        self._visit.shared.writing[self._visit.key(caller, ref)] = upload
        return upload

    async def _upload(
        self, caller: Caller, spot: Spot, ref: ObjectRef, how: How, *, temporary: bool
    ) -> Upload:
        staged, begins = None, None
        if not how.truncates:
            staged = await self._exchange.staging.look(caller, ref)
            if staged is not None and staged.closed:
                await self._exchange.staging.close(caller, staged, done=False)
            if staged is None and not self._visit.upload_only(caller, spot.path):
                begins = await self._begins(caller, ref)
            if staged is None and begins is None and not how.creates:
                raise await self._visit.absent(caller, spot)
        return Upload(
            *(self._exchange, self._visit.standing, ref, self._slots),
            temporary=temporary,
            staged=staged,
            begins=begins,
            appends=how.appends,
            opened=self._visit.shared.clock() // S_NS,
        )

    async def _begins(self, caller: Caller, ref: ObjectRef) -> Reading | None:
        if await self._exchange.objects.peek(caller, ref) is None:
            return None
        try:
            return await self._exchange.objects.read(caller, ref, kind="copy")
        except NotFound:
            return None

    async def close(self, upload: Upload) -> None:
        """The client is done: a version, or a staged file, as its name and the habits have it."""
        caller = self._forget(upload)
        habits = self._visit.habits(caller)
        if upload.untouched:
            return
        waits = stays(habits, upload.ref.key) or habits.settle is Settle.RENAME
        if not waits:
            await self._published(caller, upload.ref, await upload.publish(), upload.modified)
            return
        await upload.stay()
        await self._release(caller, habits, upload.ref)

    async def drop(self, upload: Upload) -> None:
        """The session ended before the client was done."""
        self._forget(upload)
        await upload.drop()

    def _forget(self, upload: Upload) -> Caller:
        for key, each in tuple(self._visit.shared.writing.items()):
            if each is upload:
                del self._visit.shared.writing[key]
        return self._visit.standing()

    async def _published(
        self, caller: Caller, ref: ObjectRef, found: Found, modified: int | None = None
    ) -> None:
        version = found.version
        at = version.at // S_NS
        if modified is not None and caller.principal.may is May.BOTH:
            await self._exchange.staging.show_time(caller, ref, modified)
            at = modified
        name = ref.key.rpartition("/")[2]
        entry = Entry(name, size=version.size, at=at)
        self._visit.shared.recent.put(self._visit.key(caller, ref), entry)

    async def _release(self, caller: Caller, habits: Habits, ref: ObjectRef) -> None:
        """A flag file, or the file that one waits for: with both there, the file is complete."""
        of = flagged(habits, ref.key)
        if of:
            await self._complete(caller, ObjectRef(ref.bucket, of))
            return
        for flag in flags_of(habits, ref.key):
            found = await self._exchange.staging.look(caller, ObjectRef(ref.bucket, flag))
            if found is not None and found.closed:
                await self._complete(caller, ref)
                return

    async def _complete(self, caller: Caller, ref: ObjectRef) -> None:
        staged = await self._exchange.staging.look(caller, ref)
        if staged is not None and staged.closed:
            await self._publish(caller, staged, ref, ANY)

    async def _publish(
        self, caller: Caller, staged: Staged, ref: ObjectRef, expect: Expect
    ) -> None:
        found = await self._exchange.staging.publish(caller, staged, ref, expect)
        modified = staged.upload.metadata.get(MTIME)
        await self._published(caller, ref, found, int(modified) if modified else None)

    # --- names ---------------------------------------------------------------------------------

    async def rename(self, old: bytes, new: bytes, *, replaces: bool) -> None:
        """Gives a file or folder another name: no byte moves. A file that was being written under
        a temporary name becomes one version under its final one."""
        source, target = self._visit.spot(old), self._visit.spot(new)
        if source.path == target.path:
            return
        caller = self._visit.standing()
        if source.key is not None and await self._rename_file(caller, source, target, replaces):
            return
        if source.key is None or not source.prefix or not target.prefix or target.key is None:
            raise self._visit.above(source if source.key is None else target)
        self._stays_put(caller, source, target)
        if not await self._rename_folder(caller, source, target):
            raise await self._visit.absent(caller, source)

    async def _rename_file(
        self, caller: Caller, source: Spot, target: Spot, replaces: bool
    ) -> bool:
        old, new = ObjectRef(source.bucket, source.key or ""), self._target(target)
        if self._visit.key(caller, old) in self._visit.shared.writing:
            raise Conflict("this file is still open for writing")
        staged = await self._exchange.staging.look(caller, old)
        if staged is not None:
            await self._rename_staged(caller, staged, new, replaces)
            return True
        found = await self._seen(caller, old)
        if found is None:
            return False
        self._stays_put(caller, source, target)
        modified = await self._shown_time(caller, found)
        await self._exchange.moving.rename(caller, old, new, replaces=replaces)
        if modified is not None:
            await self._exchange.staging.show_time(caller, new, modified)
        return True

    async def _shown_time(self, caller: Caller, found: Found) -> int | None:
        """When the party's tree says that a file was modified, if anybody said so."""
        if caller.principal.may is not May.BOTH:
            return None
        times = await self._exchange.staging.shown_times(caller, [found.version.id])
        return times.get(found.version.id)

    def _stays_put(self, caller: Caller, source: Spot, target: Spot) -> None:
        """Nothing that is complete can be moved to where it could be read."""
        only = self._visit.upload_only
        if only(caller, source.path) and not only(caller, target.path):
            ref = ObjectRef(source.bucket, source.key or source.prefix or "")
            error = Denied("files can only be put here, not moved elsewhere")
            raise self._visit.refused(caller, ref, error)

    def _target(self, target: Spot) -> ObjectRef:
        if target.key is None and not target.prefix:
            raise self._visit.above(target)
        if target.key is None:
            raise BadInput("the new name is that of a folder")
        return ObjectRef(target.bucket, target.key)

    async def _rename_staged(
        self, caller: Caller, staged: Staged, new: ObjectRef, replaces: bool
    ) -> None:
        habits = self._visit.habits(caller)
        if not stays(habits, new.key):
            if not staged.closed:
                raise Conflict("its upload broke off: resume it, or put it anew")
            await self._publish(caller, staged, new, ANY if replaces else ABSENT)
            return
        if not replaces and await self._visit.exists(caller, new):
            raise PreconditionFailed
        temporary = is_temporary(habits, new.key)
        await self._exchange.staging.move(caller, staged, new, temporary=temporary)
        await self._release(caller, habits, new)

    async def _rename_folder(self, caller: Caller, source: Spot, target: Spot) -> bool:
        old = ObjectRef(source.bucket, source.prefix or "")
        new = ObjectRef(target.bucket, target.prefix or "")
        habits = self._visit.habits(caller)
        moving = self._exchange.moving
        moved = await moving.rename_folder(caller, old, new, stays=lambda key: stays(habits, key))
        return bool(moved)

    async def _seen(self, caller: Caller, ref: ObjectRef) -> Found | None:
        """What lies there. Who may only write is told of its party's own."""
        if caller.principal.may is not May.WRITE:
            return await self._exchange.objects.peek(caller, ref)
        try:
            return await self._exchange.locking.authored(caller, ref)
        except NotFound:
            return None

    async def remove(self, path: bytes) -> None:
        """Lets go of what is being written; hides a version, or (a recipient) consumes it."""
        spot, ref = self._visit.file(path)
        caller = self._visit.standing()
        writing = self._visit.shared.writing.pop(self._visit.key(caller, ref), None)
        if writing is not None:
            await writing.give_way(keep=False)
        staged = await self._exchange.staging.look(caller, ref)
        if staged is not None:
            await self._exchange.staging.abandon(caller, staged)
        if writing is not None or staged is not None:
            return
        if await self._seen(caller, ref) is None:
            if await self._visit.is_folder(caller, spot):
                raise BadInput("this is a folder")
            raise await self._visit.absent(caller, spot)
        await self._exchange.removals.delete(caller, ref)

    async def make_folder(self, path: bytes) -> None:
        spot, ref = self._visit.folder(path)
        caller = self._visit.standing()
        there = await self._visit.exists(caller, ObjectRef(spot.bucket, spot.key or ""))
        if there or await self._visit.is_folder(caller, spot):
            raise PreconditionFailed
        if not await self._exchange.staging.make_folder(caller, ref):
            raise PreconditionFailed

    async def drop_folder(self, path: bytes) -> None:
        """BucketNotEmpty while the caller sees anything in it; a folder that only is because of
        what lies in it goes with that."""
        spot, ref = self._visit.folder(path)
        caller = self._visit.standing()
        if not await self._visit.empty(caller, ref, own=False):
            raise BucketNotEmpty("the folder is not empty")
        if not await self._exchange.staging.drop_folder(caller, ref):
            if not await self._visit.is_folder(caller, spot):
                raise await self._visit.absent(caller, spot)
            error = Denied("this folder is there for as long as its party may write into it")
            raise self._visit.refused(caller, ref, error)

    # --- attributes ----------------------------------------------------------------------------

    async def set_modified(self, path: bytes, modified: int) -> None:
        """Before a file is a version this goes into its metadata; afterwards it is shown to the
        party alone, and changes no version. A folder's time is nobody's."""
        spot = self._visit.spot(path)
        caller = self._visit.standing()
        if spot.key is None:
            return
        ref = ObjectRef(spot.bucket, spot.key)
        writing = self._visit.shared.writing.get(self._visit.key(caller, ref))
        if writing is not None:
            writing.set_modified(modified)
            return
        staged = await self._exchange.staging.look(caller, ref)
        if staged is not None:
            said = {MTIME: str(modified)}
            await self._exchange.staging.describe(caller, staged, said)
        elif self._visit.upload_only(caller, spot.path):
            await self._visit.look(spot)
        elif not (await self._visit.look(spot)).folder:
            await self._exchange.staging.show_time(caller, ref, modified)
