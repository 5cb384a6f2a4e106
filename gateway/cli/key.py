"""`crossdock key`: access keys and passwords that the catalog keeps, sealed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import click

from gateway.catalog import Catalog, SealedKey
from gateway.cli import show
from gateway.cli.session import Session, command, quiet
from gateway.identity import NO_ACCESS_KEY
from gateway.logins import PASSWORD_CHARS_GOOD

SHORT = (
    "This password is short. Say where its user may come from (`from:`), or let it show a key, too"
    " (`login: both`)."
)


@click.group()
def key() -> None:
    """Access keys and passwords: make, list and revoke them."""


@key.command()
@click.argument("party")
@click.argument("principal", metavar="NAME")
@click.option("--env", is_flag=True, help="Print shell lines that put the key to use.")
@click.option("--password", is_flag=True, help="Make a password for the sFTP door instead.")
@click.option("--stdin", is_flag=True, help="With --password: read it from standard input.")
@command
def create(
    session: Session, party: str, principal: str, env: bool, password: bool, stdin: bool
) -> None:
    """Make an access key for a principal, or a password for the sFTP door. A secret that is made
    is shown this once and never again."""
    if (env and password) or (stdin and not password):
        raise click.UsageError("--env goes with access keys, --stdin with --password")
    arguments = {"party": party, "principal": principal}
    if password:
        arguments["password"] = given_password() if stdin else ""
        if stdin and len(arguments["password"]) < PASSWORD_CHARS_GOOD:
            click.echo(SHORT, err=True)
    made = session.do("key.create", arguments, quiet)
    if session.as_json:
        show.as_json(made)
    elif password:
        _say_password(made)
    elif env:
        click.echo(show.exports(made["id"], made["secret"], session.config.region))
    else:
        show.say(f"access key id      {made['id']}")
        show.say(f"secret access key  {made['secret']}")
        show.say("The secret is not shown again; what is kept of it is sealed.")


def given_password() -> str:
    """The first line of standard input."""
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise click.UsageError("standard input holds no password")
    return text


def _say_password(made: Mapping[str, str]) -> None:
    show.say(f"user      {made['user']}")
    if "password" in made:
        show.say(f"password  {made['password']}")
        show.say("The password is not shown again; a hash of it is kept.")


@key.command("list")
@click.argument("party", default="")
@click.argument("principal", metavar="[NAME]", default="")
@command
def list_keys(session: Session, party: str, principal: str) -> None:
    """The keys and passwords that the catalog keeps, open and revoked; those of topology.yaml stand
    there."""

    async def story(catalog: Catalog) -> Sequence[SealedKey]:
        return await catalog.keys()

    rows = [
        {
            "id": each.id,
            "kind": "password" if each.id.startswith(NO_ACCESS_KEY) else "access key",
            "party": each.party,
            "principal": each.principal,
            "created": show.moment(each.created),
            "revoked": show.moment(each.revoked),
        }
        for each in session.read(story)
        if party in ("", each.party) and principal in ("", each.principal)
    ]
    if session.as_json:
        show.as_json(rows)
        return
    columns = ("id", "kind", "party", "principal", "created", "revoked")
    show.table("access keys", columns, [list(row.values()) for row in rows])


@key.command()
@click.argument("party")
@click.argument("principal", metavar="NAME")
@click.option(
    "--id",
    "key_id",
    default="",
    help="This one alone, as `key list` names it; without it all of them.",
)
@command
def revoke(session: Session, party: str, principal: str, key_id: str) -> None:
    """Revoke a principal's access keys and passwords, or the one that --id names. Requests and
    sFTP sessions that came with them are refused from then on."""
    arguments = {"party": party, "principal": principal, "id": key_id}
    done = session.do("key.revoke", arguments, quiet)
    if session.as_json:
        show.as_json(done)
        return
    for each in done["revoked"]:
        show.say(f"revoked {each}")
