"""`python -m gateway.demo`: tells the story; exits 1 if anything was not as it must be."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from gateway.demo.stage import stage
from gateway.demo.story import Teller, tell


def main() -> int:
    teller = Teller(click.echo)
    with tempfile.TemporaryDirectory(prefix="crossdock-demo-") as folder:
        click.echo("A gateway, an S3 server and four parties, in a folder that goes away again.")
        with stage(Path(folder)) as there:
            tell(there, teller)
    if teller.differences:
        click.echo(f"\n{len(teller.differences)} things were not as they must be:", err=True)
        for each in teller.differences:
            click.echo(f"  {each}", err=True)
        return 1
    click.echo("\nEverything was as it must be.")
    return 0


sys.exit(main())
