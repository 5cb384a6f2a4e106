"""`crossdock demo`: the product's story, told by a gateway of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import click

from gateway.cli.session import BAD_INPUT

NEEDED = ("boto3", "moto", "flask")


@click.command()
def demo() -> None:
    """Tell the product's story: a gateway in a temporary folder, one party's store on a real S3
    server, an S3 client. Prints what it sees and checks it; exits 1 if anything differs."""
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        click.echo(f"The demo needs {', '.join(absent)}: `make demo` installs them.", err=True)
        raise SystemExit(BAD_INPUT)
    # A process of its own: the S3 client and server are no part of the gateway's installation.
    raise SystemExit(subprocess.call([sys.executable, "-m", "gateway.demo"]))
