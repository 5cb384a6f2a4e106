"""After every error the connection is in step: the next request gets its own answer, or the end was
announced. Meanwhile and afterwards every other party is served on its own connections."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from gateway.s3.listening import LINGER_S
from gateway.s3.wire import DRAIN_BYTES_MAX
from tests.s3.raw import UNSIGNED, Reply, Signed, Socket, posted, sign
from tests.security.attempts import ATTEMPTS, MEMBER, NOTHING, Aim, Attempt
from tests.security.world import SECRET_BODY, SECRET_KEY, Prey, Watched, others_are_served

FAULTS = 500
KINDS_MIN = 40
LARGE = DRAIN_BYTES_MAX + 10_000
KEY = "/orders/other/step"
NEXT_BODY = b"the answer to the request behind the error"


@dataclass(frozen=True)
class Kind:
    """A request that gets the error `code`; `extra` header lines stand outside the signature."""

    code: str
    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    body: bytes = b""
    mode: str | None = None
    extra: tuple[str, ...] = ()


def _xml(text: str) -> bytes:
    return text.encode()


MULTI = f"{KEY}?uploadId=none"
PART = "<Part><PartNumber>{}</PartNumber><ETag>x</ETag></Part>"
KINDS = (
    Kind("AccessControlListNotSupported", "PUT", f"{KEY}?acl", {"x-amz-acl": "public-read"}),
    Kind("AccessControlListNotSupported", "PUT", KEY, {"x-amz-grant-read": "id=x"}, b"x"),
    Kind("AccessDenied", "PUT", "/orders/nowhere/x", body=b"x"),
    Kind("AccessDenied", "GET", "/orders", extra=("x-amz-unsigned: 1",)),
    Kind("AccessDenied", "DELETE", "/orders"),
    Kind("BadDigest", "PUT", KEY, {"x-amz-checksum-crc32": "AAAAAA=="}, b"x"),
    Kind("BadDigest", "POST", "/orders?delete", {"content-md5": "A" * 22 + "=="}, b"<a/>"),
    Kind("BucketNotEmpty", "DELETE", "/acme-vault"),
    Kind("EntityTooLarge", "PUT", KEY, mode=UNSIGNED,
         extra=("Content-Length: 99999999999999", "Expect: 100-continue")),
    Kind("IllegalVersioningConfigurationException", "PUT", "/acme-bare?versioning",
         body=b"<VersioningConfiguration><Status>Maybe</Status></VersioningConfiguration>"),
    Kind("IncompleteBody", "PUT", KEY, {"x-amz-decoded-content-length": "9"}, b"zz\r\n",
         "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    Kind("InvalidArgument", "GET", "/orders?max-keys=many"),
    Kind("InvalidArgument", "GET", f"{KEY}?versionId="),
    Kind("InvalidArgument", "GET", "/orders/other/seen.csv?partNumber=0"),
    Kind("InvalidArgument", "GET", "/orders?list-type=2&continuation-token=nonsense"),
    Kind("InvalidArgument", "PUT", KEY, {"x-crossdock-as-of": "x"}, b"x"),
    Kind("InvalidBucketName", "GET", "/Capitals/x"),
    Kind("InvalidBucketState", "PUT", "/acme-bare?object-lock",
         body=b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
              b"</ObjectLockConfiguration>"),
    Kind("InvalidDigest", "PUT", KEY, {"content-md5": "short"}, b"x"),
    Kind("InvalidLocationConstraint", "PUT", "/acme-new",
         body=b"<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint>"
              b"</CreateBucketConfiguration>"),
    Kind("InvalidPartNumber", "GET", "/orders/invoices/secret.csv?partNumber=2"),
    Kind("InvalidRange", "GET", "/orders/invoices/secret.csv", {"range": "bytes=999-"}),
    Kind("InvalidRequest", "PUT", KEY, {"x-amz-checksum-crc32": "short"}, b"x"),
    Kind("InvalidRequest", "PUT", KEY, {"x-amz-object-lock-legal-hold": "ON"}, b"x"),
    Kind("InvalidRetentionPeriod", "PUT", "/acme-vault?object-lock",
         body=b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>"
              b"<DefaultRetention><Mode>GOVERNANCE</Mode><Days>0</Days></DefaultRetention></Rule>"
              b"</ObjectLockConfiguration>"),
    Kind("InvalidStorageClass", "PUT", KEY, {"x-amz-storage-class": "GLACIER"}, b"x"),
    Kind("InvalidTag", "PUT", KEY, {"x-amz-tagging": "=b"}, b"x"),
    Kind("InvalidTag", "PUT", KEY, {"x-amz-tagging": "a=1&a=2"}, b"x"),
    Kind("InvalidURI", "GET", "/orders/%zz"),
    Kind("KeyTooLongError", "PUT", "/orders/other/" + "k" * 1019, body=b"x"),
    Kind("MalformedTrailerError", "PUT", KEY, {"x-amz-trailer": "x-amz-checksum-crc32"}, b"x"),
    Kind("MalformedXML", "POST", "/orders?delete", body=b"<Delete>"),
    Kind("MalformedXML", "POST", MULTI, body=b"nonsense"),
    Kind("MaxMessageLengthExceeded", "PUT", "/acme-vault?tagging", body=b"<a>" + b" " * 100_000),
    Kind("MetadataTooLarge", "PUT", KEY, {"x-amz-meta-a": "m" * 3000}, b"x"),
    Kind("MethodNotAllowed", "PATCH", KEY),
    Kind("MethodNotAllowed", "DELETE", f"{KEY}?attributes"),
    Kind("MissingContentLength", "PUT", KEY, mode=UNSIGNED),
    Kind("MissingContentLength", "PUT", KEY, body=b"x", mode="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    Kind("NoSuchBucket", "PUT", "/nobodys/x", body=b"x"),
    Kind("NoSuchCORSConfiguration", "GET", "/acme-bare?cors"),
    Kind("NoSuchKey", "GET", f"{KEY}-absent"),
    Kind("NoSuchKey", "PUT", KEY, {"x-amz-copy-source": "/orders/other/absent"}),
    Kind("NoSuchKey", "PUT", f"{KEY}-absent", {"if-match": "x"}, b"x"),
    Kind("NoSuchLifecycleConfiguration", "GET", "/acme-bare?lifecycle"),
    Kind("InvalidRequest", "GET", "/orders/other/seen.csv?retention"),
    Kind("NoSuchPublicAccessBlockConfiguration", "GET", "/acme-bare?publicAccessBlock"),
    Kind("NoSuchTagSet", "GET", "/acme-bare?tagging"),
    Kind("NoSuchUpload", "PUT", f"{MULTI}&partNumber=1", body=b"x"),
    Kind("NoSuchUpload", "POST", MULTI,
         body=_xml(f"<CompleteMultipartUpload>{PART.format(1)}</CompleteMultipartUpload>")),
    Kind("NoSuchVersion", "GET", f"{KEY}?versionId=0123"),
    Kind("NotImplemented", "GET", "/orders?inventory"),
    Kind("NotImplemented", "PUT", f"{KEY}?unheard-of", body=b"x"),
    Kind("NotImplemented", "PUT", KEY,
         {"x-amz-server-side-encryption-customer-algorithm": "AES256"}, b"x"),
    Kind("ObjectLockConfigurationNotFoundError", "GET", "/acme-bare?object-lock"),
    Kind("OwnershipControlsNotFoundError", "GET", "/acme-bare?ownershipControls"),
    Kind("PreconditionFailed", "GET", "/orders/invoices/secret.csv", {"if-match": "other"}),
    Kind("PreconditionFailed", "PUT", "/orders/invoices/secret.csv", {"if-none-match": "*"}, b"x"),
    Kind("SignatureDoesNotMatch", "PUT", KEY, {"x-amz-decoded-content-length": "1"},
         b"1;chunk-signature=" + b"0" * 64 + b"\r\nx\r\n",
         "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    Kind("XAmzContentSHA256Mismatch", "PUT", KEY, body=b"x", mode="0" * 64),
)  # fmt: skip


@pytest.fixture(scope="module")
def following(watched: Watched) -> bytes:
    """A whole signed request whose answer has a body that can't be overlooked."""
    s3 = watched.client("acme/erp")
    s3.put_object(Bucket="orders", Key="other/next", Body=NEXT_BODY)
    s3.create_bucket(Bucket="acme-bare")
    return sign(watched, "GET", "/orders/other/next").head()


def in_step(connection: Socket, reply: Reply, following: bytes) -> bool:
    """Whether the connection goes on (True), or ends as announced (False)."""
    if reply.headers.get("connection") == "close":
        assert connection.closed()
        return False
    assert connection.ask(following).body == NEXT_BODY
    return True


@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: f"{kind.code} {kind.method} {kind.target}"[:70]
)
def test_connection_is_in_step_after_each_kind_of_error(
    watched: Watched, following: bytes, kind: Kind
) -> None:
    signed = sign(
        watched, kind.method, kind.target, dict(kind.headers), body=kind.body, mode=kind.mode
    )
    length = [f"Content-Length: {len(kind.body)}"] if kind.body else []
    with Socket(watched) as connection:
        reply = connection.ask(signed.head(*length, *kind.extra) + kind.body, kind.method)
        assert reply.code == kind.code, reply
        in_step(connection, reply, following)
    assert others_are_served(watched)


def test_there_are_enough_kinds_of_errors() -> None:
    assert len({kind.code for kind in KINDS}) >= KINDS_MIN


# --- every refused route, with bodies that nobody asked for --------------------------------------

WAYS = ("as it is", "a small body", "a large body", "a chunked body", "a body that waits")


def request(watched: Watched, attempt: Attempt, way: str) -> tuple[bytes, bytes]:
    """Head and body of a refused request."""
    if attempt.operation == "PostObject":
        signed, body = posted(watched, "orders", {"key": attempt.body}, principal=MEMBER)
    else:
        body = attempt.body.encode()
        headers = dict(attempt.headers)
        signed = sign(
            watched, attempt.method, attempt.target, headers, mode=UNSIGNED, principal=MEMBER
        )
    if way in ("a small body", "a body that waits") and not body:
        body = b"x" * 1000
    if way == "a large body":
        body += b" " * LARGE
    if way == "a chunked body":
        body = body or b"x" * 1000
        return signed.head("Transfer-Encoding: chunked"), b"%x\r\n%b\r\n0\r\n\r\n" % (
            len(body),
            body,
        )
    more = ["Expect: 100-continue"] if way == "a body that waits" else []
    return signed.head(f"Content-Length: {len(body)}", *more), body


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda a: a.name)
def test_connection_is_in_step_after_each_refused_route(
    watched: Watched, prey: Prey, following: bytes, attempt: Attempt, way: str
) -> None:
    aim = Aim(SECRET_KEY, prey.version, prey.upload, prey.shared_upload, "globex-own/mine")
    head, body = request(watched, attempt.filled(aim), way)
    waits = way == "a body that waits"
    with Socket(watched) as connection:
        reply = connection.ask(head if waits else head + body, attempt.method)
        if reply.status == 100:
            reply = connection.ask(body, attempt.method)
        assert reply.status < FAULTS or reply.code == "NotImplemented"
        assert SECRET_BODY not in reply.body
        if waits and reply.headers.get("connection") == "close":
            return  # the test below waits for that end
        in_step(connection, reply, following)


def test_refused_body_that_waits_is_not_lingered_over(watched: Watched, following: bytes) -> None:
    refused = sign(watched, "PUT", "/orders/nowhere/x", mode=UNSIGNED)
    with Socket(watched) as connection:
        began = time.monotonic()
        reply = connection.ask(refused.head("Content-Length: 1000", "Expect: 100-continue"))
        assert reply.code == "AccessDenied"
        assert not in_step(connection, reply, following)
        assert time.monotonic() - began < LINGER_S / 2


def test_strangers_requests_leave_their_connection_in_step(
    watched: Watched, following: bytes
) -> None:
    spoilt = sign(watched, "PUT", KEY, body=b"x" * 100, principal="nobody/here")
    wrong = Signed("PUT", KEY, {**spoilt.headers, "Authorization": "nonsense"})
    anonymous = Signed("PUT", KEY, {"Host": "a"})
    for signed in (spoilt, wrong, anonymous):
        # the second keeps half of its body back: that can't have come before the answer went
        for length, sent, goes_on in ((100, 100, True), (LARGE, LARGE // 2, False)):
            with Socket(watched) as connection:
                reply = connection.ask(signed.head(f"Content-Length: {length}") + b"x" * sent)
                assert reply.status in (400, 403)
                assert in_step(connection, reply, following) is goes_on
