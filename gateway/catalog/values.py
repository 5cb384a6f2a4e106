"""The values that go into the catalog and come out of it: changes, listings, outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.catalog.asking import Removal as Removal
from gateway.catalog.consumed import Consume as Consume
from gateway.catalog.consumed import Consumed as Consumed
from gateway.catalog.expect import Expect as Expect
from gateway.lifecycle import Judged
from gateway.model import (
    Bucket,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Event,
    Facts,
    Grant,
    Mode,
    ObjectRef,
    Receipt,
    Upload,
    Version,
)

# `withheld` are parties with an open grant to whom the policy in force denies the version: they are
# told nothing of the change.

# --- changes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promise:
    """A delivery to be made of the version that the change is about."""

    party: str
    store: str
    target: str
    rule: str
    kind: DeliveryKind = DeliveryKind.COPY
    deadline: int = 0  # seconds from the promise; 0: none
    lone: bool = False  # no other version could ever get this target key


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
    `judged`: lifecycle hides the version that heads the writer's view, if that is still due.
    Raises PreconditionFailed, PolicyMoved (the revision is not in force any more), NoSuchKey
    (If-Match on a missing key), NoSuchBucket (a bucket made through a door is gone), Conflict
    (what was judged no longer holds).
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
    judged: Judged | None = None
    withheld: frozenset[str] = frozenset()
    removals: tuple[Removal, ...] = ()  # of a delete marker


@dataclass(frozen=True, slots=True)
class Unwrite:
    """DELETE with a version id, by its author: closes that version's open grants, cancels its
    unsent deliveries, lets the views fall back to what is then newest. Bytes stay until the
    history period ends. NoSuchVersion if the author holds no open grant on it, Locked while its
    lock keeps it. `judged`: lifecycle does it, if it is still due; else Conflict."""

    ref: ObjectRef
    version: str
    author: str
    event: Event
    expect: Expect = field(default_factory=Expect)
    bypass: bool = False  # of a GOVERNANCE retention
    judged: Judged | None = None
    withheld: frozenset[str] = frozenset()


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
    withheld: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Relock:
    """Another lock on a version, by its author. `retention` and `hold` each replace their part of
    it, where given. Locked where the one in force does not admit that."""

    ref: ObjectRef
    version: str
    author: str
    event: Event
    retention: tuple[str, int] | None = None  # mode ("" takes it away) and moment
    hold: str = ""
    bypass: bool = False
    withheld: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FirstRead:
    """A read of a version that is shared copy-on-read: promises the reader's party its copy, once
    per party and version. Changes nothing where one was promised before; where a newer version of
    the object has the target key, or is on its way there, the promise is made and superseded at
    once. NoSuchVersion if the party holds no open grant on it; PolicyMoved as in Write."""

    ref: ObjectRef
    version: str
    revision: str
    promise: Promise
    event: Event


@dataclass(frozen=True, slots=True)
class Redecided:
    """A version that was decided again, as a survey showed it: the open grants that it is to have
    (those that stay, as they are), the places of (party, store, target key) to which policy gives
    it, and the copies to be promised. Places that are not named lose what was not sent to them.
    Skipped where the version is gone by then, or has other tags (it was decided with these)."""

    number: int
    tags_number: int
    grants: tuple[Grant, ...]
    places: frozenset[tuple[str, str, str]]
    promises: tuple[Promise, ...]
    event: Event


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of convergence: `seen` versions from `above` (exclusive) down to `reached`
    were looked at, and these are to change. `reached` 0: that was the last of them."""

    revision: str
    above: int
    reached: int
    seen: int
    changes: tuple[Redecided, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far convergence is with the policy in force, which commit `number` made that: versions
    numbered from `reached` up to there have been decided again; all of them if it is 0."""

    revision: str
    number: int
    reached: int
    seen: int
    total: int


@dataclass(frozen=True, slots=True)
class Applied:
    """A policy that commit `number` put in force. `door` is folder (the watch), command or api;
    `party` is empty for the operator; `changed` names the files that differ from the one before,
    none for the oldest editions' own."""

    number: int
    revision: str
    door: str
    party: str
    principal: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that is being written: how many bytes are durable, and the number of its last part.
    `closed` is the moment at which its writer was done with it, 0 while it is open or was
    interrupted; `touched` the moment of the last change to it."""

    upload: Upload
    size: int
    parts: int
    closed: int = 0
    touched: int = 0


Change = Write | Unwrite | Retag | Relock | FirstRead | Consume


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Query:
    """One page of a listing of one party's view of a bucket, in UTF-8 byte order of keys.

    `after` is a key, or a common prefix (then all keys under it are skipped where it ends with
    the delimiter and starts with the prefix), exclusive; `after_version` continues inside a key
    (version listings), or behind it where the party never held that version. `within` are the
    literal prefixes that the principal is narrowed to.
    `revision` is the policy in force: rows decided under another one are asked about, one by one,
    but for those whose versions lie in `settled` (first number, and the one after the last): they
    have been decided again under it.
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
    settled: tuple[int, int] = (0, 0)


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
    consumed: tuple[Consumed, ...] = ()  # by those who are done with it


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A version that is still kept (or a marker), as a walk over all of them sees it: what policy
    looks at (of a marker: the facts of what it hid), the open grants, and the deliveries that are
    open or done. `current`: it is the newest of its key in somebody's view. `tags_number` changes
    with its tags. A marker that hid nothing (`hides` 0) is its author's alone."""

    number: int
    version: str
    author: str
    facts: Facts
    marker: bool
    hides: int
    current: bool
    tags_number: int
    grants: tuple[Grant, ...]
    deliveries: tuple[Delivery, ...]

    def held_by(self, party: str) -> Grant | None:
        return next((grant for grant in self.grants if grant.party == party), None)


@dataclass(frozen=True, slots=True)
class Survey:
    """One page of that walk, newest first. `seen` counts what was looked at, versions that are
    gone included; `last` is the `below` of the next page, 0 at the end."""

    versions: tuple[Surveyed, ...] = ()
    seen: int = 0
    last: int = 0


# --- deliveries ----------------------------------------------------------------------------------


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
    held: Mode | None = None  # how the delivery's party holds the version now
    hidden: Version | None = None  # of a removal: what its delete marker hides
    copies: tuple[Delivery, ...] = ()  # of a removal: those with a receipt that lie there


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


# --- audit and settings --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log: `entry` is what the leaf hashes; `openings` stay with the operator."""

    index: int
    number: int
    entry: bytes
    openings: bytes


@dataclass(frozen=True, slots=True)
class SealedKey:
    """An access key that the catalog keeps; `sealed` is the secret, encrypted by identity."""

    id: str
    party: str
    principal: str
    sealed: bytes
    created: int
    revoked: int = 0
