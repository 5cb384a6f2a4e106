"""What the API needs of whoever keeps the policy in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import Problem
from gateway.model import Principal


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
