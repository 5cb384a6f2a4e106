"""Grants, and what follows from them: each party's newest version of a key and its view row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gateway.catalog import names
from gateway.catalog.rows import MODES, VERSION, algorithm_of, version_of
from gateway.catalog.writer import Transaction
from gateway.model import Grant, ObjectRef, Version

HEAD_AGE = (
    "SELECT age FROM grants WHERE party = ? AND bucket = ? AND key = ? AND replaced = 0"
    " ORDER BY age LIMIT 1"
)
REPLACE_NULLS = (
    "UPDATE grants SET replaced = ?"
    " WHERE party = ? AND bucket = ? AND key = ? AND is_null = 1 AND replaced = 0"
)
OPEN = "INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SHOW = "INSERT OR REPLACE INTO views VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
HIDE = "DELETE FROM views WHERE party = ? AND bucket = ? AND key = ?"
_ROW = """
v.id, v.size, v.etag, v.at, v.author, g.mode, v.is_null, v.algorithm, v.checksum_type, g.revision,
v.number"""
FALL_BACK = f"""
INSERT OR REPLACE INTO views
SELECT g.party, g.bucket, g.key, {_ROW}
FROM grants g JOIN versions v ON v.number = -g.age
WHERE g.party = ? AND g.bucket = ? AND g.key = ? AND g.age = ? AND g.marker = 0
  AND NOT {names.hidden("g")}"""
SHOW_MOVED = f"""
INSERT OR REPLACE INTO views
SELECT g.party, g.bucket, c.moved_to, {_ROW} FROM {names.MOVED}
WHERE c.party = ? AND c.bucket = ? AND c.moved_to = ? AND {names.MOVED_NOW}
ORDER BY c.since DESC LIMIT 1"""
LIVE = f"""
SELECT 1 FROM grants g
WHERE g.party = ? AND g.bucket = ? AND g.key = ? AND g.age = ? AND g.marker = 0
  AND NOT {names.hidden("g")}"""
COUNT_HEADS = """
UPDATE versions SET heads = heads + ?1, past = CASE WHEN heads + ?1 > 0 THEN 0 ELSE ?2 END
WHERE number = ?3"""
HOLDERS = (
    "SELECT g.party, g.mode, g.rule, g.revision, g.since, g.replaced FROM grants g WHERE age = ?"
)
BURY = """
INSERT INTO closed_grants
SELECT -age, party, mode, rule, revision, opened, ? FROM grants
WHERE party = ? AND bucket = ? AND key = ? AND age = ?"""
HIDING = f"""
SELECT {VERSION} FROM versions v INDEXED BY versions_hiding
WHERE v.hides = ? AND v.hides > 0 ORDER BY v.number LIMIT ?"""
FOLLOW_MAX = 1000
"""Markers on one version that follow it at once: the oldest hide it, whatever lies above them."""
REMOVE = "DELETE FROM grants WHERE party = ? AND bucket = ? AND key = ? AND age = ?"


@dataclass(frozen=True, slots=True)
class Holder:
    """A party with an open grant on a version, and what its row says beside the grant."""

    grant: Grant
    since: int
    replaced: int

    @property
    def party(self) -> str:
        return self.grant.party


@dataclass(slots=True)
class Moves:
    """Which versions became, or ceased to be, the newest of a view in this change."""

    number: int  # of the change
    heads: Counter[int] = field(default_factory=Counter)

    def settle(self, tx: Transaction) -> None:
        """A version that no view shows as its newest any more has its history period begin."""
        for version, delta in self.heads.items():
            if delta:
                tx.run(COUNT_HEADS, (delta, self.number, version))


def head_of(tx: Transaction, party: str, ref: ObjectRef) -> int:
    """The number of the newest version (or marker) in a party's view of a key; 0 if none.

    A null version that another one replaced is history: it never comes back by itself.
    """
    row = tx.one(HEAD_AGE, (party, ref.bucket, ref.key))
    return -row[0] if row else 0


def holders(tx: Transaction, number: int) -> list[Holder]:
    return [
        Holder(Grant(party, MODES[mode], rule, revision), since, replaced)
        for party, mode, rule, revision, since, replaced in tx.all(HOLDERS, (-number,))
    ]


def open_on_newest(
    tx: Transaction, version: Version, grants: Iterable[Grant], shown: bool, moves: Moves
) -> None:
    """Opens grants on a version that is newer than every other, so that it heads each view."""
    number, bucket, key = version.number, version.ref.bucket, version.ref.key
    listed = (version.id, version.size, version.etag, version.at, version.author)
    checksum = (algorithm_of(version), version.checksum_type)
    for grant in grants:
        place = (grant.party, bucket, key)
        before = tx.one(HEAD_AGE, place)
        if before:
            moves.heads[-before[0]] -= 1
        if version.null:
            tx.run(REPLACE_NULLS, (number, *place))
        decided = (grant.mode.value, grant.rule, grant.revision, number, number)
        tx.run(OPEN, (*place, -number, *decided, version.marker, version.null, shown, 0))
        if version.marker:
            _show_moved(tx, place)
        else:
            row = (*place, *listed, grant.mode.value, version.null, *checksum, grant.revision)
            tx.run(SHOW, (*row, number))


def close(tx: Transaction, version: Version, parties: Iterable[str], moves: Moves) -> None:
    """Ends these parties' grants on a version; their views fall back to what is then newest."""
    for party in parties:
        place = (party, version.ref.bucket, version.ref.key)
        before = head_of(tx, party, version.ref)
        tx.run(BURY, (moves.number, *place, -version.number))
        tx.run(REMOVE, (*place, -version.number))
        show_newest(tx, party, version.ref, before, moves)
    _derive_names(tx, version)


def reopen(
    tx: Transaction,
    version: Version,
    grants: Sequence[Grant],
    held: Sequence[Holder],
    author: Holder,
    moves: Moves,
) -> None:
    """Replaces the open grants on a version by these: what stays as it was stays open, what
    differs is closed and opened anew, what is not named is closed."""
    now = {holder.party: holder for holder in held}
    named = {grant.party for grant in grants}
    close(tx, version, [party for party in now if party not in named], moves)
    shown = tx.one("SELECT shown FROM grants WHERE age = ? LIMIT 1", (-version.number,))
    for grant in grants:
        party = grant.party
        place = (party, version.ref.bucket, version.ref.key)
        before = head_of(tx, party, version.ref)
        holder = now.get(party)
        since = holder.since if holder else moves.number
        decided = (grant.mode.value, grant.rule, grant.revision)
        if holder and replace(holder.grant, revision=grant.revision) == grant:
            tx.run(
                "UPDATE grants SET revision = ?"
                " WHERE party = ? AND bucket = ? AND key = ? AND age = ?",
                (grant.revision, *place, -version.number),
            )
        else:
            if holder:
                tx.run(BURY, (moves.number, *place, -version.number))
                tx.run(REMOVE, (*place, -version.number))
            replaced = (holder or author).replaced
            kind = (version.marker, version.null, shown[0] if shown else 1, replaced)
            tx.run(OPEN, (*place, -version.number, *decided, moves.number, since, *kind))
        show_newest(tx, party, version.ref, before, moves)
    _derive_names(tx, version)


def follow(tx: Transaction, version: Version, moves: Moves) -> None:
    """Delete markers go to whoever holds what they hid: else it would come back to light."""
    held = holders(tx, version.number)
    for row in tx.all(HIDING, (version.number, FOLLOW_MAX)):
        marker = version_of(row)
        before = holders(tx, marker.number)
        own = next((holder for holder in before if holder.party == marker.author), None)
        if own is not None:
            others = (holder.grant for holder in held if holder.party != marker.author)
            reopen(tx, marker, [own.grant, *others], before, own, moves)


def show_newest(tx: Transaction, party: str, ref: ObjectRef, before: int, moves: Moves) -> None:
    """Derives a party's view row of a key from its grants; `before` was its newest version."""
    after = head_of(tx, party, ref)
    if after != before:
        moves.heads[before] -= 1
        moves.heads[after] += 1
    _derive(tx, (party, ref.bucket, ref.key), after)


def derive(tx: Transaction, party: str, ref: ObjectRef) -> None:
    """The view row of a name whose grants are what they were."""
    _derive(tx, (party, ref.bucket, ref.key), head_of(tx, party, ref))


def live_head(tx: Transaction, party: str, ref: ObjectRef) -> bool:
    """Whether a party's view shows a version that is granted under this name."""
    place = (party, ref.bucket, ref.key)
    return tx.one(LIVE, (*place, -head_of(tx, party, ref))) is not None


def _derive(tx: Transaction, place: tuple[str, str, str], head: int) -> None:
    if not tx.run(FALL_BACK, (*place, -head)):
        _show_moved(tx, place)


def _show_moved(tx: Transaction, place: tuple[str, str, str]) -> None:
    """No version that is granted under the name is shown there: what the party moved to it is."""
    if not tx.run(SHOW_MOVED, place):
        tx.run(HIDE, place)


def _derive_names(tx: Transaction, version: Version) -> None:
    """Grants on the version changed: so did its rows under other names."""
    for party, key in names.moved_names(tx, version.number):
        derive(tx, party, ObjectRef(version.ref.bucket, key))
