"""`crossdock notices`: what webhooks are owed, and what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gateway.cli import show
from gateway.cli.session import Session, command, quiet
from gateway.errors import BadInput
from gateway.notifications import Notice

ROWS_MAX = 1000
STATES = ("pending", "parked")


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only notices in this state.")
@click.option("--party", default="", help="Only this party's.")
@click.option("--after", type=int, default=0, help="Continue after this id.")
@click.argument("words", nargs=-1, metavar="[retry ID...]")
@command
def notices(
    session: Session, state: str | None, party: str, after: int, words: Sequence[str]
) -> None:
    """Notices that were not sent yet: to whom, of what, and what stands in the way.

    `retry` makes parked notices pending again: those whose ids follow, or all.
    """
    if words:
        _retry(session, words)
        return
    parked = state == "parked" if state else None
    found = session.read(
        lambda catalog: catalog.notices(parked=parked, party=party, after=after, limit=ROWS_MAX)
    )
    rows = [_row(each) for each in found]
    if session.as_json:
        show.as_json(rows)
        return
    columns = ("id", "to", "webhook", "state", "event", "object", "made", "attempts", "why")
    show.table("notices", columns, [[row[name] for name in columns] for row in rows])
    if len(found) == ROWS_MAX:
        show.say(f"There may be more: --after {found[-1].id}")


def _retry(session: Session, words: Sequence[str]) -> None:
    if words[0] != "retry" or not all(word.isdecimal() for word in words[1:]):
        raise BadInput(f"expected `retry` and ids, not {' '.join(words)!r}")
    done = session.do("notices.retry", {"ids": [int(word) for word in words[1:]]}, quiet)
    if session.as_json:
        show.as_json(done)
    else:
        show.say(f"{done['resumed']} notices are pending again")


def _row(each: Notice) -> dict[str, object]:
    return {
        "id": each.id,
        "to": each.party,
        "webhook": each.webhook,
        "state": "parked" if each.parked else "pending",
        "event": each.event,
        "object": str(each.ref),
        "webhook_id": each.name,
        "made": show.moment(each.id),
        "attempts": each.attempts,
        "due": show.moment(each.due),
        "why": each.error,
    }
