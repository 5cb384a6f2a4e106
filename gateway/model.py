"""The nouns of the product: immutable values that every layer shares.

Times are `moment`s: nanoseconds since 1970 as an int. A commit's `number` is a moment made
strictly increasing by the catalog (max(now, last + 1)), so it orders the versions of a key even
when the clock jumps, and also answers "as of when".
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.decisions import Decision as Decision
from gateway.decisions import Mode as Mode
from gateway.decisions import Reason as Reason
from gateway.decisions import Rule as Rule
from gateway.decisions import Share as Share
from gateway.events import EMPTY as EMPTY
from gateway.events import Event as Event
from gateway.events import ReadBatch as ReadBatch
from gateway.locks import Lock as Lock

KEY_BYTES_MAX = 1024
METADATA_BYTES_MAX = 2048
TAGS_MAX = 10
PART_NUMBER_MAX = 10_000
PART_BYTES_MIN = 5 * 1024**2
PART_BYTES_MAX = 5 * 1024**3
OBJECT_BYTES_MAX = 5 * 1024**4
UNTYPED = "binary/octet-stream"
"""The content type of what a client gave none, as S3 has it."""
AGREED = "request "
"""Begins the rule of a removal to which its recipient said yes; the request's id follows."""
RESERVED_PREFIX = ".crossdock/"
"""Below this prefix a store holds what is Crossdock's own; no target key may lie there."""


Chunks = AsyncIterator[bytes]
"""A stream of bytes in pieces of any size; closing it early is allowed (aclose)."""


class May(enum.Enum):
    """What a principal may do at all."""

    READ = "read"
    WRITE = "write"
    BOTH = "both"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts for a party. `keys` are literal key prefixes; none means the party's whole view."""

    party: str
    name: str
    may: May = May.BOTH
    keys: tuple[str, ...] = ()

    def covers(self, key: str) -> bool:
        return not self.keys or key.startswith(self.keys)


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's actor: its principal, the door it came through, the request's id; and how it
    proved itself, where that was not the door's usual way."""

    principal: Principal
    door: str = "s3"
    request: str = ""
    signature: str = ""

    @property
    def party(self) -> str:
        return self.principal.party


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """What a client names."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes at rest: `length` bytes from `offset` of the store object `key`.

    `digest` is the XXH3-128 (hex) of exactly these bytes, or empty where the extent is a slice of
    another one. The store object begins with a block that names the version (see extents.py), so
    the first offset is not 0.

    With an `etag` it is no extent of ours but a place: an adopted object of the party's own, whole,
    under its natural key, as it was when the store called it that.
    """

    party: str
    store: str
    key: str
    offset: int
    length: int
    digest: str = ""
    etag: str = ""

    @property
    def owned(self) -> bool:
        """Whether these bytes are Crossdock's to keep, to share between versions, to collect."""
        return not self.etag


@dataclass(frozen=True, slots=True)
class Source:
    """Where a version's bytes or idea came from: CopyObject, UploadPartCopy, derived-from."""

    kind: str  # "copy" | "part-copy" | "derived" | "rename"
    ref: ObjectRef
    version: str


@dataclass(frozen=True, slots=True)
class Version:
    """One state of an object; immutable but for its tags and its lock.

    `etag` is S3's, without quotes. `checksums` maps an algorithm's S3 name in lower case
    (crc32, crc32c, crc64nvme, sha1, sha256, …) to base64, composite values with `-N`;
    `sha256` is the hex SHA-256 of the whole content where it is known, the content's identity.
    `headers` are the standard content headers by lower-case name, `metadata` the user's own.
    `parts` are the part sizes of a multipart upload, in order. `null` marks S3's null version.
    """

    id: str
    ref: ObjectRef
    author: str
    principal: str
    door: str
    at: int  # moment, by the wall clock
    number: int = 0  # set by the commit
    parent: str = ""  # id of the version that it replaced, set by the commit
    marker: bool = False
    null: bool = False
    size: int = 0
    etag: str = ""
    sha256: str = ""
    checksums: Mapping[str, str] = EMPTY
    checksum_type: str = ""  # FULL_OBJECT | COMPOSITE
    headers: Mapping[str, str] = EMPTY
    metadata: Mapping[str, str] = EMPTY
    tags: Mapping[str, str] = EMPTY
    tags_number: int = 0
    lock: Lock | None = None
    extents: tuple[Extent, ...] = ()
    parts: tuple[int, ...] = ()
    part_checksums: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    invocation: str = ""  # the SDK's invocation id, where one was sent

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", UNTYPED)

    @property
    def facts(self) -> Facts:
        return Facts(
            self.ref,
            self.author,
            self.size,
            self.content_type,
            self.metadata,
            self.tags,
            self.at,
            self.id,
            max(self.number, self.tags_number),
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What policy looks at. `at` is the version's moment (for a date in a rule's `since`),
    `changed` the commit that wrote it or its newest tags, 0 for one that is just being made (for
    `since: now`); `version` its id (for `{version}` in a target key)."""

    ref: ObjectRef
    author: str
    size: int
    content_type: str = UNTYPED
    metadata: Mapping[str, str] = EMPTY
    tags: Mapping[str, str] = EMPTY
    at: int = 0
    version: str = ""
    changed: int = 0


# --- what the catalog remembers ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grant:
    """This party may see this version, in this mode, by this rule ("file:line (id)")."""

    party: str
    mode: Mode
    rule: str
    revision: str  # of the policy under which it was decided
    opened: int = 0
    closed: int = 0  # 0 while open


@dataclass(frozen=True, slots=True)
class Held:
    """A version as one party holds it; `latest` tells if it is the newest in that party's view."""

    version: Version
    grant: Grant
    latest: bool = True


class DeliveryState(enum.Enum):
    PENDING = "pending"
    PARKED = "parked"
    DONE = "done"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"  # the version was deleted by id before it was sent

    @property
    def open(self) -> bool:
        return self in (DeliveryState.PENDING, DeliveryState.PARKED)


class DeliveryKind(enum.Enum):
    COPY = "copy"
    TAGS = "tags"
    REMOVAL = "removal"  # of the copies of what a delete marker hides
    RECALL = "recall"  # of a version's copies

    @property
    def removes(self) -> bool:
        return self in (DeliveryKind.REMOVAL, DeliveryKind.RECALL)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one delivery: what was read back from the target. `etag` and `target_version` are
    the target's own; `replaced` says that a newer version has since taken the key."""

    at: int
    size: int
    sha256: str
    etag: str
    target_version: str = ""
    attempts: int = 1
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A promised copy. `token` is the fencing token of the lease, raised by every claim."""

    id: int
    version: str
    ref: ObjectRef
    number: int
    author: str
    party: str
    store: str
    target: str
    kind: DeliveryKind = DeliveryKind.COPY
    state: DeliveryState = DeliveryState.PENDING
    rule: str = ""
    promised: int = 0
    attempts: int = 0
    due: int = 0
    token: int = 0
    code: str = ""  # S3's failure code, fit for the author
    error: str = ""  # the recipient's and the operator's alone
    receipt: Receipt | None = None
    deadline: int = 0  # the moment by which it is to be verified; 0: none
    missed: bool = False  # whether that moment has passed, and was told of
    checked: int = 0  # when the copy was last compared with its receipt
    finding: str = ""  # what was found then, if it was not what the receipt says
    gone: str = ""  # the kind of delivery that removed the copy, if one did


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload (or a staged sFTP file) that is not yet a version."""

    id: str
    ref: ObjectRef
    principal: Principal
    begun: int
    headers: Mapping[str, str] = EMPTY
    metadata: Mapping[str, str] = EMPTY
    tags: Mapping[str, str] = EMPTY
    algorithm: str = ""
    checksum_type: str = ""
    version: str = ""  # the version that it became, once complete
    lock: Lock | None = None


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    size: int
    etag: str
    at: int
    extents: tuple[Extent, ...] = ()
    checksums: Mapping[str, str] = EMPTY
    sources: tuple[Source, ...] = ()


class Versioning(enum.Enum):
    """What the S3 API shows; the catalog keeps every version regardless."""

    OFF = "off"
    ENABLED = "enabled"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A namespace of keys. `members` maps a party to the key patterns that it may write.

    A bucket of topology.yaml has `created` 0 and can't be changed through a door; `since` is the
    moment at which it first was in force. One that a party made through a door has that party as
    its owner and first member.
    """

    name: str
    owner: str
    members: Mapping[str, tuple[str, ...]]
    versioning: Versioning = Versioning.ENABLED
    history: int = 0  # seconds that a version is kept once it is no longer current; 0: forever
    created: int = 0
    file: str = ""
    line: int = 0
    settings: Mapping[str, str] = EMPTY
    since: int = 0

    def label(self, version: Version) -> str:
        """The version id that the S3 API shows: none in a bucket that never was versioned."""
        if self.versioning is Versioning.OFF:
            return ""
        return "null" if version.null else version.id


# --- bodies ------------------------------------------------------------------------------------


class Body(Protocol):
    """An upload's bytes. `size` is the declared length of the content, None if unknown.

    `algorithms` names the digests needed (known before the first byte); `claims` maps algorithm
    to the raw digest that the client claims, complete only once the iteration has ended.
    `checksum` is the one algorithm that the client asked to be kept and shown, or empty: a hash
    that only protects the transfer (Content-MD5, a signed payload hash) is not shown.
    Iteration raises a CrossdockError where framing, signature or length is wrong.
    """

    @property
    def size(self) -> int | None: ...
    @property
    def algorithms(self) -> frozenset[str]: ...
    @property
    def claims(self) -> Mapping[str, bytes]: ...
    @property
    def checksum(self) -> str: ...
    def __aiter__(self) -> Chunks: ...
