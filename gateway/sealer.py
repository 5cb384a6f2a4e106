"""Keeps the audit log: batches reads, ticks hourly, and signs checkpoints over what is new.

One sealer's work is a series of steps, each bounded. Several may run on one catalog: who publishes
first wins, by compare-and-swap of the published size, and the others take up from there.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest

from gateway.audit.merkle import leaf_hash
from gateway.audit.notes import Checkpoint, Signer, open_checkpoint, sign_checkpoint
from gateway.audit.records import Salts, batch_of, seal_read
from gateway.audit.tiles import TILE_WIDTH, Edge, edge_names, edge_of, grow, hashes
from gateway.catalog import AuditLog
from gateway.errors import CatalogUnavailable, CrossdockError, LogDamaged
from gateway.faults import fault
from gateway.model import Event

SECOND = 1_000_000_000
FLUSH_EVERY_NS = SECOND
COUNT_EVERY_NS = 60 * SECOND
TICK_EVERY_NS = 3600 * SECOND
FAILING_NS_MAX = 10 * SECOND
"""Reads are refused once none could be recorded for this long."""
BUFFER_EVENTS_MAX = 65_536
SOURCES_MAX = 100
"""Sources counted one by one in a minute; further ones are counted together."""
SOURCE_CHARACTERS_MAX = 64
SEAL_RECORDS_MAX = 4096
DROP_BATCHES_MAX = 100
POLL_SECONDS = 0.25
PACK_EVENTS = 16
"""Events sealed in one go: about 0.3 ms."""

UNSIGNED = "no valid signature"
OTHERS = "others"

_log = logging.getLogger(__name__)


class Sealer:
    """`signer` bears the log's origin as its name. `clock` gives moments (ns). Reads' values are
    kept for `keep_reads` ns, 0: forever."""

    def __init__(
        self,
        log: AuditLog,
        signer: Signer,
        clock: Callable[[], int],
        *,
        salts: Salts = os.urandom,
        keep_reads: int = 0,
    ) -> None:
        self._catalog = log
        self._signer = signer
        self._clock = clock
        self._salts = salts
        self._keep = keep_reads
        self._buffer: list[Event] = []
        self._packed: list[bytes] = []  # events that are sealed, and not yet in the log
        self._sources: Counter[str] = Counter()
        self._edge: Edge | None = None
        now = clock()
        self._flushed = now
        self._counted = now
        self._ticked = now
        self._failing = 0  # since when nothing could be flushed; 0: all is well
        self._forgetting = self._keep > 0  # values of old batches may be due to go
        self._fault: CrossdockError | None = None
        self._stopping = asyncio.Event()
        self._working = asyncio.Lock()

    @property
    def fault(self) -> CrossdockError | None:
        """Why the last step failed, for health; None if it went well."""
        return self._fault

    @property
    def waiting(self) -> int:
        """Events that are not yet in the log."""
        return len(self._buffer) + len(self._packed)

    @property
    def sealed(self) -> int:
        """Records under the newest checkpoint that this sealer knows of."""
        return self._edge.size if self._edge else 0

    # --- what the doors and the exchange call ---

    def observe(self, event: Event) -> None:
        """Takes a read, listing or refusal into the next batch; cheap.

        CatalogUnavailable where it could not be recorded: the buffer is full, or nothing could be
        flushed for FAILING_NS_MAX. The read must then not be served.
        """
        if self.waiting >= BUFFER_EVENTS_MAX or self._failed_for(self._clock()):
            raise CatalogUnavailable("Reads can't be recorded now.")
        self._buffer.append(event)

    def unsigned(self, source: str) -> None:
        """Counts a request without a valid signature; never fails and never grows the log."""
        name = source[:SOURCE_CHARACTERS_MAX]
        known = name in self._sources or len(self._sources) < SOURCES_MAX
        self._sources[name if known else OTHERS] += 1

    # --- the work ---

    async def run(self) -> None:
        """Steps until `stop`; a step that fails is tried again, and health says so."""
        while not self._stopping.is_set():
            more = False
            try:
                more = await self.step()
            except CrossdockError as error:
                _log.warning("the audit log can't be kept now: %s", error)
            if not more:
                await _wait(self._stopping, POLL_SECONDS)

    async def stop(self) -> None:
        """Flushes and seals what is left. Raises what the catalog raises."""
        self._stopping.set()
        async with self._working:
            self._count(self._clock())
            await self._flush(self._clock())
            while await self._seal():
                pass

    async def step(self) -> bool:
        """One bounded unit of work; whether more is waiting."""
        async with self._working:
            try:
                more = await self._work(self._clock())
            except CrossdockError as error:
                self._fault = error
                raise
            self._fault = None
            return more

    async def _work(self, now: int) -> bool:
        if _due(self._counted, now, COUNT_EVERY_NS):
            self._count(now)
        await self._pack()
        if _due(self._flushed, now, FLUSH_EVERY_NS):
            await self._flush(now)
        if _due(self._ticked, now, TICK_EVERY_NS):
            await self._catalog.append([Event(kind="tick", at=now)])
            self._ticked = now
            self._forgetting = self._keep > 0
        more = await self._seal()
        if self._forgetting:
            dropped = await self._catalog.drop_reads(now - self._keep, DROP_BATCHES_MAX)
            self._forgetting = dropped >= DROP_BATCHES_MAX
        return more or self._forgetting

    # --- batches ---

    def _failed_for(self, now: int) -> bool:
        return self._failing > 0 and _due(self._failing, now, FAILING_NS_MAX)

    def _count(self, now: int) -> None:
        """One event a minute for all strangers together: they can't grow the log."""
        self._counted = now
        if self._sources and self.waiting < BUFFER_EVENTS_MAX:
            detail = {f"from {source}": str(count) for source, count in self._sources.items()}
            self._buffer.append(Event(kind="refusal", at=now, outcome=UNSIGNED, detail=detail))
            self._sources.clear()

    async def _pack(self) -> None:
        """Seals what was observed, a few events at a time, so that no request waits for many."""
        while self._buffer:
            taken, self._buffer = self._buffer[:PACK_EVENTS], self._buffer[PACK_EVENTS:]
            self._packed += [seal_read(event, self._salts) for event in taken]
            await asyncio.sleep(0)

    async def _flush(self, now: int) -> None:
        """At most one record, whatever was read. What can't be written stays for the next try."""
        await self._pack()
        taken = self._packed
        written = False
        try:
            if taken:
                fault("sealer.flushing")
                await self._catalog.append_reads(batch_of(now, taken, self._salts))
                fault("sealer.flushed")
            written = True
        finally:
            if written:
                self._packed = self._packed[len(taken) :]
                self._flushed, self._failing = now, 0
            else:
                self._failing = self._failing or now

    # --- checkpoints ---

    async def _seal(self) -> bool:
        """Publishes one checkpoint over up to SEAL_RECORDS_MAX new records, if there are any."""
        edge = self._edge = self._edge or await self._take_up()
        size = await self._catalog.size()
        if size < edge.size:
            raise LogDamaged(
                f"The log has {size} records, but {edge.size} were signed.",
                index=size,
                kind="cut off",
            )
        if size == edge.size:
            return False
        growth = grow(edge, await self._leaves(edge.size))
        head = Checkpoint(self._signer.name, growth.edge.size, growth.edge.root())
        fault("sealer.publishing")
        published = await self._catalog.publish(
            old_size=edge.size,
            size=head.size,
            root=head.root,
            note=sign_checkpoint(head, self._signer),
            tiles=growth.tiles,
        )
        fault("sealer.published")
        # Who lost the race starts again from what the winner published.
        self._edge = growth.edge if published else None
        return not published or head.size < size

    async def _leaves(self, start: int) -> Sequence[bytes]:
        records = await self._catalog.records(start, SEAL_RECORDS_MAX)
        for index, record in enumerate(records, start):
            if record.index != index:
                raise LogDamaged(f"Record {index} is missing.", index=index, kind="dropped")
        if not records:
            raise LogDamaged(f"Record {start} is missing.", index=start, kind="dropped")
        return [leaf_hash(record.entry) for record in records]

    async def _take_up(self) -> Edge:
        """The edge under the newest checkpoint, once the stored hashes are shown to be its own:
        nothing inconsistent with it is ever signed."""
        published = await self._catalog.checkpoint()
        if published is None:
            return Edge()
        size, root, note = published
        head, _ = open_checkpoint(note, [self._signer.verifier])
        stored = await self._catalog.tiles(edge_names(size))
        edge = edge_of(size, lambda name: stored.get(name, b""))
        if head != Checkpoint(self._signer.name, size, root) or edge.root() != root:
            raise LogDamaged(
                "The stored hashes are not those of the newest checkpoint.",
                index=size,
                kind="hashes",
            )
        await self._compare_last(edge)
        return edge

    async def _compare_last(self, edge: Edge) -> None:
        """A log that was cut off and has grown again is found out by its last records."""
        width = edge.size % TILE_WIDTH
        start = edge.size - width
        records = await self._catalog.records(start, width) if width else ()
        for index, (record, leaf) in enumerate(
            zip_longest(records, hashes(edge.partials[0]) if width else ()), start
        ):
            if record is None or leaf_hash(record.entry) != leaf:
                raise LogDamaged(
                    f"Record {index} is not the one that was sealed.", index=index, kind="changed"
                )


def _due(last: int, now: int, every: int) -> bool:
    """Whether it is time again; a clock that was set back makes it so at once."""
    return not 0 <= now - last < every


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
