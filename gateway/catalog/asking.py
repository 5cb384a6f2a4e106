"""Copies that are to be removed: what is asked of a recipient, and what its answer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.model import DeliveryKind, Event, ObjectRef


@dataclass(frozen=True, slots=True)
class Removal:
    """What becomes of one party's copies of what a delete marker hides: `agreed`, they are removed;
    else, where there are any, the party is asked, and `event` tells of that. `store` and `target`
    are where policy has its copies now, beside the places where copies of that version lie."""

    party: str
    rule: str
    agreed: bool
    event: Event
    store: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A party was asked to let its copies of a version be removed. `version` is, for one that
    follows a delete, the delete marker; `asked_by` a party, or "" for the operator. `answer` is
    `yes`, `no`, or "" while it is open."""

    id: str
    kind: DeliveryKind
    ref: ObjectRef
    version: str
    author: str
    party: str
    asked_by: str
    asked: int
    answer: str = ""
    answered: int = 0
    answerer: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Recall:
    """A version's copies are asked back from one party. `rule` is the party's own that agrees, ""
    where none does. `event` becomes the record."""

    ref: ObjectRef
    version: str
    party: str
    asked_by: str
    rule: str
    event: Event


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a recall did: how many removals were promised, and the request that was recorded or is
    still open (its id, "" where there is none)."""

    removals: int = 0
    request: str = ""


class Asking(Protocol):
    async def recall(self, recall: Recall) -> Recalled:
        """ONE transaction: unsent copies of the version to the party are cancelled; of the others
        a removal each is promised where its rule agrees, else the party is asked, once. Nothing,
        and no record, where it has none. NoSuchVersion if there is no such version."""
        ...

    async def requests(
        self,
        *,
        party: str = "",
        author: str = "",
        open_only: bool = False,
        after: str = "",
        limit: int = 1000,
    ) -> Sequence[Request]:
        """Oldest first; those to one party, or else about one author's versions. `after` is an
        id."""
        ...

    async def request(self, request: str) -> Request | None: ...

    async def answer(
        self, request: str, party: str, answer: str, note: str, tell: Callable[[Request], Event]
    ) -> Request | None:
        """Answers an open request with `yes` or `no`; a yes promises the removals. None, and no
        change, where the party (any, if "") has no open request of that id."""
        ...
