"""`crossdock sftp`: what the operator does about the sFTP door, and about depots elsewhere."""

from __future__ import annotations

import click

from gateway.cli.sftp_bans import bans, unban
from gateway.cli.sftp_import import import_


@click.group()
def sftp() -> None:
    """The sFTP door, and what lies on other sFTP servers."""


sftp.add_command(import_)
sftp.add_command(bans)
sftp.add_command(unban)
