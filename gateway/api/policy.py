"""A party's staff and its own policy file: read, replaced, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gateway.api.replies import Reply, failure, reply
from gateway.api.request import Asked, Means
from gateway.errors import BadInput, Denied, NotFound, PreconditionFailed, Problem
from gateway.model import May

TEXT_BYTES_MAX = 4 * 1024**2
HISTORY_MAX = 1000

_DIGEST = re.compile(r"[0-9a-f]{64}")


async def get_policy(means: Means, asked: Asked) -> Reply:
    staff(asked)
    party, wanted = asked.caller.party, asked.query.get("sha256", "")
    if wanted:
        text = await means.policies.text(party, wanted) if _DIGEST.fullmatch(wanted) else None
        if text is None:
            raise NotFound("the file never was that")
        return reply({"party": party, "sha256": wanted, "text": text})
    own = await means.policies.own(party)
    content = {
        "party": party,
        "sha256": own.sha256,
        "text": own.text,
        "problems": _shown(own.problems),
        "converged": own.converged,
    }
    return reply(content, etag=f'"{own.sha256}"')


async def put_policy(means: Means, asked: Asked) -> Reply:
    staff(asked)
    raw = await asked.body(TEXT_BYTES_MAX)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadInput("the file is not UTF-8 text") from error
    if not text.strip():
        raise BadInput("the file is empty; a party that shares nothing says `party: NAME` alone")
    done = await means.policies.replace(asked.caller.principal, text, _expected(asked.headers))
    if done.edited:
        text = "the operator is at work on this file in the policies folder; try again later"
        return failure(409, "EditUnderWay", text)
    if done.problems:
        text = "the file has mistakes; what was in force stays so"
        return failure(422, "InvalidPolicy", text, problems=_shown(done.problems))
    content = {"sha256": done.sha256, "warnings": _shown(done.warnings)}
    return reply(content, etag=f'"{done.sha256}"')


async def get_history(means: Means, asked: Asked) -> Reply:
    staff(asked)
    past = await means.policies.past(asked.caller.party, HISTORY_MAX)
    return reply([{"at": p.at, "sha256": p.sha256, "by": p.principal or None} for p in past])


def staff(asked: Asked) -> None:
    """Policy is for principals that may nothing else: a key that moves files is in programs."""
    if asked.caller.principal.may is not May.POLICY:
        raise Denied("this takes a principal with `may: policy` in topology.yaml")


def _expected(headers: Mapping[str, str]) -> str | None:
    given = headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    tag = given.strip().strip('"')
    if tag and not _DIGEST.fullmatch(tag):
        raise PreconditionFailed("If-Match takes the ETag of the file in force")
    return tag


def _shown(problems: Sequence[Problem]) -> list[dict[str, object]]:
    """The party sees its own file alone: of the others it is told nothing."""
    return [
        {"line": each.line, "column": each.column, "text": each.told or each.text}
        for each in problems
    ]
