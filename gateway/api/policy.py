"""A party's staff and its own policy file: read, replaced, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.api.replies import Reply, failure, reply
from gateway.api.request import Asked
from gateway.errors import BadInput, Denied, NotFound, PreconditionFailed, Problem
from gateway.model import May, Principal

TEXT_BYTES_MAX = 4 * 1024**2
HISTORY_MAX = 1000

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OwnFile:
    """`text` is in force, `sha256` (hex) its name, "" where there is none. `problems` are those of
    an edit that is not in force for them. `converged`: old files follow what is in force."""

    text: str
    sha256: str
    problems: tuple[Problem, ...]
    converged: bool


@dataclass(frozen=True, slots=True)
class Replaced:
    """In force unless there are `problems` or somebody `edited` the same file meanwhile."""

    sha256: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """One state of the file. `principal` is "" where it was not the party's own."""

    at: str
    sha256: str
    principal: str


class OwnPolicies(Protocol):
    """What the door needs of whoever keeps the policy. `expect` is the SHA-256 (hex) of the text
    that is to be replaced, None where that does not matter; PreconditionFailed if it is another
    one. TooBusy for a party that replaces its file too often."""

    async def own(self, party: str) -> OwnFile: ...
    async def replace(self, by: Principal, text: str, expect: str | None) -> Replaced: ...
    async def past(self, party: str, limit: int) -> Sequence[Past]: ...
    async def text(self, party: str, sha256: str) -> str | None: ...


async def get_policy(policies: OwnPolicies, asked: Asked) -> Reply:
    staff(asked)
    party, wanted = asked.caller.party, asked.query.get("sha256", "")
    if wanted:
        text = await policies.text(party, wanted) if _DIGEST.fullmatch(wanted) else None
        if text is None:
            raise NotFound("the file never was that")
        return reply({"party": party, "sha256": wanted, "text": text})
    own = await policies.own(party)
    content = {
        "party": party,
        "sha256": own.sha256,
        "text": own.text,
        "problems": _shown(own.problems),
        "converged": own.converged,
    }
    return reply(content, etag=f'"{own.sha256}"')


async def put_policy(policies: OwnPolicies, asked: Asked) -> Reply:
    staff(asked)
    raw = await asked.body(TEXT_BYTES_MAX)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadInput("the file is not UTF-8 text") from error
    if not text.strip():
        raise BadInput("the file is empty; a party that shares nothing says `party: NAME` alone")
    done = await policies.replace(asked.caller.principal, text, _expected(asked.headers))
    if done.edited:
        text = "the operator is at work on this file in the policies folder; try again later"
        return failure(409, "EditUnderWay", text)
    if done.problems:
        text = "the file has mistakes; what was in force stays so"
        return failure(422, "InvalidPolicy", text, problems=_shown(done.problems))
    content = {"sha256": done.sha256, "warnings": _shown(done.warnings)}
    return reply(content, etag=f'"{done.sha256}"')


async def get_history(policies: OwnPolicies, asked: Asked) -> Reply:
    staff(asked)
    past = await policies.past(asked.caller.party, HISTORY_MAX)
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
