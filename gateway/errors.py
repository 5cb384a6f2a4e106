"""Everything that can go wrong, in domain words; a class's docstring is its default message.

Each front door maps these to its own protocol in one table, and a test walks the subclasses and
wants an entry for every one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class CrossdockError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message or usual_message(type(self)))
        self.details: dict[str, Any] = details

    @property
    def message(self) -> str:
        return str(self.args[0])


def usual_message(kind: type[CrossdockError]) -> str:
    """What is said where nobody said more."""
    said, _, _ = (kind.__doc__ or "").partition("Details:")  # those are for the code
    return " ".join(said.split())


# --- who may -----------------------------------------------------------------------------------


class Denied(CrossdockError):
    """Access Denied."""


class Locked(Denied):
    """Access Denied because the object is protected by object lock."""


# --- what is not there: absent and hidden are the same -----------------------------------------


class NotFound(CrossdockError):
    """There is nothing of that name in your view."""


class NoSuchBucket(NotFound):
    """The specified bucket does not exist."""


class NoSuchKey(NotFound):
    """The specified key does not exist."""


class NoSuchVersion(NotFound):
    """The specified version does not exist."""


class NoSuchRequest(NotFound):
    """No open request of that id was made to this party."""


class NoSuchUpload(NotFound):
    """The specified upload does not exist. It may have been aborted or completed."""


class KeyIsDeleted(NoSuchKey):
    """The specified key does not exist: its current version is a delete marker.

    Details: version_id (the marker's, as the S3 API shows it, or None), last_modified, and for the
    marker's author `replication`, the status of the copies that follow it ("" if none does).
    """


class VersionIsMarker(CrossdockError):
    """The specified version is a delete marker and has no content.

    Details: version_id, last_modified, replication, as of KeyIsDeleted.
    """


# --- conditions and conflicts ------------------------------------------------------------------


class PreconditionFailed(CrossdockError):
    """At least one of the preconditions you specified did not hold."""


class NotModified(CrossdockError):
    """The object has not changed. Details: version (the model's Version)."""


class Conflict(CrossdockError):
    """A conflicting operation happened at the same time. Please try again."""


# Details: version_id (as the S3 API shows it), etag, missing (party -> S3's replication status).
class NotDelivered(CrossdockError):
    """The object is stored, and not every copy that was waited for is verified."""


class BucketNotEmpty(CrossdockError):
    """The bucket you tried to delete is not empty."""


class BucketExists(CrossdockError):
    """The requested bucket name is not available. Please choose a different name."""


class BucketAlreadyYours(CrossdockError):
    """You may use this bucket already."""


class NotLockable(CrossdockError):
    """Object lock needs a bucket with versioning enabled, and keeps it so."""


class PolicyMoved(CrossdockError):
    """The policy in force changed between the decision and the commit: decide again."""


# --- bad input ---------------------------------------------------------------------------------


class BadInput(CrossdockError):
    """The request is not valid."""


class InvalidArgument(BadInput):
    """An argument is not valid. Details: name, value."""


class NoSuchWebhook(InvalidArgument):
    """Unable to validate the following destination configurations. Details: webhook."""


class WebhookFailed(CrossdockError):
    """A webhook did not take a notice. Details: lane (whether that says something of all others),
    retry_after (seconds, where it asked for them)."""


class InvalidBucketName(BadInput):
    """The specified bucket name is not valid."""


class KeyTooLong(BadInput):
    """Your key is too long: at most 1024 bytes of UTF-8."""


class MetadataTooLarge(BadInput):
    """Your metadata headers exceed the maximum allowed metadata size of 2048 bytes."""


class InvalidTag(BadInput):
    """The tag provided was not a valid tag."""


class InvalidRange(BadInput):
    """The requested range is not satisfiable. Details: range, size."""


class InvalidPart(BadInput):
    """One or more of the specified parts could not be found or had another entity tag."""


class InvalidPartOrder(BadInput):
    """The list of parts was not in ascending order. Parts must be ordered by part number."""


class PartTooSmall(BadInput):
    """Your proposed upload is smaller than the minimum allowed size."""


class TooLarge(BadInput):
    """Your proposed upload exceeds the maximum allowed object size."""


class IncompleteBody(BadInput):
    """You did not provide the number of bytes specified by the Content-Length header."""


class BadDigest(BadInput):
    """A checksum you specified did not match what was received. Details: algorithm."""


class HostKeyUnknown(BadInput):
    """The server's host key is not pinned, so nothing was sent to it."""


class HostKeyDiffers(BadInput):
    """The server shows another host key than the one that is pinned, so nothing was sent to it."""


# --- places that are not well ------------------------------------------------------------------


class Unavailable(CrossdockError):
    """Something needed for this is not available now; trying again may succeed."""


# Details, where the store said so: throttled (True for 429 and SlowDown), retry_after (seconds).
class StoreUnavailable(Unavailable):
    """The store can't be reached, or failed in a way that is worth trying again."""


class CatalogUnavailable(Unavailable):
    """The catalog can't take or answer this now."""


class TooBusy(Unavailable):
    """Please reduce your request rate."""


class Damaged(CrossdockError):
    """Bytes at rest are not what the catalog says they are; they are not served."""


class ChangedAtPlace(CrossdockError):
    """This object was adopted where it lies in its owner's store, and has been changed or taken
    away there since: the version that was adopted can't be read any more."""


class StoreFault(CrossdockError):
    """A store answered in a way that trying again as things are won't change."""


class MissingFromStore(StoreFault):
    """The store holds nothing under this key."""


# Details: absent (True where the bucket, container or folder itself is missing).
class StoreRefused(StoreFault):
    """The store refused: its credentials lack the right, or the target does not exist."""


class StoreFull(StoreFault):
    """The store has no room left, or a quota is reached."""


class Occupied(StoreFault):
    """The target key holds something that is not our own older copy of the same object."""


class ChangedInStore(StoreFault):
    """What lies under this key is not what the condition named."""


class BrokenSource(CrossdockError):
    """A body ended early, ran over its declared length, or broke half way."""


class DepotUnavailable(CrossdockError):
    """The sFTP server can't be reached, or broke off."""


class DepotRefused(CrossdockError):
    """The sFTP server does not give this file."""


class DepotMoved(CrossdockError):
    """The file changed while it was read."""


# --- start-up, configuration, policies ---------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file that people edit; line and column count from 1. `told` is what a party
    is told of it that sees its own file alone, where that is less than `text`."""

    file: str
    line: int
    column: int
    text: str
    told: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


class ConfigError(CrossdockError):
    """The configuration can't be used."""


class DocumentErrors(ConfigError):
    """The files hold mistakes. `problems` lists every one, sorted by place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class StartRefused(ConfigError):
    """The gateway won't start as things are; the message names the mend."""


class SchemaTooNew(StartRefused):
    """The catalog was written by a newer Crossdock; use that one, or restore an older backup."""


class CatalogInUse(StartRefused):
    """Another gateway has this catalog open."""


class LogDamaged(CrossdockError):
    """The audit log does not verify. Details: index (the first record that is wrong), kind."""
