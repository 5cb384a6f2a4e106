"""Promised deliveries inside a change: made, superseded, cancelled, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.catalog import names, telling, views
from gateway.catalog.rows import STATE_NUMBERS, VERSION_OF, version_of
from gateway.catalog.values import Promise, Retag
from gateway.catalog.writer import Transaction
from gateway.model import DeliveryKind, DeliveryState, ObjectRef, Version

PENDING = STATE_NUMBERS[DeliveryState.PENDING]
PARKED = STATE_NUMBERS[DeliveryState.PARKED]
DONE = STATE_NUMBERS[DeliveryState.DONE]
SUPERSEDED = STATE_NUMBERS[DeliveryState.SUPERSEDED]
WITHDRAWN = STATE_NUMBERS[DeliveryState.WITHDRAWN]
CANCELLED = STATE_NUMBERS[DeliveryState.CANCELLED]

SECOND = 10**9

Place = tuple[str, str, str]
"""(party, store, target key)."""

COPY = DeliveryKind.COPY.value
TAGS = DeliveryKind.TAGS.value
RECALL = DeliveryKind.RECALL.value

AT_TARGET = """
SELECT d.id, d.number, d.kind, d.state, d.lease, v.bucket, v.key, d.rule
FROM deliveries d INDEXED BY deliveries_at_target JOIN versions v ON v.number = d.number
WHERE d.party = ? AND d.store = ? AND d.target = ? AND d.live = 1 ORDER BY d.id"""
PROMISE = """
INSERT INTO deliveries
  (number, party, store, target, kind, rule, size, promised, due, head, deadline)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
END = (
    "UPDATE deliveries SET state = ?, live = 0, head = 0, lease = 0, token = token + 1 WHERE id = ?"
)
PROMOTE = """
UPDATE deliveries SET head = 1 WHERE id = (
  SELECT id FROM deliveries INDEXED BY deliveries_at_target
  WHERE party = ? AND store = ? AND target = ? AND live = 1 AND state < 2 ORDER BY id LIMIT 1)"""
PROMISED = """
SELECT 1 FROM deliveries
WHERE number = ? AND party = ? AND kind = 'copy' AND state <> ? LIMIT 1"""
LOST_COPIES = """
SELECT store, target, rule FROM deliveries
WHERE number = ? AND party = ? AND kind = 'copy' AND (state = 3 OR gone = 'removal')
GROUP BY store, target"""
PLACES = """
SELECT store, target FROM deliveries
WHERE number = ? AND party = ? AND kind = 'copy' AND state IN (0, 1, 2, 3)"""
TAKEN_BACK = """
SELECT 1 FROM deliveries
WHERE number = ? AND party = ? AND store = ? AND target = ?
  AND (gone = 'recall' OR kind = 'recall' AND state <= 2) LIMIT 1"""
TAKEN_AWAY = """
SELECT 1 FROM deliveries
WHERE number = ? AND party = ? AND store = ? AND target = ? AND kind = 'copy'
  AND (state = 2 OR gone <> '') LIMIT 1"""
LOST_REMOVALS = """
SELECT store, target, rule FROM deliveries
WHERE number = ? AND party = ? AND kind = 'removal' AND state = 3 GROUP BY store, target"""
UNSENT = """
SELECT id, party, store, target FROM deliveries
WHERE number = ? AND (state = 1 OR (state = 0 AND lease <= ?)) AND kind <> 'recall'"""
COPIES = """
SELECT party, store, target, rule FROM deliveries
WHERE number = ? AND kind = 'copy' AND (state = 2 AND replaced = 0 OR state = 0 AND lease > ?)"""


def promise_version(
    tx: Transaction, version: Version, made: Iterable[Promise], number: int
) -> None:
    """Promises a version that is newer than whatever its target keys hold; older ones of the same
    object ref that wait there unsent, or are parked, end as superseded. `number` is the commit's
    that promises it."""
    now = tx.clock()
    for promise in made:
        place = (promise.party, promise.store, promise.target)
        waits = False
        for id_, _, kind, state, lease, bucket, key, _ in tx.all(AT_TARGET, place):
            older = (bucket, key) == (version.ref.bucket, version.ref.key)
            if state > PARKED:
                continue
            recall = kind == RECALL and state == PENDING  # it stands, whatever comes behind it
            if older and not recall and unsent(state, lease, now):
                tx.run(END, (SUPERSEDED, id_))
                telling.delivered(tx, id_)
            else:
                waits = True
        insert(tx, version, promise, number, not waits)
        if waits:
            tx.run(PROMOTE, place)


def promise_once(tx: Transaction, version: Version, promise: Promise, number: int) -> bool:
    """Promises a copy of a version that need not be the newest of its key; False where its party
    was promised one before. A withdrawn promise counts for nothing: policy gives it again."""
    if tx.one(PROMISED, (version.number, promise.party, WITHDRAWN)):
        return False
    place = (promise.party, promise.store, promise.target)
    ahead = any(
        about > version.number and (bucket, key) == (version.ref.bucket, version.ref.key)
        for _, about, _, _, _, bucket, key, _ in tx.all(AT_TARGET, place)
    )
    if not ahead:
        promise_version(tx, version, [promise], number)
        return True
    _supersede(tx, version, promise, number)
    return True


def promise_missing(tx: Transaction, version: Version, promise: Promise, number: int) -> bool:
    """Promises a copy of an older version, if its party has none and is to have one; never where a
    newer one has the key or is on its way there. Where the target key is not the version's own,
    only the party's current version is sent: of another one it is noted that it would have been,
    for it may become current again. What the party has consumed it is done with, and what was
    called back is not sent again."""
    place = (promise.party, promise.store, promise.target)
    if names.is_consumed(tx, promise.party, version.ref, version.number):
        return False
    if tx.one(TAKEN_BACK, (version.number, *place)):
        return False
    current = views.head_of(tx, promise.party, version.ref) == version.number
    if not (promise.lone or current):
        _supersede(tx, version, promise, number)
        return False
    for _, about, kind, _, _, bucket, key, _ in tx.all(AT_TARGET, place):
        if about == version.number and kind == COPY:
            return False
        if about > version.number and (bucket, key) == (version.ref.bucket, version.ref.key):
            return False
    promise_version(tx, version, [promise], number)
    return True


def _supersede(tx: Transaction, version: Version, promise: Promise, number: int) -> None:
    """A promise that ends as soon as it is made, once."""
    place = (promise.store, promise.target)
    if place not in tx.all(PLACES, (version.number, promise.party)):
        insert(tx, version, promise, number, head=False)
        tx.run(END, (SUPERSEDED, tx.all("SELECT last_insert_rowid()")[0][0]))


def revive(tx: Transaction, party: str, ref: ObjectRef, number: int) -> None:
    """A party's view fell back to an older version: a copy of it that a newer one superseded
    before it was sent, or that a delete marker took away, is promised again. So is, where a marker
    is the newest again, a removal that a newer version had ended."""
    head = views.head_of(tx, party, ref)
    for store, target, rule in tx.all(LOST_REMOVALS, (head, party)) if head else ():
        _remove_again(tx, head, Promise(party, store, target, rule, DeliveryKind.REMOVAL), number)
    for store, target, rule in tx.all(LOST_COPIES, (head, party)) if head else ():
        version = version_of(tx.all(VERSION_OF, (head,))[0])
        promise_missing(tx, version, Promise(party, store, target, rule), number)


def _remove_again(tx: Transaction, marker: int, promise: Promise, number: int) -> None:
    """Where an older copy lies there still, and no newer one."""
    version = version_of(tx.all(VERSION_OF, (marker,))[0])
    place = (promise.party, promise.store, promise.target)
    there = waits = False
    for _, about, kind, state, _, bucket, key, _ in tx.all(AT_TARGET, place):
        ours = (bucket, key) == (version.ref.bucket, version.ref.key)
        if ours and about >= marker:
            return
        there = there or (ours and kind == COPY)
        waits = waits or state <= PARKED
    if there:
        insert(tx, version, promise, number, not waits)
        tx.run(PROMOTE, place)


def promise_tags(tx: Transaction, version: Version, change: Retag, number: int) -> None:
    """Sends new tags after every copy of the version that was made, or is under way, for a party
    that keeps its grant; makes the copies that the new tags call for."""
    now = tx.clock()
    keep = {grant.party for grant in change.grants}
    wanted = {(p.party, p.store, p.target): p for p in change.promises}
    for party, store, target, rule in tx.all(COPIES, (version.number, now)):
        if party in keep:
            made = Promise(party, store, target, rule, DeliveryKind.TAGS)
            wanted.setdefault((party, store, target), made)
    for place, promise in wanted.items():
        _promise_tags_to(tx, version, place, promise, number, now)


def _promise_tags_to(
    tx: Transaction,
    version: Version,
    place: Place,
    promise: Promise,
    number: int,
    now: int,
) -> None:
    copied = waits = False
    for id_, about, kind, state, lease, bucket, key, _ in tx.all(AT_TARGET, place):
        if about == version.number and kind == COPY:
            if unsent(state, lease, now):
                return  # it will carry the tags as they then are
            copied = True
        elif about == version.number and kind == RECALL and state <= PARKED:
            return  # the copy is to go: a change of tags must not keep it
        elif about == version.number and unsent(state, lease, now):
            tx.run(END, (SUPERSEDED, id_))
            continue
        elif about > version.number and (bucket, key) == (version.ref.bucket, version.ref.key):
            return  # a newer version has the target key, or is on its way there
        waits = waits or state <= PARKED
    if not copied and tx.one(TAKEN_AWAY, (version.number, *place)):
        return
    if copied:
        promise = Promise(*place, promise.rule, DeliveryKind.TAGS)
    elif promise.kind is DeliveryKind.TAGS:
        promise = Promise(*place, promise.rule, DeliveryKind.COPY)
    insert(tx, version, promise, number, not waits)
    tx.run(PROMOTE, place)


def cancel_version(tx: Transaction, version: Version) -> None:
    """Ends what was not sent of a version that its author has deleted by its id."""
    for id_, *place in tx.all(UNSENT, (version.number, tx.clock())):
        end(tx, id_, CANCELLED, (place[0], place[1], place[2]))


def withdraw(tx: Transaction, version: Version, lost: Callable[[Place], bool]) -> int:
    """Ends what was not sent to the places that policy no longer gives the version; returns how
    many. An attempt that is under way goes on; the next one asks."""
    count = 0
    for id_, *place in tx.all(UNSENT, (version.number, tx.clock())):
        where = (place[0], place[1], place[2])
        if lost(where):
            end(tx, id_, WITHDRAWN, where)
            count += 1
    return count


def end(tx: Transaction, delivery: int, state: int, place: Place) -> None:
    """Ends an open delivery without a copy; the next one for its target key has its turn."""
    tx.run(END, (state, delivery))
    tx.run(PROMOTE, place)
    telling.delivered(tx, delivery)


def unsent(state: int, lease: int, now: int) -> bool:
    return state == PARKED or (state == PENDING and lease <= now)


def insert(tx: Transaction, version: Version, promise: Promise, promised: int, head: bool) -> None:
    """Due at once by the clock: after a backward jump the commit's number lies ahead of it."""
    place = (promise.party, promise.store, promise.target)
    what = (promise.kind.value, promise.rule, 0 if promise.kind.removes else version.size)
    now = tx.clock()
    deadline = now + promise.deadline * SECOND if promise.deadline else 0
    tx.run(PROMISE, (version.number, *place, *what, promised, now, head, deadline))
