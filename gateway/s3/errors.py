"""S3's error codes, and which of them each domain error becomes at this door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gateway import errors
from gateway.model import EMPTY, Version
from gateway.s3.dates import NS_PER_SECOND, http_date

RETRY_AFTER_S = 1
"""What a 503 asks of the client before it tries again."""

CODES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "AccessControlListNotSupported": (400, "The bucket does not allow ACLs."),
        "AccessDenied": (403, "Access Denied"),
        "AccessForbidden": (403, "Access Forbidden"),
        "AuthorizationHeaderMalformed": (400, "The authorization header is malformed."),
        "AuthorizationQueryParametersError": (
            400,
            "The query parameters that carry the signature are incomplete or malformed.",
        ),
        "BadDigest": (400, "A checksum that you specified did not match what was received."),
        "BadRequest": (400, "Bad Request"),
        "BucketAlreadyExists": (409, "The requested bucket name is not available."),
        "BucketAlreadyOwnedByYou": (409, "Your previous request to create the bucket succeeded."),
        "BucketNotEmpty": (409, "The bucket you tried to delete is not empty."),
        "ConditionalRequestConflict": (
            409,
            "A conflicting operation happened during this request. Please try again.",
        ),
        "DeliveryIncomplete": (
            409,
            "The object is stored. Not every copy that was waited for is verified yet.",
        ),
        "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size."),
        "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size."),
        "ExpiredToken": (400, "The provided token has expired."),
        "IllegalLocationConstraintException": (
            400,
            "The location constraint is not that of the endpoint the request was sent to.",
        ),
        "IllegalVersioningConfigurationException": (
            400,
            "The versioning configuration in the request is not valid.",
        ),
        "IncompleteBody": (400, "The request body is not of the length or form it was said to be."),
        "InsufficientStorage": (507, "The store has no room left for this object."),
        "InternalError": (500, "We encountered an internal error. Please try again."),
        "InvalidAccessKeyId": (403, "The access key id you provided does not exist here."),
        "InvalidAction": (400, "The requested action is not valid here."),
        "InvalidArgument": (400, "An argument of the request is not valid."),
        "InvalidBucketName": (400, "The specified bucket is not valid."),
        "InvalidBucketState": (409, "The request is not valid for the bucket as it is now."),
        "InvalidChunkSizeError": (400, "Only the last chunk may be smaller than 8192 bytes."),
        "InvalidDigest": (400, "The Content-MD5 you specified was not valid."),
        "InvalidLocationConstraint": (400, "The specified location constraint is not valid."),
        "InvalidObjectState": (403, "The operation is not valid for the object as it is now."),
        "InvalidPart": (
            400,
            "A part could not be found, or its entity tag is not the one that was uploaded.",
        ),
        "InvalidPartNumber": (416, "The requested part number is not satisfiable."),
        "InvalidPartOrder": (400, "The parts are not listed in ascending order."),
        "InvalidPolicyDocument": (400, "The form's policy document is not valid."),
        "InvalidRange": (416, "The requested range is not satisfiable."),
        "InvalidRequest": (400, "The request is not valid."),
        "InvalidRetentionPeriod": (
            400,
            "Default retention period must be a positive number of days or years.",
        ),
        "InvalidStorageClass": (400, "The storage class you specified is not valid."),
        "InvalidTag": (400, "The tag provided was not a valid tag."),
        "InvalidToken": (400, "The provided token is malformed or otherwise not valid."),
        "InvalidURI": (400, "The request's path or query can't be read."),
        "KeyTooLongError": (400, "Your key is too long: at most 1024 bytes of UTF-8."),
        "MalformedPOSTRequest": (400, "The body of your POST is not well-formed form data."),
        "MalformedPolicy": (400, "The policy document is not well formed."),
        "MalformedTrailerError": (400, "The trailer of the request is not what was announced."),
        "MalformedXML": (400, "The XML you provided is not well formed or not what was expected."),
        "MaxPostPreDataLengthExceededError": (
            400,
            "Your POST request fields preceding the upload file were too large.",
        ),
        "MaxMessageLengthExceeded": (400, "Your request is too big."),
        "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed size."),
        "MethodNotAllowed": (405, "The method is not allowed against this resource."),
        "MissingContentLength": (411, "You must provide the length of the content."),
        "MissingContentMD5": (400, "The request needs a Content-MD5 or a checksum header."),
        "NoSuchBucket": (404, "The specified bucket does not exist"),
        "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
        "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
        "NoSuchKey": (404, "The specified key does not exist."),
        "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
        "NoSuchObjectLockConfiguration": (404, "The object has no object lock configuration"),
        "NoSuchPublicAccessBlockConfiguration": (
            404,
            "The public access block configuration was not found",
        ),
        "NoSuchTagSet": (404, "The TagSet does not exist"),
        "NoSuchUpload": (404, "The specified upload does not exist."),
        "NoSuchVersion": (404, "The specified version does not exist."),
        "NoSuchWebsiteConfiguration": (404, "The bucket has no website configuration"),
        "NotImplemented": (501, "What you asked for is not implemented."),
        "NotModified": (304, "Not Modified"),
        "ObjectLockConfigurationNotFoundError": (
            404,
            "The bucket has no object lock configuration",
        ),
        "OperationAborted": (409, "A conflicting operation is in progress. Please try again."),
        "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
        "PermanentRedirect": (301, "The bucket must be addressed at the specified endpoint."),
        "PreconditionFailed": (412, "At least one of the preconditions did not hold."),
        "ReplicationConfigurationNotFoundError": (
            404,
            "The replication configuration was not found",
        ),
        "RequestTimeTooSkewed": (
            403,
            "The request's time and the server's are too far apart; see ServerTime.",
        ),
        "RequestTimeout": (400, "No data was read from the connection within the timeout."),
        "ServerSideEncryptionConfigurationNotFoundError": (
            404,
            "The server side encryption configuration was not found",
        ),
        "ServiceUnavailable": (503, "Something needed for this is down. Please try again."),
        "SignatureDoesNotMatch": (
            403,
            "The signature you provided is not the one calculated from the request. Compare your "
            "client's canonical request and string to sign with those below.",
        ),
        "SlowDown": (503, "Please reduce your request rate."),
        "TooManyBuckets": (400, "You have as many buckets as are allowed."),
        "TooManyParts": (400, "The upload has more parts than are allowed."),
        "UnresolvableGrantByEmailAddress": (400, "The email address matches no account."),
        "UserKeyMustBeSpecified": (400, "The form must name a key."),
        "XAmzContentSHA256Mismatch": (
            400,
            "The provided x-amz-content-sha256 header does not match what was received.",
        ),
    }
)
"""Every code that this door answers with: its HTTP status and its default message."""


class S3Error(errors.CrossdockError):
    """The request is not one that the S3 protocol allows.

    `fields` are further elements of the XML answer by name, `headers` further response headers.
    `status` overrides the code's own status where outside suites and AWS differ.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int = 0,
        headers: Mapping[str, str] = EMPTY,
        **fields: str,
    ) -> None:
        known_status, known_message = CODES[code]
        super().__init__(message or known_message)
        self.code = code
        self.status = status or known_status
        self.headers = headers
        self.fields: Mapping[str, str] = fields


DOMAIN: Mapping[type[errors.CrossdockError], str] = MappingProxyType(
    {
        errors.CrossdockError: "InternalError",
        errors.Denied: "AccessDenied",
        errors.Locked: "AccessDenied",
        errors.NotLockable: "InvalidBucketState",
        errors.NotFound: "NoSuchKey",
        errors.NoSuchBucket: "NoSuchBucket",
        errors.NoSuchKey: "NoSuchKey",
        errors.NoSuchVersion: "NoSuchVersion",
        errors.NoSuchRequest: "NoSuchKey",
        errors.NoSuchUpload: "NoSuchUpload",
        errors.KeyIsDeleted: "NoSuchKey",
        errors.VersionIsMarker: "MethodNotAllowed",
        errors.PreconditionFailed: "PreconditionFailed",
        errors.NotModified: "NotModified",
        errors.Conflict: "ConditionalRequestConflict",
        errors.NotDelivered: "DeliveryIncomplete",
        errors.BucketNotEmpty: "BucketNotEmpty",
        errors.BucketExists: "BucketAlreadyExists",
        errors.BucketAlreadyYours: "BucketAlreadyOwnedByYou",
        errors.PolicyMoved: "ServiceUnavailable",
        errors.BadInput: "InvalidRequest",
        errors.InvalidArgument: "InvalidArgument",
        errors.NoSuchWebhook: "InvalidArgument",
        errors.WebhookFailed: "InternalError",
        errors.InvalidBucketName: "InvalidBucketName",
        errors.KeyTooLong: "KeyTooLongError",
        errors.MetadataTooLarge: "MetadataTooLarge",
        errors.InvalidTag: "InvalidTag",
        errors.InvalidRange: "InvalidRange",
        errors.InvalidPart: "InvalidPart",
        errors.InvalidPartOrder: "InvalidPartOrder",
        errors.PartTooSmall: "EntityTooSmall",
        errors.TooLarge: "EntityTooLarge",
        errors.IncompleteBody: "IncompleteBody",
        errors.BadDigest: "BadDigest",
        errors.Unavailable: "ServiceUnavailable",
        errors.StoreUnavailable: "ServiceUnavailable",
        errors.CatalogUnavailable: "ServiceUnavailable",
        errors.TooBusy: "SlowDown",
        errors.Damaged: "InternalError",
        errors.ChangedAtPlace: "InvalidObjectState",
        errors.StoreFault: "InternalError",
        errors.MissingFromStore: "InternalError",
        errors.StoreRefused: "InternalError",
        errors.StoreFull: "InsufficientStorage",
        errors.Occupied: "InternalError",
        errors.ChangedInStore: "InternalError",
        errors.BrokenSource: "IncompleteBody",
        errors.HostKeyUnknown: "InvalidRequest",
        errors.HostKeyDiffers: "InvalidRequest",
        errors.DepotUnavailable: "ServiceUnavailable",
        errors.DepotRefused: "InternalError",
        errors.DepotMoved: "ServiceUnavailable",
        errors.ConfigError: "InternalError",
        errors.DocumentErrors: "InternalError",
        errors.StartRefused: "InternalError",
        errors.SchemaTooNew: "InternalError",
        errors.CatalogInUse: "InternalError",
        errors.LogDamaged: "InternalError",
    }
)
"""The S3 code of every domain error; a test walks the subclasses and wants each of them here."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An error as this door answers it. `fields` are further elements of the XML document."""

    status: int
    code: str
    message: str
    fields: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)


def render(error: BaseException) -> Rendered:
    """The answer for any exception; one that is not ours is an InternalError.

    A 5xx never carries the exception's own text, which may name another party's store.
    """
    if isinstance(error, S3Error):
        return Rendered(error.status, error.code, error.message, error.fields, error.headers)
    if not isinstance(error, errors.CrossdockError):
        return Rendered(*_entry("InternalError"))
    kind = next(cls for cls in type(error).__mro__ if cls in DOMAIN)
    status, code, message = _entry(DOMAIN[kind])
    extras = _EXTRAS.get(kind)
    fields, headers = extras(error.details) if extras else (EMPTY, {})
    if status == 503:
        headers["retry-after"] = str(RETRY_AFTER_S)
    return Rendered(status, code, message if status >= 500 else error.message, fields, headers)


def _entry(code: str) -> tuple[int, str, str]:
    status, message = CODES[code]
    return status, code, message


Extras = tuple[Mapping[str, str], dict[str, str]]


def _argument(details: Mapping[str, Any]) -> Extras:
    names = {"ArgumentName": details.get("name"), "ArgumentValue": details.get("value")}
    return {name: str(value) for name, value in names.items() if value is not None}, {}


def _range(details: Mapping[str, Any]) -> Extras:
    size = details.get("size")
    if size is None:
        return EMPTY, {}
    fields = {"RangeRequested": str(details.get("range", "")), "ActualObjectSize": str(size)}
    return fields, {"content-range": f"bytes */{size}"}


def _marker(details: Mapping[str, Any]) -> Extras:
    headers = {"x-amz-delete-marker": "true"}
    if details.get("version_id"):
        headers["x-amz-version-id"] = str(details["version_id"])
    if details.get("replication"):
        headers["x-amz-replication-status"] = str(details["replication"])
    return EMPTY, headers


def _named_marker(details: Mapping[str, Any]) -> Extras:
    _, headers = _marker(details)
    headers["allow"] = "DELETE"
    if details.get("last_modified") is not None:
        headers["last-modified"] = http_date(details["last_modified"] // NS_PER_SECOND)
    return {"Method": "GET", "ResourceType": "DeleteMarker"}, headers


def _not_modified(details: Mapping[str, Any]) -> Extras:
    version = details.get("version")
    if not isinstance(version, Version):
        return EMPTY, {}
    headers = {
        "etag": f'"{version.etag}"',
        "last-modified": http_date(version.at // NS_PER_SECOND),
    }
    if details.get("version_id"):
        headers["x-amz-version-id"] = str(details["version_id"])
    if "cache-control" in version.headers:
        headers["cache-control"] = version.headers["cache-control"]
    return EMPTY, headers


def _not_delivered(details: Mapping[str, Any]) -> Extras:
    """Which version is stored and whose copy is missing: its author alone gets this answer."""
    missing = details["missing"]
    headers = {f"x-crossdock-delivery-{party}": status for party, status in missing.items()}
    headers["etag"] = f'"{details["etag"]}"'
    if details["version_id"]:
        headers["x-amz-version-id"] = str(details["version_id"])
    return {"MissingCopies": ", ".join(sorted(missing))}, headers


_EXTRAS: Mapping[type[errors.CrossdockError], Callable[[Mapping[str, Any]], Extras]] = (
    MappingProxyType(
        {
            errors.InvalidArgument: _argument,
            errors.NoSuchWebhook: _argument,
            errors.InvalidRange: _range,
            errors.KeyIsDeleted: _marker,
            errors.VersionIsMarker: _named_marker,
            errors.NotModified: _not_modified,
            errors.NotDelivered: _not_delivered,
        }
    )
)
