"""For every route that is built, what somebody without rights would try; a table, read by tests.

An attempt's kind says what each actor is to get (`EXPECTED`). Targets, headers and bodies are
templates over an `Aim`, so that the same attempt can be made on what is hidden and what is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})

OUTSIDER, MEMBER, WITHDRAWN = "umbra/desk", "globex/wms", "hooli/bot"
READER, WRITER, NARROWED = "acme/auditor", "acme/scanner", "acme/clerk"
ACTORS = (OUTSIDER, MEMBER, WITHDRAWN, READER, WRITER, NARROWED)

SERVED = "served"  # it has this right: the answer is a success
EMPTY = "empty"  # a success that shows nothing of acme's
UNSET = "unset"  # an answer that there is none of it, to whoever may ask
OPEN = "open"  # the kind that is for everyone
SKIPPED = "skipped"  # it has this right, and would change what others test


@dataclass(frozen=True)
class Aim:
    """What is aimed at; `own` and `own_upload` are the actor's own, where it has them."""

    key: str
    version: str
    upload: str
    shared_upload: str
    own: str = "orders/other/mine"
    own_upload: str = "none"


@dataclass(frozen=True)
class Attempt:
    operation: str
    kind: str
    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    body: str = ""

    def filled(self, aim: Aim) -> Attempt:
        values = asdict(aim)
        return Attempt(
            self.operation,
            self.kind,
            self.method,
            self.target.format(**values),
            {name: value.format(**values) for name, value in self.headers.items()},
            self.body.format(**values),
        )

    @property
    def name(self) -> str:
        return f"{self.operation} {self.target} {' '.join(self.headers)}".strip()


def _row(*actors: str) -> Mapping[str, str]:
    return MappingProxyType(dict(zip(ACTORS, actors, strict=True)))


NO_BUCKET, NO_KEY, DENIED = "NoSuchBucket", "NoSuchKey", "AccessDenied"
NO_VERSION, NO_UPLOAD, NO_REQUEST = "NoSuchVersion", "NoSuchUpload", "NoSuchRequest"

# fmt: off
EXPECTED: Mapping[str, Mapping[str, str]] = MappingProxyType({
    #                    outsider   member      withdrawn   reader   writer    narrowed
    "open":         _row(SERVED,    SERVED,     SERVED,     SERVED,  SERVED,   SERVED),
    "service":      _row(EMPTY,     EMPTY,      EMPTY,      SERVED,  SERVED,   SERVED),
    "bucket":       _row(NO_BUCKET, SERVED,     SERVED,     SERVED,  SERVED,   SERVED),
    "unset":        _row(NO_BUCKET, UNSET,      UNSET,      UNSET,   UNSET,    UNSET),
    "list":         _row(NO_BUCKET, EMPTY,      EMPTY,      SERVED,  DENIED,   EMPTY),
    "uploads":      _row(NO_BUCKET, EMPTY,      EMPTY,      DENIED,  SERVED,   EMPTY),
    "own":          _row(NO_BUCKET, DENIED,     DENIED,     DENIED,  DENIED,   DENIED),
    "owners":       _row(NO_BUCKET, DENIED,     NO_BUCKET,  SERVED,  SERVED,   DENIED),
    "told":         _row(NO_BUCKET, SERVED,     SERVED,     SERVED,  SERVED,   DENIED),
    "watch":        _row(NO_BUCKET, SERVED,     SERVED,     DENIED,  SERVED,   DENIED),
    "lounge":       _row(NO_BUCKET, DENIED,     NO_BUCKET,  DENIED,  SKIPPED,  DENIED),
    "create":       _row(DENIED,    DENIED,     DENIED,     DENIED,  SKIPPED,  DENIED),
    "taken":        _row(DENIED,    DENIED,     DENIED,     SERVED,  SERVED,   SERVED),
    "vault":        _row(NO_BUCKET, NO_BUCKET,  NO_BUCKET,  SERVED,  SERVED,   SERVED),
    "vault-told":   _row(NO_BUCKET, NO_BUCKET,  NO_BUCKET,  SERVED,  SERVED,   DENIED),
    "vault-list":   _row(NO_BUCKET, NO_BUCKET,  NO_BUCKET,  SERVED,  DENIED,   SERVED),
    "vault-read":   _row(NO_BUCKET, NO_BUCKET,  NO_BUCKET,  SERVED,  DENIED,   NO_KEY),
    "read":         _row(NO_BUCKET, NO_KEY,     NO_KEY,     SERVED,  DENIED,   NO_KEY),
    "read-version": _row(NO_BUCKET, NO_VERSION, NO_VERSION, SERVED,  DENIED,   NO_KEY),
    "write":        _row(NO_BUCKET, DENIED,     DENIED,     DENIED,  SKIPPED,  DENIED),
    "consume":      _row(NO_BUCKET, NO_KEY,     NO_KEY,     DENIED,  DENIED,   NO_KEY),
    "requests":     _row(EMPTY,     EMPTY,      EMPTY,      SERVED,  DENIED,   SERVED),
    "answer":       _row(NO_REQUEST, NO_REQUEST, NO_REQUEST, DENIED, NO_REQUEST, NO_REQUEST),
    "recall":       _row(NO_BUCKET, NO_KEY,     NO_KEY,     DENIED,  SERVED,   NO_KEY),
    "recall-version": _row(NO_BUCKET, NO_VERSION, NO_VERSION, DENIED, SERVED,  NO_VERSION),
    "staged":       _row(NO_BUCKET, DENIED,     NO_UPLOAD,  DENIED,  NO_UPLOAD, NO_UPLOAD),
    "stage":        _row(NO_BUCKET, DENIED,     SKIPPED,    DENIED,  SKIPPED,  SKIPPED),
    "times":        _row(NO_BUCKET, DENIED,     NO_KEY,     DENIED,  DENIED,   NO_KEY),
    "coauthor":     _row(NO_BUCKET, DENIED,     NO_UPLOAD,  DENIED,  SKIPPED,  DENIED),
    "take":         _row(NO_BUCKET, NO_KEY,     NO_KEY,     DENIED,  DENIED,   NO_KEY),
    "take-version": _row(NO_BUCKET, NO_VERSION, NO_VERSION, DENIED,  DENIED,   NO_KEY),
})
"""By kind and actor: the error code, or what kind of success it is."""

_COPY = {"x-amz-copy-source": "/orders/{key}"}
_COPY_VERSION = {"x-amz-copy-source": "/orders/{key}?versionId={version}"}
_DERIVED = {"x-crossdock-derived-from": "orders/{key}"}
_VERSIONING = (
    "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
)
_DELETE = "<Delete><Object><Key>{key}</Key></Object></Delete>"
_DELETE_VERSION = (
    "<Delete><Object><Key>{key}</Key><VersionId>{version}</VersionId></Object></Delete>"
)
_TAGS = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
_PARTS = (
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
    "</CompleteMultipartUpload>"
)
_CORS = (
    "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>"
    "<AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>"
)
_ENCRYPTION = (
    "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
    "<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
    "</ServerSideEncryptionConfiguration>"
)
_PAYER = (
    "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"
)
_BLOCK = "<PublicAccessBlockConfiguration/>"
_OWNERSHIP = (
    "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
    "</OwnershipControls>"
)
_LIFECYCLE = (
    "<LifecycleConfiguration><Rule><ID>r</ID><Filter/><Status>Enabled</Status><Expiration>"
    "<Days>36500</Days></Expiration></Rule></LifecycleConfiguration>"
)
_UNWATCHED = "<NotificationConfiguration/>"
_LOCKING = (
    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
    "</ObjectLockConfiguration>"
)
_RETENTION = (
    "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2100-01-01T00:00:00Z</RetainUntilDate>"
    "</Retention>"
)
_HOLD = "<LegalHold><Status>ON</Status></LegalHold>"
_PRIVATE = {"x-amz-acl": "private"}
_ATTRIBUTES = {"x-amz-object-attributes": "ETag,ObjectSize"}
_ORIGIN = {"origin": "https://acme.example", "access-control-request-method": "GET"}
_HELD = "/acme-vault/held"
_KEY = "/orders/{key}"
_SHARED = "/orders/shared/big?uploadId={shared_upload}"
_ABSENT_CONDITION = {"if-none-match": "*"}

ATTEMPTS: tuple[Attempt, ...] = (
    Attempt("ListBuckets", "service", "GET", "/"),
    Attempt("ListBuckets", "service", "GET", "/?prefix=acme"),
    Attempt("CreateBucket", "create", "PUT", "/acme-fresh"),
    Attempt("CreateBucket", "taken", "PUT", "/acme-vault"),
    Attempt("HeadBucket", "bucket", "HEAD", "/orders"),
    Attempt("HeadBucket", "vault", "HEAD", "/acme-vault/"),
    Attempt("DeleteBucket", "own", "DELETE", "/orders"),
    Attempt("DeleteBucket", "lounge", "DELETE", "/acme-lounge"),
    Attempt("PutBucketVersioning", "lounge", "PUT", "/acme-lounge?versioning", body=_VERSIONING),
    Attempt("GetBucketLocation", "bucket", "GET", "/orders?location"),
    Attempt("GetBucketVersioning", "bucket", "GET", "/orders?versioning"),
    Attempt("PutBucketVersioning", "own", "PUT", "/orders?versioning", body=_VERSIONING),
    *(
        attempt
        for sub, name, document in (
            ("tagging", "BucketTagging", _TAGS),
            ("cors", "BucketCors", _CORS),
            ("publicAccessBlock", "PublicAccessBlock", _BLOCK),
            ("ownershipControls", "BucketOwnershipControls", _OWNERSHIP),
            ("object-lock", "ObjectLockConfiguration", _LOCKING),
        )
        for attempt in (
            Attempt(f"Get{name}", "vault", "GET", f"/acme-vault?{sub}"),
            Attempt(f"Put{name}", "own", "PUT", f"/orders?{sub}", body=document),
            Attempt(f"Put{name}", "lounge", "PUT", f"/acme-lounge?{sub}", body=document),
            *((Attempt(f"Delete{name}", "own", "DELETE", f"/orders?{sub}"),)
              if sub != "object-lock" else ()),
        )
    ),
    Attempt("GetBucketLifecycleConfiguration", "owners", "GET", "/acme-lounge?lifecycle"),
    Attempt("PutBucketLifecycleConfiguration", "own", "PUT", "/orders?lifecycle", body=_LIFECYCLE),
    Attempt("PutBucketLifecycleConfiguration", "lounge", "PUT", "/acme-lounge?lifecycle",
            body=_LIFECYCLE),
    Attempt("DeleteBucketLifecycle", "own", "DELETE", "/orders?lifecycle"),
    Attempt("DeleteBucketLifecycle", "lounge", "DELETE", "/acme-lounge?lifecycle"),
    Attempt("PreflightBucket", "open", "OPTIONS", "/acme-vault?uploads", _ORIGIN),
    Attempt("PreflightObject", "open", "OPTIONS", "/acme-vault/held?versionId=x", _ORIGIN),
    Attempt("GetBucketNotificationConfiguration", "told", "GET", "/orders?notification"),
    Attempt("PutBucketNotificationConfiguration", "watch", "PUT", "/orders?notification",
            body=_UNWATCHED),
    Attempt("GetBucketPolicy", "told", "GET", "/orders?policy"),
    Attempt("PutBucketPolicy", "own", "PUT", "/orders?policy", body="{{}}"),
    Attempt("DeleteBucketPolicy", "own", "DELETE", "/orders?policy"),
    Attempt("GetBucketEncryption", "bucket", "GET", "/orders?encryption"),
    Attempt("PutBucketEncryption", "own", "PUT", "/orders?encryption", body=_ENCRYPTION),
    Attempt("DeleteBucketEncryption", "own", "DELETE", "/orders?encryption"),
    Attempt("GetBucketRequestPayment", "bucket", "GET", "/orders?requestPayment"),
    Attempt("PutBucketRequestPayment", "own", "PUT", "/orders?requestPayment", body=_PAYER),
    Attempt("GetBucketAccelerateConfiguration", "bucket", "GET", "/orders?accelerate"),
    Attempt("GetBucketLogging", "bucket", "GET", "/orders?logging"),
    Attempt("GetBucketWebsite", "unset", "GET", "/orders?website"),
    Attempt("GetBucketReplication", "unset", "GET", "/orders?replication"),
    Attempt("GetBucketPolicyStatus", "bucket", "GET", "/orders?policyStatus"),
    Attempt("GetBucketAcl", "bucket", "GET", "/orders?acl"),
    Attempt("GetBucketAcl", "vault", "GET", "/acme-vault?acl"),
    Attempt("PutBucketAcl", "own", "PUT", "/orders?acl", _PRIVATE),
    Attempt("ListObjects", "list", "GET", "/orders"),
    Attempt("ListObjects", "list", "GET", "/orders?prefix=invoices%2F&delimiter=%2F"),
    Attempt("ListObjects", "list", "GET", "/orders?delimiter=%2F"),
    Attempt("ListObjects", "vault-list", "GET", "/acme-vault"),
    Attempt("ListObjectsV2", "list", "GET", "/orders?list-type=2"),
    Attempt("ListObjectsV2", "list", "GET", "/orders?list-type=2&prefix=invoices%2Fsecret"),
    Attempt("ListObjectsV2", "list", "GET", "/orders?list-type=2&delimiter=%2F&fetch-owner=true"),
    Attempt("ListObjectVersions", "list", "GET", "/orders?versions"),
    Attempt("ListObjectVersions", "list", "GET", "/orders?versions&key-marker=invoices%2F"),
    Attempt("ListMultipartUploads", "uploads", "GET", "/orders?uploads"),
    Attempt("ListMultipartUploads", "uploads", "GET", "/orders?uploads&prefix=invoices%2F"),
    Attempt("DeleteObjects", "write", "POST", "/orders?delete", body=_DELETE),
    Attempt("DeleteObjects", "write", "POST", "/orders?delete", body=_DELETE_VERSION),
    Attempt("GetObject", "read", "GET", _KEY),
    Attempt("GetObject", "read", "GET", _KEY + "?partNumber=1"),
    Attempt("GetObject", "read", "GET", _KEY, {"range": "bytes=0-1"}),
    Attempt("GetObject", "read", "GET", _KEY, {"x-crossdock-as-of": "2100-01-01T00:00:00Z"}),
    Attempt("GetObject", "read", "GET", _KEY, {"if-none-match": "*"}),
    Attempt("GetObject", "read", "GET", _KEY + "?response-content-type=text%2Fplain"),
    Attempt("GetObject", "read-version", "GET", _KEY + "?versionId={version}"),
    Attempt("HeadObject", "read", "HEAD", _KEY),
    Attempt("HeadObject", "read-version", "HEAD", _KEY + "?versionId={version}"),
    Attempt("CopyObject", "write", "PUT", _KEY, {"x-amz-copy-source": "/orders/other/seen.csv"}),
    Attempt("CopyObject", "take", "PUT", "/{own}", _COPY),
    Attempt("CopyObject", "take-version", "PUT", "/{own}", _COPY_VERSION),
    Attempt("PutObject", "write", "PUT", _KEY, body="x"),
    Attempt("PostObject", "write", "POST", "/orders", body="{key}"),
    Attempt("PutObject", "write", "PUT", _KEY, _ABSENT_CONDITION, "x"),
    Attempt("PutObject", "take", "PUT", "/{own}", _DERIVED, "x"),
    Attempt("DeleteObject", "write", "DELETE", _KEY),
    Attempt("DeleteObject", "write", "DELETE", _KEY + "?versionId={version}"),
    Attempt("GetObjectAttributes", "read", "GET", _KEY + "?attributes", _ATTRIBUTES),
    Attempt("GetObjectAttributes", "read-version", "GET",
            _KEY + "?attributes&versionId={version}", _ATTRIBUTES),
    Attempt("GetObjectAcl", "read", "GET", _KEY + "?acl"),
    Attempt("PutObjectAcl", "write", "PUT", _KEY + "?acl", _PRIVATE),
    Attempt("GetObjectRetention", "vault-read", "GET", _HELD + "?retention"),
    Attempt("GetObjectLegalHold", "vault-read", "GET", _HELD + "?legal-hold"),
    Attempt("PutObjectRetention", "write", "PUT", _KEY + "?retention", body=_RETENTION),
    Attempt("PutObjectLegalHold", "write", "PUT", _KEY + "?legal-hold", body=_HOLD),
    Attempt("GetObjectTagging", "read", "GET", _KEY + "?tagging"),
    Attempt("GetObjectTagging", "read-version", "GET", _KEY + "?tagging&versionId={version}"),
    Attempt("PutObjectTagging", "write", "PUT", _KEY + "?tagging", body=_TAGS),
    Attempt("PutObjectTagging", "write", "PUT", _KEY + "?tagging&versionId={version}", body=_TAGS),
    Attempt("DeleteObjectTagging", "write", "DELETE", _KEY + "?tagging"),
    Attempt("CreateMultipartUpload", "write", "POST", _KEY + "?uploads"),
    Attempt("UploadPart", "write", "PUT", _KEY + "?uploadId={upload}&partNumber=2", body="x"),
    Attempt("UploadPart", "coauthor", "PUT", _SHARED + "&partNumber=2", body="x"),
    Attempt("UploadPartCopy", "take", "PUT", "/{own}?uploadId={own_upload}&partNumber=1", _COPY),
    Attempt("UploadPartCopy", "take-version", "PUT",
            "/{own}?uploadId={own_upload}&partNumber=1", _COPY_VERSION),
    Attempt("UploadPartCopy", "coauthor", "PUT", _SHARED + "&partNumber=2", _COPY),
    Attempt("CompleteMultipartUpload", "write", "POST", _KEY + "?uploadId={upload}", body=_PARTS),
    Attempt("CompleteMultipartUpload", "coauthor", "POST", _SHARED, body=_PARTS),
    Attempt("AbortMultipartUpload", "write", "DELETE", _KEY + "?uploadId={upload}"),
    Attempt("AbortMultipartUpload", "coauthor", "DELETE", _SHARED),
    Attempt("ListParts", "write", "GET", _KEY + "?uploadId={upload}"),
    Attempt("ListParts", "coauthor", "GET", _SHARED),
)
# fmt: on
