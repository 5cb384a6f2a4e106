"""SigV2's presigned URLs: what boto3 still makes by default for us-east-1 and us-west-2.

AWS: "Query string request authentication alternative" of the REST authentication. SigV2 leaves
host, most headers and most of the query unsigned; here whatever would act must be signed. SigV2 in
the Authorization header is not taken at all.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from gateway.s3.address import Target, decode
from gateway.s3.canonical import RequestHead
from gateway.s3.dates import iso_date
from gateway.s3.errors import S3Error
from gateway.s3.presign import HOISTED, PRESIGNED_S_MAX, SKEW_S_MAX, is_signed_with_sigv4
from gateway.s3.sigv4 import (
    NO_TOKENS,
    NOBODYS_SECRET,
    Credential,
    Payload,
    Verified,
    mismatch,
    unframed_payload,
)

NAME = "SigV2"

_AUTH = frozenset({"AWSAccessKeyId", "Signature", "Expires"})
_CLAIMED = re.compile(r"[?&](?:AWSAccessKeyId|Signature)=")
_EXPIRES = re.compile(r"[0-9]{1,12}")
_HARMLESS = frozenset({"x-id"})
"""Unsigned, and read by nobody."""

SUB_RESOURCES = frozenset(
    [
        *("accelerate", "acl", "cors", "defaultObjectAcl", "location", "logging", "partNumber"),
        *("policy", "requestPayment", "torrent", "versioning", "versionId", "versions", "website"),
        *("uploads", "uploadId", "delete", "lifecycle", "tagging", "restore", "storageClass"),
        *("notification", "replication", "analytics", "metrics", "inventory", "object-lock"),
        *("select", "select-type"),
        *(
            f"response-{name}"
            for name in (
                *("content-type", "content-language", "content-disposition", "content-encoding"),
                *("expires", "cache-control"),
            )
        ),
    ]
)
"""Query parameters that are part of the signed resource."""

C = TypeVar("C", bound=Credential)


def is_claimed(head: RequestHead) -> bool:
    """Whether the query says that it carries such a signature, and nothing else says so too."""
    if _CLAIMED.search(head.target) is None or is_signed_with_sigv4(head.target):
        return False
    return not any(name.lower() == b"authorization" for name, _ in head.headers)


def _is_amz(name: str) -> bool:
    return name.startswith("x-amz-")


def _is_signed(name: str) -> bool:
    """Of a header, or of a query parameter that stands for one."""
    return _is_amz(name) or name in HOISTED


def verify(
    head: RequestHead, target: Target, lookup: Callable[[str], C | None], now: int
) -> Verified[C]:
    """Check a presigned URL's signature; `target` is the head's own, `now` in seconds.

    Raises S3Error with AWS's codes: AccessDenied (incomplete, expired or beyond 7 days, headers or
    parameters outside the signature), InvalidAccessKeyId, SignatureDoesNotMatch (with the string
    to compare). An unknown key id and a wrong signature take the same time.
    """
    path, _, query = head.target.partition("?")
    pieces = _pieces(query)
    params = {name: value for name, (_, value) in pieces.items() if name in _AUTH}
    if params.keys() != _AUTH:
        text = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId"
        raise S3Error("AccessDenied", f"{text} parameters")
    _check_lifetime(params["Expires"], now)
    values = _values(head, pieces)
    _check_covered(values, pieces)
    bucket = f"/{target.bucket}" if target.virtual else ""
    signed = b"%b\n%b\n%b\n%b\n%b%b" % (
        head.method.encode(),
        values.get("content-md5", b""),
        values.get("content-type", b""),
        params["Expires"].encode(),
        b"".join([b"%b:%b\n" % (n.encode(), values[n]) for n in sorted(values) if _is_amz(n)]),
        _resource(bucket + path, pieces),
    )
    credential = _prove(params, signed, lookup)
    if "x-amz-security-token" in values:
        raise S3Error("InvalidToken", NO_TOKENS)
    payload, text = unframed_payload(values.get("x-amz-content-sha256", b"").decode("latin-1"))
    sha256 = text.lower() if payload is Payload.HASHED else ""
    key = params["AWSAccessKeyId"]
    return Verified(key, credential, payload, sha256, presigned=True, sigv2=True)


def _prove(params: Mapping[str, str], text: bytes, lookup: Callable[[str], C | None]) -> C:
    access_key, given = params["AWSAccessKeyId"], params["Signature"]
    credential = lookup(access_key)
    secret = NOBODYS_SECRET if credential is None else credential.secret
    good = hmac.compare_digest(signature(secret, text), given.encode())
    # Both answers are made before one is chosen, so that they take the same time.
    unknown = S3Error("InvalidAccessKeyId", AWSAccessKeyId=access_key)
    wrong = mismatch(access_key, text, given)
    if credential is None:
        raise unknown
    if not good:
        raise wrong
    return credential


def signature(secret: str, text: bytes) -> bytes:
    """HMAC-SHA1 in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha1"))


Pieces = Mapping[str, tuple[bool, str]]
"""Query parameters by name: whether there is a `=`, and the value as whoever acts on it reads it
(a `+` is a blank), so that what is signed is what acts."""


def _pieces(query: str) -> Pieces:
    found: dict[str, tuple[bool, str]] = {}
    for piece in filter(None, query.split("&")):
        raw_name, sign, raw_value = piece.partition("=")
        name = decode(raw_name.replace("+", " "))
        name = name.lower() if _is_signed(name.lower()) else name
        if name in found:
            raise S3Error("InvalidArgument", f"The query parameter {name} is given twice.")
        # base64 has no blanks, and not every client escapes its pluses
        value = raw_value if name == "Signature" else raw_value.replace("+", " ")
        found[name] = (bool(sign), decode(value))
    return found


def _check_lifetime(text: str, now: int) -> None:
    """SigV2 itself knows no longest time; a URL that outlives SigV4's 7 days is refused."""
    if _EXPIRES.fullmatch(text) is None:
        raise S3Error("AccessDenied", f"Invalid date (should be seconds since epoch): {text}")
    expires = int(text)
    if now > expires:
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            Expires=iso_date(expires),
            ServerTime=iso_date(now),
        )
    if expires > now + PRESIGNED_S_MAX + SKEW_S_MAX:
        message = f"Expires must be at most {PRESIGNED_S_MAX} seconds ahead."
        raise S3Error("AccessDenied", message, ServerTime=iso_date(now))


def _values(head: RequestHead, pieces: Pieces) -> Mapping[str, bytes]:
    """The headers that SigV2 signs, and ours that it can't; one that is not sent is taken from the
    query. Repeats are joined as they came."""
    found: dict[str, bytes] = {}
    for raw_name, raw_value in head.headers:
        name = raw_name.decode("latin-1").lower()
        if _is_signed(name) or name.startswith("x-crossdock-"):
            value = raw_value.strip()
            found[name] = b"%b,%b" % (found[name], value) if name in found else value
    for name, (_, text) in pieces.items():
        if _is_signed(name):
            found.setdefault(name, text.strip().encode())
    return found


def _check_covered(values: Mapping[str, bytes], pieces: Pieces) -> None:
    for name, (_, value) in pieces.items():
        if name in SUB_RESOURCES and _holds_another(value):
            text = f"The value of {name} could be read as another parameter."
            raise S3Error("InvalidArgument", text, ArgumentName=name)
    known = SUB_RESOURCES | _AUTH | _HARMLESS
    unsigned = [name for name in pieces if name not in known and not _is_signed(name)]
    unsigned += [name for name in values if not _is_signed(name)]
    if unsigned:
        raise S3Error(
            "AccessDenied",
            "There were headers or query parameters present in the request which SigV2 does not "
            "sign. Use AWS4-HMAC-SHA256.",
            HeadersNotSigned=", ".join(unsigned),
        )


def _holds_another(value: str) -> bool:
    """The signed text does not escape values: `a=1&versionId=2` could be one value or two, and
    whoever has the URL could turn the one into the other."""
    pieces = value.split("&")[1:]
    return any(piece.partition("=")[0] in SUB_RESOURCES for piece in pieces)


def _resource(path: str, pieces: Pieces) -> bytes:
    """The path as it was sent, less what a proxy cut off, and the sub-resources in order."""
    subs = [
        f"{name}={value}" if has_value else name
        for name, (has_value, value) in sorted(pieces.items())
        if name in SUB_RESOURCES
    ]
    text = f"{path}?{'&'.join(subs)}" if subs else path
    return text.encode("utf-8", "surrogateescape")
