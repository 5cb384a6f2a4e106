"""`crossdock sftp`: what the operator does about the sFTP door, and about depots elsewhere."""

from __future__ import annotations

import click

from gateway.cli.sftp_import import import_


@click.group()
def sftp() -> None:
    """Take over what lies on another sFTP server."""


sftp.add_command(import_)
