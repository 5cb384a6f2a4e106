"""`crossdock policy plan`: what the folder would do if it were in force."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from gateway.cli import show
from gateway.cli.costs import as_rows, columns, table_row
from gateway.cli.session import Session, command
from gateway.operations import offline
from gateway.operations.planning import Plan, plan
from gateway.policy.costs import Prices
from gateway.policy.lints import Lint
from gateway.policy.plan import Line, Tally

CHANGE = 3
FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)

COLUMNS = ("party", "effect", "rule", "how", "files", "versions", "bytes", "egress", "such as")


@click.command("plan")
@click.argument(
    "folder", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@click.option("--all", "every", is_flag=True, help="Remarks that were there before the edit too.")
@command
def plan_command(session: Session, folder: Path | None, every: bool) -> None:
    """What FOLDER (the policies folder, unless said) would do if it were in force: to the files
    that are there, and what is worth a look in its rules. Changes nothing.

    Exits 0 if it is what is in force already, 2 if it holds a mistake, 3 if it is a change.
    """
    config = session.config
    mesh = offline.mesh_of_folder(config, folder)
    base = str(config.policies.resolve())
    with show.walk() as report:
        found = session.read(
            lambda catalog: plan(catalog, mesh, base, config.prices, report, time.monotonic)
        )
    if session.as_json:
        show.as_json(_json(found))
    else:
        _print(found, every, config.prices)
    if found.changed:
        raise SystemExit(CHANGE)


# --- for people ----------------------------------------------------------------------------------


def _print(found: Plan, every: bool, prices: Prices) -> None:
    if not found.changed:
        show.say(f"No change: {found.proposed} is in force.")
    else:
        _print_change(found)
        if prices.by and found.costs:
            differ = [table_row(cost, "+") for cost in found.costs]
            show.table("By how much costs would differ", columns(prices.currency), differ)
    remarks = [lint for lint, new in found.remarks if new or every]
    old = len(found.remarks) - len(remarks)
    if remarks:
        rows = [_remark_row(lint) for lint in remarks]
        show.table("Worth a look", ("what", "rule", "parties", "why"), rows)
    if old:
        show.say(f"remarks that were there before: {old}; --all shows them")
    if found.changed:
        show.say(f"plan {found.hash}")


def _print_change(found: Plan) -> None:
    show.say(f"in force: {found.in_force or 'nothing'}")
    show.say(f"proposed: {found.proposed}")
    for name, what in found.files.items():
        show.say(f"  {name} {what}")
    if found.converging:
        show.say(
            "Not all files follow the policy in force yet: what it still has to do is part of this."
        )
    rows = [_row(line, tally) for line, tally in found.tallies]
    if rows:
        header = (
            "party",
            "effect",
            "rule",
            "how",
            "files",
            "versions",
            "bytes",
            "egress",
            "such as",
        )
        show.table(f"Of {found.versions:,} versions", header, rows)
        show.say(f"{found.changes:,} versions to be changed, in about {found.seconds:,.0f} s")
    else:
        show.say(f"Nothing changes for the {found.versions:,} versions that are there.")


def _row(line: Line, tally: Tally) -> tuple[object, ...]:
    return (
        *(line.party, line.effect.value, line.rule, line.detail, f"{tally.files:,}"),
        *(
            f"{tally.versions:,}",
            show.amount(tally.bytes),
            show.amount(tally.egress) if tally.egress else "",
        ),
        ", ".join(tally.samples),
    )


def _remark_row(lint: Lint) -> tuple[object, ...]:
    return (lint.kind, str(lint.rule), ", ".join(lint.parties), lint.text)


# --- for programs --------------------------------------------------------------------------------


def _json(found: Plan) -> dict[str, Any]:
    return {
        "change": found.changed,
        "plan": found.hash,
        "in_force": found.in_force,
        "proposed": found.proposed,
        "files": found.files,
        "versions": found.versions,
        "changes": found.changes,
        "converging": found.converging,
        "seconds": round(found.seconds, 3),
        "effects": [
            {
                "party": line.party,
                "effect": line.effect.value,
                "rule": line.rule,
                "how": line.detail,
                "files": tally.files,
                "versions": tally.versions,
                "bytes": tally.bytes,
                "egress": tally.egress,
                "samples": tally.samples,
            }
            for line, tally in found.tallies
        ],
        "costs": as_rows(found.costs),
        "remarks": [
            {
                "kind": lint.kind,
                "rule": lint.rule.id,
                "file": lint.rule.file,
                "line": lint.rule.line,
                "parties": lint.parties,
                "text": lint.text,
                "new": new,
            }
            for lint, new in found.remarks
        ],
    }
