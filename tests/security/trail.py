"""Events through a real sealer into the log, and out again as the operator could open them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from gateway.audit.notes import Signer
from gateway.audit.records import Opened, decode, unpack
from gateway.catalog.sqlite import SqliteCatalog
from gateway.model import Event
from gateway.sealer import Sealer

PAGE = 1000


async def recorded(
    catalog: SqliteCatalog, events: Iterable[Event], strangers: Iterable[str] = ()
) -> list[Opened]:
    """Every record of the log, and every event of its batches, once these are in it."""
    sealer = Sealer(catalog, Signer("test/log", bytes(32)), time.time_ns)
    for event in events:
        sealer.observe(event)
    for stranger in strangers:
        sealer.unsigned(stranger)
    await sealer.stop()
    found: list[Opened] = []
    while records := await catalog.records(len(found), PAGE):
        found += [decode(record.openings) for record in records]
    batches = [at for at, record in enumerate(found) if record.value("kind") == "reads"]
    for at in batches:
        found += [decode(unpack(packed).openings) for packed in await catalog.reads_of(at)]
    return found
