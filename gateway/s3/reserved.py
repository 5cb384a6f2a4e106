"""What lies under `/-/` and is not S3: handed on, once its signature has been proved."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from gateway.model import EMPTY, Caller
from gateway.s3 import body
from gateway.s3.address import Resource
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import Rendered
from gateway.s3.routes import Operation, Right
from gateway.s3.wire import Answer

API = "/-/api/v1"
OPERATION = Operation("", Resource.SERVICE, "Api", Right.NONE, EMPTY, frozenset(), "", "")


class Reply(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


Read = Callable[[int], Awaitable[bytes]]


class Api(Protocol):
    """Whatever answers below API: given the method, the path below it, query, headers (by
    lower-case name), who asks, and the way to the body."""

    async def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        caller: Caller,
        body: Read,
        /,
    ) -> Reply: ...


def is_api(path: str) -> bool:
    return path == API or path.startswith(f"{API}/")


async def serve(desk: Desk, api: Api, request: Request) -> Answer:
    async def read(most: int) -> bytes:
        return await body.document(desk, request, most=most)

    method, path = request.wire.raw.method, request.target.reserved.removeprefix(API)
    found = await api(method, path, request.query, request.headers, request.caller, read)
    headers = {**found.headers, "cache-control": "no-store"}
    if method == "HEAD":
        return Answer(found.status, headers, length=len(found.body))
    return Answer(found.status, headers, found.body, length=len(found.body))


def refusal(shown: Rendered, request: str) -> Answer:
    """An error of the door's own, in the API's words."""
    told = {"code": shown.code, "message": shown.message, "request": request}
    content = json.dumps(told).encode() + b"\n"
    headers = {**shown.headers, "content-type": "application/json"}
    return Answer(shown.status, headers, content, length=len(content))
