"""What S3's XML documents say, as plain values; `gateway.s3.xml` alone knows how they are written.

Times are seconds since 1970, ETags stand without quotes, checksums are base64 by algorithm.
`url` asks for encoding-type=url: names in the document are then percent-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.model import EMPTY

# --- requests ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """One object of a DeleteObjects request, with its conditions where it has any."""

    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    modified: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    items: tuple[DeleteItem, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class CompletedPart:
    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=lambda: EMPTY)


# --- answers -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Owner:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ListedBucket:
    name: str
    created: int
    region: str = ""


@dataclass(frozen=True, slots=True)
class BucketList:
    owner: Owner
    buckets: Sequence[ListedBucket]
    prefix: str | None = None
    next_token: str = ""


@dataclass(frozen=True, slots=True)
class ListedObject:
    key: str
    modified: int
    etag: str
    size: int
    checksum_algorithm: str = ""
    checksum_type: str = ""
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version or, with `marker`, a delete marker."""

    key: str
    version_id: str
    latest: bool
    modified: int
    etag: str = ""
    size: int = 0
    marker: bool = False
    checksum_algorithm: str = ""
    checksum_type: str = ""
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class ObjectList:
    """ListObjects (V1). `next_marker` is shown only where truncated with a delimiter."""

    bucket: str
    objects: Sequence[ListedObject]
    prefixes: Sequence[str] = ()
    prefix: str = ""
    delimiter: str = ""
    max_keys: int = 1000
    truncated: bool = False
    marker: str = ""
    next_marker: str = ""
    url: bool = False


@dataclass(frozen=True, slots=True)
class ObjectListV2:
    """ListObjectsV2. `token` and `start_after` are echoed as they were asked (None: they were
    not); `next_token` is shown only where truncated."""

    bucket: str
    objects: Sequence[ListedObject]
    prefixes: Sequence[str] = ()
    prefix: str = ""
    delimiter: str = ""
    max_keys: int = 1000
    truncated: bool = False
    token: str | None = None
    next_token: str = ""
    start_after: str | None = None
    url: bool = False


@dataclass(frozen=True, slots=True)
class VersionList:
    bucket: str
    versions: Sequence[ListedVersion]
    prefixes: Sequence[str] = ()
    prefix: str = ""
    delimiter: str = ""
    max_keys: int = 1000
    truncated: bool = False
    key_marker: str = ""
    version_id_marker: str = ""
    next_key_marker: str = ""
    next_version_id_marker: str = ""
    url: bool = False


@dataclass(frozen=True, slots=True)
class CopyResult:
    """CopyObject's and UploadPartCopy's answer."""

    etag: str
    modified: int
    checksums: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    location: str
    bucket: str
    key: str
    etag: str
    checksums: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class ListedPart:
    number: int
    modified: int
    etag: str
    size: int
    checksums: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class PartList:
    bucket: str
    key: str
    upload_id: str
    initiator: Owner
    owner: Owner
    parts: Sequence[ListedPart]
    marker: int = 0
    next_marker: int = 0
    max_parts: int = 1000
    truncated: bool = False
    checksum_algorithm: str = ""
    checksum_type: str = ""
    url: bool = False


@dataclass(frozen=True, slots=True)
class ListedUpload:
    key: str
    upload_id: str
    initiator: Owner
    owner: Owner
    initiated: int
    checksum_algorithm: str = ""
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class UploadList:
    bucket: str
    uploads: Sequence[ListedUpload]
    prefixes: Sequence[str] = ()
    prefix: str = ""
    delimiter: str = ""
    max_uploads: int = 1000
    truncated: bool = False
    key_marker: str = ""
    upload_id_marker: str = ""
    next_key_marker: str = ""
    next_upload_id_marker: str = ""
    url: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """One success of DeleteObjects. `marker_id` is that of the marker made or removed."""

    key: str
    version_id: str = ""
    marker: bool = False
    marker_id: str = ""


@dataclass(frozen=True, slots=True)
class NotDeleted:
    key: str
    code: str
    message: str
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """`quiet` leaves out the successes."""

    deleted: Sequence[Deleted]
    errors: Sequence[NotDeleted]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class AttributePart:
    number: int
    size: int
    checksums: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class AttributeParts:
    """One page of the parts of a multipart object; `count` is that of all."""

    count: int
    parts: Sequence[AttributePart]
    marker: int
    next_marker: int
    max_parts: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Attributes:
    """GetObjectAttributes; None or empty is what was not asked for, or is not there."""

    etag: str | None = None
    checksums: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    checksum_type: str = ""
    parts: AttributeParts | None = None
    storage_class: bool = False
    size: int | None = None
