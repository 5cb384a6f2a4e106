"""`crossdock serve`: runs the gateway until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import uvloop

from gateway.app import Running, running
from gateway.cli import show
from gateway.cli.session import CONFIG_FILE, exit_codes
from gateway.config import Config, Overrides, read
from gateway.errors import CrossdockError
from gateway.model import ObjectRef, Principal
from gateway.telemetry import log_to

FAULT = 70
"""EX_SOFTWARE: a worker ended before its time."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
log = logging.getLogger(__name__)

KEPT = "(sealed)"
SAMPLE = "README.md"


@click.command()
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    default=CONFIG_FILE,
    show_default=True,
    help="The operator's file.",
)
@click.option("--catalog", default="", help="Instead of the file's `catalog`.")
@click.option("--state", default="", help="Instead of the file's `state`.")
@click.option(
    "--listen", multiple=True, metavar="DOOR=HOST:PORT", help="Instead of that door's `listen`."
)
@click.option("--json", "as_json", is_flag=True, help="Print what it serves as one line of JSON.")
def serve(file: Path, catalog: str, state: str, listen: Sequence[str], as_json: bool) -> None:
    """Run the gateway. Ctrl-C or SIGTERM lets running requests finish and stops it; a second one
    ends it at once, which loses nothing that was acknowledged."""
    with exit_codes():
        config = read(file, Overrides(catalog, state, listen))
        undo = log_to(sys.stderr, config.log.level)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(config, as_json))
        except CrossdockError:
            raise
        except Exception as error:
            log.exception("the gateway ended by a fault of its own")
            raise SystemExit(FAULT) from error
        finally:
            undo()


async def _serve(config: Config, as_json: bool) -> None:
    stop = asyncio.Event()

    def told() -> None:
        if stop.is_set():
            os._exit(FAULT)
        stop.set()

    loop = asyncio.get_running_loop()
    for each in SIGNALS:
        loop.add_signal_handler(each, told)
    async with running(config) as gateway:
        if as_json:
            show.line(_facts(gateway))
        else:
            greet(gateway)
        await gateway.until(stop)


def _facts(gateway: Running) -> dict[str, object]:
    return {
        "doors": {name: door.listen.url for name, door in gateway.doors.items()},
        "host_keys": [key.public for key in gateway.house.host_keys],
        "parties": {
            party.name: sorted(party.principals) for party in gateway.house.mesh.parties.values()
        },
        "keys": [
            {
                "party": made.principal.party,
                "principal": made.principal.name,
                "id": made.id,
                "secret": made.secret.reveal(),
            }
            for made in gateway.made
        ],
    }


def greet(gateway: Running) -> None:
    """Where it listens, who takes part, and an example to paste."""
    mesh = gateway.house.mesh
    for name, door in gateway.doors.items():
        show.say(f"{name:8}{door.listen.url}")
    for key in gateway.house.host_keys:
        kind = key.public.partition(" ")[0]
        show.say(f"        {key.fingerprint}  {kind}")
    show.say(f"policy  {mesh.revision}")
    made = {credential.id: credential.secret.reveal() for credential in gateway.made}
    rows = [
        (c.principal.party, c.principal.name, c.principal.may.value, c.id, made.get(c.id, KEPT))
        for c in gateway.house.keyring.all()
    ]
    show.table("access keys", ("party", "principal", "may", "id", "secret"), rows)
    if made:
        show.say("These secrets are shown this once; what is kept of them is sealed.")
    show.say(f"Another key for a principal: {_command()} key create PARTY PRINCIPAL")
    for line in _example(gateway):
        click.echo(line)


def _example(gateway: Running) -> Sequence[str]:
    """Three lines to paste into another shell, for the first principal that may write."""
    found = next(_writers(gateway), None)
    door = gateway.doors.get("s3")
    if found is None or door is None:
        return ()
    who, ref = found
    made = next((c for c in gateway.made if c.principal == who), None)
    aws = f"aws --endpoint-url {door.listen.url} s3"
    return (
        "",
        f"Try it as {who.party}, in another shell:",
        show.exports(made.id, made.secret.reveal(), gateway.house.config.region)
        if made
        else f'eval "$({_command()} key create {who.party} {who.name} --env)"',
        f"{aws} cp {_sample()} s3://{ref}",
        f"{aws} ls --recursive s3://{ref.bucket}",
        "",
    )


def _writers(gateway: Running) -> Iterator[tuple[Principal, ObjectRef]]:
    """Principals, each with a key that it may write."""
    mesh = gateway.house.mesh
    for bucket in mesh.buckets.values():
        for party, patterns in bucket.members.items():
            for spec in mesh.parties[party].principals.values():
                for pattern in patterns:
                    ref = ObjectRef(bucket.name, f"{pattern.partition('*')[0]}{SAMPLE}")
                    if mesh.policy.may_write(spec.principal, ref, bucket).allowed:
                        yield spec.principal, ref


def _command() -> str:
    """How this program was called, so that what is printed can be pasted."""
    return shlex.quote(os.path.relpath(sys.argv[0])) if os.sep in sys.argv[0] else "crossdock"


def _sample() -> str:
    """A file that lies in every checkout."""
    return SAMPLE if Path(SAMPLE).exists() else CONFIG_FILE
