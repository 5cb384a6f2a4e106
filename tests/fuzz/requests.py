"""Whole signed requests made of good ones: other headers, queries, keys, methods and bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import quote

from tests.fuzz.mutations import TOKENS, mutated

CHANGES_MAX = 3
NUMBERS = (
    "0",
    "-1",
    "+1",
    "1",
    " 1",
    "9" * 10,
    "9" * 19,
    "9" * 400,
    "9" * 5000,
    "0x10",
    "1_0",
    "٣",
)
TIMES = (
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2262-04-12T00:00:00Z", "2026-02-30",
    "2026-01-01T24:00:00Z", "Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 99 Foo 99999 99:99:99 +9999",
    "20260601T000000Z", "1e400", "2100-01-01T00:00:00Z",
)  # fmt: skip
TEXTS = (
    "", "\x00", "\r\nset-cookie: forged", "%0d%0a", "%zz", "%C0%AF", "é", "€" * 50, "\u2028",
    "\U0001d54f",
    "..", "/../", "//", '"', "<", "&lt;", "*", ",", ";", "=", "&", "true", "null", "a" * 1025,
    "a" * 3000, "${filename}", "bytes=0-0", "bytes=-1", 'W/"x"', "application/xml", "aws-chunked",
    "gzip",
)  # fmt: skip
HEADERS = (
    "range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
    "x-amz-copy-source", "x-amz-copy-source-range", "x-amz-copy-source-if-match", "origin",
    "expires", "x-amz-copy-source-if-modified-since", "x-amz-metadata-directive", "x-amz-tagging",
    "x-amz-acl", "x-amz-tagging-directive", "x-amz-storage-class", "x-amz-object-lock-mode",
    "cache-control", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold",
    "content-encoding", "x-amz-bypass-governance-retention", "x-amz-expected-bucket-owner",
    "x-amz-meta-a", "x-amz-meta-", "x-amz-source-expected-bucket-owner", "x-amz-object-attributes",
    "x-amz-max-parts", "content-md5", "x-amz-part-number-marker", "x-amz-checksum-mode",
    "x-amz-checksum-crc32", "x-amz-checksum-type", "x-amz-checksum-algorithm",
    "x-amz-sdk-checksum-algorithm", "x-amz-trailer", "content-disposition",
    "x-amz-decoded-content-length", "x-amz-mp-object-size", "x-amz-website-redirect-location",
    "x-crossdock-as-of", "x-crossdock-derived-from", "x-crossdock-wait", "content-type",
    "connection", "access-control-request-method", "access-control-request-headers",
    "amz-sdk-invocation-id", "x-amz-grant-read", "x-amz-bucket-object-lock-enabled",
    "x-amz-object-ownership", "date", "upgrade", "x-amz-if-match-size",
    "x-amz-if-match-last-modified-time", "accept-encoding", "x-forwarded-for",
)  # fmt: skip
QUERIES = (
    "versionId", "partNumber", "uploadId", "max-keys", "max-parts", "max-uploads", "marker",
    "prefix", "part-number-marker", "key-marker", "version-id-marker", "upload-id-marker",
    "delimiter", "x-id", "start-after", "continuation-token", "encoding-type", "fetch-owner",
    "list-type", "max-buckets", "response-content-type", "response-expires",
    "response-content-disposition", "bucket-region", "versions", "uploads", "tagging", "acl",
    "policy", "policyStatus", "cors", "lifecycle", "delete", "notification", "encryption",
    "object-lock", "retention", "legal-hold", "attributes", "location", "versioning", "logging",
    "website", "replication", "inventory", "id", "session", "select", "torrent", "annotation",
    "annotationName", "ownershipControls", "publicAccessBlock", "renameObject", "restore",
)  # fmt: skip
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH")
VALUES = (*NUMBERS, *TIMES, *TEXTS)


@dataclass
class Draft:
    """A request that is yet to be signed."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        pairs = (f"{name}={value}" if value else name for name, value in self.query)
        query = "&".join(pairs)
        return f"{self.path}?{query}" if query else self.path


def draft_of(method: str, target: str, headers: dict[str, str], body: bytes) -> Draft:
    path, _, query = target.partition("?")
    pairs = [(name, value) for name, _, value in (p.partition("=") for p in query.split("&") if p)]
    return Draft(method, path, pairs, headers, body)


def changed(draft: Draft, bodies: Sequence[bytes], random: Random) -> Draft:
    for _ in range(random.randint(1, CHANGES_MAX)):
        _change(draft, bodies, random)
    return draft


def _change(draft: Draft, bodies: Sequence[bytes], random: Random) -> None:
    how = random.randrange(8)
    if how < 2:
        draft.headers[random.choice(HEADERS)] = _header(random)
    elif how < 4:
        draft.query.append((random.choice(QUERIES), _escaped(random)))
    elif how == 4 and draft.query:
        at = random.randrange(len(draft.query))
        draft.query[at] = (draft.query[at][0], _escaped(random))
    elif how == 5:
        draft.path += random.choice(("", "/")) + _escaped(random)
    elif how == 6:
        draft.method = random.choice(METHODS)
    else:
        draft.body = mutated([draft.body, *bodies], random)


def _header(random: Random) -> str:
    """What a parser of HTTP lets through."""
    text = _value(random)
    return "".join(char for char in text if char.isprintable() and char not in "\r\n\0")


def _escaped(random: Random) -> str:
    return quote(_value(random), safe=random.choice(("", "/%")))


def _value(random: Random) -> str:
    text = random.choice(VALUES)
    if random.randrange(3) == 0:
        text += random.choice(TOKENS).decode("utf-8", "replace")
    return text
