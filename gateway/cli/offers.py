"""`crossdock offers`: consent that is missing, and the line that gives it."""

from __future__ import annotations

import click

from gateway.catalog import Catalog
from gateway.cli import show
from gateway.cli.session import Session, command
from gateway.errors import BadInput
from gateway.model import Bucket
from gateway.policy.offers import Offer, outstanding


@click.command()
@click.option("--party", default="", help="What it may know: its own offers, and those to it.")
@command
def offers(session: Session, party: str) -> None:
    """What parties offer each other and the others have not accepted, as the folder stands now.

    The line under `accept it with` goes under `accepts:` in the file of the party that is offered.
    """
    mesh = session.mesh()
    if party and party not in mesh.parties:
        raise BadInput(f"topology.yaml names no party {party}; it has {', '.join(mesh.parties)}")
    made = {each.name: each for each in buckets_made(session)}
    found = [o for o in outstanding(mesh, made) if party in ("", o.author, o.party)]
    if session.as_json:
        show.as_json([_json(each, party) for each in found])
    elif not found:
        show.say("nothing is offered that is not accepted")
    else:
        _print(found, party)


def buckets_made(session: Session) -> list[Bucket]:
    """Those made through a door; none where no gateway ever ran."""
    if not session.config.catalog.exists():
        return []

    async def ask(catalog: Catalog) -> list[Bucket]:
        return list(await catalog.buckets())

    return session.read(ask)


def may_know(offer: Offer, party: str) -> bool:
    """The rule is its author's own business, and the operator's."""
    return party in ("", offer.author)


def _json(offer: Offer, party: str) -> dict[str, object]:
    told: dict[str, object] = {
        "from": offer.author,
        "to": offer.party,
        "bucket": offer.bucket,
        "keys": list(offer.keys),
        "mode": offer.mode.value,
    }
    if party != offer.author:
        told["accepted_as"] = offer.have.value if offer.have else None
        told["accept_with"] = offer.line
    if may_know(offer, party):
        told["rule"] = str(offer.rule)
    return told


def _print(found: list[Offer], party: str) -> None:
    columns = ("from", "to", "bucket", "keys", "as", "so far", "rule")
    rows = [
        (
            *(each.author, each.party, each.bucket, ", ".join(each.keys), each.mode.value),
            (each.have.value if each.have else "nothing") if party != each.author else "",
            str(each.rule) if may_know(each, party) else "",
        )
        for each in found
    ]
    show.table("offered and not accepted", columns, rows)
    for each in found:
        if party != each.author:
            show.say(f"accept it with, in policies/{each.party}.yaml under accepts:")
            show.say(f"  {each.line}")
