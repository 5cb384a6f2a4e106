"""What happened, as a value; every other module imports it from `gateway.model`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class _Nothing(dict[str, str]):
    """The empty mapping, hashable: Python 3.11 takes an unhashable default for a mutable one."""

    def __hash__(self) -> int:  # type: ignore[override]
        return 0

    def __setitem__(self, name: str, value: str) -> None:
        raise TypeError("the empty mapping stays empty")


EMPTY: Mapping[str, str] = _Nothing()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; committed to the log it becomes a record.

    `kind` is one of: write, marker, unwrite, tags, grants (a version decided again), lock, bucket,
    delivery, consumed, request (a copy asked back, or the answer), check (a copy or an extent that
    is not, or again is, as it should be), policy, key, folder, start, stop, tick, reads (a batch),
    read, list, refusal, upload (one that a session dropped; these four live in a batch).
    `recipients` maps each party to what was decided for it. `readers` are the parties whose view
    the event belongs to: they get the openings of its fields, but of `recipients` a reader other
    than `party` gets its own entry alone, and of `rule` only what is in its own file.
    """

    kind: str
    at: int
    party: str = ""
    principal: str = ""
    door: str = ""
    request: str = ""
    bucket: str = ""
    key: str = ""
    version: str = ""
    outcome: str = ""
    rule: str = ""
    revision: str = ""
    recipients: Mapping[str, str] = EMPTY
    detail: Mapping[str, str] = EMPTY
    readers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """The events of at most one second, sealed one by one, and the event (`reads`) that commits to
    all of them and becomes their one record."""

    record: Event
    events: tuple[bytes, ...]
