"""One round of an import: what a depot has that the bucket has not becomes versions.

Each file is written as any client of the sFTP door would write it, so policy, grants, deliveries
and audit are as for every write. A big one is staged part by part, and goes on where a round that
was interrupted had come to.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from gateway.catalog import Expect, Imported, Origin, Staged
from gateway.errors import (
    Conflict,
    CrossdockError,
    Denied,
    DepotMoved,
    DepotUnavailable,
    KeyTooLong,
    NotDelivered,
    PreconditionFailed,
    StoreFault,
    Unavailable,
)
from gateway.exchange.floor import check_key
from gateway.exchange.intake import Relayed
from gateway.exchange.staging import typed
from gateway.exchange.terms import Draft, Found
from gateway.model import PART_NUMBER_MAX, Bucket, Caller, Held, ObjectRef
from gateway.operations.depot import Session
from gateway.operations.depot_reading import OpenFile, opened_file
from gateway.operations.depot_walk import (
    FAILED,
    REFUSED,
    WAITING,
    RemoteFile,
    Selection,
    Walk,
)
from gateway.operations.site import Site

TRANSFERS_MAX = 16
"""Files that are read at once."""
PART_BYTES = 32 * 1024 * 1024
"""Up to here a file is written whole; more is staged in parts, so that much is lost at most."""
NOTES_MAX = 200
"""Files that are noted in one transaction."""
LISTED_MAX = 1000
"""What was left out is listed one by one up to here; all of it is counted."""
AHEAD_SECONDS_MAX = 24 * 3600
"""A depot's clock may be ahead of ours by so much. What is from later still has a wrong date."""
IMPORTER = "import"
"""The principal that writes where none is named: no login has it."""
S_NS = 10**9
MTIME = "mtime"
"""The metadata that says when a file was changed, in seconds: as rclone writes and reads it."""

IMPORTED, KNOWN, KEPT = (
    "imported",  # new versions
    "known",  # taken over before, and unchanged since
    "kept",  # the bucket holds something newer under that name
)
OUTCOMES = (IMPORTED, KNOWN, WAITING, KEPT, REFUSED, FAILED)
LISTED = frozenset({KEPT, REFUSED, FAILED})


@dataclass(frozen=True, slots=True)
class Import:
    """What becomes of which folder: `root` is its path in the depot, `prefix` stands before each
    key. Files younger than `settled` seconds are left for the next round."""

    origin: Origin
    caller: Caller
    root: bytes
    bucket: Bucket
    prefix: str
    selection: Selection = field(default_factory=Selection)
    settled: int = 0
    dry: bool = False


@dataclass(slots=True)
class Tally:
    """What came of a round so far."""

    counts: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    left: list[Mapping[str, str]] = field(default_factory=list)

    def heard(self, path: str, outcome: str, why: str) -> None:
        self.counts[outcome] += 1
        if outcome in LISTED and len(self.left) < LISTED_MAX:
            self.left.append({"path": path, "outcome": outcome, "why": why})


@dataclass(frozen=True, slots=True)
class _Job:
    file: RemoteFile
    ref: ObjectRef
    known: Imported | None
    held: Held | None


class Importing:
    """One round. What it raises ends it: what was imported until then stays so."""

    def __init__(
        self,
        site: Site,
        this: Import,
        session: Session,
        progress: Callable[[int], None],
    ) -> None:
        self.tally = Tally()
        self._site = site
        self._this = this
        self._client = session.client
        self._abandon = session.abandon
        self._progress = progress
        self._notes: dict[str, Imported] = {}
        self._gate = asyncio.Semaphore(TRANSFERS_MAX)

    async def run(self) -> Tally:
        """Raises DepotUnavailable, DepotRefused (its folder), and what keeps the party's own store
        or the catalog from taking anything."""
        walk = Walk(self._client, self._this.root, self._this.selection, self.tally.heard)
        try:
            async with asyncio.TaskGroup() as group, aclosing(walk.pages()) as pages:
                async for page in pages:
                    for job in await self._jobs(page):
                        await self._gate.acquire()
                        group.create_task(self._do(job))
                    self._progress(self.tally.counts.total())
        except BaseExceptionGroup as several:
            raise _first(several) from several
        finally:
            await self._flush()
        self._progress(self.tally.counts.total())
        return self.tally

    # --- what is to be done --------------------------------------------------------------------

    async def _jobs(self, page: Sequence[RemoteFile]) -> Sequence[_Job]:
        catalog, this = self._site.catalog, self._this
        known = await catalog.imported(this.origin, [file.path for file in page])
        jobs = []
        for file in page:
            row = known.get(file.path)
            ref = ObjectRef(this.bucket.name, this.prefix + file.path)
            if row is not None and not row.upload and _same(row, file):
                self.tally.counts[KNOWN] += 1
            elif why := self._forbidden(ref):
                self.tally.heard(file.path, REFUSED, why)
            elif self._unsettled(file):
                self.tally.heard(file.path, WAITING, "")
            else:
                held = await catalog.head(this.caller.party, ref)
                outcome = judged(file, row, held)
                if outcome == IMPORTED:
                    jobs.append(_Job(file, ref, row, held))
                    continue
                why = "the bucket holds something newer under that name"
                self.tally.heard(file.path, outcome, why)
                if held is not None and outcome == KNOWN:
                    await self._note(file, held.version.id)
        return jobs

    def _forbidden(self, ref: ObjectRef) -> str:
        """Asked here so that a depot full of what may not be written is no flood of refusals."""
        try:
            check_key(ref.key)
        except (KeyTooLong, Denied) as error:
            return error.message
        policy, caller = self._site.mesh.policy, self._this.caller
        reason = policy.may_write(caller.principal, ref, self._this.bucket)
        return "" if reason.allowed else reason.text

    def _unsettled(self, file: RemoteFile) -> bool:
        now, settled = self._site.outside.clock() // S_NS, self._this.settled
        return settled > 0 and now - settled < file.mtime < now + AHEAD_SECONDS_MAX

    # --- doing it ------------------------------------------------------------------------------

    async def _do(self, job: _Job) -> None:
        file = job.file
        try:
            if not self._this.dry:
                found = await self._take(job)
                await self._note(file, found.version.id)
        except (DepotMoved, Conflict):
            self.tally.heard(file.path, WAITING, "")
        except (DepotUnavailable, Unavailable, StoreFault):
            self._abandon()  # the round is over, whatever the depot has still to say
            raise
        except NotDelivered:
            self._imported(file)  # stored all the same; the next round finds it known
        except PreconditionFailed:
            self.tally.heard(file.path, KEPT, "somebody wrote under that name just now")
        except (Denied, KeyTooLong) as error:
            self.tally.heard(file.path, REFUSED, error.message)
        except CrossdockError as error:
            self.tally.heard(file.path, FAILED, error.message)
        else:
            self._imported(file)
        finally:
            self._gate.release()

    def _imported(self, file: RemoteFile) -> None:
        self.tally.counts[IMPORTED] += 1
        self.tally.bytes += file.size
        self._progress(self.tally.counts.total())

    async def _take(self, job: _Job) -> Found:
        file = job.file
        draft = Draft(headers=typed(job.ref.key), metadata={MTIME: str(file.mtime)})
        async with opened_file(self._client, file) as source:
            if file.size > PART_BYTES:
                return await self._in_parts(job, draft, source)
            async with aclosing(source.content(0, file.size)) as chunks:
                body = Relayed(chunks, file.size)
                return await self._site.exchange.objects.put(
                    self._this.caller, job.ref, body, draft, _expected(job.held)
                )

    async def _in_parts(self, job: _Job, draft: Draft, source: OpenFile) -> Found:
        file, caller, staging = job.file, self._this.caller, self._site.exchange.staging
        staged = await self._begun(job)
        if staged is None:
            staged = await staging.begin(caller, job.ref, draft)
            version = job.known.version if job.known else ""
            begun = Imported(file.mtime, file.size, version, staged.upload.id)
            await self._site.catalog.note_imported(self._this.origin, {file.path: begun})
        part = max(PART_BYTES, -(-file.size // PART_NUMBER_MAX))
        while staged.size < file.size:
            length = min(part, file.size - staged.size)
            async with aclosing(source.content(staged.size, length)) as chunks:
                staged = await staging.append(caller, staged, Relayed(chunks, length))
        return await staging.publish(caller, staged, job.ref, _expected(job.held))

    async def _begun(self, job: _Job) -> Staged | None:
        """What an earlier round staged of the very same state of the file. Conflict where a
        session of the same principal is just writing under that name."""
        caller, known = self._this.caller, job.known
        staged = await self._site.exchange.staging.look(caller, job.ref)
        if staged is None:
            return None
        if known is not None and staged.upload.id == known.upload:
            return staged if _same(known, job.file) else None
        if caller.principal.name == IMPORTER:
            return None
        raise Conflict

    # --- notes ---------------------------------------------------------------------------------

    async def _note(self, file: RemoteFile, version: str) -> None:
        """A note that is lost costs one look: the version itself says what it was made of."""
        if self._this.dry:
            return
        self._notes[file.path] = Imported(file.mtime, file.size, version)
        if len(self._notes) >= NOTES_MAX:
            await self._flush()

    async def _flush(self) -> None:
        notes, self._notes = self._notes, {}
        await self._site.catalog.note_imported(self._this.origin, notes)


def judged(file: RemoteFile, known: Imported | None, held: Held | None) -> str:
    """What is to become of a file that was not taken over as it is now. What the import itself
    wrote last it replaces, whichever way the file's time went; of what others wrote, or deleted,
    under that name, the newer one stays."""
    if held is None:
        return IMPORTED
    version = held.version
    mtime = _mtime(version.metadata.get(MTIME, ""))
    if not version.marker and (mtime, version.size) == (file.mtime, file.size):
        return KNOWN
    if known is not None and known.version == version.id:
        return IMPORTED
    newest = version.at // S_NS if mtime is None else mtime
    return KEPT if newest > file.mtime else IMPORTED


def _mtime(text: str) -> int | None:
    """Seconds; rclone writes fractions of them, too."""
    whole, _, fraction = text.partition(".")
    return int(whole) if whole.isdecimal() and (not fraction or fraction.isdecimal()) else None


def _same(known: Imported, file: RemoteFile) -> bool:
    return (known.mtime, known.size) == (file.mtime, file.size)


def _expected(held: Held | None) -> Expect:
    """That nobody wrote there since it was looked at."""
    if held is None or held.version.marker:
        return Expect(if_none_match=("*",))
    return Expect(if_match=(held.version.etag,))


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first that has words of our own; else a fault."""
    every = list(_flat(several))
    return next((each for each in every if isinstance(each, CrossdockError)), every[0])


def _flat(error: BaseException) -> Sequence[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [deep for each in error.exceptions for deep in _flat(each)]
