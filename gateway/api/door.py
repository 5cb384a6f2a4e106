"""The API's table, and the way from a request to its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from gateway.api import consent, policy, rules
from gateway.api.openapi import document
from gateway.api.replies import JSON, Reply, failed, failure, reply
from gateway.api.request import Asked, Body, Means
from gateway.errors import CrossdockError, Denied
from gateway.model import Caller, Event

NAME = "api"

Handler = Callable[[Means, Asked], Awaitable[Reply]]


class Row(NamedTuple):
    handler: Handler
    summary: str
    takes: str = ""  # the body's media type


async def _described(_: Means, __: Asked) -> Reply:
    return reply(document({place: (row.summary, row.takes) for place, row in ROUTES.items()}))


ROUTES: Mapping[tuple[str, str], Row] = MappingProxyType(
    {
        ("GET", "/policy"): Row(policy.get_policy, "The party's own policy file, as in force."),
        ("PUT", "/policy"): Row(policy.put_policy, "Replaces it.", "application/yaml"),
        ("GET", "/policy/history"): Row(policy.get_history, "What it was, newest first."),
        ("GET", "/offers"): Row(consent.get_offers, "What is offered and not accepted."),
        ("GET", "/explain"): Row(rules.get_explanation, "Why the party may or may not."),
        ("GET", "/requests"): Row(consent.get_requests, "Copies that are asked back."),
        ("PUT", "/requests"): Row(consent.put_request, "Answers one.", JSON),
        ("POST", "/recall"): Row(consent.post_recall, "Asks a party's copies back.", JSON),
        ("GET", "/openapi.json"): Row(_described, "This document."),
    }
)
"""(method, path below /-/api/v1) -> what answers."""


class Api:
    """Answers what the S3 door has authenticated. Refusals are recorded by `observe`; `clock`
    gives moments in nanoseconds."""

    def __init__(
        self, means: Means, observe: Callable[[Event], None], clock: Callable[[], int]
    ) -> None:
        self._means = means
        self._observe = observe
        self._clock = clock

    async def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        caller: Caller,
        body: Body,
    ) -> Reply:
        """`path` is what follows /-/api/v1."""
        row = ROUTES.get(("GET" if method == "HEAD" else method, path))
        if row is None:
            return _not_there(path)
        try:
            return await row.handler(self._means, Asked(query, headers, caller, body))
        except CrossdockError as error:
            if isinstance(error, Denied):
                self._refused(caller, path, error)
            return failed(error)

    def _refused(self, caller: Caller, path: str, error: Denied) -> None:
        self._observe(
            Event(
                kind="refusal",
                at=self._clock(),
                party=caller.party,
                principal=caller.principal.name,
                door=NAME,
                request=caller.request,
                outcome=type(error).__name__,
                detail={"path": path},
                readers=(caller.party,),
            )
        )


def _not_there(path: str) -> Reply:
    methods = sorted(method for method, known in ROUTES if known == path)
    if not methods:
        return failure(404, "NotFound", "the API has nothing of that name")
    allowed = ", ".join(methods)
    found = failure(405, "MethodNotAllowed", f"expected {allowed}")
    return Reply(found.status, found.body, {**found.headers, "allow": allowed})
