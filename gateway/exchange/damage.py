"""A copy that a reader found damaged is not read again, and is sent again by the scrub."""

from __future__ import annotations

from contextlib import suppress
from types import MappingProxyType

from gateway.catalog import CopyCheck, Finding
from gateway.errors import CatalogUnavailable
from gateway.exchange.floor import Floor
from gateway.model import Delivery, Event

DETAIL = MappingProxyType({"kind": "copy"})


async def note_damage(floor: Floor, copy: Delivery) -> None:
    """Told to the copy's party alone. Where the catalog can't take it, the next reader tells."""
    now = floor.means.clock()
    event = Event(
        "check",
        now,
        party=copy.party,
        bucket=copy.ref.bucket,
        key=copy.ref.key,
        version=copy.version,
        outcome=Finding.DAMAGED.value,
        revision=floor.mesh.revision,
        detail=DETAIL,
        readers=(copy.party,),
    )
    with suppress(CatalogUnavailable):
        await floor.rows.note_checks([CopyCheck(copy.id, 0, Finding.DAMAGED, event=event)])
