"""What a party was asked and is offered: seen and answered by the party itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from gateway.api.replies import Reply, moment, reply
from gateway.api.request import Asked, Means
from gateway.errors import BadInput, Denied
from gateway.exchange import Request
from gateway.model import Caller, DeliveryKind, May, ObjectRef
from gateway.policy.offers import Offer, outstanding

DOCUMENT_BYTES_MAX = 16 * 1024
ANSWERS = ("yes", "no")


async def get_requests(means: Means, asked: Asked) -> Reply:
    query = asked.query
    found = await means.exchange.recalling.requests(
        asked.caller,
        own=query.get("own") == "true",
        open_only=query.get("open") == "true",
        after=query.get("after", ""),
    )
    return reply([_request(each) for each in found])


async def put_request(means: Means, asked: Asked) -> Reply:
    said = await _document(asked, "answer", "note")
    if said.get("answer") not in ANSWERS:
        raise BadInput('expected {"answer": "yes"} or {"answer": "no"}, and a "note" if you like')
    done = await means.exchange.recalling.answer(
        asked.caller,
        asked.query.get("id", ""),
        yes=said["answer"] == "yes",
        note=said.get("note", ""),
    )
    return reply(_request(done))


async def post_recall(means: Means, asked: Asked) -> Reply:
    said = await _document(asked, "party", "bucket", "key", "version")
    if not all(said.get(name) for name in ("party", "bucket", "key")):
        raise BadInput('expected {"party": …, "bucket": …, "key": …}, and a "version" if you like')
    done = await means.exchange.recalling.recall(
        asked.caller,
        ObjectRef(said["bucket"], said["key"]),
        said["party"],
        version=said.get("version", ""),
    )
    told = {"version": done.version, "removals": done.removals, "request": done.request or None}
    return reply(told)


async def get_offers(means: Means, asked: Asked) -> Reply:
    """Policy is the business of those who edit it, and of principals that see all of it."""
    principal, party = asked.caller.principal, asked.caller.party
    if principal.keys or principal.may not in (May.POLICY, May.BOTH):
        raise Denied("this principal is narrowed: offers are about all of its party's keys")
    mesh = means.exchange.mesh
    made = {each.name: each for each in await _buckets(means, asked.caller) if each.created}
    async with means.searching:
        found = await asyncio.to_thread(lambda: list(outstanding(mesh, made, about=party)))
    return reply([_offer(each, party) for each in found])


async def _buckets(means: Means, caller: Caller) -> Any:
    return await means.exchange.buckets.all(caller)


async def _document(asked: Asked, *names: str) -> Mapping[str, str]:
    """A JSON object of texts under these names."""
    try:
        said = json.loads(await asked.body(DOCUMENT_BYTES_MAX))
    except ValueError as error:
        raise BadInput("the body is no JSON") from error
    fits = isinstance(said, dict) and said.keys() <= set(names)
    if not fits or not all(isinstance(value, str) for value in said.values()):
        raise BadInput(f"expected a JSON object of texts: {', '.join(names)}")
    return {name: said[name] for name in said}


def _request(each: Request) -> dict[str, object]:
    return {
        "id": each.id,
        "why": "recall" if each.kind is DeliveryKind.RECALL else "deleted",
        "bucket": each.ref.bucket,
        "key": each.ref.key,
        "version": each.version,
        "author": each.author,
        "party": each.party,
        "asked": moment(each.asked),
        "answer": each.answer or None,
        "note": each.note,
    }


def _offer(each: Offer, party: str) -> dict[str, object]:
    """The author's rule is its own business, what the recipient accepts so far is the other's."""
    told: dict[str, object] = {
        "from": each.author,
        "to": each.party,
        "bucket": each.bucket,
        "keys": list(each.keys),
        "mode": each.mode.value,
    }
    if party == each.author:
        return {**told, "rule": str(each.rule)}
    return {
        **told,
        "accepted_as": each.have.value if each.have else None,
        "accept_with": each.line,
    }
