"""The promises as the courier sees them: claimed by lane under a lease, settled with a token."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial

from gateway.catalog import telling
from gateway.catalog.desk import Desk
from gateway.catalog.promises import (
    CANCELLED,
    DONE,
    PARKED,
    PROMOTE,
    SUPERSEDED,
    revive,
)
from gateway.catalog.rows import (
    DELIVERY,
    DELIVERY_FROM,
    KINDS,
    MODES,
    ONE_BUCKET,
    STATE_NUMBERS,
    STATES,
    VERSION,
    VERSION_OF,
    Row,
    bucket_of,
    delivery_of,
    receipt_text,
    version_of,
)
from gateway.catalog.values import Backlog, Claim, Lane, Outcome
from gateway.catalog.writer import Transaction
from gateway.model import Delivery, DeliveryKind, DeliveryState, Event, ObjectRef

STEP_ROWS_MAX = 2000
"""Rows that a long listing looks at between two turns of the event loop."""

COPY = DeliveryKind.COPY.value
RECALL = DeliveryKind.RECALL.value

LANES = "SELECT party, store FROM backlog WHERE state = 0 AND count > 0"
FIRST_DUE = """
SELECT due FROM deliveries WHERE party = ? AND store = ? AND state = 0 AND head = 1
ORDER BY due LIMIT 1"""
DUE = """
SELECT id, number FROM deliveries
WHERE party = ? AND store = ? AND state = 0 AND head = 1 AND due <= ? ORDER BY due, id LIMIT ?"""
LEASE = "UPDATE deliveries SET token = token + 1, lease = ?1, due = ?1 WHERE id = ?2"
RENEW = """
UPDATE deliveries SET lease = ?1, due = ?1
WHERE id = ?2 AND token = ?3 AND state = 0 AND lease > 0"""
BY_ID = f"SELECT {DELIVERY} FROM {DELIVERY_FROM} WHERE d.id = ?"
MODE_HELD = "SELECT mode FROM grants WHERE party = ? AND bucket = ? AND key = ? AND age = ?"
LEASED = """
SELECT d.party, d.store, d.target, d.kind, d.number, v.bucket, v.key, v.unwritten
FROM deliveries d JOIN versions v ON v.number = d.number
WHERE d.id = ? AND d.token = ? AND d.state = 0 AND d.lease > 0"""
REMOVED = """
UPDATE deliveries INDEXED BY deliveries_at_target SET replaced = 1, live = 0, gone = ?1
WHERE party = ?2 AND store = ?3 AND target = ?4 AND live = 1 AND state = 2 AND kind = 'copy'
  AND number IN (SELECT number FROM versions WHERE bucket = ?5 AND key = ?6)
  AND (number = ?7 OR ?1 = 'removal' AND number < ?7)"""
COPIES_THERE = f"""
SELECT {DELIVERY} FROM {DELIVERY_FROM}
WHERE d.party = ?1 AND d.store = ?2 AND d.target = ?3 AND d.live = 1 AND d.state = 2"""
RETAGGED = f"""
SELECT {DELIVERY} FROM {DELIVERY_FROM}
WHERE d.number = ? AND d.party = ? AND d.store = ? AND d.target = ? AND d.kind = 'tags'
  AND d.state = 2 ORDER BY d.id DESC LIMIT 1"""
HIDDEN = f"""
SELECT {VERSION} FROM versions m JOIN versions v ON v.number = m.hides
WHERE m.number = ? AND m.hides > 0"""
CALLED_BACK = """
SELECT 1 FROM deliveries
WHERE number = ? AND party = ? AND store = ? AND target = ? AND kind = 'recall' AND state = 0"""
NEWER = """
SELECT 1 FROM deliveries d INDEXED BY deliveries_at_target JOIN versions v ON v.number = d.number
WHERE d.party = ? AND d.store = ? AND d.target = ? AND d.live = 1 AND d.state < 2
  AND d.number > ? AND v.bucket = ? AND v.key = ? LIMIT 1"""
SETTLE = """
UPDATE deliveries SET state = ?, due = ?, code = ?, error = ?, receipt = ?, live = ?, head = ?,
       checked = ?, lease = 0, token = token + 1, attempts = attempts + 1
WHERE id = ?"""
REPLACE = """
UPDATE deliveries INDEXED BY deliveries_at_target SET replaced = 1, live = 0
WHERE party = ? AND store = ? AND target = ? AND live = 1 AND state = 2 AND id <> ?"""

OVERDUE = f"""
SELECT {DELIVERY} FROM {DELIVERY_FROM}
WHERE d.deadline > 0 AND d.deadline <= ? AND d.missed = 0 AND d.state < 2
ORDER BY d.deadline LIMIT ?"""
RESUME = "UPDATE deliveries SET state = 0, due = ?1, lease = 0 WHERE state = 1 AND state < 2"
PARKED_LANES = "SELECT party, store FROM backlog WHERE state = 1 AND count > 0"
OPEN_LANES = "SELECT DISTINCT party, store FROM backlog WHERE state = ? AND count > 0"
OPEN = f"""
SELECT {DELIVERY} FROM {DELIVERY_FROM}
WHERE d.party = ? AND d.store = ? AND d.state = ? AND d.state < 2 AND d.id > ? ORDER BY d.id"""
EVERY = f"SELECT {DELIVERY} FROM {DELIVERY_FROM} WHERE d.id > ? ORDER BY d.id"
BACKLOG = """
SELECT b.party, b.store, b.state, b.count, b.bytes,
       (SELECT d.promised FROM deliveries d
        WHERE d.party = b.party AND d.store = b.store AND d.state = b.state AND d.state < 2
        ORDER BY d.id LIMIT 1)
FROM backlog b WHERE b.count > 0"""


class SqliteOutbox(Desk):
    async def lanes(self, now: int) -> Sequence[Lane]:
        lanes = [Lane(party, store) for party, store in self.reader.all(LANES)]
        return [lane for lane in lanes if _at_most(self._first_due(lane), now)]

    async def next_due(self) -> int | None:
        dues = [self._first_due(Lane(*lane)) for lane in self.reader.all(LANES)]
        return min((due for due in dues if due is not None), default=None)

    def _first_due(self, lane: Lane) -> int | None:
        row = self.reader.one(FIRST_DUE, (lane.party, lane.store))
        return row[0] if row else None

    async def claim(self, lane: Lane, limit: int, now: int, lease: int) -> Sequence[Claim]:
        if not _at_most(self._first_due(lane), now):
            return ()  # nothing to lease: no commit for it
        return await self.write(partial(_claim, lane=lane, limit=limit, now=now, until=now + lease))

    async def renew(self, delivery: int, token: int, until: int) -> bool:
        return await self.write(lambda tx: tx.run(RENEW, (until, delivery, token)) == 1)

    async def settle(
        self, delivery: int, token: int, outcome: Outcome, event: Event | None
    ) -> bool:
        return await self.write(
            partial(_settle, delivery=delivery, token=token, outcome=outcome, event=event)
        )

    async def miss(
        self, now: int, limit: int, tell: Callable[[Delivery], Event]
    ) -> Sequence[Delivery]:
        if not self.reader.all(OVERDUE, (now, 1)):
            return ()  # nothing to tell: no commit for it
        return await self.write(partial(_miss, now=now, limit=limit, tell=tell))

    async def resume(
        self, *, ids: Sequence[int] = (), lane: Lane | None = None, now: int = 0
    ) -> int:
        return await self.write(partial(_resume, ids=ids, lane=lane, now=now))

    async def deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        party: str = "",
        author: str = "",
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[Delivery]:
        found: list[Delivery] = []
        spot: int | None = after
        while spot is not None and len(found) < limit:
            with ExitStack() as stack:
                rows = self._by_id(stack, state, party, spot)
                spot = None
                for seen, row in enumerate(rows):
                    delivery = delivery_of(row)
                    if (
                        (state is None or delivery.state is state)
                        and party in ("", delivery.party)
                        and author in ("", delivery.author)
                    ):
                        found.append(delivery)
                    if len(found) == limit:
                        break
                    if seen == STEP_ROWS_MAX:
                        spot = delivery.id
                        break
            await asyncio.sleep(0)
        return found

    def _by_id(
        self, stack: ExitStack, state: DeliveryState | None, party: str, after: int
    ) -> Iterable[Row]:
        """Rows by id. Open ones are merged from their lanes, so that what is done costs nothing."""
        if state is None or not state.open:
            return stack.enter_context(closing(self.reader.rows(EVERY, (after,))))
        number = STATE_NUMBERS[state]
        lanes = [lane for lane in self.reader.all(OPEN_LANES, (number,)) if party in ("", lane[0])]
        scans = [
            stack.enter_context(closing(self.reader.rows(OPEN, (*lane, number, after))))
            for lane in lanes
        ]
        return heapq.merge(*scans, key=lambda row: row[0])

    async def backlog(self) -> Sequence[Backlog]:
        return [
            Backlog(Lane(party, store), STATES[state], count, size, oldest)
            for party, store, state, count, size, oldest in self.reader.all(BACKLOG)
        ]


def _at_most(due: int | None, now: int) -> bool:
    return due is not None and due <= now


def _claim(tx: Transaction, lane: Lane, limit: int, now: int, until: int) -> Sequence[Claim]:
    claims = []
    for id_, number in tx.all(DUE, (lane.party, lane.store, now, limit)):
        tx.run(LEASE, (until, id_))
        delivery = tx.all(BY_ID, (id_,))[0]
        version = version_of(tx.all(VERSION_OF, (number,))[0])
        bucket = tx.one(ONE_BUCKET, (version.ref.bucket,))
        held = tx.one(MODE_HELD, (lane.party, version.ref.bucket, version.ref.key, -number))
        claim = Claim(
            delivery_of(delivery),
            version,
            bucket_of(bucket) if bucket else None,
            MODES[held[0]] if held else None,
        )
        claims.append(_with_copies(tx, claim) if claim.delivery.kind.removes else claim)
    return claims


def _with_copies(tx: Transaction, claim: Claim) -> Claim:
    """What is to be removed, as far as it is known."""
    delivery = claim.delivery
    place = (delivery.party, delivery.store, delivery.target)
    copies = [delivery_of(row) for row in tx.all(COPIES_THERE, place)]
    newest = [tx.one(RETAGGED, (copy.number, *place)) for copy in copies]
    retagged = [delivery_of(row) for row in newest if row]
    row = tx.one(HIDDEN, (delivery.number,))
    return replace(claim, copies=(*copies, *retagged), hidden=version_of(row) if row else None)


def _settle(
    tx: Transaction, delivery: int, token: int, outcome: Outcome, event: Event | None
) -> bool:
    row = tx.one(LEASED, (delivery, token))
    if row is None:
        return False
    *place, kind, number, bucket, key, unwritten = row
    state = STATE_NUMBERS[outcome.state]
    removes = KINDS[kind].removes
    if state <= PARKED and unwritten and kind != RECALL:
        state = CANCELLED  # its author deleted it while the attempt ran
    elif state <= PARKED:
        state = _overtaken(tx, kind, state, (*place, number, bucket, key))
    is_open = state <= PARKED
    live = is_open or (state == DONE and kind == COPY)
    receipt = receipt_text(outcome.receipt) if outcome.receipt else None
    said = (outcome.code, outcome.error, receipt)
    checked = outcome.receipt.at if outcome.receipt else 0
    tx.run(SETTLE, (state, outcome.due, *said, live, is_open, checked, delivery))
    if state == DONE and kind == COPY:
        tx.run(REPLACE, (*place, delivery))
    if state == DONE and removes:
        tx.run(REMOVED, (kind, *place, bucket, key, number))
    if not is_open:
        tx.run(PROMOTE, place)
    if removes and unwritten and not is_open and kind != RECALL:
        revive(tx, place[0], ObjectRef(bucket, key), tx.number())  # the marker is gone by now
    if bucket in tx.watchers:
        telling.delivered(tx, delivery)
    if event is not None:
        tx.record(event, tx.number())
    return True


def _overtaken(tx: Transaction, kind: str, state: int, about: Row) -> int:
    """A failed attempt ends where a newer version came meanwhile and waits for its target key, or
    where its own was called back. A recall stands as long as it can be made."""
    if (kind != RECALL or state == PARKED) and tx.one(NEWER, about):
        return SUPERSEDED
    party, store, target, number, *_ = about
    called_back = kind == COPY and tx.one(CALLED_BACK, (number, party, store, target))
    return CANCELLED if called_back else state


def _miss(
    tx: Transaction, now: int, limit: int, tell: Callable[[Delivery], Event]
) -> Sequence[Delivery]:
    missed = [delivery_of(row) for row in tx.all(OVERDUE, (now, limit))]
    for delivery in missed:
        tx.run("UPDATE deliveries SET missed = 1 WHERE id = ?", (delivery.id,))
        telling.late(tx, delivery)
        tx.record(tell(delivery), tx.number())
    return missed


def _resume(tx: Transaction, ids: Sequence[int], lane: Lane | None, now: int) -> int:
    if ids:
        by_id = "UPDATE deliveries SET state = 0, due = ?, lease = 0 WHERE id = ? AND state = 1"
        return sum(tx.run(by_id, (now, id_)) for id_ in ids)
    in_lane = f"{RESUME} AND party = ?2 AND store = ?3"
    lanes = [(lane.party, lane.store)] if lane else tx.all(PARKED_LANES)
    return sum(tx.run(in_lane, (now, *each)) for each in lanes)
