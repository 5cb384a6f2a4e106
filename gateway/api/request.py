"""One request to the API, proved and read into values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.api.keeping import OwnPolicies
from gateway.exchange import Exchange
from gateway.model import Caller

Body = Callable[[int], Awaitable[bytes]]
"""The whole body, verified, of at most so many bytes."""


@dataclass(frozen=True, slots=True)
class Means:
    policies: OwnPolicies
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Asked:
    """Header names are lower case."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller
    body: Body
