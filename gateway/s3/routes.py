"""The table that IS the supported S3 API: which request is which operation, and what it needs."""

from __future__ import annotations

import enum
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.model import EMPTY
from gateway.s3.address import Resource, Target
from gateway.s3.errors import S3Error


class Right(enum.Enum):
    """What an operation needs: to see names, to read or write objects, to make or rule buckets;
    or nothing, not even a signature."""

    NONE = "none"
    LIST = "list"
    READ = "read"
    WRITE = "write"
    CREATE = "create"
    OWN = "own"

    @property
    def changes(self) -> bool:
        """Whether a principal that may only read is refused."""
        return self not in (Right.NONE, Right.LIST, Right.READ)


@dataclass(frozen=True, slots=True)
class Operation:
    """One S3 operation. `params` are the query names that a request must have to be this one (with
    the value, where only one will do), `optional` those that other rows discriminate by but this
    one merely reads, `header` a request header that must be there. `note` says why not `built`.
    """

    method: str
    resource: Resource
    name: str
    right: Right
    params: Mapping[str, str]
    optional: frozenset[str]
    header: str
    note: str

    @property
    def built(self) -> bool:
        return not self.note

    @property
    def handler(self) -> str:
        """The name of the function that serves it: `ListObjectsV2` is `list_objects_v2`."""
        return _WORD.sub("_", self.name).lower()


_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

SERVICE, BUCKET, OBJECT = Resource.SERVICE, Resource.BUCKET, Resource.OBJECT
LIST, READ, WRITE, CREATE, OWN = Right.LIST, Right.READ, Right.WRITE, Right.CREATE, Right.OWN

LATER = "not built yet"
MESH = "parties, rules and buckets are ruled by the policy folder, not by S3 calls"
LOG = "every read is in the audit log, which `crossdock audit export` gives"
CLOUD = "a feature of AWS's own cloud that a gateway has no counterpart for"


def _row(
    request: str,
    resource: Resource,
    name: str,
    right: Right,
    note: str = "",
    *,
    header: str = "",
    optional: str = "",
) -> Operation:
    """`request` is the method and, after ` ?`, the parameters that must be there."""
    method, _, query = request.partition(" ?")
    params = {key: value for key, _, value in (p.partition("=") for p in query.split("&")) if key}
    return Operation(
        method,
        resource,
        name,
        right,
        MappingProxyType(params),
        frozenset(optional.split()),
        header,
        note,
    )


def _bucket_config(sub: str, name: str, verbs: str, note: str = "") -> Iterator[Operation]:
    """The rows of a bucket sub-resource: its GET, PUT and DELETE, as far as S3 has them."""
    for verb in verbs.split():
        right = READ if verb == "Get" else OWN
        yield _row(f"{verb.upper()} ?{sub}", BUCKET, f"{verb}{name}", right, note)


def _listed_config(sub: str, name: str) -> Iterator[Operation]:
    """The rows of a bucket sub-resource that holds several configurations by id."""
    for verb, right in (("Get", READ), ("Put", OWN), ("Delete", OWN)):
        full = f"{verb}Bucket{name}Configuration"
        yield _row(f"{verb.upper()} ?{sub}&id", BUCKET, full, right, CLOUD)
    yield _row(f"GET ?{sub}", BUCKET, f"ListBucket{name}Configurations", READ, CLOUD)


# A row with a header stands before its sibling without one: the first that fits is taken.
# fmt: off
OPERATIONS: tuple[Operation, ...] = (
    # the service
    _row("GET", SERVICE, "ListBuckets", LIST),
    _row("GET ?max-directory-buckets", SERVICE, "ListDirectoryBuckets", LIST, CLOUD),
    _row("POST", SERVICE, "AssumeRoleWithWebIdentity", READ, LATER),
    # buckets
    _row("PUT", BUCKET, "CreateBucket", CREATE),
    _row("HEAD", BUCKET, "HeadBucket", LIST),
    _row("DELETE", BUCKET, "DeleteBucket", OWN),
    _row("GET ?location", BUCKET, "GetBucketLocation", LIST),
    _row("GET ?versioning", BUCKET, "GetBucketVersioning", LIST),
    _row("PUT ?versioning", BUCKET, "PutBucketVersioning", OWN),
    _row("GET", BUCKET, "ListObjects", LIST),
    _row("GET ?list-type=2", BUCKET, "ListObjectsV2", LIST),
    _row("GET ?versions", BUCKET, "ListObjectVersions", LIST),
    _row("GET ?uploads", BUCKET, "ListMultipartUploads", LIST),
    _row("POST ?delete", BUCKET, "DeleteObjects", WRITE),
    _row("POST", BUCKET, "WriteGetObjectResponse", WRITE, CLOUD, header="x-amz-request-route"),
    _row("POST", BUCKET, "PostObject", WRITE),
    _row("OPTIONS", BUCKET, "PreflightBucket", Right.NONE),
    *_bucket_config("acl", "BucketAcl", "Get Put"),
    *_bucket_config("tagging", "BucketTagging", "Get Put Delete"),
    *_bucket_config("cors", "BucketCors", "Get Put Delete"),
    *_bucket_config("policy", "BucketPolicy", "Get Put Delete"),
    *_bucket_config("policyStatus", "BucketPolicyStatus", "Get"),
    *_bucket_config("publicAccessBlock", "PublicAccessBlock", "Get Put Delete"),
    *_bucket_config("ownershipControls", "BucketOwnershipControls", "Get Put Delete"),
    *_bucket_config("encryption", "BucketEncryption", "Get Put Delete"),
    *_bucket_config("object-lock", "ObjectLockConfiguration", "Get Put"),
    *_bucket_config("lifecycle", "BucketLifecycleConfiguration", "Get Put"),
    *_bucket_config("lifecycle", "BucketLifecycle", "Delete"),
    *_bucket_config("notification", "BucketNotificationConfiguration", "Get Put"),
    *_bucket_config("requestPayment", "BucketRequestPayment", "Get Put"),
    *_bucket_config("accelerate", "BucketAccelerateConfiguration", "Get"),
    *_bucket_config("accelerate", "BucketAccelerateConfiguration", "Put", CLOUD),
    *_bucket_config("logging", "BucketLogging", "Get"),
    *_bucket_config("logging", "BucketLogging", "Put", LOG),
    *_bucket_config("website", "BucketWebsite", "Get"),
    *_bucket_config("website", "BucketWebsite", "Put Delete", CLOUD),
    *_bucket_config("replication", "BucketReplication", "Get"),
    *_bucket_config("replication", "BucketReplication", "Put Delete", MESH),
    *_bucket_config("abac", "BucketAbac", "Get Put", MESH),
    *_listed_config("analytics", "Analytics"),
    *_listed_config("inventory", "Inventory"),
    *_listed_config("metrics", "Metrics"),
    *_listed_config("intelligent-tiering", "IntelligentTiering"),
    _row("GET ?session", BUCKET, "CreateSession", READ, CLOUD),
    *_bucket_config("metadataConfiguration", "BucketMetadataConfiguration", "Get Delete", CLOUD),
    _row("POST ?metadataConfiguration", BUCKET, "CreateBucketMetadataConfiguration", OWN, CLOUD),
    *_bucket_config("metadataTable", "BucketMetadataTableConfiguration", "Get Delete", CLOUD),
    _row("POST ?metadataTable", BUCKET, "CreateBucketMetadataTableConfiguration", OWN, CLOUD),
    *(
        _row(f"PUT ?metadata{kind}Table", BUCKET, f"UpdateBucketMetadata{kind}TableConfiguration",
             OWN, CLOUD)
        for kind in ("Annotation", "Inventory", "Journal")
    ),
    # objects
    _row("GET", OBJECT, "GetObject", READ, optional="partNumber"),
    _row("HEAD", OBJECT, "HeadObject", READ, optional="partNumber"),
    _row("PUT", OBJECT, "CopyObject", WRITE, header="x-amz-copy-source"),
    _row("PUT", OBJECT, "PutObject", WRITE),
    _row("DELETE", OBJECT, "DeleteObject", WRITE),
    _row("GET ?tagging", OBJECT, "GetObjectTagging", READ),
    _row("PUT ?tagging", OBJECT, "PutObjectTagging", WRITE),
    _row("DELETE ?tagging", OBJECT, "DeleteObjectTagging", WRITE),
    # multipart uploads
    _row("POST ?uploads", OBJECT, "CreateMultipartUpload", WRITE),
    _row("PUT ?uploadId&partNumber", OBJECT, "UploadPartCopy", WRITE, header="x-amz-copy-source"),
    _row("PUT ?uploadId&partNumber", OBJECT, "UploadPart", WRITE),
    _row("POST ?uploadId", OBJECT, "CompleteMultipartUpload", WRITE),
    _row("DELETE ?uploadId", OBJECT, "AbortMultipartUpload", WRITE),
    _row("GET ?uploadId", OBJECT, "ListParts", WRITE),
    # what objects will have
    _row("OPTIONS", OBJECT, "PreflightObject", Right.NONE),
    _row("GET ?attributes", OBJECT, "GetObjectAttributes", READ),
    _row("GET ?acl", OBJECT, "GetObjectAcl", READ),
    _row("PUT ?acl", OBJECT, "PutObjectAcl", WRITE),
    _row("GET ?legal-hold", OBJECT, "GetObjectLegalHold", READ),
    _row("PUT ?legal-hold", OBJECT, "PutObjectLegalHold", WRITE),
    _row("GET ?retention", OBJECT, "GetObjectRetention", READ),
    _row("PUT ?retention", OBJECT, "PutObjectRetention", WRITE),
    _row("GET ?annotation", OBJECT, "ListObjectAnnotations", READ, LATER),
    _row("GET ?annotation&annotationName", OBJECT, "GetObjectAnnotation", READ, LATER),
    _row("PUT ?annotation&annotationName", OBJECT, "PutObjectAnnotation", WRITE, LATER),
    _row("DELETE ?annotation&annotationName", OBJECT, "DeleteObjectAnnotation", WRITE, LATER),
    _row("POST ?restore", OBJECT, "RestoreObject", WRITE, CLOUD),
    _row("POST ?select&select-type", OBJECT, "SelectObjectContent", READ, CLOUD),
    _row("GET ?torrent", OBJECT, "GetObjectTorrent", READ, CLOUD),
    _row("PUT ?renameObject", OBJECT, "RenameObject", WRITE, LATER),
    _row("PUT ?encryption", OBJECT, "UpdateObjectEncryption", WRITE, CLOUD),
)
# fmt: on

DISCRIMINATORS: Mapping[Resource, frozenset[str]] = MappingProxyType(
    {
        resource: frozenset(
            name for row in OPERATIONS if row.resource is resource for name in row.params
        )
        for resource in Resource
    }
)
"""Query names that decide which operation on a service, bucket or object a request is."""

OPTIONAL = frozenset(
    [
        "versionId",
        "x-id",
        "prefix",
        "delimiter",
        "marker",
        "max-keys",
        "encoding-type",
        "start-after",
        "continuation-token",
        "fetch-owner",
        "key-marker",
        "version-id-marker",
        "upload-id-marker",
        "max-uploads",
        "max-parts",
        "part-number-marker",
        "max-buckets",
        "bucket-region",
        "max-annotation-results",
        "annotation-prefix",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "allow-unordered",
        "content-md5",
        "content-type",
        "AWSAccessKeyId",
        "Signature",
        "Expires",
    ]
)
"""Query names that some operation reads and none is told apart by."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def _by_place() -> Mapping[tuple[str, Resource], tuple[Operation, ...]]:
    places: dict[tuple[str, Resource], list[Operation]] = {}
    for row in OPERATIONS:
        places.setdefault((row.method, row.resource), []).append(row)
    return MappingProxyType({place: tuple(rows) for place, rows in places.items()})


_PLACES = _by_place()


def match(method: str, target: Target, headers: Container[str]) -> Operation:
    """The operation that a request is; `headers` are its header names in lower case, hoisted
    query parameters of a presigned URL included.

    A sub-resource that no row knows is 501 NotImplemented, one that this method does not have 405
    MethodNotAllowed: neither ever falls through to the plain operation. Known operations that are
    not built are returned too (see `not_implemented`), so that a stranger is refused first.
    """
    # A browser asks for the whole URL that it is about to use, sub-resources and signature in it.
    query = EMPTY if method == "OPTIONS" else target.query
    discriminators = DISCRIMINATORS[target.resource]
    for name in query:
        if name not in discriminators and name not in OPTIONAL and not _hoisted(name, headers):
            _check_unknown(method, name, query[name])
    present = discriminators.intersection(query)
    for row in _PLACES.get((method, target.resource), ()):
        if row.params.keys() ^ present <= row.optional and (
            not row.header or row.header in headers
        ):
            _check_values(row, query)
            return row
    raise _no_row(method, target.resource, present)


def not_implemented(operation: Operation) -> S3Error:
    """The answer of a known operation that is not built."""
    return S3Error("NotImplemented", f"{operation.name} is not implemented: {operation.note}.")


def _hoisted(name: str, headers: Container[str]) -> bool:
    """Whether a presigned URL gave it as one of our headers."""
    return name.lower().startswith("x-crossdock-") and name.lower() in headers


def _check_unknown(method: str, name: str, value: str) -> None:
    """An unknown name is taken for a sub-resource unless a read gives it a value, as S3 ignores
    stray parameters there; on a write the risk of doing another thing is too great."""
    if name.lower().startswith("x-amz-") or (value and method in _SAFE_METHODS):
        return
    raise S3Error("NotImplemented", f"The query parameter {name!r} is not implemented.")


def _check_values(row: Operation, query: Mapping[str, str]) -> None:
    for name, wanted in row.params.items():
        if wanted and query[name] != wanted:
            message = f"The value of {name} must be {wanted}."
            raise S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=query[name])


def _no_row(method: str, resource: Resource, present: frozenset[str]) -> S3Error:
    named = ", ".join(sorted(present))
    if not present:
        return S3Error("MethodNotAllowed", Method=method, ResourceType=resource.name)
    for row in _PLACES.get((method, resource), ()):
        if row.params.keys() > present:
            missing = ", ".join(sorted(row.params.keys() - present))
            return S3Error("InvalidArgument", f"{named} needs the query parameter {missing} too.")
        if row.params and row.params.keys() < present:
            return S3Error("InvalidArgument", f"Conflicting query parameters: {named}.")
    if any(row.resource is resource and row.params.keys() == present for row in OPERATIONS):
        return S3Error("MethodNotAllowed", Method=method, ResourceType=named)
    return S3Error("NotImplemented", f"The sub-resource {named} is not implemented here.")
