"""`crossdock recall`: asks a party's copy back."""

from __future__ import annotations

import click

from gateway.cli import show
from gateway.cli.session import NO, Session, command, quiet, ref_of


@click.command()
@click.argument("party")
@click.argument("object", metavar="BUCKET/KEY")
@click.option("--version", default="", help="One version; without it the newest that is no marker.")
@command
def recall(session: Session, party: str, object: str, version: str) -> None:  # noqa: A002
    """Ask a party's copy of a file back. Where the party's `accepts` says `recall: yes` the copy is
    removed; else the party is asked, and can answer (`crossdock requests`).

    Exits 1 if the party has no copy of that version.
    """
    ref = ref_of(object)
    about = {"party": party, "bucket": ref.bucket, "key": ref.key, "version": version}
    done = session.do("recall", about, quiet)
    if session.as_json:
        show.as_json(done)
    else:
        show.say(_said(done, party, object))
        may = "may still read" if done["reads"] else "may not read"
        show.say(f"{party} {may} that version through the gateway")
    if not done["removals"] and not done["request"]:
        raise SystemExit(NO)


def _said(done: dict[str, object], party: str, text: str) -> str:
    what = f"{text} {done['version']}"
    if done["removals"]:
        return f"{what}: the removal of {party}'s copy is promised, see `crossdock who-has`"
    if done["request"]:
        return f"{what}: {party} is asked, request {done['request']}"
    return f"{what}: {party} has no copy of it, and none is on its way"
