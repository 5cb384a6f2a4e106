"""One request to the API, proved and read into values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from gateway.api.keeping import OwnPolicies
from gateway.exchange import Exchange
from gateway.model import Caller

Body = Callable[[int], Awaitable[bytes]]
"""The whole body, verified, of at most so many bytes."""


@dataclass(frozen=True, slots=True)
class Means:
    """`searching`: what takes long is done for one request at a time."""

    policies: OwnPolicies
    exchange: Exchange
    searching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


@dataclass(frozen=True, slots=True)
class Asked:
    """Header names are lower case."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller
    body: Body
