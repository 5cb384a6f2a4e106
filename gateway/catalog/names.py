"""The names that a version has in a party's view: its key, until it is consumed, or another one."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.catalog.writer import Transaction
from gateway.model import ObjectRef


def hidden(grant: str, then: str = "") -> str:
    """SQL: whether a row of `grants` is of a version that its party has consumed, or of an older
    one. `then` is the moment's parameter, for what was so at a moment."""
    when = f" AND u.since <= {then}" if then else ""
    return (
        "EXISTS (SELECT 1 FROM consumed u"
        f" WHERE u.party = {grant}.party AND u.bucket = {grant}.bucket AND u.key = {grant}.key"
        f" AND u.age <= {grant}.age{when})"
    )


MOVED = """
consumed c INDEXED BY consumed_names
JOIN grants g ON g.party = c.party AND g.bucket = c.bucket AND g.key = c.key AND g.age = c.age
JOIN versions v ON v.number = -c.age"""
"""SQL: marks with a name of their own, where the grant is still open."""

MOVED_NOW = "c.moved_to <> '' AND c.until = 0"
MOVED_THEN = (
    "c.moved_to <> '' AND c.since <= {then} AND (c.until = 0 OR c.until > {then})"
    " AND g.since <= {then}"
)

CONSUMED = """
SELECT 1 FROM consumed WHERE party = ? AND bucket = ? AND key = ? AND age <= ? LIMIT 1"""
MOVED_HERE = f"""
SELECT v.number FROM {MOVED}
WHERE c.party = ? AND c.bucket = ? AND c.moved_to = ? AND {MOVED_NOW}
ORDER BY c.since DESC LIMIT 1"""
NAMES = "SELECT party, moved_to FROM consumed WHERE age = ? AND moved_to <> '' AND until = 0"


def is_consumed(tx: Transaction, party: str, ref: ObjectRef, number: int) -> bool:
    """Whether a party has consumed that version of a key, or a newer one."""
    return tx.one(CONSUMED, (party, ref.bucket, ref.key, -number)) is not None


def moved_here(tx: Transaction, party: str, ref: ObjectRef) -> int:
    """The number of the version that a party moved to this name, 0 if none is there."""
    row = tx.one(MOVED_HERE, (party, ref.bucket, ref.key))
    return row[0] if row else 0


def moved_names(tx: Transaction, number: int) -> Sequence[tuple[str, str]]:
    """Whose views have a version under another name, and under which."""
    return [(party, key) for party, key in tx.all(NAMES, (-number,))]
