"""Request headers into the exchange's words, and those that are refused rather than ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from gateway.errors import InvalidTag
from gateway.exchange import Draft, Expect
from gateway.locks import COMPLIANCE, GOVERNANCE, OFF, ON
from gateway.model import Lock, ObjectRef
from gateway.s3.address import decode, parse_key, parse_query, split_query
from gateway.s3.conditions import etags
from gateway.s3.dates import NS_PER_SECOND, parse_http_date, parse_iso_date
from gateway.s3.errors import S3Error

METADATA_PREFIX = "x-amz-meta-"
AS_OF_MAX = 2**63 - 1
"""The last moment that a catalog can name, in the year 2262."""

OWN_METADATA = "x-amz-meta-crossdock-"

CONTENT_HEADERS = (
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
    "cache-control",
    "expires",
    "x-amz-website-redirect-location",
)
"""Kept exactly as they came, and given back on reads."""

LOCK_MODE = "x-amz-object-lock-mode"
LOCK_UNTIL = "x-amz-object-lock-retain-until-date"
LOCK_HOLD = "x-amz-object-lock-legal-hold"

ENCRYPTION = "x-amz-server-side-encryption"
AES256 = "AES256"
_KMS = frozenset({"aws:kms", "aws:kms:dsse"})
_ENCRYPTED = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload", "PostObject"})
WAIT = "x-crossdock-wait"
IF_SIZE = "x-amz-if-match-size"
IF_MODIFIED = "x-amz-if-match-last-modified-time"
_DIGITS = re.compile(r"[0-9]{1,19}")

_AWS_CHUNKED = "aws-chunked"

# --- what we can't do, and must not seem to do -------------------------------------------------

_ACLS = frozenset({"private", "bucket-owner-full-control", "bucket-owner-read"})
_ALLOWED: Mapping[str, tuple[frozenset[str], str]] = MappingProxyType(
    {
        "x-amz-acl": (_ACLS, "AccessControlListNotSupported"),
        "x-amz-storage-class": (frozenset({"STANDARD"}), "InvalidStorageClass"),
        "x-amz-object-ownership": (
            frozenset({"BucketOwnerEnforced"}),
            "AccessControlListNotSupported",
        ),
        "x-amz-bucket-object-lock-enabled": (
            frozenset({"true", "True", "false", "False"}),
            "InvalidArgument",
        ),
        "x-amz-transition-default-minimum-object-size": (
            frozenset({"all_storage_classes_128K"}),
            "InvalidRequest",
        ),
        LOCK_MODE: (frozenset({GOVERNANCE, COMPLIANCE}), "InvalidArgument"),
        LOCK_HOLD: (frozenset({ON, OFF}), "InvalidArgument"),
    }
)
"""Headers of which some values change nothing here, with the code for any other value."""

_REFUSED: tuple[tuple[str, str], ...] = (
    ("x-amz-server-side-encryption", "NotImplemented"),
    ("x-amz-copy-source-server-side-encryption", "NotImplemented"),
    ("x-amz-grant-", "AccessControlListNotSupported"),
    ("x-amz-write-offset-bytes", "NotImplemented"),
    ("x-amz-mfa", "NotImplemented"),
    ("x-amz-rename-source", "NotImplemented"),
)
"""Beginnings of headers that ask for what is not built: dropping SSE-C would store plain text."""

_OURS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "x-crossdock-as-of": frozenset(
            {"GetObject", "HeadObject", "ListObjects", "ListObjectsV2", "ListObjectVersions"}
        ),
        "x-crossdock-derived-from": frozenset({"PutObject"}),
        WAIT: frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"}),
    }
)
"""Our own request headers, and the operations that know them."""


def check(operation: str, headers: Mapping[str, str], *, writes: bool) -> None:
    """Raises S3Error for a header that asks for something that would not happen."""
    if ENCRYPTION in headers and any(name.startswith(f"{ENCRYPTION}-") for name in headers):
        raise S3Error("InvalidArgument", f"{ENCRYPTION} does not go with the others of its kind.")
    for name, value in headers.items():
        if name.startswith("x-amz-"):
            _check_amazons(operation, name, value)
        elif name.startswith("x-crossdock-"):
            _check_ours(operation, name)
    if writes and not {"if-modified-since", "if-unmodified-since"}.isdisjoint(headers):
        raise S3Error("NotImplemented", "Writes know If-Match and If-None-Match alone.")


def _check_amazons(operation: str, name: str, value: str) -> None:
    if name.startswith(OWN_METADATA):
        raise S3Error("InvalidArgument", f"{name}: metadata of this name is Crossdock's own.")
    if name in _ALLOWED:
        values, code = _ALLOWED[name]
        if value not in values:
            raise S3Error(code, f"{name}: {value} is not supported here.")
        return
    if name in (IF_SIZE, IF_MODIFIED) and operation != "DeleteObject":
        raise S3Error("NotImplemented", f"{name} is a condition of DeleteObject alone.")
    if name == ENCRYPTION:
        _check_encryption(operation, value)
        return
    for beginning, code in _REFUSED:
        if name.startswith(beginning):
            raise S3Error(code, f"{name} is not supported here.")


def _check_encryption(operation: str, value: str) -> None:
    """Whether the caller's store does it is asked later; here, whether it can be asked for."""
    if operation not in _ENCRYPTED:
        raise S3Error("InvalidArgument", f"{operation} does not take the header {ENCRYPTION}.")
    if value in _KMS:
        raise S3Error("NotImplemented", "There is no key management service here.")
    if value != AES256:
        text = "The encryption method specified is not supported"
        raise S3Error("InvalidArgument", text, ArgumentName=ENCRYPTION, ArgumentValue=value)


def _check_ours(operation: str, name: str) -> None:
    if operation not in _OURS.get(name, ()):
        raise S3Error("InvalidArgument", f"{operation} does not know the header {name}.")


# --- what a version is to carry ----------------------------------------------------------------


def draft(headers: Mapping[str, str]) -> Draft:
    """Content headers, metadata and tags of a version to be written."""
    return Draft(
        headers=content_headers(headers),
        metadata={
            name.removeprefix(METADATA_PREFIX): value.strip()
            for name, value in headers.items()
            if name.startswith(METADATA_PREFIX)
        },
        tags=tags(headers),
        invocation=headers.get("amz-sdk-invocation-id", ""),
    )


def lock(headers: Mapping[str, str], now: int) -> Lock | None:
    """The lock that a new version is asked to have; `now` is in seconds."""
    mode, until, hold = (headers.get(name, "") for name in (LOCK_MODE, LOCK_UNTIL, LOCK_HOLD))
    if bool(mode) != bool(until):
        raise S3Error("InvalidArgument", f"{LOCK_UNTIL} and {LOCK_MODE} must both be supplied.")
    if not mode and not hold:
        return None
    return Lock(mode, retain_until(until, now) if until else 0, hold)


def retain_until(text: str, now: int) -> int:
    """A retention's end as a moment; it must be ahead of `now`, in seconds."""
    seconds = parse_iso_date(text.strip())
    if seconds is None or seconds <= now:
        raise S3Error("InvalidArgument", "The retain until date must be a date in the future.")
    return seconds * NS_PER_SECOND


def bypass(headers: Mapping[str, str]) -> bool:
    """Whether a GOVERNANCE retention is to be lifted."""
    return headers.get("x-amz-bypass-governance-retention", "").lower() == "true"


def content_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """`aws-chunked` is how the body travelled, not what it is: it is not kept."""
    found = {name: headers[name] for name in CONTENT_HEADERS if headers.get(name)}
    encoding = found.get("content-encoding", "")
    if _AWS_CHUNKED in encoding.lower():
        codings = [coding.strip() for coding in encoding.split(",")]
        kept = [coding for coding in codings if coding and coding.lower() != _AWS_CHUNKED]
        if kept:
            found["content-encoding"] = ", ".join(kept)
        else:
            del found["content-encoding"]
    return found


def tags(headers: Mapping[str, str]) -> dict[str, str]:
    """x-amz-tagging: `k=v&…`, percent-encoded, a plus for a blank."""
    found: dict[str, str] = {}
    for raw_name, raw_value in split_query(headers.get("x-amz-tagging", "")):
        name = decode(raw_name.replace("+", " "))
        if name in found:
            raise InvalidTag("Cannot provide multiple Tags with the same key", key=name)
        found[name] = decode(raw_value.replace("+", " "))
    return found


def expect(headers: Mapping[str, str]) -> Expect:
    """If-Match and If-None-Match of a write, to be judged by the commit."""
    return Expect(
        if_match=etags(headers["if-match"]) if "if-match" in headers else (),
        if_none_match=etags(headers["if-none-match"]) if "if-none-match" in headers else (),
    )


def expect_of_delete(headers: Mapping[str, str]) -> Expect:
    """A delete's conditions may be on size and time too (AWS: DeleteObject)."""
    return replace(
        expect(headers),
        if_size=_condition(headers, IF_SIZE, _size),
        if_modified=_condition(headers, IF_MODIFIED, parse_http_date),
    )


def _condition(
    headers: Mapping[str, str], name: str, reader: Callable[[str], int | None]
) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    value = reader(text.strip())
    if value is None:
        raise S3Error(
            "InvalidArgument",
            f"{name} is not what was expected.",
            ArgumentName=name,
            ArgumentValue=text,
        )
    return value


def _size(text: str) -> int | None:
    return int(text) if _DIGITS.fullmatch(text) else None


# --- other versions ----------------------------------------------------------------------------


def source(text: str) -> tuple[ObjectRef, str]:
    """x-amz-copy-source and the like: (object ref, version id or "").

    Parted at `?` and at the first `/` before it is decoded, once: a key may hold `%3F`. A leading
    slash may stand before the bucket; a plus is a plus.
    """
    path, _, query = text.strip().partition("?")
    raw_bucket, _, raw_key = path.removeprefix("/").partition("/")
    bucket, key = decode(raw_bucket), parse_key(raw_key)
    if not bucket or not key:
        message = "A copy source must be of the form bucket/key, percent-encoded."
        raise S3Error("InvalidArgument", message, ArgumentName="x-amz-copy-source")
    version = parse_query(query).get("versionId")
    if version == "":
        raise S3Error("InvalidArgument", "Version id cannot be the empty string")
    return ObjectRef(bucket, key), version or ""


def derived(headers: Mapping[str, str]) -> list[tuple[ObjectRef, str]]:
    """x-crossdock-derived-from: sources parted by commas (a comma in a key is `%2C`)."""
    found = headers.get("x-crossdock-derived-from", "")
    return [source(piece) for piece in found.split(",") if piece.strip()]


def as_of(headers: Mapping[str, str]) -> int | None:
    """x-crossdock-as-of as a moment, None where it was not asked for."""
    text = headers.get("x-crossdock-as-of")
    if text is None:
        return None
    moment: datetime | None = None
    with suppress(ValueError):
        moment = datetime.fromisoformat(text.strip())
    at = -1
    if moment is not None and moment.tzinfo is not None:
        at = int(moment.timestamp() // 1) * NS_PER_SECOND + moment.microsecond * 1000
    if not 0 <= at <= AS_OF_MAX:
        raise S3Error(
            "InvalidArgument",
            "x-crossdock-as-of must be a time with an offset, such as 2026-07-01T12:00:00Z.",
            ArgumentName="x-crossdock-as-of",
            ArgumentValue=text,
        )
    return at


def wait(headers: Mapping[str, str]) -> bool:
    """Whether the answer is to wait for every copy (x-crossdock-wait)."""
    value = headers.get(WAIT)
    if value not in (None, "delivered"):
        raise S3Error(
            "InvalidArgument",
            f"Unknown value of {WAIT}: it is `delivered`, or left out.",
            ArgumentName=WAIT,
            ArgumentValue=value,
        )
    return value is not None


def directive(headers: Mapping[str, str], name: str) -> bool:
    """Whether a copy's directive says REPLACE; absent means COPY."""
    value = headers.get(name, "COPY")
    if value not in ("COPY", "REPLACE"):
        raise S3Error(
            "InvalidArgument",
            f"Unknown value of {name}: it is COPY or REPLACE.",
            ArgumentName=name,
            ArgumentValue=value,
        )
    return value == "REPLACE"
