"""What is true: the contracts of the catalog, one Protocol for each of those who need it.

Every method is one transaction, synced to disk before it returns. Writes that carry an Event
append its record to the audit log in the same transaction. CatalogUnavailable is raised where the
catalog can't take or answer a call now (disk full, read-only, connection lost); nothing has then
changed. Numbers given by commits strictly increase over the whole catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.model import (
    Bucket,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Event,
    Extent,
    Facts,
    Grant,
    Held,
    Mode,
    ObjectRef,
    Part,
    ReadBatch,
    Receipt,
    Upload,
    Version,
    Versioning,
)

# --- changes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expect:
    """Conditions judged inside the transaction, on the writer's view. Etags without quotes, `*`
    for any. A delete marker counts as absent. `blind` are versions that the writer holds a grant
    on but that the policy in force hides from it: they count as absent too."""

    if_match: tuple[str, ...] = ()
    if_none_match: tuple[str, ...] = ()
    blind: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.if_match or self.if_none_match)


@dataclass(frozen=True, slots=True)
class Promise:
    """A delivery to be made of the version that the change is about."""

    party: str
    store: str
    target: str
    rule: str
    kind: DeliveryKind = DeliveryKind.COPY


@dataclass(frozen=True, slots=True)
class Write:
    """One new version (or delete marker) with all that follows from it.

    The catalog sets `version.number` and `version.parent` (the writer's current version before),
    opens `grants` (the author's among them), derives the view rows, adds the promises, ends older
    unsent or parked deliveries to the same (party, store, target) of the same object ref as
    superseded, counts the references of the extents, and appends the record.

    `inherit`: every party with an open grant on the version that this one hides (the newest of the
    key in the writer's view) gets the same grant on this one: a delete marker's rule.
    `null` versions replace each other in what the S3 API shows: the older one is kept in history
    but no longer `shown`. `shown=False` writes a version that the S3 API does not show at all (the
    marker of a bucket that never was versioned).
    `upload` is the upload that this completes: it must be open and its parts' etags must be those
    of `parts` (number, etag), else InvalidPart; NoSuchUpload if it is gone. A second completion
    returns the version that the first one made.
    Raises PreconditionFailed, PolicyMoved (the revision is not in force any more), NoSuchKey
    (If-Match on a missing key), NoSuchBucket (a bucket made through a door is gone).
    """

    version: Version
    revision: str
    event: Event
    grants: tuple[Grant, ...] = ()
    promises: tuple[Promise, ...] = ()
    inherit: bool = False
    shown: bool = True
    expect: Expect = field(default_factory=Expect)
    upload: str = ""
    parts: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Unwrite:
    """DELETE with a version id, by its author: closes that version's open grants, cancels its
    unsent deliveries, lets the views fall back to what is then newest. Bytes stay until the
    history period ends. NoSuchVersion if the author holds no open grant on it."""

    ref: ObjectRef
    version: str
    author: str
    event: Event
    expect: Expect = field(default_factory=Expect)


@dataclass(frozen=True, slots=True)
class Retag:
    """New tags on a version, by its author: numbered, with the grants and deliveries that the
    new decision asks for. Parties with an open grant that `grants` does not name lose it; copies
    already made get a TAGS promise. PolicyMoved as in Write."""

    ref: ObjectRef
    version: str
    author: str
    tags: Mapping[str, str]
    revision: str
    event: Event
    grants: tuple[Grant, ...] = ()
    promises: tuple[Promise, ...] = ()


Change = Write | Unwrite | Retag


# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Query:
    """One page of a listing of one party's view of a bucket, in UTF-8 byte order of keys.

    `after` is a key, or a common prefix (then all keys under it are skipped where it ends with
    the delimiter and starts with the prefix), exclusive; `after_version` continues inside a key
    (version listings). `within` are the literal prefixes that the principal is narrowed to.
    `revision` is the policy in force: rows decided under another one are asked about, one by one.
    """

    party: str
    bucket: str
    revision: str
    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    after_version: str = ""
    limit: int = 1000
    within: tuple[str, ...] = ()
    as_of: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a listing: what an S3 listing shows, without the rest of the version."""

    key: str
    version: str
    size: int
    etag: str
    at: int
    author: str
    mode: Mode
    null: bool = False
    marker: bool = False
    latest: bool = True
    algorithm: str = ""
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """`last` is what the next page's `after` must be (with `last_version` in version listings)."""

    entries: tuple[Entry, ...] = ()
    prefixes: tuple[str, ...] = ()
    truncated: bool = False
    last: str = ""
    last_version: str = ""


Sees = Callable[[Facts], bool]
"""Whether the policy in force lets the asking party see a version of these facts."""


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one version: for history and who-has."""

    version: Version
    grants: tuple[Grant, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    unwritten: int = 0  # the commit's number, if it was deleted by its id
    purged: bool = False  # its bytes are gone


class Ledger(Protocol):
    """What the exchange needs."""

    async def commit(self, change: Change) -> Version:
        """ONE transaction. Returns the version as committed (after Unwrite: as it was)."""
        ...

    async def head(
        self, party: str, ref: ObjectRef, *, version: str = "", as_of: int | None = None
    ) -> Held | None:
        """The version that `party` holds an open grant on: the newest of the key, the one named
        (`null` names the null version that the S3 API shows), or the newest as of a moment (then
        a grant that was open at that moment and still is). Delete markers are returned."""
        ...

    async def page(self, query: Query, sees: Sees) -> Page:
        """Live keys: the newest version of each key unless it is a marker."""
        ...

    async def page_versions(self, query: Query, sees: Sees) -> Page:
        """Every shown version and marker with an open grant, newest first within a key."""
        ...

    async def story(self, ref: ObjectRef, *, limit: int = 1000) -> Sequence[Story]:
        """Every version of a key, newest first, with all grants and deliveries, closed ones too.
        The caller cuts it to what the asking party may learn."""
        ...

    async def deliveries_of(self, version: str) -> Sequence[Delivery]: ...

    async def has_shown(self, bucket: str) -> bool:
        """Whether the S3 API shows anything in the bucket (versions, markers, open uploads)."""
        ...

    # buckets made through a door
    async def bucket(self, name: str) -> Bucket | None: ...
    async def buckets(self) -> Sequence[Bucket]: ...
    async def create_bucket(self, bucket: Bucket, event: Event) -> None:
        """BucketExists if the name is taken by such a bucket."""
        ...

    async def delete_bucket(self, name: str, event: Event) -> None:
        """BucketNotEmpty while the S3 API shows anything in it; closes the grants that are left."""
        ...

    async def set_versioning(self, name: str, status: Versioning, event: Event) -> None: ...


class Uploads(Protocol):
    """Multipart uploads and staged files. Parts are extents; a part sent again replaces."""

    async def begin(self, upload: Upload) -> None: ...
    async def upload(self, upload: str) -> Upload | None: ...
    async def add_part(self, upload: str, part: Part) -> None:
        """NoSuchUpload if it is gone or complete. The later call wins."""
        ...

    async def parts(
        self, upload: str, *, after: int = 0, limit: int = 10_000
    ) -> Sequence[Part]: ...
    async def page_uploads(
        self,
        bucket: str,
        party: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        after_upload: str = "",
        limit: int = 1000,
    ) -> tuple[Sequence[Upload], Sequence[str], bool]:
        """Open uploads of one party, by key then time; common prefixes; whether there are more."""
        ...

    async def abort(self, upload: str) -> None:
        """NoSuchUpload if it is gone or complete."""
        ...

    async def stale_uploads(self, before: int, limit: int) -> Sequence[Upload]: ...


class Extents(Protocol):
    """What the collector needs."""

    async def unreferenced(self, before: int, limit: int) -> Sequence[Extent]:
        """Extents that nothing has referred to since before that moment."""
        ...

    async def forget(self, extents: Sequence[Extent]) -> Sequence[Extent]:
        """Removes the rows of those that are still unreferenced, and returns these."""
        ...

    async def knows(self, party: str, store: str, key: str) -> bool: ...

    async def expire(self, bucket: str, before: int, limit: int) -> int:
        """Purges up to `limit` versions that stopped being current before that moment, are
        current in no party's view and have no open delivery; their grants close, their extents
        lose a reference, their rows stay as history. Returns how many."""
        ...


# --- deliveries --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lane:
    """The deliveries to one store: they wait for no other lane."""

    party: str
    store: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased delivery, with the version that it is about and the tags as they are now."""

    delivery: Delivery
    version: Version
    bucket: Bucket | None  # of a bucket made through a door; None for one of the topology


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. PENDING: try again at `due`."""

    state: DeliveryState
    due: int = 0
    code: str = ""
    error: str = ""
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one lane still owes, for metrics; oldest is the moment of the oldest open promise."""

    lane: Lane
    state: DeliveryState
    count: int
    bytes: int
    oldest: int


class Outbox(Protocol):
    """What the courier needs."""

    async def lanes(self, now: int) -> Sequence[Lane]:
        """Lanes with a delivery that is due."""
        ...

    async def claim(self, lane: Lane, limit: int, now: int, lease: int) -> Sequence[Claim]:
        """Leases due deliveries until now + `lease` (ns): of each target key only the oldest open
        one, and none whose key has a running lease. Raises each one's token."""
        ...

    async def renew(self, delivery: int, token: int, until: int) -> bool:
        """Whether the lease was still ours."""
        ...

    async def settle(
        self, delivery: int, token: int, outcome: Outcome, event: Event | None
    ) -> bool:
        """Ends or postpones an attempt, releases the lease, raises the count of attempts; False
        (and no change) if the token is no longer the newest. A DONE copy marks the receipt of the
        older copy under the same target key as replaced."""
        ...

    async def resume(
        self, *, ids: Sequence[int] = (), lane: Lane | None = None, now: int = 0
    ) -> int:
        """Makes parked deliveries pending again; all of them without a filter."""
        ...

    async def deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        party: str = "",
        author: str = "",
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[Delivery]: ...

    async def backlog(self) -> Sequence[Backlog]: ...

    async def next_due(self) -> int | None:
        """The moment at which the next delivery is due, None if none is pending."""
        ...


# --- audit -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log: `entry` is what the leaf hashes; `openings` stay with the operator."""

    index: int
    number: int
    entry: bytes
    openings: bytes


class AuditLog(Protocol):
    """What the sealer and the audit commands need."""

    async def append(self, events: Sequence[Event]) -> int:
        """Records for what changes nothing else (start, stop, tick). Returns the log's size."""
        ...

    async def append_reads(self, batch: ReadBatch) -> int:
        """One record for the whole batch; its events are kept apart, under their own retention."""
        ...

    async def size(self) -> int: ...
    async def records(self, start: int, limit: int) -> Sequence[Record]: ...
    async def reads_of(self, index: int) -> Sequence[bytes]:
        """The stored events (with openings) of the batch record at `index`."""
        ...

    async def drop_reads(self, before: int, limit: int) -> int:
        """Forgets the values of batches older than that moment; their records stay."""
        ...

    async def tiles(self, names: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        """Stored tiles by (level, index): up to 256 hashes of 32 bytes each."""
        ...

    async def checkpoint(self) -> tuple[int, bytes, str] | None:
        """The newest published checkpoint: size, root, signed note."""
        ...

    async def publish(
        self,
        *,
        old_size: int,
        size: int,
        root: bytes,
        note: str,
        tiles: Mapping[tuple[int, int], bytes],
    ) -> bool:
        """Stores tiles and checkpoint in one transaction, if the newest published size still is
        `old_size` (0: none); False and no change if not."""
        ...


# --- settings ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SealedKey:
    """An access key that the catalog keeps; `sealed` is the secret, encrypted by identity."""

    id: str
    party: str
    principal: str
    sealed: bytes
    created: int
    revoked: int = 0


class Settings(Protocol):
    """Keys, the policy in force, and small values that must outlive a restart."""

    async def add_key(self, key: SealedKey, event: Event) -> None: ...
    async def keys(self) -> Sequence[SealedKey]: ...
    async def revoke_key(self, key_id: str, now: int, event: Event) -> bool: ...

    async def put_policy(self, revision: str, files: Mapping[str, str], event: Event) -> None:
        """Makes this set of files the policy in force; commits under another revision raise
        PolicyMoved from then on."""
        ...

    async def policy(self) -> tuple[str, Mapping[str, str]] | None: ...

    async def get(self, name: str) -> bytes | None: ...
    async def put(self, name: str, value: bytes) -> None: ...
    async def put_if_absent(self, name: str, value: bytes) -> bytes:
        """Stores the value unless there is one; returns the one that counts."""
        ...


class Catalog(Ledger, Uploads, Extents, Outbox, AuditLog, Settings, Protocol):
    """Everything, for the wiring and for the behaviour suite."""

    async def backup(self, path: str, progress: Callable[[int, int], None] | None = None) -> None:
        """An online, consistent copy of the whole catalog as one file."""
        ...

    async def close(self) -> None: ...
