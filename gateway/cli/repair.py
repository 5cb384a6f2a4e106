"""`crossdock repair`: every copy is held against its receipt, now."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli import show
from gateway.cli.session import NO, Session, command
from gateway.operations.alone import alone
from gateway.operations.scrubbing import RATE_MAX

COLUMNS = ("party", "finding", "object", "version", "target", "sent_again")


@click.command()
@click.option("--party", default="", help="Only this recipient's copies.")
@click.option("--bucket", default="", help="Only copies of this bucket's files.")
@click.option("--dry-run", is_flag=True, help="Look and note, but send nothing again.")
@click.option("--quick", is_flag=True, help="In clouds trust the store's etag; read back nothing.")
@click.option(
    "--rate",
    type=click.FloatRange(0, RATE_MAX, min_open=True),
    default=100.0,
    show_default=True,
    help="Copies a second.",
)
@command
def repair(
    session: Session, party: str, bucket: str, dry_run: bool, quick: bool, rate: float
) -> None:
    """Hold every copy against its receipt: length and SHA-256 are read back. What is missing or
    damaged is sent again, if policy still promises it; what its owner changed or put in its place
    is its owner's, and is only named.

    Exits 1 if a copy is not what its receipt says, or a store did not answer.
    """
    arguments = {"party": party, "bucket": bucket, "dry": dry_run, "quick": quick, "rate": rate}
    with show.progress("checking copies", quiet=session.as_json) as progress:
        done = session.do("repair", arguments, progress, alone)
    if session.as_json:
        show.as_json(done)
    else:
        _print(done)
    if done["found"] or done["unreachable"]:
        raise SystemExit(NO)


def _print(done: dict[str, Any]) -> None:
    rows = [[each[name] for name in COLUMNS] for each in done["copies"]]
    if rows:
        show.table("copies that are not what their receipts say", COLUMNS, rows)
    found = ", ".join(f"{count} {name}" for name, count in done["found"].items())
    text = (
        f"{done['checked']} copies checked, {done['bytes']} bytes read back: {found or 'all well'}"
    )
    show.say(f"{text}; {done['sent_again']} to be sent again")
    if done["unreachable"]:
        show.say(f"{done['unreachable']} could not be looked at: their stores did not answer")
