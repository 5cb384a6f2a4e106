"""Convergence inside the catalog: versions decided again, and how far that has come."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.catalog import promises, telling, views
from gateway.catalog.desk import Desk
from gateway.catalog.rows import VERSION, version_of
from gateway.catalog.values import Progress, Redecided, Step
from gateway.catalog.writer import Transaction
from gateway.errors import PolicyMoved
from gateway.faults import fault

PROGRESS = """
SELECT revision, number, reached, seen, total FROM policies ORDER BY number DESC LIMIT 1"""
REACH = "UPDATE policies SET reached = ?, seen = seen + ? WHERE number = ?"
KEPT = f"""
SELECT {VERSION} FROM versions v
WHERE v.number = ? AND v.tags_number = ? AND v.unwritten = 0 AND v.purged = 0"""


class SqliteConvergence(Desk):
    async def progress(self) -> Progress | None:
        row = self.reader.one(PROGRESS)
        return Progress(*row) if row else None

    async def redecide(self, step: Step) -> None:
        await self.write(partial(_redecide, step=step))


def _redecide(tx: Transaction, step: Step) -> None:
    row = tx.one(PROGRESS)
    now = Progress(*row) if row else None
    if now is None or (now.revision, now.reached) != (step.revision, step.above):
        raise PolicyMoved
    if step.changes:
        number = tx.number()
        for change in step.changes:
            _one(tx, change, number)
            fault("catalog.redecided")
    tx.run(REACH, (step.reached, step.seen, now.number))


def _one(tx: Transaction, change: Redecided, number: int) -> None:
    """What was retagged since it was looked at has been decided already; what is gone, is gone."""
    row = tx.one(KEPT, (change.number, change.tags_number))
    version = version_of(row) if row else None
    if version is None:
        return
    held = views.holders(tx, version.number)
    author = next((holder for holder in held if holder.party == version.author), None)
    if author is None:
        return
    differs = {holder.grant for holder in held} != set(change.grants)
    if differs:
        moves = views.Moves(number)
        views.reopen(tx, version, change.grants, held, author, moves)
        moves.settle(tx)
        telling.entered(tx, version, _gained(change, held), change.event)
    ended = promises.withdraw(tx, version, lambda place: place not in change.places)
    made = [promises.promise_missing(tx, version, each, number) for each in change.promises]
    if differs or ended or any(made):
        tx.record(change.event, number)


def _gained(change: Redecided, held: Sequence[views.Holder]) -> Sequence[str]:
    before = {holder.party for holder in held}
    return [grant.party for grant in change.grants if grant.party not in before]
