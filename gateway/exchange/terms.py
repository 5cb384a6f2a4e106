"""What doors hand to the exchange and get back: plain values, in no protocol's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from gateway.model import (
    EMPTY,
    Bucket,
    Chunks,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Held,
    Lock,
    ObjectRef,
    Version,
)

T = TypeVar("T")

Offload = Callable[[Callable[[], T]], Awaitable[T]]
"""Runs a blocking or long computation off the event loop."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a client says of the version that it is about to write, beside the bytes.

    `checksum` is the algorithm whose value is stored and shown where the body itself does not
    name one; `checksum_type` FULL_OBJECT or COMPOSITE (uploads). `derived` are further sources.
    """

    headers: Mapping[str, str] = EMPTY
    metadata: Mapping[str, str] = EMPTY
    tags: Mapping[str, str] = EMPTY
    checksum: str = ""
    checksum_type: str = ""
    derived: tuple[tuple[ObjectRef, str], ...] = ()
    invocation: str = ""
    lock: Lock | None = None


def no_objection(_: Found) -> None:
    """Judges what was found where nothing was asked of it."""


@dataclass(frozen=True, slots=True)
class CopySource:
    """A version that the caller wants to copy from; no `version` means the current one.

    `check` judges it before a byte moves (S3's x-amz-copy-source-if-*), and raises.
    """

    ref: ObjectRef
    version: str = ""
    check: Callable[[Found], None] = no_objection


@dataclass(frozen=True, slots=True)
class PartClaim:
    """One line of the list that completes an upload. `checksums` by algorithm, base64."""

    number: int
    etag: str
    checksums: Mapping[str, str] = EMPTY


@dataclass(frozen=True, slots=True)
class Completion:
    """What a client claims of the whole upload; None or empty where it claims nothing."""

    parts: tuple[PartClaim, ...]
    size: int | None = None
    checksums: Mapping[str, str] = EMPTY
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A version as the caller may see it.

    `label` is the version id that the S3 API shows: empty in a bucket that never was versioned,
    `null` for the null version. `deliveries` are given to the author alone; `replica` tells a
    recipient that it holds a copy.
    """

    bucket: Bucket
    held: Held
    label: str
    deliveries: tuple[Delivery, ...] = ()
    replica: bool = False
    encrypted: bool = False  # at rest, as far as the caller may know: its own versions

    @property
    def version(self) -> Version:
        return self.held.version


Way = Callable[[int, int], Chunks]
"""A way to a version's bytes: (start, length) -> exactly these bytes, or an error."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A version that the caller may read, and the way to its bytes.

    `open(start, length)` yields exactly these bytes or raises; it may be called after conditions
    and ranges have been judged, or not at all. `ask` raises once the caller may not read it any
    more, for whoever passes on bytes that were read before.
    """

    found: Found
    open: Way
    ask: Callable[[], Awaitable[None]]

    @property
    def version(self) -> Version:
        return self.found.version


@dataclass(frozen=True, slots=True)
class Removed:
    """What a delete did: `label` is the id that S3 would show, `marker` whether it names a delete
    marker (made by this call, or removed by it)."""

    label: str = ""
    marker: bool = False


STATUS_OF = MappingProxyType(
    {
        DeliveryState.PENDING: "PENDING",
        DeliveryState.PARKED: "FAILED",
        DeliveryState.DONE: "COMPLETED",
    }
)
"""S3's replication status of a delivery; what was superseded, withdrawn or cancelled has none."""


def overall_status(deliveries: Iterable[Delivery]) -> str:
    """One value for all: FAILED if any is parked, else PENDING if any is, else COMPLETED. What was
    asked back is no replication."""
    values = {STATUS_OF.get(d.state) for d in deliveries if d.kind is not DeliveryKind.RECALL}
    return next((v for v in ("FAILED", "PENDING", "COMPLETED") if v in values), "")
