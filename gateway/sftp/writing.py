"""A file that is open for writing: bytes come in any pieces, and go on as parts in flight."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from gateway.errors import BadInput, CrossdockError, NoSuchUpload, TooLarge
from gateway.exchange import (
    Bytes,
    Draft,
    Exchange,
    Expect,
    Found,
    Reading,
    Relayed,
    Staged,
    typed,
)
from gateway.model import EMPTY, PART_NUMBER_MAX, Caller, ObjectRef, Version

MTIME = "mtime"
"""The metadata that keeps when a file was modified where it came from, as rclone names it on S3."""
MIB = 1024**2
PART_BYTES = 8 * MIB
GROWTH = ((1000, 8 * MIB), (2000, 16 * MIB), (4000, 32 * MIB), (PART_NUMBER_MAX, 64 * MIB))
"""Up to which part they have which size: a file may have 464 GiB."""
IN_FLIGHT_MAX = 3
"""Parts of one file on their way to the store."""
EARLY_BYTES_MAX = 16 * MIB
EARLY_PIECES_MAX = 1024
"""What may be held of a file behind a gap: some clients send their pieces out of order."""
SMALL_BYTES = 4096
"""Pieces below this are kept as one: each of them alone would take more than its bytes."""

ANY = Expect()


class Slots:
    """Bounds the memory of all files that are being written: parts that are on their way at once.
    A party may have as many of them as it leaves to the others, so that one whose store is stuck
    holds up nobody else."""

    def __init__(self, parts: int) -> None:
        self.left = parts
        self._taken: Counter[str] = Counter()
        self._freed = asyncio.Event()

    async def take(self, party: str) -> None:
        while self.left <= self._taken[party]:
            await self._freed.wait()
        self._taken[party] += 1
        self.left -= 1

    def give(self, party: str) -> None:
        self._taken[party] -= 1
        self.left += 1
        self._freed.set()
        self._freed = asyncio.Event()


class Upload:
    """`size` counts all bytes that were taken, in order. Small files are written at once when they
    are done; larger ones are staged as they come.

    `begins` is the version that lies under the name, where it was opened without being cut off:
    what is not written over stays, as it does in any file. `appends`: every write goes to the end.
    """

    def __init__(
        self,
        exchange: Exchange,
        caller: Callable[[], Caller],
        ref: ObjectRef,
        slots: Slots,
        *,
        temporary: bool = False,
        staged: Staged | None = None,
        begins: Reading | None = None,
        appends: bool = False,
        opened: int = 0,
    ) -> None:
        self._exchange = exchange
        self._caller = caller
        self._slots = slots
        self._temporary = temporary
        self._staged = staged
        self._begins = begins
        self._shift: int | None = None if appends else 0
        self._held: list[bytes] = []
        self._small = bytearray()
        self._held_bytes = 0
        self._early: dict[int, bytes] = {}
        self._early_bytes = 0
        self._last: asyncio.Task[Staged] | None = None
        self._flying: list[asyncio.Task[Staged]] = []
        self._end = staged.size if staged else 0
        self._broken: Exception | None = None
        self.ref = ref
        self._opened = opened
        self.metadata: Mapping[str, str] = EMPTY
        self.modified: int | None = None

    @property
    def size(self) -> int:
        return self._end if self._begins is None else max(self._end, self._begins.version.size)

    @property
    def at(self) -> int:
        """When it was modified, in seconds: as its writer says, or since it is open here."""
        return self._opened if self.modified is None else self.modified

    @property
    def untouched(self) -> bool:
        """Nothing was written to what lay there."""
        return self._begins is not None and not self._end and not self._early

    @property
    def held_bytes(self) -> int:
        """What is in memory and not on its way."""
        return self._held_bytes + self._early_bytes

    @property
    def early_bytes(self) -> int:
        return self._early_bytes

    # --- taking bytes --------------------------------------------------------------------------

    def takes(self, offset: int, data: bytes) -> bool:
        """Takes the next bytes if that needs no waiting; else says no, for `take`."""
        ready = self._end and self._shift == 0 and not self._early and self._broken is None
        if not ready or offset != self._end:
            return False
        if self._held_bytes + len(data) >= self._part_bytes():
            return False
        self._hold(data)
        return True

    async def take(self, offset: int, data: bytes, early_max: int = EARLY_BYTES_MAX) -> None:
        """Raises BadInput for bytes that were written before or lie too far ahead, TooLarge, and
        whatever befell the parts on their way. After any of these the file can't be completed.
        `early_max`: how much of it may be held behind a gap."""
        if self._broken is not None:
            raise self._broken
        with self._breaking():
            await self._take(offset, data, early_max)

    async def _take(self, offset: int, data: bytes, early_max: int) -> None:
        if not data:
            return
        offset += await self._first(offset)
        if offset < self._end:
            raise BadInput("a file can't be written over in the middle of its upload")
        if offset > self._end:
            self._keep_early(offset, data, min(early_max, EARLY_BYTES_MAX))
            return
        await self._next(data)
        while self._early and self._end in self._early:
            data = self._early.pop(self._end)
            self._early_bytes -= len(data)
            await self._next(data)

    async def _first(self, offset: int) -> int:
        """What the offsets of this writer are off by; the first one tells where it begins."""
        if self._shift is None:
            where = self.size
            self._shift = where - offset
            await self._begin_at(where)
        elif self._begins is not None and not self._end and not self._early:
            await self._begin_at(min(offset, self._begins.version.size))
        return self._shift

    async def _begin_at(self, where: int) -> None:
        """What lies there stays up to here."""
        if self._begins is None or not where:
            return
        reading, self._end = self._begins, where
        caller = self._caller()
        if where == reading.version.size:
            self._begins = None
            self._staged = await self._stage(caller, reading.version)
            return
        self._staged = await self._stage(caller, None)
        self._staged = await self._exchange.staging.append(
            caller, self._staged, Relayed(reading.open(0, where), where)
        )

    def _keep_early(self, offset: int, data: bytes, most: int) -> None:
        too_much = self._early_bytes + len(data) > most
        if too_much or len(self._early) >= EARLY_PIECES_MAX or offset in self._early:
            self._early.clear()
            self._early_bytes = 0
            raise BadInput(f"bytes are missing from {self._end} on; a file can't have holes")
        self._early[offset] = data
        self._early_bytes += len(data)

    async def _next(self, data: bytes) -> None:
        self._hold(data)
        if self._held_bytes >= self._part_bytes():
            await self._flush()

    def _hold(self, data: bytes) -> None:
        if len(data) < SMALL_BYTES:
            self._small += data
        else:
            self._join_small()
            self._held.append(data)
        self._held_bytes += len(data)
        self._end += len(data)

    def _join_small(self) -> None:
        if self._small:
            self._held.append(bytes(self._small))
            self._small.clear()

    def _part_bytes(self) -> int:
        parts = self._staged.parts if self._staged else 0
        return next((size for last, size in GROWTH if parts < last), PART_BYTES)

    # --- sending parts on ----------------------------------------------------------------------

    async def _stage(self, caller: Caller, onto: Version | None) -> Staged:
        draft = Draft(metadata=self.metadata)
        staging = self._exchange.staging
        return await staging.begin(caller, self.ref, draft, onto=onto, temporary=self._temporary)

    async def _flush(self) -> None:
        """Sends what is held on its way, and waits while too much is."""
        while len(self._flying) >= IN_FLIGHT_MAX:
            await self._flying.pop(0)
        self._join_small()
        if not self._held:
            return
        caller = self._caller()
        if self._staged is None:
            self._staged = await self._stage(caller, None)
        if self._staged.parts >= PART_NUMBER_MAX:
            raise TooLarge(f"a file may have {PART_NUMBER_MAX} parts, and this one has them")
        await self._slots.take(caller.party)
        body, size = Bytes(*self._held), self._held_bytes
        self._held, self._held_bytes = [], 0
        sending = self._exchange.staging.append(caller, self._staged, body, after=self._last)
        self._last = asyncio.create_task(sending)
        self._last.add_done_callback(partial(self._landed, caller.party))
        self._flying.append(self._last)
        upload = self._staged
        self._staged = Staged(upload.upload, upload.size + size, upload.parts + 1)

    async def ease(self) -> None:
        """Sends on what is held, part or not; what befalls it the writer is told in its turn."""
        with suppress(CrossdockError), self._breaking():
            await self._flush()

    def _landed(self, party: str, task: asyncio.Task[Staged]) -> None:
        self._slots.give(party)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told

    async def sync(self) -> None:
        """Everything that came, up to the first gap, is durable when this returns."""
        if self.untouched:
            return
        with self._breaking():
            await self._flush()
            while self._flying:
                await self._flying.pop(0)

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Whatever goes wrong with bytes on their way: the file lacks them from then on."""
        try:
            yield
        except Exception as error:
            self._broken = error
            raise

    def set_modified(self, at: int) -> None:
        """When its writer says that it was modified, in seconds since 1970."""
        self.modified = at
        self.metadata = {MTIME: str(at)}

    # --- ending --------------------------------------------------------------------------------

    async def cut(self, size: int) -> None:
        """Nothing lies behind what was written: what clients say by giving the file a size."""
        if size == self._end or (size == 0 and self.untouched):
            self._begins = None
        elif self._begins is None or size != self._begins.version.size:
            raise BadInput("a file's size is what was written; it can't be cut or filled up")

    async def stay(self) -> Staged:
        """All that came is staged when this returns. BadInput where bytes are missing."""
        await self._finish()
        caller = self._caller()
        if self._staged is None:
            self._staged = await self._stage(caller, None)
            await self.sync()
        if self.metadata:
            await self._exchange.staging.describe(caller, self._staged, self.metadata)
        await self._exchange.staging.close(caller, self._staged)
        return self._staged

    async def publish(self) -> Found:
        """Makes it one version. When this returns, nothing of it can be lost."""
        if self._staged is None and not self._flying and self._begins is None:
            self._check_whole()
            self._join_small()
            caller, draft = self._caller(), Draft(typed(self.ref.key), self.metadata)
            body = Bytes(*self._held)
            found = await self._exchange.objects.put(caller, self.ref, body, draft, ANY)
            await self._clear_away(caller)
            return found
        staged = await self.stay()
        return await self._exchange.staging.publish(self._caller(), staged, self.ref, ANY)

    async def _clear_away(self, caller: Caller) -> None:
        """What was left of an earlier upload of that name is nothing to resume any more."""
        left = await self._exchange.staging.look(caller, self.ref)
        if left is not None:
            await self._exchange.staging.abandon(caller, left)

    async def give_way(self, *, keep: bool) -> None:
        """Another session of the same principal writes this name from now on, as after a lost
        connection of which nobody told us yet. `keep`: it goes on with what came of it."""
        try:
            if keep:
                await self.sync()
        finally:
            self._broken = NoSuchUpload()
            self._held, self._held_bytes = [], 0
            self._small.clear()
            self._early.clear()
            self._early_bytes = 0

    async def drop(self) -> None:
        """Its writer is gone in the middle of it: what came of it stays, for whoever resumes."""
        if self.untouched or isinstance(self._broken, NoSuchUpload):
            return
        await self.sync()
        caller = self._caller()
        if self._staged is None:
            self._staged = await self._stage(caller, None)
        if self.metadata:
            await self._exchange.staging.describe(caller, self._staged, self.metadata)
        await self._exchange.staging.dropped(caller, self._staged)

    async def _finish(self) -> None:
        self._check_whole()
        await self.sync()
        reading = self._begins
        if reading is not None and self._end < reading.version.size:
            left = reading.version.size - self._end
            caller = self._caller()
            if self._staged is None:
                self._staged = await self._stage(caller, None)
            tail = Relayed(reading.open(self._end, left), left)
            self._staged = await self._exchange.staging.append(caller, self._staged, tail)
        self._begins = None

    def _check_whole(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._early:
            raise BadInput(f"bytes are missing from {self._end} on; a file can't have holes")
