"""S3's listings: objects in two versions of the call, object versions, open uploads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.exchange import Entry, Page, Span
from gateway.model import Bucket, Versioning
from gateway.s3 import heading, heads
from gateway.s3.dates import NS_PER_SECOND
from gateway.s3.desk import Desk, Request
from gateway.s3.documents import (
    ListedObject,
    ListedUpload,
    ListedVersion,
    ObjectList,
    ObjectListV2,
    Owner,
    UploadList,
    VersionList,
)
from gateway.s3.errors import S3Error
from gateway.s3.ranges import parse_count
from gateway.s3.tokens import open_token, seal_token
from gateway.s3.wire import Answer
from gateway.s3.xml import build

PAGE_MAX = 1000
"""Entries of one page (AWS: ListObjectsV2)."""

_VERSION_ID = re.compile(r"[0-9a-f]{32}|null")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all listings have in common."""

    prefix: str
    delimiter: str
    limit: int
    url: bool

    def span(self, request: Request, after: str, after_version: str = "") -> Span:
        return Span(
            self.prefix,
            self.delimiter,
            after,
            after_version,
            self.limit,
            heads.as_of(request.headers),
        )


def _asked(request: Request, count: str = "max-keys") -> _Asked:
    query = request.query
    encoding = query.get("encoding-type", "")
    if encoding not in ("", "url"):
        raise S3Error(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type",
            ArgumentValue=encoding,
        )
    limit = parse_count(count, query.get(count) or str(PAGE_MAX), PAGE_MAX)
    return _Asked(query.get("prefix", ""), query.get("delimiter", ""), limit, encoding == "url")


async def _keys(desk: Desk, request: Request, asked: _Asked, after: str) -> Page:
    if not asked.limit:
        await desk.exchange.buckets.one(request.caller, request.bucket)
        return Page()
    return await desk.exchange.listing.keys(
        request.caller, request.bucket, asked.span(request, after)
    )


def owner(party: str) -> Owner:
    return Owner(party, party)


def _object(entry: Entry, *, with_owner: bool) -> ListedObject:
    return ListedObject(
        entry.key,
        entry.at // NS_PER_SECOND,
        entry.etag,
        entry.size,
        entry.algorithm,
        entry.checksum_type,
        owner(entry.author) if with_owner else None,
    )


async def list_objects(desk: Desk, request: Request) -> Answer:
    asked = _asked(request)
    marker = request.query.get("marker", "")
    page = await _keys(desk, request, asked, marker)
    return heading.document(
        build.object_list(
            ObjectList(
                request.bucket,
                [_object(entry, with_owner=True) for entry in page.entries],
                page.prefixes,
                asked.prefix,
                asked.delimiter,
                asked.limit,
                page.truncated,
                marker,
                page.last,
                asked.url,
            )
        )
    )


async def list_objects_v2(desk: Desk, request: Request) -> Answer:
    """A token beats `start-after`; both are echoed."""
    asked, query = _asked(request), request.query
    token, start = query.get("continuation-token"), query.get("start-after")
    context = f"{request.caller.party} {request.bucket}"
    after = open_token(desk.token_secret, context, token or "") or start or ""
    page = await _keys(desk, request, asked, after)
    with_owner = query.get("fetch-owner", "").lower() == "true"
    return heading.document(
        build.object_list_v2(
            ObjectListV2(
                request.bucket,
                [_object(entry, with_owner=with_owner) for entry in page.entries],
                page.prefixes,
                asked.prefix,
                asked.delimiter,
                asked.limit,
                page.truncated,
                token,
                seal_token(desk.token_secret, context, page.last) if page.truncated else "",
                start,
                asked.url,
            )
        )
    )


async def list_object_versions(desk: Desk, request: Request) -> Answer:
    asked, query = _asked(request), request.query
    key_marker, version_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
    if version_marker and not key_marker:
        message = "A version-id marker cannot be specified without a key marker."
        raise S3Error("InvalidArgument", message, ArgumentName="version-id-marker")
    if version_marker and _VERSION_ID.fullmatch(version_marker) is None:
        raise S3Error(
            "InvalidArgument",
            "Invalid version id specified",
            ArgumentName="version-id-marker",
            ArgumentValue=version_marker,
        )
    if asked.limit:
        span = asked.span(request, key_marker, version_marker)
        bucket, page = await desk.exchange.listing.versions(request.caller, request.bucket, span)
    else:
        bucket, page = await desk.exchange.buckets.one(request.caller, request.bucket), Page()
    return heading.document(
        build.version_list(
            VersionList(
                request.bucket,
                [_version(entry, bucket) for entry in page.entries],
                page.prefixes,
                asked.prefix,
                asked.delimiter,
                asked.limit,
                page.truncated,
                key_marker,
                version_marker,
                page.last,
                page.last_version,
                asked.url,
            )
        )
    )


def _version(entry: Entry, bucket: Bucket) -> ListedVersion:
    unversioned = entry.null or bucket.versioning is Versioning.OFF
    return ListedVersion(
        entry.key,
        "null" if unversioned else entry.version,
        entry.latest,
        entry.at // NS_PER_SECOND,
        entry.etag,
        entry.size,
        entry.marker,
        entry.algorithm,
        entry.checksum_type,
        owner(entry.author),
    )


async def list_multipart_uploads(desk: Desk, request: Request) -> Answer:
    asked, query = _asked(request, "max-uploads"), request.query
    key_marker, upload_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
    span = asked.span(request, key_marker, upload_marker if key_marker else "")
    uploads, prefixes, more = await desk.exchange.listing.uploads(
        request.caller, request.bucket, span
    )
    last = uploads[-1] if uploads else None
    last_key = max(last.ref.key if last else "", prefixes[-1] if prefixes else "")
    return heading.document(
        build.upload_list(
            UploadList(
                request.bucket,
                [
                    ListedUpload(
                        upload.ref.key,
                        upload.id,
                        owner(upload.principal.name),
                        owner(upload.principal.party),
                        upload.begun // NS_PER_SECOND,
                        upload.algorithm,
                        upload.checksum_type,
                    )
                    for upload in uploads
                ],
                prefixes,
                asked.prefix,
                asked.delimiter,
                asked.limit,
                more and bool(asked.limit),
                key_marker,
                upload_marker,
                last_key,
                last.id if last and last.ref.key == last_key else "",
                asked.url,
            )
        )
    )
