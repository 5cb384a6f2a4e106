"""Notices inside a change: made for the parties that watch, in the transaction that they tell of.

A bucket that nobody watches costs one look-up in a mapping of the writer's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from gateway.catalog import views
from gateway.catalog.rows import DELIVERY, DELIVERY_FROM, delivery_of, dumps
from gateway.catalog.values import Retag, Unwrite, Write
from gateway.catalog.writer import Transaction
from gateway.model import EMPTY, Delivery, DeliveryState, Event, Grant, ObjectRef, Version
from gateway.notifications import (
    COMPLETED,
    COPY_ARRIVED_LATE,
    COPY_FAILED,
    COPY_LATE,
    COPY_NOT_TRACKED,
    DELETED,
    EXPIRED,
    EXPIRED_BY_MARKER,
    MARKED,
    QUEUE_MAX,
    RETAINED,
    TAGGED,
    TEST,
    UNTAGGED,
    created,
)

NAME_BYTES = 16
S_NS = 10**9
MS_NS = 10**6

BY_ID = f"SELECT {DELIVERY} FROM {DELIVERY_FROM} WHERE d.id = ?"
OWED = "SELECT pending + parked FROM notice_lanes WHERE party = ? AND webhook = ?"
WAITING = """
SELECT 1 FROM notices INDEXED BY notices_of_key
WHERE party = ? AND webhook = ? AND bucket = ? AND key = ? AND state = 0 LIMIT 1"""
MAKE = """
INSERT INTO notices (id, name, party, webhook, bucket, key, number, event, watch, rest, due, head)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
DROP_OLDEST_PARKED = """
DELETE FROM notices WHERE id = (
  SELECT id FROM notices INDEXED BY notices_of_lane
  WHERE party = ? AND webhook = ? AND state = 1 ORDER BY id LIMIT 1)"""
MISS = "UPDATE notice_lanes SET missed = missed + 1 WHERE party = ? AND webhook = ?"

_STATES: Mapping[DeliveryState, str] = MappingProxyType(
    {
        DeliveryState.PARKED: COPY_FAILED,
        DeliveryState.SUPERSEDED: COPY_NOT_TRACKED,
        DeliveryState.WITHDRAWN: COPY_NOT_TRACKED,
        DeliveryState.CANCELLED: COPY_NOT_TRACKED,
    }
)
"""What the end of a delivery is called, but for a copy that arrived."""


# --- changes -----------------------------------------------------------------------------------


def wrote(tx: Transaction, change: Write, version: Version, grants: Iterable[Grant]) -> None:
    """A version or a marker heads the views of those who are granted it."""
    if version.ref.bucket not in tx.watchers:
        return
    parties = [grant.party for grant in grants]
    _tell(tx, _written(change, version), version.ref, version.number, parties, change.event)


def _written(change: Write, version: Version) -> str:
    if not version.marker:
        return COMPLETED if change.upload else created(version)
    if change.judged:
        return EXPIRED_BY_MARKER if change.shown else EXPIRED
    return MARKED if change.shown else DELETED


def unwrote(tx: Transaction, change: Unwrite, version: Version, parties: Collection[str]) -> None:
    event = EXPIRED if change.judged else DELETED
    _tell(tx, event, version.ref, version.number, parties, change.event)


def retagged(
    tx: Transaction, change: Retag, version: Version, held: Collection[str], now: Collection[str]
) -> None:
    """`held` are the parties that held the version before, `now` those that do since."""
    event = TAGGED if change.tags else UNTAGGED
    kept = [party for party in held if party in now]
    _tell(tx, event, version.ref, version.number, kept, change.event)
    entered(tx, version, [party for party in now if party not in held], change.event)


def retained(tx: Transaction, version: Version, event: Event) -> None:
    _tell(tx, RETAINED, version.ref, version.number, (version.author,), event)


def entered(tx: Transaction, version: Version, parties: Sequence[str], event: Event) -> None:
    """An older version came into these parties' views: told where it is what they now see."""
    if version.marker or version.ref.bucket not in tx.watchers:
        return
    shown = [p for p in parties if views.head_of(tx, p, version.ref) == version.number]
    _tell(tx, created(version), version.ref, version.number, shown, event)


def delivered(tx: Transaction, delivery: int) -> None:
    """A delivery's state has just changed: its author is told what S3 tells of a replication."""
    if not tx.watchers:
        return
    found = delivery_of(tx.all(BY_ID, (delivery,))[0])
    event = _STATES.get(found.state, "")
    if found.state is DeliveryState.DONE and 0 < found.deadline <= tx.clock():
        event = COPY_ARRIVED_LATE
    if event and (found.deadline or event == COPY_FAILED):
        _tell_of_copy(tx, event, found)


def late(tx: Transaction, delivery: Delivery) -> None:
    """A copy is not there by its deadline."""
    _tell_of_copy(tx, COPY_LATE, delivery)


def _tell_of_copy(tx: Transaction, event: str, delivery: Delivery) -> None:
    about = {"to": delivery.party, "rule": delivery.rule, "code": delivery.code}
    if delivery.deadline:
        about["threshold"] = str(round((delivery.deadline - delivery.promised) / S_NS))
        about["took"] = str(round((tx.clock() - delivery.promised) / MS_NS))
    nobody = Event("delivery", tx.clock())
    _tell(tx, event, delivery.ref, delivery.number, (delivery.author,), nobody, about)


def test(tx: Transaction, bucket: str, party: str, webhook: str, event: Event) -> None:
    """The notice that shows that a webhook can be reached."""
    _make(tx, TEST, ObjectRef(bucket, ""), 0, (party, webhook, ""), event, EMPTY)


# --- notices -----------------------------------------------------------------------------------


def _tell(
    tx: Transaction,
    event: str,
    ref: ObjectRef,
    number: int,
    parties: Collection[str],
    change: Event,
    copy: Mapping[str, str] = EMPTY,
) -> None:
    watched = tx.watchers.get(ref.bucket)
    if watched is None:
        return
    for party, watch in watched.get(event, ()):
        if party in parties and watch.covers(ref.key):
            _make(tx, event, ref, number, (party, watch.webhook, watch.id), change, copy)


def _make(
    tx: Transaction,
    event: str,
    ref: ObjectRef,
    number: int,
    to: tuple[str, str, str],
    change: Event,
    copy: Mapping[str, str],
) -> None:
    """A full queue never holds up a write: the oldest parked notice makes room, or this one is
    missed, and counted."""
    party, webhook, watch = to
    owed = tx.one(OWED, (party, webhook))
    if owed and owed[0] >= QUEUE_MAX:
        tx.run(MISS, (party, webhook))
        if not tx.run(DROP_OLDEST_PARKED, (party, webhook)):
            return
    place = (party, webhook, ref.bucket, ref.key)
    waits = tx.one(WAITING, place) is not None
    rest = dict(copy)
    if change.party == party:  # nobody is told of another party's principals and requests
        rest |= {"principal": change.principal, "request": change.request}
    name = tx.salts(NAME_BYTES).hex()
    said = (number, event, watch, dumps({k: v for k, v in rest.items() if v}))
    tx.run(MAKE, (tx.number(), name, *place, *said, tx.clock(), not waits))
    tx.told = True
