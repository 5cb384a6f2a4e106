"""`crossdock requests`: what parties were asked to give back, and their answers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gateway.catalog import Request
from gateway.cli import show
from gateway.cli.session import Session, command, quiet
from gateway.errors import BadInput

ROWS_MAX = 1000


@click.command()
@click.option("--party", default="", help="Only what this party was asked.")
@click.option("--open", "open_only", is_flag=True, help="Only what is not answered.")
@click.option("--after", default="", help="Continue after this id.")
@click.option("--note", default="", help="Goes with an answer.")
@click.argument("words", nargs=-1, metavar="[answer ID yes|no]")
@command
def requests(
    session: Session, party: str, open_only: bool, after: str, note: str, words: Sequence[str]
) -> None:
    """Copies that were asked back where no rule of their owner's agrees: by a recall, or by a
    delete that copies were to follow.

    `answer ID yes` removes the copy, `answer ID no` keeps it; both are recorded.
    """
    if words:
        _answer(session, words, note)
        return
    found = session.read(
        lambda catalog: catalog.requests(
            party=party, open_only=open_only, after=after, limit=ROWS_MAX
        )
    )
    rows = [_row(each) for each in found]
    if session.as_json:
        show.as_json(rows)
        return
    columns = ("id", "to", "asked", "by", "why", "object", "version", "answer", "answered", "note")
    show.table("requests", columns, [[row[name] for name in columns] for row in rows])
    if len(found) == ROWS_MAX:
        show.say(f"There may be more: --after {found[-1].id}")


def _answer(session: Session, words: Sequence[str], note: str) -> None:
    if len(words) != 3 or words[0] != "answer" or words[2] not in ("yes", "no"):
        raise BadInput(f"expected `answer`, an id and yes or no, not {' '.join(words)!r}")
    done = session.do("requests.answer", {"id": words[1], "answer": words[2], "note": note}, quiet)
    if session.as_json:
        show.as_json(done)
    else:
        said = "the removal is promised" if done["answer"] == "yes" else "the copy stays"
        show.say(f"{done['object']}: {done['party']} answered {done['answer']}, {said}")


def _row(each: Request) -> dict[str, object]:
    return {
        "id": each.id,
        "to": each.party,
        "asked": show.moment(each.asked),
        "by": each.asked_by or "the operator",
        "why": "recall" if each.kind.value == "recall" else "deleted",
        "object": str(each.ref),
        "version": each.version,
        "author": each.author,
        "answer": each.answer,
        "answered": show.moment(each.answered),
        "note": each.note,
    }
