"""`crossdock backup` and `crossdock restore`: the whole catalog as one file."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli import show
from gateway.cli.session import Session, command
from gateway.operations import offline


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@command
def backup(session: Session, file: Path) -> None:
    """Copy the whole catalog into FILE, online and consistent. Keep the seal key apart from it:
    the one is of no use without the other."""
    with show.progress("copying", quiet=session.as_json) as progress:
        done = session.do("backup", {"path": str(file.absolute())}, progress)
    if session.as_json:
        show.as_json(done)
    else:
        show.say(f"{done['bytes']} bytes in {done['path']}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@command
def restore(session: Session, file: Path) -> None:
    """Put a backup in the place of a catalog that is lost. The gateway must not run, and no
    catalog may lie there: move a damaged one away first."""
    path = offline.restore(session.config, file)
    if session.as_json:
        show.as_json({"catalog": str(path)})
    else:
        show.say(f"restored {path}; `crossdock audit verify --checkpoint FILE` tells what is lost")
