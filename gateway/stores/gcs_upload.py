"""Bodies into a GCS bucket: small ones in one request, longer ones resumable, all on a condition.

An upload becomes visible at its last byte, and only while the condition holds. What arrived is
compared with what was sent by CRC32C, which GCS computes for every object.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
from collections.abc import Coroutine, Mapping
from typing import Any

from awscrt.checksums import crc32c

from gateway.errors import CrossdockError, MissingFromStore, StoreRefused, StoreUnavailable
from gateway.model import Chunks
from gateway.stores import Written, bodies
from gateway.stores.gcs_wire import Answer, Bucket
from gateway.stores.profiles import Profile

SMALL_BYTES_MAX = 4 * 1024 * 1024  # up to this a body is collected, and goes in one request
GOES_ON = 308
NOTHING = "0"  # as a generation: nothing may be there

Resource = Mapping[str, Any]
"""An object's metadata in the API's words."""


async def put(
    bucket: Bucket, name: str, resource: Resource, body: Chunks, generation: str, profile: Profile
) -> Written:
    """Over exactly this generation, or onto NOTHING; ChangedInStore where another one is there."""
    held, whole = await bodies.first(body, SMALL_BYTES_MAX)
    if whole:
        data = b"".join(held)
        return await _last(bucket, name, insert(bucket, name, resource, data, generation))
    begun = await _upload(
        bucket,
        {"uploadType": "resumable", "name": name, "ifGenerationMatch": generation},
        json.dumps(resource).encode(),
        "application/json",
    )
    session = begun.headers["location"]
    try:
        return await _resumable(bucket, name, session, bodies.joined(held, body), profile)
    except BaseException:
        with contextlib.suppress(CrossdockError):  # it expires by itself in a week
            await asyncio.shield(bucket.call("DELETE", session, {}))
        raise


async def insert(
    bucket: Bucket, name: str, resource: Resource, data: bytes, generation: str | None = None
) -> Written:
    """One request; whatever is there is replaced if no generation is given."""
    kind = resource.get("contentType", "application/octet-stream")
    mark = secrets.token_hex(16)
    related = b"".join(
        (
            f"--{mark}\r\ncontent-type: application/json\r\n\r\n".encode(),
            json.dumps(resource).encode(),
            f"\r\n--{mark}\r\ncontent-type: {kind}\r\n\r\n".encode(),
            data,
            f"\r\n--{mark}--\r\n".encode(),
        )
    )
    query = {"uploadType": "multipart", "name": name}
    if generation is not None:
        query["ifGenerationMatch"] = generation
    answer = await _upload(bucket, query, related, f"multipart/related; boundary={mark}")
    return await _checked(bucket, name, answer, len(data), crc32c(data))


async def _resumable(
    bucket: Bucket, name: str, session: str, body: Chunks, profile: Profile
) -> Written:
    """One part is on its way while the next one is read; the last one names the whole length."""
    sending: asyncio.Task[Answer] | None = None
    part, at, checksum = b"", 0, 0
    try:
        async for following in bodies.blocks(body, profile.part_bytes):
            if sending is not None:
                await sending
            if part:
                sending = asyncio.create_task(_send(bucket, session, part, at, "*"))
                at += len(part)
            part = following
            checksum = crc32c(part, checksum)
        if sending is not None:
            await sending
    except BaseException:
        if sending is not None:
            sending.cancel()
            await asyncio.wait((sending,))
        raise
    size = at + len(part)

    async def end() -> Written:
        answer = await _send(bucket, session, part, at, str(size))
        return await _checked(bucket, name, answer, size, checksum)

    return await _last(bucket, name, end())


async def _send(bucket: Bucket, session: str, part: bytes, at: int, size: str) -> Answer:
    """The server may keep less than it was sent, and says so: then the rest goes once more."""
    while True:
        span = f"bytes {at}-{at + len(part) - 1}/{size}"
        answer = await bucket.call("PUT", session, {}, data=part, headers={"content-range": span})
        if answer.status != GOES_ON:
            return answer
        kept = int(answer.headers.get("range", "bytes=0--1").rpartition("-")[2]) + 1
        if kept == at + len(part) and size == "*":
            return answer
        if not at < kept < at + len(part):
            raise StoreUnavailable("The store lost the thread of an upload.")
        part, at = part[kept - at :], kept


async def _upload(bucket: Bucket, query: Mapping[str, str], data: bytes, kind: str) -> Answer:
    try:
        return await bucket.call(
            "POST", bucket.uploads, query, data=data, headers={"content-type": kind}
        )
    except MissingFromStore as error:  # there is nothing else that could be missing
        raise StoreRefused("The store's bucket does not exist.") from error


async def _checked(bucket: Bucket, name: str, answer: Answer, size: int, checksum: int) -> Written:
    about = answer.document
    expected = base64.b64encode(checksum.to_bytes(4, "big")).decode()
    if (about.get("size"), about.get("crc32c")) != (str(size), expected):
        if "generation" in about:
            await remove(bucket, name, about["generation"])
        raise StoreUnavailable("The store holds other bytes than it was sent.")
    return Written(size, about["generation"], about["generation"])


async def _last(bucket: Bucket, name: str, doing: Coroutine[Any, Any, Written]) -> Written:
    """The step that makes an object visible. One that is cancelled meanwhile takes it back."""
    task = asyncio.ensure_future(doing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if task.exception() is None:
            await remove(bucket, name, task.result().etag)
        raise


async def remove(bucket: Bucket, name: str, generation: str | None = None) -> None:
    """This generation, or whatever is there; what is absent is no error."""
    query = {} if generation is None else {"ifGenerationMatch": generation}
    with contextlib.suppress(MissingFromStore):
        await bucket.call("DELETE", bucket.object(name), query)
