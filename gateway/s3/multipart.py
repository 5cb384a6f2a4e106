"""S3's multipart uploads."""

from __future__ import annotations

from dataclasses import replace

from gateway.exchange import Completion, PartClaim
from gateway.lifecycle import abortion, rules_of
from gateway.model import Upload
from gateway.s3 import body, heading, heads, stated
from gateway.s3.checksums import named_algorithm, object_claim, upload_type
from gateway.s3.dates import NS_PER_SECOND
from gateway.s3.desk import Desk, Request
from gateway.s3.documents import CompletedUpload, CopyResult, ListedPart, PartList
from gateway.s3.errors import S3Error
from gateway.s3.listings import PAGE_MAX, owner
from gateway.s3.objects import copy_source
from gateway.s3.ranges import parse_copy_range, parse_count, parse_part_number
from gateway.s3.rules import abortion_headers
from gateway.s3.wire import Answer
from gateway.s3.xml import build, parse

ANY_SIZE = 1 << 62
"""Stands for a size that only the exchange knows: it judges the range itself."""


async def create_multipart_upload(desk: Desk, request: Request) -> Answer:
    draft = heads.draft(request.headers)
    lock = heads.lock(request.headers, request.now)
    algorithm = named_algorithm(request.headers)
    asked = request.headers.get("x-amz-checksum-type", "")
    kind = upload_type(algorithm, asked) if algorithm or asked else ""
    upload = await desk.exchange.uploads.begin(
        request.caller,
        request.ref,
        replace(draft, checksum=algorithm, checksum_type=kind, lock=lock),
    )
    headers = await _abortion(desk, request, upload)
    headers |= await stated.encryption(desk, request)
    if algorithm:
        headers["x-amz-checksum-algorithm"] = algorithm.upper()
        headers["x-amz-checksum-type"] = kind
    document = build.initiated_upload(request.bucket, request.ref.key, upload.id)
    return heading.document(document, headers)


async def upload_part(desk: Desk, request: Request) -> Answer:
    number = _part_number(desk, request)
    content = body.upload(desk, request)
    headers = await stated.encryption(desk, request)
    part = await desk.exchange.uploads.add_part(
        request.caller, request.ref, request.query["uploadId"], number, content
    )
    headers["etag"] = heading.quoted(part.etag)
    if content.checksum:
        headers |= {f"x-amz-checksum-{name}": value for name, value in part.checksums.items()}
    return Answer(200, headers)


async def upload_part_copy(desk: Desk, request: Request) -> Answer:
    number = _part_number(desk, request)
    source = copy_source(request)
    text = request.headers.get("x-amz-copy-source-range")
    span = None if text is None else parse_copy_range(text, ANY_SIZE)
    headers = await stated.encryption(desk, request)
    part, _ = await desk.exchange.uploads.add_part_copy(
        request.caller, request.ref, request.query["uploadId"], number, source, span
    )
    if source.version:
        headers["x-amz-copy-source-version-id"] = source.version
    result = CopyResult(part.etag, part.at // NS_PER_SECOND, part.checksums)
    return heading.document(build.copied_part(result), headers)


def _part_number(desk: Desk, request: Request) -> int:
    number = parse_part_number(request.query["partNumber"])
    if number > desk.limits.parts_max:
        message = f"Part number must be an integer between 1 and {desk.limits.parts_max}, inclusive"
        raise S3Error("InvalidArgument", message, ArgumentName="partNumber")
    return number


async def complete_multipart_upload(desk: Desk, request: Request) -> Answer:
    listed = await body.parsed(
        desk, request, parse.complete_upload, parse.COMPLETE_BYTES_MAX, checksums=False
    )
    algorithm, claimed = object_claim(request.headers)
    claim = Completion(
        parts=tuple(PartClaim(part.number, part.etag, part.checksums) for part in listed),
        size=_object_size(request),
        checksums={algorithm: claimed} if algorithm else {},
        checksum_type=request.headers.get("x-amz-checksum-type", ""),
    )
    found = await desk.exchange.uploads.complete(
        request.caller,
        request.ref,
        request.query["uploadId"],
        claim,
        heads.expect(request.headers),
        wait=heads.wait(request.headers),
    )
    version = found.version
    done = CompletedUpload(
        request.url(request.ref.key),
        request.bucket,
        request.ref.key,
        version.etag,
        version.checksums,
        version.checksum_type,
    )
    return heading.document(build.completed_upload(done), heading.made(found))


def _object_size(request: Request) -> int | None:
    text = request.headers.get("x-amz-mp-object-size")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise S3Error("InvalidRequest", "x-amz-mp-object-size must be a number of bytes.")
    return int(text[:20])


async def abort_multipart_upload(desk: Desk, request: Request) -> Answer:
    await desk.exchange.uploads.abort(request.caller, request.ref, request.query["uploadId"])
    return Answer(204)


async def list_parts(desk: Desk, request: Request) -> Answer:
    query = request.query
    marker = parse_count("part-number-marker", query.get("part-number-marker") or "0", ANY_SIZE)
    limit = parse_count("max-parts", query.get("max-parts") or str(PAGE_MAX), PAGE_MAX)
    upload, parts, more = await desk.exchange.uploads.parts(
        request.caller, request.ref, query["uploadId"], marker, limit
    )
    listed = PartList(
        request.bucket,
        request.ref.key,
        upload.id,
        owner(upload.principal.name),
        owner(upload.principal.party),
        [ListedPart(p.number, p.at // NS_PER_SECOND, p.etag, p.size, p.checksums) for p in parts],
        marker,
        parts[-1].number if parts else marker,
        limit,
        more and bool(limit),
        upload.algorithm,
        upload.checksum_type,
        query.get("encoding-type") == "url",
    )
    return heading.document(build.part_list(listed), await _abortion(desk, request, upload))


async def _abortion(desk: Desk, request: Request, upload: Upload) -> dict[str, str]:
    """When the bucket's own rules abort the upload; for the bucket's owner."""
    bucket = await desk.exchange.buckets.one(request.caller, request.bucket)
    if bucket.owner != upload.principal.party:
        return {}
    return dict(abortion_headers(abortion(rules_of(bucket), upload.ref.key, upload.begun)))
