"""Notification configurations and notices as those who put and send them see them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from functools import partial

from gateway.catalog import telling
from gateway.catalog.desk import Desk
from gateway.catalog.noticing import NoticeBacklog, NoticeClaim, NoticeLane, NoticeOutcome
from gateway.catalog.rows import ONE_BUCKET, VERSION, Row, bucket_of, loads, version_of
from gateway.catalog.writer import Transaction
from gateway.errors import NoSuchBucket
from gateway.model import Bucket, Event, ObjectRef
from gateway.notifications import TEST, Notice, Watch, text_of, watches_from

WATCHES = "SELECT watches FROM notifications WHERE bucket = ? AND party = ?"
WATCH = "INSERT OR REPLACE INTO notifications VALUES (?, ?, ?)"
UNWATCH = "DELETE FROM notifications WHERE bucket = ? AND party = ?"

LANES = "SELECT party, webhook FROM notice_lanes WHERE pending > 0"
EVERY_LANE = "SELECT party, webhook FROM notice_lanes WHERE pending + parked > 0"
PARKED_LANES = "SELECT party, webhook FROM notice_lanes WHERE parked > 0"
FIRST_DUE = """
SELECT due FROM notices INDEXED BY notices_due
WHERE party = ? AND webhook = ? AND state = 0 AND head = 1 ORDER BY due LIMIT 1"""
DUE = """
SELECT id FROM notices INDEXED BY notices_due
WHERE party = ? AND webhook = ? AND state = 0 AND head = 1 AND due <= ? ORDER BY due, id LIMIT ?"""
LEASE = "UPDATE notices SET token = token + 1, lease = ?1, due = ?1 WHERE id = ?2"
NOTICE = """
n.id, n.name, n.party, n.webhook, n.bucket, n.key, n.event, n.watch, n.rest, n.attempts, n.due,
n.token, n.state, n.error"""
NOTICE_WIDTH = 14
CLAIM = f"""
SELECT {NOTICE}, n.number,
       EXISTS (SELECT 1 FROM grants g WHERE g.party = n.party AND g.bucket = n.bucket
               AND g.key = n.key AND g.age = -n.number),
       (SELECT l.missed FROM notice_lanes l WHERE l.party = n.party AND l.webhook = n.webhook)
FROM notices n WHERE n.id = ?"""
VERSION_OF = f"SELECT {VERSION} FROM versions v WHERE v.number = ?"

LEASED = """
SELECT party, webhook, bucket, key FROM notices
WHERE id = ? AND token = ? AND state = 0 AND lease > 0"""
END = "DELETE FROM notices WHERE id = ?"
SETTLE = """
UPDATE notices SET state = ?, due = ?, error = ?, attempts = attempts + ?, head = 0,
       lease = 0, token = token + 1
WHERE id = ?"""
PROMOTE = """
UPDATE notices SET head = 1 WHERE id = (
  SELECT id FROM notices INDEXED BY notices_of_key
  WHERE party = ? AND webhook = ? AND bucket = ? AND key = ? AND state = 0 ORDER BY id LIMIT 1)"""
STALE = """
SELECT id, party, webhook, bucket, key FROM notices INDEXED BY notices_of_lane
WHERE party = ? AND webhook = ? AND state = 0 AND id < ? AND lease = 0 ORDER BY id LIMIT ?"""
PARK = "UPDATE notices SET state = 1, head = 0, error = ?, token = token + 1 WHERE id = ?"
PARKED = """
SELECT id, party, webhook, bucket, key FROM notices INDEXED BY notices_of_lane
WHERE party = ? AND webhook = ? AND state = 1 ORDER BY id LIMIT ?"""
PARKED_ONE = """
SELECT id, party, webhook, bucket, key FROM notices WHERE id = ? AND state = 1"""
RESUME = "UPDATE notices SET state = 0, due = ? WHERE id = ?"
STEP_BACK = """
UPDATE notices SET head = 0
WHERE party = ? AND webhook = ? AND bucket = ? AND key = ? AND state = 0 AND lease = 0"""
UNDER_WAY = """
SELECT 1 FROM notices INDEXED BY notices_of_key
WHERE party = ? AND webhook = ? AND bucket = ? AND key = ? AND state = 0 AND lease > 0 LIMIT 1"""
OF_LANE = f"""
SELECT {NOTICE} FROM notices n INDEXED BY notices_of_lane
WHERE n.party = ? AND n.webhook = ? AND n.state = ? AND n.id > ? ORDER BY n.id LIMIT ?"""
BACKLOG = """
SELECT l.party, l.webhook, l.pending, l.parked, l.missed,
       (SELECT min(id) FROM notices n WHERE n.party = l.party AND n.webhook = l.webhook
        AND n.state = 0),
       (SELECT min(id) FROM notices n WHERE n.party = l.party AND n.webhook = l.webhook
        AND n.state = 1)
FROM notice_lanes l WHERE l.pending + l.parked + l.missed > 0"""


class SqliteNotices(Desk):
    # --- configurations ------------------------------------------------------------------------

    async def watches(self, bucket: str, party: str) -> Sequence[Watch]:
        row = self.reader.one(WATCHES, (bucket, party))
        return watches_from(row[0]) if row else ()

    async def set_watches(
        self, bucket: Bucket, party: str, watches: Sequence[Watch], event: Event, *, test: bool
    ) -> None:
        def work(tx: Transaction) -> None:
            if bucket.created and not tx.one(ONE_BUCKET, (bucket.name,)):
                raise NoSuchBucket
            if watches:
                tx.run(WATCH, (bucket.name, party, text_of(watches)))
            else:
                tx.run(UNWATCH, (bucket.name, party))
            tx.watch(bucket.name)
            tx.record(event, tx.number())
            for webhook in sorted({watch.webhook for watch in watches}) if test else ():
                telling.test(tx, bucket.name, party, webhook, event)

        await self.write(work)

    # --- notices -------------------------------------------------------------------------------

    def on_notice(self, nudge: Callable[[], None]) -> None:
        if self._writer is not None:
            self._writer.told = nudge

    async def notice_lanes(self, now: int) -> Sequence[NoticeLane]:
        lanes = [NoticeLane(*row) for row in self.reader.all(LANES)]
        return [lane for lane in lanes if self._is_due(lane, now)]

    async def next_notice(self) -> int | None:
        firsts = [self.reader.one(FIRST_DUE, row) for row in self.reader.all(LANES)]
        return min((first[0] for first in firsts if first), default=None)

    def _is_due(self, lane: NoticeLane, now: int) -> bool:
        first = self.reader.one(FIRST_DUE, (lane.party, lane.webhook))
        return first is not None and first[0] <= now

    async def claim_notices(
        self, lane: NoticeLane, limit: int, now: int, lease: int
    ) -> Sequence[NoticeClaim]:
        if not self._is_due(lane, now):
            return ()  # nothing to lease: no commit for it
        return await self.write(partial(_claim, lane=lane, limit=limit, now=now, until=now + lease))

    async def settle_notices(self, outcomes: Sequence[NoticeOutcome]) -> int:
        return await self.write(lambda tx: sum(_settle(tx, each) for each in outcomes))

    async def park_notices(self, lane: NoticeLane, before: int, error: str, limit: int) -> int:
        stale = (lane.party, lane.webhook, before, limit)
        if not self.reader.all(STALE, (*stale[:3], 1)):
            return 0

        def work(tx: Transaction) -> int:
            rows = tx.all(STALE, stale)
            for id_, *_ in rows:
                tx.run(PARK, (error, id_))
            for place in {tuple(place) for _, *place in rows}:
                _promote(tx, place)
            return len(rows)

        return await self.write(work)

    async def resume_notices(
        self, *, ids: Sequence[int] = (), lane: NoticeLane | None = None, now: int, limit: int
    ) -> int:
        def work(tx: Transaction) -> int:
            rows = list(_parked(tx, ids, lane, limit))
            for id_, *_ in rows:
                tx.run(RESUME, (now, id_))
            for place in {tuple(place) for _, *place in rows}:
                tx.run(STEP_BACK, place)
                _promote(tx, place)
            return len(rows)

        return await self.write(work) if self.reader.all(PARKED_LANES) else 0

    async def notices(
        self, *, parked: bool | None = None, party: str = "", after: int = 0, limit: int = 1000
    ) -> Sequence[Notice]:
        states = (0, 1) if parked is None else (int(parked),)
        lanes = [row for row in self.reader.all(EVERY_LANE) if party in ("", row[0])]
        with ExitStack() as stack:
            scans = [
                stack.enter_context(
                    closing(self.reader.rows(OF_LANE, (*lane, state, after, limit)))
                )
                for lane in lanes
                for state in states
            ]
            rows = heapq.merge(*scans, key=lambda row: row[0])
            return [notice_of(row) for row, _ in zip(rows, range(limit), strict=False)]

    async def notice_backlog(self) -> Sequence[NoticeBacklog]:
        return [
            NoticeBacklog(
                NoticeLane(party, webhook),
                *(pending, parked, missed),
                min((moment for moment in oldest if moment), default=0),
            )
            for party, webhook, pending, parked, missed, *oldest in self.reader.all(BACKLOG)
        ]


def notice_of(row: Row) -> Notice:
    """From the columns of NOTICE."""
    id_, name, party, webhook, bucket, key, event, watch, text, *left = row
    attempts, due, token, state, error = left
    rest = loads(text)
    principal, request = rest.pop("principal", ""), rest.pop("request", "")
    return Notice(
        *(id_, name, party, webhook, ObjectRef(bucket, key), event, watch, principal, request),
        *(rest, attempts, due, token, state == 1, error),
    )


def _claim(
    tx: Transaction, lane: NoticeLane, limit: int, now: int, until: int
) -> Sequence[NoticeClaim]:
    claims = []
    for (id_,) in tx.all(DUE, (lane.party, lane.webhook, now, limit)):
        tx.run(LEASE, (until, id_))
        row = tx.all(CLAIM, (id_,))[0]
        notice = notice_of(row[:NOTICE_WIDTH])
        number, held, missed = row[NOTICE_WIDTH:]
        version = tx.one(VERSION_OF, (number,))
        bucket = tx.one(ONE_BUCKET, (notice.ref.bucket,))
        claims.append(
            NoticeClaim(
                notice,
                version_of(version) if version else None,
                bucket_of(bucket) if bucket else None,
                held == 1,
                _wanted(tx, notice),
                missed,
            )
        )
    return claims


def _wanted(tx: Transaction, notice: Notice) -> bool:
    watched = tx.watchers.get(notice.ref.bucket, {}).get(notice.event, ())
    return notice.event == TEST or any(
        party == notice.party and watch.webhook == notice.webhook and watch.covers(notice.ref.key)
        for party, watch in watched
    )


def _settle(tx: Transaction, outcome: NoticeOutcome) -> bool:
    notice = outcome.notice
    place = tx.one(LEASED, (notice.id, notice.token))
    if place is None:
        return False
    if outcome.over:
        tx.run(END, (notice.id,))
    else:
        said = (outcome.parked, outcome.due, outcome.error, outcome.tried)
        tx.run(SETTLE, (*said, notice.id))
    tx.run(PROMOTE, place)
    return True


def _parked(
    tx: Transaction, ids: Sequence[int], lane: NoticeLane | None, limit: int
) -> Iterable[Row]:
    if ids:
        return [row for id_ in ids[:limit] for row in tx.all(PARKED_ONE, (id_,))]
    lanes = [(lane.party, lane.webhook)] if lane else tx.all(PARKED_LANES)
    rows: list[Row] = []
    for each in lanes:
        rows += tx.all(PARKED, (*each, limit - len(rows)))
    return rows


def _promote(tx: Transaction, place: Row) -> None:
    """The oldest of a key has its turn, unless one of them is under way."""
    if not tx.one(UNDER_WAY, place):
        tx.run(PROMOTE, place)
