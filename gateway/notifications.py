"""S3 notification configurations as values: which events there are, and who is told of which.

After AWS's "Event notification types and destinations" and "Configuring event notifications using
object key name filtering".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from types import MappingProxyType

from gateway.model import EMPTY, ObjectRef, Version

PREFIX = "s3:"
EVERY = ":*"

_FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
        "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
        "ObjectRestore": ("Post", "Completed", "Delete"),
        "ObjectTagging": ("Put", "Delete"),
        "ObjectAnnotation": ("Put", "Delete"),
        "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
        "Replication": (
            "OperationFailedReplication",
            "OperationMissedThreshold",
            "OperationReplicatedAfterThreshold",
            "OperationNotTracked",
        ),
    }
)
_ALONE = (
    "ReducedRedundancyLostObject",
    "ObjectAcl:Put",
    "ObjectRetention:Put",
    "LifecycleTransition",
    "IntelligentTiering",
)

EVENTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {f"{PREFIX}{name}": frozenset({f"{PREFIX}{name}"}) for name in _ALONE}
    | {
        f"{PREFIX}{family}:{name}": frozenset({f"{PREFIX}{family}:{name}"})
        for family, names in _FAMILIES.items()
        for name in names
    }
    | {
        f"{PREFIX}{family}{EVERY}": frozenset(f"{PREFIX}{family}:{name}" for name in names)
        for family, names in _FAMILIES.items()
    }
)
"""What a configuration may name, and the events that it then means. Some never happen here."""

PUT, POST, COPY = "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy"
COMPLETED = "s3:ObjectCreated:CompleteMultipartUpload"
DELETED, MARKED = "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"
EXPIRED = "s3:LifecycleExpiration:Delete"
EXPIRED_BY_MARKER = "s3:LifecycleExpiration:DeleteMarkerCreated"
TAGGED, UNTAGGED = "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete"
RETAINED = "s3:ObjectRetention:Put"
COPY_FAILED = "s3:Replication:OperationFailedReplication"
COPY_LATE = "s3:Replication:OperationMissedThreshold"
COPY_ARRIVED_LATE = "s3:Replication:OperationReplicatedAfterThreshold"
COPY_NOT_TRACKED = "s3:Replication:OperationNotTracked"
TEST = "s3:TestEvent"
"""What a webhook is sent when a configuration begins to name it."""

GONE = frozenset({DELETED, MARKED, EXPIRED, EXPIRED_BY_MARKER})
"""What takes a version out of views."""

FORM_DOOR = "s3-form"
FILE_DOOR = "sftp"
"""The door of versions that came as a browser's form."""

QUEUE_MAX = 100_000
"""Notices of one webhook that wait at once, parked ones among them: some 30 MB of the catalog."""

WATCHES_CACHED = 256
"""Texts of configurations kept as values."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One part of a party's configuration for a bucket: which events go to which of its webhooks.

    `kind` is the form in which it was put (queue | topic). None as a prefix or suffix: not said.
    """

    id: str
    kind: str
    webhook: str
    events: tuple[str, ...]
    prefix: str | None = None
    suffix: str | None = None

    @property
    def means(self) -> frozenset[str]:
        return frozenset().union(*(EVENTS[event] for event in self.events))

    def covers(self, key: str) -> bool:
        return key.startswith(self.prefix or "") and key.endswith(self.suffix or "")


def overlapping(watches: Sequence[Watch]) -> tuple[Watch, Watch] | None:
    """Two that could both be about one event of one key; S3 allows none."""
    meant = [(watch, watch.means) for watch in watches]
    for (one, these), (other, those) in combinations(meant, 2):
        if (
            these & those
            and _nested(one.prefix or "", other.prefix or "")
            and _nested((one.suffix or "")[::-1], (other.suffix or "")[::-1])
        ):
            return one, other
    return None


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def text_of(watches: Iterable[Watch]) -> str:
    """As JSON."""
    rows = [(w.id, w.kind, w.webhook, w.events, w.prefix, w.suffix) for w in watches]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


@lru_cache(WATCHES_CACHED)
def watches_from(text: str) -> tuple[Watch, ...]:
    """From what `text_of` wrote."""
    return tuple(
        Watch(id_, kind, webhook, tuple(events), prefix, suffix)
        for id_, kind, webhook, events, prefix, suffix in json.loads(text)
    )


Watchers = Mapping[str, Mapping[str, tuple[tuple[str, Watch], ...]]]
"""By bucket and event: the parties to be told, each with its watch."""


def watchers_from(rows: Iterable[tuple[str, str, str]]) -> Watchers:
    """From (bucket, party, text of its watches)."""
    found: dict[str, dict[str, list[tuple[str, Watch]]]] = {}
    for bucket, party, text in rows:
        for watch in watches_from(text):
            for event in sorted(watch.means):
                found.setdefault(bucket, {}).setdefault(event, []).append((party, watch))
    return {
        bucket: {event: tuple(told) for event, told in events.items()}
        for bucket, events in found.items()
    }


def created(version: Version) -> str:
    """The event of a version that enters a view: how it came to be, told from itself."""
    if any(source.kind in ("copy", "rename") for source in version.sources):
        return COPY
    if version.parts and version.door != FILE_DOOR:
        return COMPLETED
    return POST if version.door == FORM_DOOR else PUT


# --- what is to be sent ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notice:
    """One event that a party is to be told of, at one of its webhooks.

    `id` is a commit's number: it orders the notices of a key and never leaves as it is counted,
    only as S3's sequencer; `name` is the random id that the receiver sees, the same at each
    attempt. `principal` and `request` are of the party's own act, else empty. `copy` is what a
    Replication event tells of a delivery.
    """

    id: int
    name: str
    party: str
    webhook: str
    ref: ObjectRef
    event: str
    watch: str
    principal: str = ""
    request: str = ""
    copy: Mapping[str, str] = EMPTY
    attempts: int = 0
    due: int = 0
    token: int = 0
    parked: bool = False
    error: str = ""
