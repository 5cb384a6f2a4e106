"""The command `crossdock`: a table of its commands, each in a file of its own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType

import click

from gateway import __version__

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "serve": "gateway.cli.serve:serve",
        "check": "gateway.cli.check:check",
        "policy": "gateway.cli.policy:policy",
        "costs": "gateway.cli.costs:costs_command",
        "offers": "gateway.cli.offers:offers",
        "who-has": "gateway.cli.story:who_has",
        "history": "gateway.cli.story:history",
        "deliveries": "gateway.cli.deliveries:deliveries",
        "recall": "gateway.cli.recall:recall",
        "requests": "gateway.cli.requests:requests",
        "notices": "gateway.cli.notices:notices",
        "adopt": "gateway.cli.adopt:adopt",
        "sftp": "gateway.cli.sftp:sftp",
        "repair": "gateway.cli.repair:repair",
        "key": "gateway.cli.key:key",
        "audit": "gateway.cli.audit:audit",
        "backup": "gateway.cli.backup:backup",
        "rebuild": "gateway.cli.rebuild:rebuild",
        "restore": "gateway.cli.backup:restore",
        "demo": "gateway.cli.demo:demo",
    }
)


class Commands(click.Group):
    """Loads a command when it is called: the gateway's own libraries take seconds to load, and
    most commands need none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(importlib.import_module(module), name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="crossdock")
def main() -> None:
    """Crossdock: files between companies, under each company's own policy.

    Exit codes: 0 done, 1 no (not found, refused, does not verify), 2 bad input.
    """
