"""What attempts find and how they end."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gateway.courier.backoff import OCCUPIED, Verdict
from gateway.model import DeliveryState, Receipt, Version
from gateway.stores import Placed

LOOKS_MAX = 3
"""How often one attempt looks at a target key that changes under its hands."""


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended. A PENDING one failed, and `verdict` says how. `retry_after` is what
    the store asked for, in nanoseconds; `told` whether the target store gave an answer at all.
    `error` is not for the author's eyes."""

    state: DeliveryState
    receipt: Receipt | None = None
    verdict: Verdict | None = None
    error: str = ""
    told: bool = False
    slow: bool = False
    retry_after: int = 0


class Found(enum.Enum):
    """What lies under the target key, as far as this version is concerned."""

    NOTHING = "nothing"
    SAME = "same"  # this very version
    OLDER = "older"  # our older copy of the same object, unaltered
    NEWER = "newer"  # our newer copy of the same object
    FOREIGN = "foreign"  # anything else: not ours to overwrite


def found(version: Version, placed: Placed | None) -> Found:
    if placed is None:
        return Found.NOTHING
    if placed.altered or not placed.version or placed.ref != version.ref:
        return Found.FOREIGN
    if placed.version == version.id:
        # the same version in another length is not what we wrote
        return Found.SAME if placed.size == version.size else Found.FOREIGN
    return Found.OLDER if placed.number < version.number else Found.NEWER


def occupied(text: str) -> Result:
    return Result(DeliveryState.PENDING, verdict=OCCUPIED, error=text, told=True)
