"""GetObjectAttributes: what a version is, without its bytes."""

from __future__ import annotations

from gateway.model import PART_NUMBER_MAX, Version
from gateway.s3 import heading
from gateway.s3.dates import NS_PER_SECOND, http_date
from gateway.s3.desk import Desk, Request
from gateway.s3.documents import AttributePart, AttributeParts, Attributes
from gateway.s3.errors import S3Error
from gateway.s3.listings import PAGE_MAX
from gateway.s3.ranges import parse_count
from gateway.s3.wire import Answer
from gateway.s3.xml import build

KNOWN = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


async def get_object_attributes(desk: Desk, request: Request) -> Answer:
    asked = _asked(request)
    found = await desk.exchange.objects.look(request.caller, request.ref, version=request.version)
    version = found.version
    headers = {"last-modified": http_date(version.at // NS_PER_SECOND)}
    headers |= heading.identity(found)
    checksum = "Checksum" in asked
    attributes = Attributes(
        version.etag if "ETag" in asked else None,
        version.checksums if checksum else {},
        version.checksum_type if checksum else "",
        _parts(request, version) if "ObjectParts" in asked and version.parts else None,
        "StorageClass" in asked,
        version.size if "ObjectSize" in asked else None,
    )
    return heading.document(build.object_attributes(attributes), headers)


def _asked(request: Request) -> frozenset[str]:
    text = request.headers.get("x-amz-object-attributes", "")
    asked = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not asked or not asked <= KNOWN:
        raise S3Error(
            "InvalidArgument",
            "Invalid attribute name specified.",
            ArgumentName="x-amz-object-attributes",
            ArgumentValue=text,
        )
    return asked


def _parts(request: Request, version: Version) -> AttributeParts:
    headers = request.headers
    text = headers.get("x-amz-part-number-marker") or "0"
    marker = parse_count("x-amz-part-number-marker", text, PART_NUMBER_MAX)
    limit = parse_count(
        "x-amz-max-parts", headers.get("x-amz-max-parts") or str(PAGE_MAX), PAGE_MAX
    )
    page = version.parts[marker : marker + limit]
    algorithm = next(iter(version.checksums), "")
    values = dict(enumerate(version.part_checksums, 1))
    parts = [
        AttributePart(number, size, {algorithm: values[number]} if values.get(number) else {})
        for number, size in enumerate(page, marker + 1)
    ]
    more = marker + len(page) < len(version.parts)
    return AttributeParts(
        len(version.parts), parts, marker, marker + len(page), limit, more and bool(limit)
    )
