"""`crossdock check`: every mistake in the configuration and the policies, with its place."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gateway.cli import show
from gateway.cli.session import BAD_INPUT, Session, command
from gateway.errors import Problem
from gateway.operations import offline


@click.command()
@command
def check(session: Session) -> None:
    """Name every mistake in gateway.yaml and the policies folder as file:line:column. Changes
    nothing. Warnings don't count as mistakes."""
    found = offline.check(session.config)
    if session.as_json:
        show.as_json(
            {
                "ok": not found.problems,
                "revision": found.mesh.revision if found.mesh else "",
                "problems": _rows(found.problems),
                "warnings": _rows(found.warnings),
            }
        )
    else:
        for problem in found.problems:
            show.say(str(problem))
        for problem in found.warnings:
            show.say(f"{problem} (warning)")
        if not found.problems and found.mesh:
            parties, buckets = len(found.mesh.parties), len(found.mesh.buckets)
            show.say(f"No mistakes: {parties} parties, {buckets} buckets, {found.mesh.revision}")
    if found.problems:
        raise SystemExit(BAD_INPUT)


def _rows(problems: Sequence[Problem]) -> list[dict[str, object]]:
    return [{"file": p.file, "line": p.line, "column": p.column, "text": p.text} for p in problems]
