"""`crossdock deliveries`: the promised copies, and those that wait for a person."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gateway.cli import show
from gateway.cli.session import Session, command, quiet
from gateway.errors import BadInput
from gateway.model import Delivery, DeliveryState

ROWS_MAX = 1000
STATES = ("pending", "parked", "done")


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only deliveries in this state.")
@click.option("--party", default="", help="Only this recipient's.")
@click.option("--after", type=int, default=0, help="Continue after this id.")
@click.argument("words", nargs=-1, metavar="[retry ID...]")
@command
def deliveries(
    session: Session, state: str | None, party: str, after: int, words: Sequence[str]
) -> None:
    """The promised copies: to whom, where, how far, and what stands in the way.

    `retry` makes parked deliveries pending again: those whose ids follow, or all.
    """
    if words:
        _retry(session, words)
        return
    wanted = DeliveryState(state) if state else None
    found = session.read(
        lambda catalog: catalog.deliveries(state=wanted, party=party, after=after, limit=ROWS_MAX)
    )
    rows = [_row(each) for each in found]
    if session.as_json:
        show.as_json(rows)
        return
    columns = ("id", "to", "state", "kind", "object", "target", "promised", "attempts", "why")
    show.table("deliveries", columns, [[row[name] for name in columns] for row in rows])
    if len(found) == ROWS_MAX:
        show.say(f"There may be more: --after {found[-1].id}")


def _retry(session: Session, words: Sequence[str]) -> None:
    if words[0] != "retry" or not all(word.isdecimal() for word in words[1:]):
        raise BadInput(f"expected `retry` and ids, not {' '.join(words)!r}")
    done = session.do("deliveries.retry", {"ids": [int(word) for word in words[1:]]}, quiet)
    if session.as_json:
        show.as_json(done)
    else:
        show.say(f"{done['resumed']} deliveries are pending again")


def _row(each: Delivery) -> dict[str, object]:
    receipt = each.receipt
    return {
        "id": each.id,
        "to": each.party,
        "store": each.store,
        "state": each.state.value,
        "kind": each.kind.value,
        "object": str(each.ref),
        "version": each.version,
        "target": each.target,
        "rule": each.rule,
        "promised": show.moment(each.promised),
        "attempts": each.attempts,
        "due": show.moment(each.due),
        "why": each.error or each.code,
        "verified": show.moment(receipt.at) if receipt else "",
        "sha256": receipt.sha256 if receipt else "",
    }
