"""`crossdock policy`: what the rules mean, and what of them is in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from gateway.cli import applying, show
from gateway.cli.cases import cases_command
from gateway.cli.explain import explain
from gateway.cli.matrix import matrix_command
from gateway.cli.plan import plan_command
from gateway.cli.pushing import pull, push
from gateway.cli.session import NO, Session, command
from gateway.exchange import Headway
from gateway.operations.health import shown


@click.group()
def policy() -> None:
    """What the policies folder means, and what of it is in force."""


for each in (
    explain,
    cases_command,
    matrix_command,
    plan_command,
    applying.apply,
    applying.history,
    applying.diff,
    push,
    pull,
):
    policy.add_command(each)


@policy.command()
@command
def status(session: Session) -> None:
    """How far the files that are there follow the policy in force. Exits 1 until all of them do."""
    told = session.ask("policy.status", {})
    if not told:
        progress = session.read(lambda catalog: catalog.progress())
        told = shown(Headway.of(progress) if progress else None)
    if session.as_json:
        show.as_json(told)
    elif told:
        show.say(f"in force: {told['revision']}")
        show.say(f"decided again: {told['versions_decided']} of {told['versions']} versions")
        show.say(_left(told))
    else:
        show.say("no policy is in force yet")
    if not told.get("done"):
        raise SystemExit(NO)


def _left(told: Mapping[str, Any]) -> str:
    if told["done"]:
        return "all follow it"
    seconds = told["seconds_left"]
    return "not done yet" if seconds is None else f"done in about {seconds:.0f} s"
