"""Response headers that say what a version is, and how its copies fare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from gateway.exchange import Found, overall_status
from gateway.lifecycle import expiry, rules_of
from gateway.model import EMPTY, Delivery, Lock, Version
from gateway.s3 import heads
from gateway.s3.address import CONTROL
from gateway.s3.dates import NS_PER_SECOND, http_date, iso_date
from gateway.s3.errors import S3Error
from gateway.s3.rules import expiration_headers
from gateway.s3.wire import Answer
from gateway.s3.xml.build import CONTENT_TYPE

_OVERRIDES: Mapping[str, str] = MappingProxyType(
    {
        f"response-{name}": name
        for name in (
            "cache-control",
            "content-disposition",
            "content-encoding",
            "content-language",
            "content-type",
            "expires",
        )
    }
)
"""Query parameters of a read that replace a stored header in its answer."""


def document(xml: bytes, headers: Mapping[str, str] = EMPTY, status: int = 200) -> Answer:
    """An answer that is an XML document."""
    return Answer(status, {"content-type": CONTENT_TYPE, **headers}, xml, length=len(xml))


def quoted(etag: str) -> str:
    return f'"{etag}"'


def identity(found: Found) -> dict[str, str]:
    """Which version this is, whose, and, for its author alone, how its copies fare."""
    headers = {"x-crossdock-author": found.version.author}
    if found.label:
        headers["x-amz-version-id"] = found.label
    if found.encrypted:
        headers[heads.ENCRYPTION] = heads.AES256
    if found.replica:
        headers["x-amz-replication-status"] = "REPLICA"
    elif found.deliveries:
        headers |= _deliveries(found.deliveries)
    return headers


def made(found: Found) -> dict[str, str]:
    """Of an answer to a write: the null version that one makes is not named by S3, only
    one that is read."""
    named = replace(found, label="") if found.label == "null" else found
    return {**identity(named), **expiration(found)}


def expiration(found: Found) -> Mapping[str, str]:
    """When the current version expires: for the bucket's owner, whose rules say so. A day is a day
    here, even where tests let the worker's be shorter."""
    bucket, version, party = found.bucket, found.version, found.held.grant.party
    if not (bucket.settings and found.held.latest and party == bucket.owner == version.author):
        return {}
    facts = (version.ref.key, version.size, version.tags, version.at)
    return expiration_headers(expiry(rules_of(bucket), *facts))


def version_id(found: Found) -> dict[str, str]:
    return {"x-amz-version-id": found.label} if found.label else {}


def shown_lock(found: Found) -> Lock | None:
    """A version's lock is its author's matter."""
    return found.version.lock if found.held.grant.party == found.version.author else None


def lock(found: Found) -> dict[str, str]:
    kept = shown_lock(found)
    if kept is None:
        return {}
    headers = {heads.LOCK_HOLD: kept.hold} if kept.hold else {}
    if kept.mode:
        headers[heads.LOCK_MODE] = kept.mode
        headers[heads.LOCK_UNTIL] = iso_date(kept.until // NS_PER_SECOND)
    return headers


def _deliveries(deliveries: Sequence[Delivery]) -> dict[str, str]:
    headers = {"x-amz-replication-status": overall_status(deliveries)}
    for party in sorted({delivery.party for delivery in deliveries}):
        own = [delivery for delivery in deliveries if delivery.party == party]
        headers[f"x-crossdock-delivery-{party}"] = overall_status(own)
    return {name: status for name, status in headers.items() if status}


def written(found: Found, shown: str) -> dict[str, str]:
    """Of a PUT's answer; `shown` is the checksum algorithm that the client used, or ""."""
    headers = made(found)
    headers["etag"] = quoted(found.version.etag)
    if shown:
        headers |= checksums(found.version)
    return headers


def checksums(version: Version) -> dict[str, str]:
    headers = {f"x-amz-checksum-{name}": value for name, value in version.checksums.items()}
    if headers and version.checksum_type:
        headers["x-amz-checksum-type"] = version.checksum_type
    return headers


def content(found: Found, query: Mapping[str, str]) -> dict[str, str]:
    """Of a GET or HEAD: everything but the length, the range and the checksums."""
    version = found.version
    headers = {
        "last-modified": http_date(version.at // NS_PER_SECOND),
        "etag": quoted(version.etag),
        "accept-ranges": "bytes",
        "content-type": version.content_type,
    }
    headers |= version.headers
    headers |= {f"x-amz-meta-{name}": value for name, value in version.metadata.items()}
    headers |= identity(found) | lock(found)
    if version.tags:
        headers["x-amz-tagging-count"] = str(len(version.tags))
    if any(name.startswith("response-") for name in query):
        headers |= _overridden(query)
    return headers


def _overridden(query: Mapping[str, str]) -> dict[str, str]:
    found = {header: query[name] for name, header in _OVERRIDES.items() if name in query}
    for value in found.values():
        if CONTROL.search(value):
            raise S3Error("InvalidArgument", "A response-* parameter holds a control character.")
    return found


def part_checksum(version: Version, number: int) -> dict[str, str]:
    """A part's own checksum."""
    values = version.part_checksums[number - 1 : number]
    headers = {f"x-amz-checksum-{name}": v for name in version.checksums for v in values if v}
    return headers and {**headers, "x-amz-checksum-type": version.checksum_type}
