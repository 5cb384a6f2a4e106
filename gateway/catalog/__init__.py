"""What is true: the contracts of the catalog, one Protocol for each of those who need it.

Every method is one transaction, synced to disk before it returns. Writes that carry an Event
append its record to the audit log in the same transaction. CatalogUnavailable is raised where the
catalog can't take or answer a call now (disk full, read-only, connection lost); nothing has then
changed. Numbers given by commits strictly increase over the whole catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gateway.catalog.asking import Asking as Asking
from gateway.catalog.asking import Recall as Recall
from gateway.catalog.asking import Recalled as Recalled
from gateway.catalog.asking import Request as Request
from gateway.catalog.checks import Checks as Checks
from gateway.catalog.checks import CopyCheck as CopyCheck
from gateway.catalog.checks import Finding as Finding
from gateway.catalog.checks import KeptCopy as KeptCopy
from gateway.catalog.checks import Loss as Loss
from gateway.catalog.checks import Spot as Spot
from gateway.catalog.depots import Depots as Depots
from gateway.catalog.depots import Imported as Imported
from gateway.catalog.depots import Origin as Origin
from gateway.catalog.kept import Policies as Policies
from gateway.catalog.kept import Settings as Settings
from gateway.catalog.noticing import Configurations as Configurations
from gateway.catalog.noticing import NoticeClaim as NoticeClaim
from gateway.catalog.noticing import NoticeLane as NoticeLane
from gateway.catalog.noticing import NoticeOutcome as NoticeOutcome
from gateway.catalog.noticing import Notices as Notices
from gateway.catalog.places import Adopt as Adopt
from gateway.catalog.places import Places as Places
from gateway.catalog.places import Shelf as Shelf
from gateway.catalog.rebuilt import Rebuilding as Rebuilding
from gateway.catalog.rebuilt import Restored as Restored
from gateway.catalog.rebuilt import RestoredCopy as RestoredCopy
from gateway.catalog.stagings import Stagings as Stagings
from gateway.catalog.values import Applied as Applied
from gateway.catalog.values import Backlog as Backlog
from gateway.catalog.values import Change as Change
from gateway.catalog.values import Claim as Claim
from gateway.catalog.values import Consume as Consume
from gateway.catalog.values import Consumed as Consumed
from gateway.catalog.values import Entry as Entry
from gateway.catalog.values import Expect as Expect
from gateway.catalog.values import FirstRead as FirstRead
from gateway.catalog.values import Lane as Lane
from gateway.catalog.values import Outcome as Outcome
from gateway.catalog.values import Page as Page
from gateway.catalog.values import Progress as Progress
from gateway.catalog.values import Promise as Promise
from gateway.catalog.values import Query as Query
from gateway.catalog.values import Record as Record
from gateway.catalog.values import Redecided as Redecided
from gateway.catalog.values import Relock as Relock
from gateway.catalog.values import Removal as Removal
from gateway.catalog.values import Retag as Retag
from gateway.catalog.values import SealedKey as SealedKey
from gateway.catalog.values import Sees as Sees
from gateway.catalog.values import Staged as Staged
from gateway.catalog.values import Step as Step
from gateway.catalog.values import Story as Story
from gateway.catalog.values import Survey as Survey
from gateway.catalog.values import Surveyed as Surveyed
from gateway.catalog.values import Unwrite as Unwrite
from gateway.catalog.values import Write as Write
from gateway.catalog.walking import Kept as Kept
from gateway.catalog.walking import KeyPage as KeyPage
from gateway.catalog.walking import KeySpot as KeySpot
from gateway.catalog.walking import KeyWalks as KeyWalks
from gateway.lifecycle import Standing
from gateway.model import (
    Bucket,
    Delivery,
    DeliveryState,
    Event,
    Extent,
    Grant,
    Held,
    ObjectRef,
    Part,
    ReadBatch,
    Upload,
    Version,
    Versioning,
)


class Ledger(Protocol):
    """What the exchange needs."""

    async def commit(self, change: Change) -> Version:
        """ONE transaction. Returns the version as committed (after Unwrite: as it was)."""
        ...

    async def commit_all(self, each: Sequence[Write]) -> Sequence[Version]:
        """All of them, in this order, in ONE transaction, or none."""
        ...

    async def head(
        self, party: str, ref: ObjectRef, *, version: str = "", as_of: int | None = None
    ) -> Held | None:
        """The version that `party` holds an open grant on: the newest of the key, the one named
        (`null` names the null version that the S3 API shows), or the newest as of a moment (then
        a grant that was open at that moment and still is). Delete markers are returned. The
        newest is what the party's view has under that name: nothing where the party has consumed
        it, but for what it moved there."""
        ...

    async def consumed(self, party: str, ref: ObjectRef) -> bool:
        """Whether a version that the party's view had under that name was consumed."""
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

    async def deliveries_of(self, number: int) -> Sequence[Delivery]:
        """Of the version with that number, all that were ever promised."""
        ...

    async def grants_of(self, number: int) -> Sequence[Grant]:
        """The open grants on the version with that number."""
        ...

    async def has_shown(self, bucket: str) -> bool:
        """Whether the S3 API shows anything in the bucket (versions, markers, open uploads)."""
        ...

    async def standings(
        self, bucket: Bucket, prefix: str, *, after: Standing | None, limit: int
    ) -> Sequence[Standing]:
        """How the versions and markers stand that the bucket's owner wrote and S3 shows, by key,
        newest first within one; newer ones are counted as far as the bucket's rules ask."""
        ...

    # buckets made through a door
    async def bucket(self, name: str) -> Bucket | None: ...
    async def buckets(self) -> Sequence[Bucket]: ...
    async def declared(self, bucket: str) -> Mapping[str, str]:
        """The settings of a bucket of topology.yaml, as `set_setting` left them."""
        ...

    async def cors(self, bucket: str, *, declared: bool) -> str:
        """The bucket's setting of that name, "" if it has none or does not exist: both must be
        found, and take, alike."""
        ...

    async def create_bucket(self, bucket: Bucket, event: Event) -> None:
        """BucketExists if the name is taken by such a bucket."""
        ...

    async def delete_bucket(self, name: str, event: Event) -> None:
        """BucketNotEmpty while the S3 API shows a version or a marker in it; ends its open uploads
        and closes the grants that are left."""
        ...

    async def set_versioning(self, name: str, status: Versioning, event: Event) -> None: ...
    async def set_setting(
        self, bucket: str, name: str, value: str, event: Event, *, declared: bool = False
    ) -> None:
        """One of the bucket's small documents (`Bucket.settings`); "" takes it away. `declared`:
        in topology.yaml, not made through a door."""
        ...


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
        within: Sequence[str] = (),
        limit: int = 1000,
    ) -> tuple[Sequence[Upload], Sequence[str], bool]:
        """Open uploads of one party, by key then time; common prefixes; whether there are more.
        `within` are the literal prefixes that the principal is narrowed to."""
        ...

    async def abort(self, upload: str, *, bucket: Bucket | None = None) -> None:
        """NoSuchUpload if it is gone or complete; Conflict unless `bucket`, where given, is
        still as it was looked at."""
        ...

    async def stale_uploads(
        self, bucket: str, before: int, *, after: Upload | None, limit: int
    ) -> Sequence[Upload]:
        """Open ones of all parties that began before that moment, oldest first."""
        ...


class Extents(Protocol):
    """What the collector needs."""

    async def unreferenced(self, before: int, limit: int) -> Sequence[Extent]:
        """Extents that nothing has referred to since before that moment."""
        ...

    async def forget(self, extents: Sequence[Extent]) -> Sequence[Extent]:
        """Removes the rows of those that are still unreferenced, and returns these."""
        ...

    async def forget_uploads(self, before: int, limit: int) -> int:
        """Drops up to `limit` rows of uploads that became versions before that moment: to
        complete one of them again is then NoSuchUpload. Returns how many."""
        ...

    async def knows(self, party: str, store: str, key: str) -> bool: ...
    async def holds(self, party: str, store: str) -> bool:
        """Whether the store has any extent, or adopted object, that something refers to."""
        ...

    async def expire(self, bucket: str, before: int, limit: int) -> int:
        """Purges up to `limit` versions that stopped being current before that moment, are
        current in no party's view and have no open delivery; their grants close, their extents
        lose a reference, their rows stay as history. Returns how many."""
        ...


class Surveys(Protocol):
    """What looks at everything at leisure, as convergence does. Reads alone."""

    async def survey(self, below: int, limit: int) -> Survey:
        """A page over the versions whose numbers are less than `below`, newest first; `limit`
        bounds those looked at, and so the memory and the time of a page (some 20 microseconds
        each). A walk begins with 2**63 - 1 and may go on at any number at any time; what is
        committed meanwhile lies above it."""
        ...

    async def version_count(self) -> int:
        """Versions and markers that were ever committed: what a whole walk will have seen."""
        ...


class Convergence(Protocol):
    """What makes the versions that are there already follow the policy in force."""

    async def progress(self) -> Progress | None:
        """How far it is with the policy in force; None before the first policy."""
        ...

    async def redecide(self, step: Step) -> None:
        """ONE transaction: every change with its record, and how far it has come. PolicyMoved, and
        no change, if the step's revision is not in force any more, or another gateway has taken
        the same step."""
        ...


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

    async def miss(
        self, now: int, limit: int, tell: Callable[[Delivery], Event]
    ) -> Sequence[Delivery]:
        """Marks open deliveries whose deadline has passed, each once, with the event that tells of
        it."""
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


class Catalog(
    Ledger,
    Configurations,
    Uploads,
    Stagings,
    Extents,
    Surveys,
    KeyWalks,
    Convergence,
    Outbox,
    Asking,
    Checks,
    Places,
    Depots,
    Rebuilding,
    Notices,
    AuditLog,
    Policies,
    Settings,
    Protocol,
):
    """Everything, for the wiring and for the behaviour suite."""

    async def backup(self, path: str, progress: Callable[[int, int], None] | None = None) -> None:
        """An online, consistent copy of the whole catalog as one file."""
        ...

    async def close(self) -> None: ...
