"""`crossdock sftp bans` and `unban`: whom the sFTP door keeps out for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from gateway.cli import show
from gateway.cli.session import Session, command
from gateway.errors import NotFound


@click.command()
@command
def bans(session: Session) -> None:
    """Addresses that the running gateway's sFTP door keeps out, and for how long."""
    found = _asked(session, "sftp.bans", {})
    if session.as_json:
        show.as_json(found["bans"])
        return
    rows = [(each["source"], f"{each['seconds_left'] // 60 + 1} min") for each in found["bans"]]
    show.table("bans", ("source", "time left"), rows)


@click.command()
@click.argument("source", metavar="ADDRESS")
@command
def unban(session: Session, source: str) -> None:
    """Let an address in again, with nothing held against it."""
    done = _asked(session, "sftp.pardon", {"source": source})
    if session.as_json:
        show.as_json(done)
    else:
        show.say(f"{source} may come again")


def _asked(session: Session, name: str, arguments: Mapping[str, str]) -> Any:
    """Bans are in the memory of the gateway that made them."""
    found = session.ask(name, arguments)
    if found is None:
        raise NotFound("no gateway runs here, so nobody is banned")
    return found
