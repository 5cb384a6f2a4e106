"""What the API answers: JSON, and for what went wrong a code and a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from gateway import errors
from gateway.errors import CrossdockError
from gateway.model import EMPTY

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = EMPTY


def reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """Header names are written with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
    return Reply(status, body, {"content-type": JSON, **named})


def moment(at: int) -> str:
    """A moment (nanoseconds) as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(at // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def failure(status: int, code: str, message: str, **more: Any) -> Reply:
    return reply({"code": code, "message": message, **more}, status)


STATUS: Mapping[type[CrossdockError], int] = MappingProxyType(
    {
        errors.Denied: 403,
        errors.NotFound: 404,
        errors.PreconditionFailed: 412,
        errors.Conflict: 409,
        errors.TooLarge: 413,
        errors.BadInput: 400,
        errors.Unavailable: 503,
    }
)
"""The nearest of an error's kinds that stands here decides."""


def failed(error: CrossdockError) -> Reply:
    """Raises again what is none of these: the door that proved the request answers it."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 0)
    if not status:
        raise error
    return failure(status, type(error).__name__, error.message)
