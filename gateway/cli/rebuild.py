"""`crossdock rebuild`: a lost catalog, made again from the parties' stores."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli import show
from gateway.cli.session import NO, Session, command
from gateway.errors import BadInput
from gateway.exchange.rebuilding import Options
from gateway.operations.rebuilding import Wish
from gateway.operations.rebuilding import rebuild as run

ALWAYS = "always"
EARLIEST, LATEST = 1970, 2261
"""Years whose nanoseconds since 1970 a catalog can hold."""


@click.command()
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    default="rebuild.jsonl",
    show_default=True,
    help="A new file with all that could not be made again, one JSON object a line.",
)
@click.option(
    "--rules-since",
    default="",
    help="always, or the date before which `since: now` reaches nothing.",
)
@click.option("--uploads", is_flag=True, help="Take parts that no copy proves to be whole for it.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The last checkpoint that is known of the lost audit log.",
)
@command
def rebuild(
    session: Session, report: Path, rules_since: str, uploads: bool, checkpoint: Path | None
) -> None:
    """Make a lost catalog again: versions from the extents in their authors' stores, grants by the
    policy that lies in the folder, receipts for copies that are found and whole. A backup
    (`crossdock restore`) is always better. The gateway must not run, and no catalog may lie there.

    Exits 1 if anything was left out; the report names it.
    """
    options = Options(uploads, _moment(rules_since))
    note = checkpoint.read_text("utf-8") if checkpoint else ""
    wish = Wish(report, options, bool(rules_since), note)
    with show.progress("rebuilding", quiet=session.as_json) as progress:
        done = run(session.config, wish, progress)
    if session.as_json:
        show.as_json(done)
    else:
        _print(done)
    if any(count for name, count in done.items() if name.startswith("left_")):
        raise SystemExit(NO)


def _moment(text: str) -> int:
    if text in ("", ALWAYS):
        return 0
    try:
        date = datetime.fromisoformat(text)
        if not EARLIEST <= date.year <= LATEST:
            raise ValueError(text)
    except ValueError as error:
        raise BadInput(
            f"--rules-since {text}: expected always, or a date like 2026-01-31"
        ) from error
    return int(date.replace(tzinfo=date.tzinfo or UTC).timestamp()) * 10**9


def _print(done: Mapping[str, Any]) -> None:
    text = f"{done['catalog']}: {done.get('versions', 0)} versions, {done.get('copies', 0)} copies"
    show.say(f"{text} with a receipt, {done.get('copies_waiting', 0)} not found and parked")
    left = {name.removeprefix("left_"): n for name, n in done.items() if name.startswith("left_")}
    said = ", ".join(f"{count} {name}s" for name, count in left.items() if count)
    show.say(f"left out: {said or 'nothing'}; {done['report']} names each")
    for text in done["lost"]:
        show.say(f"lost in any case: {text}")
