"""The command `crossdock`: a list of its commands, each in a file of its own."""

from __future__ import annotations

import click

from gateway import __version__
from gateway.cli.audit import audit
from gateway.cli.backup import backup, restore
from gateway.cli.check import check
from gateway.cli.deliveries import deliveries
from gateway.cli.demo import demo
from gateway.cli.key import key
from gateway.cli.policy import policy
from gateway.cli.serve import serve
from gateway.cli.story import history, who_has


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="crossdock")
def main() -> None:
    """Crossdock: files between companies, under each company's own policy.

    Exit codes: 0 done, 1 no (not found, refused, does not verify), 2 bad input.
    """


for each in (
    serve,
    check,
    policy,
    who_has,
    history,
    deliveries,
    key,
    audit,
    backup,
    restore,
    demo,
):
    main.add_command(each)
