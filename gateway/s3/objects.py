"""S3's operations on one object: each reads its request, calls the exchange once, answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

from gateway.errors import CrossdockError, InvalidTag, NotModified
from gateway.exchange import CopySource, Draft, Expect, Found
from gateway.model import ObjectRef, Version
from gateway.s3 import body, heading, heads
from gateway.s3.conditions import check_copy_source, check_read
from gateway.s3.dates import NS_PER_SECOND
from gateway.s3.desk import Desk, Request
from gateway.s3.documents import CopyResult, Deleted, DeleteItem, DeleteResult, NotDeleted
from gateway.s3.errors import S3Error, render
from gateway.s3.ranges import content_range, parse_part_number, parse_range
from gateway.s3.wire import Answer
from gateway.s3.xml import build, parse

T = TypeVar("T")

TOGETHER = 32
"""Deletes of one DeleteObjects request that run at once, so that they share commits."""


# --- reading -----------------------------------------------------------------------------------


async def get_object(desk: Desk, request: Request) -> Answer:
    reading = await desk.exchange.objects.read(
        request.caller,
        request.ref,
        version=request.version,
        as_of=heads.as_of(request.headers),
        check=lambda found: _judge(request, found),
    )
    answer, start = _content(request, reading.found)
    if not answer.length:
        return answer
    return replace(answer, chunks=reading.open(start, answer.length))


async def head_object(desk: Desk, request: Request) -> Answer:
    found = await desk.exchange.objects.look(
        request.caller, request.ref, version=request.version, as_of=heads.as_of(request.headers)
    )
    _judge(request, found)
    return _content(request, found)[0]


def _judge(request: Request, found: Found) -> None:
    """Conditions come before ranges; a range that can't be is refused here too."""
    try:
        check_read(request.headers, found.version, request.now)
    except NotModified:
        raise NotModified(version=found.version, version_id=found.label) from None
    _asked(request, found.version)


def _content(request: Request, found: Found) -> tuple[Answer, int]:
    """The answer without its bytes, and where they start."""
    version = found.version
    headers = heading.content(found, request.query)
    if not request.version and heads.as_of(request.headers) is None:
        headers |= heading.expiration(found)
    verify = request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    part = request.query.get("partNumber")
    span = _asked(request, version)
    if part is not None:
        number = parse_part_number(part)
        start, length = _part(version, number)
        if version.parts:
            headers["x-amz-mp-parts-count"] = str(len(version.parts))
        if verify:
            headers |= heading.part_checksum(version, number)
        span = (start, start + length - 1) if length else None
    elif verify and span is None:
        headers |= heading.checksums(version)
    if span is None:
        return Answer(200, headers, length=version.size), 0
    first, last = span
    headers["content-range"] = content_range(first, last, version.size)
    return Answer(206, headers, length=last - first + 1), first


def _asked(request: Request, version: Version) -> tuple[int, int] | None:
    """The bytes that Range asks for, None for all. If-Range guards a download that goes on."""
    header = request.headers.get("range")
    if header is None:
        return None
    if "partNumber" in request.query:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber")
    guard = request.headers.get("if-range")
    if guard is not None and guard.strip().strip('"') != version.etag:
        return None
    return parse_range(header, version.size)


def _part(version: Version, number: int) -> tuple[int, int]:
    """(start, length) of a part; one that is not there is InvalidPartNumber (416)."""
    sizes = version.parts or (version.size,)
    if number > len(sizes):
        raise S3Error(
            "InvalidPartNumber",
            ActualPartCount=str(len(sizes)),
            PartNumberRequested=str(number),
        )
    starts = (0, *accumulate(sizes))
    return starts[number - 1], sizes[number - 1]


# --- writing -----------------------------------------------------------------------------------


async def put_object(desk: Desk, request: Request) -> Answer:
    content = body.upload(desk, request)
    draft = replace(
        heads.draft(request.headers),
        derived=await _derived(desk, request),
        lock=heads.lock(request.headers, request.now),
    )
    found = await desk.exchange.objects.put(
        request.caller,
        request.ref,
        content,
        draft,
        heads.expect(request.headers),
        wait=heads.wait(request.headers),
    )
    return Answer(200, heading.written(found, content.checksum))


async def _derived(desk: Desk, request: Request) -> tuple[tuple[ObjectRef, str], ...]:
    """Whoever names a source must be able to read it."""
    named = heads.derived(request.headers)
    looks = [await desk.exchange.objects.look(request.caller, r, version=v) for r, v in named]
    return tuple((found.version.ref, found.version.id) for found in looks)


async def copy_object(desk: Desk, request: Request) -> Answer:
    given = heads.draft(request.headers)
    source = copy_source(request)
    found = await desk.exchange.objects.copy(
        request.caller,
        source,
        request.ref,
        draft=given if heads.directive(request.headers, "x-amz-metadata-directive") else None,
        tags=given if heads.directive(request.headers, "x-amz-tagging-directive") else None,
        lock=heads.lock(request.headers, request.now),
        expect=heads.expect(request.headers),
        wait=heads.wait(request.headers),
    )
    headers = heading.made(found)
    if source.version:
        headers["x-amz-copy-source-version-id"] = source.version
    version = found.version
    result = CopyResult(
        version.etag, version.at // NS_PER_SECOND, version.checksums, version.checksum_type
    )
    return heading.document(build.copied_object(result), headers)


def copy_source(request: Request) -> CopySource:
    ref, version = heads.source(request.headers["x-amz-copy-source"])
    return CopySource(
        ref, version, lambda found: check_copy_source(request.headers, found.version, request.now)
    )


# --- deleting ----------------------------------------------------------------------------------


async def delete_object(desk: Desk, request: Request) -> Answer:
    removed = await desk.exchange.removals.delete(
        request.caller,
        request.ref,
        version=request.version,
        expect=heads.expect_of_delete(request.headers),
        bypass=heads.bypass(request.headers),
    )
    headers: dict[str, str] = {}
    if removed.label:
        headers["x-amz-version-id"] = removed.label
    if removed.marker:
        headers["x-amz-delete-marker"] = "true"
    return Answer(204, headers)


async def delete_objects(desk: Desk, request: Request) -> Answer:
    """Each key succeeds or fails by itself; the answer is 200 in any case."""
    # A bucket that is not there is the whole request's error, told before the body travels.
    await desk.exchange.buckets.one(request.caller, request.bucket)
    asked = await body.parsed(desk, request, parse.delete_request, parse.DELETE_BYTES_MAX)
    results: list[Deleted | NotDeleted] = []
    for some in batched(asked.items, TOGETHER):
        results += await asyncio.gather(*(_delete_one(desk, request, item) for item in some))
    return heading.document(
        build.delete_result(
            DeleteResult(
                [result for result in results if isinstance(result, Deleted)],
                [result for result in results if isinstance(result, NotDeleted)],
                asked.quiet,
            )
        )
    )


async def _delete_one(desk: Desk, request: Request, item: DeleteItem) -> Deleted | NotDeleted:
    version = item.version_id or ""
    try:
        removed = await desk.exchange.removals.delete(
            request.caller,
            ObjectRef(request.bucket, item.key),
            version=version,
            expect=Expect(
                if_match=(item.etag,) if item.etag else (),
                if_size=item.size,
                if_modified=item.modified,
            ),
            bypass=heads.bypass(request.headers),
        )
    except CrossdockError as error:
        shown = render(error)
        return NotDeleted(item.key, shown.code, shown.message, version)
    return Deleted(item.key, version, removed.marker, removed.label if removed.marker else "")


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


# --- tags --------------------------------------------------------------------------------------


async def get_object_tagging(desk: Desk, request: Request) -> Answer:
    found = await desk.exchange.objects.look(request.caller, request.ref, version=request.version)
    pairs = sorted(found.version.tags.items())
    return heading.document(build.tagging(pairs), heading.version_id(found))


async def put_object_tagging(desk: Desk, request: Request) -> Answer:
    pairs = parse.tag_set(await body.document(desk, request))
    tags = dict(pairs)
    if len(tags) < len(pairs):
        raise InvalidTag("Cannot provide multiple Tags with the same key")
    return Answer(200, heading.version_id(await _set_tags(desk, request, tags)))


async def delete_object_tagging(desk: Desk, request: Request) -> Answer:
    return Answer(204, heading.version_id(await _set_tags(desk, request, {})))


async def _set_tags(desk: Desk, request: Request, tags: dict[str, str]) -> Found:
    return await desk.exchange.tagging.set_tags(
        request.caller, request.ref, Draft(tags=tags), version=request.version
    )
