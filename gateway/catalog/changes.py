"""A change and all that follows from it, inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.catalog import (
    consuming,
    names,
    promises,
    references,
    removing,
    standings,
    telling,
    views,
)
from gateway.catalog.conditions import Face, judge_delete, judge_write
from gateway.catalog.rows import (
    VERSION,
    algorithm_of,
    lock_text,
    tags_text,
    version_of,
    version_rest,
)
from gateway.catalog.values import Change, Consume, FirstRead, Relock, Retag, Unwrite, Write
from gateway.catalog.writer import Transaction
from gateway.errors import (
    InvalidPart,
    Locked,
    NoSuchBucket,
    NoSuchUpload,
    NoSuchVersion,
    PolicyMoved,
)
from gateway.model import Event, Grant, Lock, ObjectRef, Version

BY_ID = f"SELECT {VERSION} FROM versions v WHERE v.id = ?"
FACE = "SELECT id, etag, marker, size, at FROM versions WHERE number = ?"
HIDDEN = "SELECT CASE marker WHEN 1 THEN hides ELSE number END FROM versions WHERE number = ?"
INSERT = """
INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)"""
IN_FORCE = "SELECT revision FROM policies ORDER BY number DESC LIMIT 1"
GONE = "SELECT 1 FROM buckets WHERE name = ? AND gone_under = ?"


def commit(tx: Transaction, change: Change) -> Version:
    if isinstance(change, Write):
        return write(tx, change)
    if isinstance(change, Unwrite):
        return unwrite(tx, change)
    if isinstance(change, Retag):
        return retag(tx, change)
    if isinstance(change, Relock):
        return relock(tx, change)
    check_revision(tx, change.revision)
    return consuming.consume(tx, change) if isinstance(change, Consume) else first_read(tx, change)


# --- a new version -----------------------------------------------------------------------------


def write(tx: Transaction, change: Write) -> Version:
    done = _completed(tx, change) if change.upload else None
    if done:
        return done
    check_revision(tx, change.revision)
    ref, author = change.version.ref, change.version.author
    if tx.one(GONE, (ref.bucket, change.revision)):
        raise NoSuchBucket
    hidden = views.head_of(tx, author, ref)
    face = _face(tx, author, ref, hidden)
    face = None if face and face.id in change.expect.blind else face
    (judge_delete if change.version.marker else judge_write)(change.expect, face)
    if change.judged:
        standings.check(tx, change.judged, ref.key, hidden)
    number = tx.number()
    version = replace(change.version, number=number, parent=face.id if face else "")
    grants = _with_inherited(tx, change.grants, hidden) if change.inherit else change.grants
    hides = tx.one(HIDDEN, (hidden,)) if change.inherit and hidden else None
    _insert(tx, version, len(grants), hides[0] if hides else 0)
    moves = views.Moves(number)
    views.open_on_newest(tx, version, grants, change.shown, moves)
    moves.settle(tx)
    references.add(tx, version.extents)
    if change.upload:
        references.release_upload(tx, change.upload, version.id)
    if change.promises:
        promises.promise_version(tx, version, change.promises, number)
    if change.removals and hides:
        removing.follow(tx, version, hides[0], change.removals, number)
    telling.wrote(tx, change, version, grants)
    tx.record(_told_to(change, (g.party for g in grants[len(change.grants) :])), number)
    return version


def _face(tx: Transaction, party: str, ref: ObjectRef, head: int) -> Face | None:
    """What a party's view has under a name, markers included; `head` is the newest granted."""
    row = tx.one(FACE, (head,)) if head else None
    if row and names.is_consumed(tx, party, ref, head):
        row = None
    if row is None or row[2]:
        moved = names.moved_here(tx, party, ref)
        row = tx.one(FACE, (moved,)) if moved else row
    return Face(*row) if row else None


def check_revision(tx: Transaction, revision: str) -> None:
    row = tx.one(IN_FORCE)
    if (row[0] if row else "") != revision:
        raise PolicyMoved


def _completed(tx: Transaction, change: Write) -> Version | None:
    """The version that an earlier completion made of this upload; None if it is still open."""
    row = tx.one("SELECT version FROM uploads WHERE id = ?", (change.upload,))
    if row is None:
        raise NoSuchUpload
    if row[0]:
        return version_by_id(tx, row[0])
    stored: dict[int, str] = dict(
        tx.all("SELECT number, etag FROM parts WHERE upload = ?", (change.upload,))
    )
    if any(stored.get(number) != etag for number, etag in change.parts):
        raise InvalidPart
    return None


def _with_inherited(tx: Transaction, grants: Sequence[Grant], hidden: int) -> tuple[Grant, ...]:
    """These grants, and those of every other party that sees what this version hides."""
    named = {grant.party for grant in grants}
    held = views.holders(tx, hidden) if hidden else ()
    return (*grants, *(holder.grant for holder in held if holder.party not in named))


def _told_to(change: Write | Unwrite | Retag | Relock, parties: Iterable[str]) -> Event:
    """An event belongs to the view of each party that gained or lost something by it, but for
    those that policy no longer tells anything of the version."""
    event = change.event
    told = (*event.readers, *change.withheld)
    more = [party for party in parties if party not in told]
    return replace(event, readers=(*event.readers, *more)) if more else event


def _insert(tx: Transaction, version: Version, heads: int, hides: int) -> None:
    tx.versions += 1
    tx.run(
        INSERT,
        (
            *(version.number, version.id, version.ref.bucket, version.ref.key, version.author),
            *(version.at, version.marker, version.null, version.size, version.etag),
            *(algorithm_of(version), version.checksum_type),
            *(version_rest(version), tags_text(version.tags), version.tags_number),
            *(heads, 0 if heads else version.number, lock_text(version.lock), hides),
        ),
    )


# --- a version changed or gone -----------------------------------------------------------------


def unwrite(tx: Transaction, change: Unwrite) -> Version:
    version, held, _ = _of_author(tx, change.ref, change.version, change.author)
    face = Face(version.id, version.etag, version.marker, version.size, version.at)
    judge_delete(change.expect, None if version.id in change.expect.blind else face)
    if change.judged:
        standings.check(tx, change.judged, change.ref.key, version.number)
    number = tx.number()
    if version.lock and version.lock.keeps(number, bypass=change.bypass):
        raise Locked
    moves = views.Moves(number)
    views.close(tx, version, [holder.party for holder in held], moves)
    moves.settle(tx)
    tx.run("UPDATE versions SET unwritten = ? WHERE number = ?", (number, version.number))
    promises.cancel_version(tx, version)
    for holder in held:
        promises.revive(tx, holder.party, version.ref, number)
    telling.unwrote(tx, change, version, [holder.party for holder in held])
    tx.record(_told_to(change, (holder.party for holder in held)), number)
    return version


def retag(tx: Transaction, change: Retag) -> Version:
    check_revision(tx, change.revision)
    version, held, author = _of_author(tx, change.ref, change.version, change.author)
    number = tx.number()
    version = replace(version, tags=change.tags, tags_number=number)
    tx.run(
        "UPDATE versions SET tags = ?, tags_number = ? WHERE number = ?",
        (tags_text(change.tags), number, version.number),
    )
    moves = views.Moves(number)
    views.reopen(tx, version, change.grants, held, author, moves)
    views.follow(tx, version, moves)
    moves.settle(tx)
    lost = {holder.party for holder in held} - {grant.party for grant in change.grants}
    promises.withdraw(tx, version, lambda place: place[0] in lost)
    promises.promise_tags(tx, version, change, number)
    for party in lost:
        promises.revive(tx, party, version.ref, number)
    before, now = [h.party for h in held], [g.party for g in change.grants]
    telling.retagged(tx, change, version, before, now)
    tx.record(_told_to(change, (holder.party for holder in held)), number)
    return version


def relock(tx: Transaction, change: Relock) -> Version:
    version, held, _ = _of_author(tx, change.ref, change.version, change.author)
    number = tx.number()
    old = version.lock or Lock()
    mode, until = change.retention or (old.mode, old.until)
    lock = Lock(mode, until, change.hold or old.hold)
    if change.retention and not old.admits(lock, number, bypass=change.bypass):
        raise Locked
    tx.run("UPDATE versions SET lock = ? WHERE number = ?", (lock_text(lock), version.number))
    if change.retention:
        telling.retained(tx, version, change.event)
    tx.record(_told_to(change, (holder.party for holder in held)), number)
    return replace(version, lock=lock)


def first_read(tx: Transaction, change: FirstRead) -> Version:
    row = tx.one(BY_ID, (change.version,))
    version = version_of(row) if row else None
    party = change.promise.party
    if version is None or version.ref != change.ref:
        raise NoSuchVersion
    if all(holder.party != party for holder in views.holders(tx, version.number)):
        raise NoSuchVersion
    number = tx.number()
    if promises.promise_once(tx, version, change.promise, number):
        tx.record(change.event, number)
    return version


def _of_author(
    tx: Transaction, ref: ObjectRef, version_id: str, author: str
) -> tuple[Version, list[views.Holder], views.Holder]:
    """A version, the parties with an open grant on it, and its author's own grant."""
    row = tx.one(BY_ID, (version_id,))
    version = version_of(row) if row else None
    if version is None or version.ref != ref:
        raise NoSuchVersion
    held = views.holders(tx, version.number)
    own = next((holder for holder in held if holder.party == author), None)
    if own is None:
        raise NoSuchVersion
    return version, held, own


def version_by_id(tx: Transaction, version_id: str) -> Version:
    row = tx.one(BY_ID, (version_id,))
    if row is None:
        raise NoSuchVersion
    return version_of(row)
