"""Waiting for copies where a rule or a request says so: `ack: all`, `x-crossdock-wait`.

The version is committed before this begins: whatever comes of it, nothing of it is lost, and the
courier goes on. The catalog is asked, not the courier, for that may run in another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from gateway.errors import NotDelivered
from gateway.exchange.floor import Floor
from gateway.exchange.terms import STATUS_OF
from gateway.model import Decision, Delivery, DeliveryKind, DeliveryState, Version

POLL_FIRST_S = 0.01
POLL_MAX_S = 0.25
"""A local copy is verified within milliseconds; a far one is worth fewer questions."""


def awaited(decision: Decision, *, every: bool) -> frozenset[str]:
    """The parties whose copies the acknowledgement waits for; `every` is the request's wish."""
    return frozenset(s.party for s in decision.shares if s.copied and (every or s.ack))


async def delivered(floor: Floor, version: Version, label: str, parties: frozenset[str]) -> None:
    """Returns once each of these parties has its verified copy of the version.

    Raises NotDelivered after `means.wait_s` seconds, or as soon as a copy will not come by itself
    (parked, withdrawn, superseded by a newer version).
    """
    if not parties:
        return
    clock = asyncio.get_running_loop().time
    end, pause = clock() + floor.means.wait_s, POLL_FIRST_S
    while True:
        states = _states(await floor.rows.deliveries_of(version.number), parties)
        missing = {p: s for p, s in states.items() if s is not DeliveryState.DONE}
        if not missing:
            return
        hopeless = any(state is not DeliveryState.PENDING for state in missing.values())
        if hopeless or clock() >= end:
            raise _incomplete(version, label, missing, floor.means.wait_s)
        await asyncio.sleep(min(pause, max(0.0, end - clock())))
        pause = min(2 * pause, POLL_MAX_S)


def _states(deliveries: Sequence[Delivery], parties: frozenset[str]) -> Mapping[str, DeliveryState]:
    """The newest copy of each party; one that was promised and is not there was cancelled."""
    found = dict.fromkeys(sorted(parties), DeliveryState.CANCELLED)
    for delivery in deliveries:
        if delivery.party in found and delivery.kind is DeliveryKind.COPY:
            found[delivery.party] = delivery.state
    return found


def _incomplete(
    version: Version, label: str, missing: Mapping[str, DeliveryState], wait_s: float
) -> NotDelivered:
    named = ", ".join(f"{party} ({state.value})" for party, state in missing.items())
    waiting = any(state is DeliveryState.PENDING for state in missing.values())
    after = f" within {wait_s:g} seconds" if waiting else ""
    return NotDelivered(
        f"The object is stored{f' as version {label}' if label else ''}; do not send it again. "
        f"Its copy has not been verified{after} at: {named}.",
        version_id=label,
        etag=version.etag,
        missing={party: STATUS_OF.get(state, "FAILED") for party, state in missing.items()},
    )
