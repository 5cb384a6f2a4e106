"""`crossdock key`: access keys that the catalog keeps, sealed."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gateway.catalog import Catalog, SealedKey
from gateway.cli import show
from gateway.cli.session import Session, command, quiet


@click.group()
def key() -> None:
    """Access keys: make, list and revoke them."""


@key.command()
@click.argument("party")
@click.argument("principal", metavar="NAME")
@click.option("--env", is_flag=True, help="Print shell lines that put the key to use.")
@command
def create(session: Session, party: str, principal: str, env: bool) -> None:
    """Make an access key for a principal. Its secret is shown this once and never again."""
    made = session.do("key.create", {"party": party, "principal": principal}, quiet)
    if session.as_json:
        show.as_json(made)
    elif env:
        click.echo(show.exports(made["id"], made["secret"], session.config.region))
    else:
        show.say(f"access key id      {made['id']}")
        show.say(f"secret access key  {made['secret']}")
        show.say("The secret is not shown again; what is kept of it is sealed.")


@key.command("list")
@click.argument("party", default="")
@click.argument("principal", metavar="[NAME]", default="")
@command
def list_keys(session: Session, party: str, principal: str) -> None:
    """The keys that the catalog keeps, open and revoked; those of topology.yaml stand there."""

    async def story(catalog: Catalog) -> Sequence[SealedKey]:
        return await catalog.keys()

    rows = [
        {
            "id": each.id,
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
    columns = ("id", "party", "principal", "created", "revoked")
    show.table("access keys", columns, [list(row.values()) for row in rows])


@key.command()
@click.argument("party")
@click.argument("principal", metavar="NAME")
@click.option("--id", "key_id", default="", help="This key alone; without it all of them.")
@command
def revoke(session: Session, party: str, principal: str, key_id: str) -> None:
    """Revoke a principal's keys. Requests signed with them are refused from then on."""
    arguments = {"party": party, "principal": principal, "id": key_id}
    done = session.do("key.revoke", arguments, quiet)
    if session.as_json:
        show.as_json(done)
        return
    for each in done["revoked"]:
        show.say(f"revoked {each}")
