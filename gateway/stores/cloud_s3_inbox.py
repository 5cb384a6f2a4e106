"""Copies in an S3 bucket, under exactly their keys: aiobotocore, since obstore changes keys.

The copy's marks are its metadata. Conditions travel with the write, so that what someone else put
there between our look and our write is not overwritten.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from gateway.errors import (
    ChangedInStore,
    CrossdockError,
    MissingFromStore,
    Occupied,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from gateway.model import RESERVED_PREFIX, Chunks
from gateway.stores import Natural, Parcel, Placed, Written, bodies, copies, marks, naming
from gateway.stores.profiles import Profile

PARTS_MAX = 10_000
READ_BYTES = 256 * 1024
CONNECT_SECONDS = 10
ANSWER_SECONDS = 60

T = TypeVar("T")

_HEADERS = MappingProxyType(
    {
        "content-type": "ContentType",
        "cache-control": "CacheControl",
        "content-disposition": "ContentDisposition",
        "content-encoding": "ContentEncoding",
        "content-language": "ContentLanguage",
    }
)

_WORDS = MappingProxyType(
    {
        "NoSuchKey": MissingFromStore,
        "404": MissingFromStore,  # a HEAD has no body, and so no code
        "NoSuchBucket": StoreRefused,
        "PreconditionFailed": ChangedInStore,
        "412": ChangedInStore,
        "QuotaExceeded": StoreFull,
        "XMinioStorageFull": StoreFull,
        "ObjectParentIsFile": StoreRefused,  # S3 servers over a file system can't hold every key
        "ExistingObjectIsDirectory": StoreRefused,
        "ConditionalRequestConflict": StoreUnavailable,
        "OperationAborted": StoreUnavailable,
        "NoSuchUpload": StoreUnavailable,
        "RequestTimeout": StoreUnavailable,
        "RequestTimeTooSkewed": StoreUnavailable,
        "SlowDown": StoreUnavailable,
    }
)


class S3Inbox:
    """`where` is what aiobotocore's client takes: endpoint_url, region_name, the two keys."""

    def __init__(
        self, bucket: str, profile: Profile, where: Mapping[str, Any], prefix: str = ""
    ) -> None:
        self._bucket = bucket
        self._profile = profile
        self._where = dict(where)
        self._prefix = prefix
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._client: Any = None

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        there = await self.examine(key)
        copies.check_free(there, replace)
        options, more = self._options(parcel)
        if more is not None:
            await self._put(copies.sidecar(self._prefix, key, parcel.version), {}, more)
        condition = {"IfNoneMatch": "*"} if replace is None else {"IfMatch": replace}
        body = bodies.exact(body, parcel.size)
        name = self._name(key)
        held, whole = await bodies.first(body, self._profile.part_bytes)
        try:
            if whole:
                return await self._put(name, options | condition, b"".join(held))
            body = bodies.joined(held, body)
            return await self._put_parts(name, options, condition, body, parcel.size)
        except ChangedInStore as error:
            raise Occupied from error
        except MissingFromStore as error:  # S3's answer to If-Match where nothing is any more
            if replace is None:
                raise StoreRefused(error.message) from error
            raise copies.gone() from error

    async def examine(self, key: str) -> Placed | None:
        try:
            head = await self._head(key)
        except MissingFromStore:
            return None
        parcel = await self._parcel(key, head)
        return copies.placed(head["ContentLength"], head["ETag"], head.get("VersionId", ""), parcel)

    async def inspect(self, key: str) -> Natural | None:
        """Two calls: a rule may forbid what its tags say."""
        try:
            head = await self._head(key)
            tagging = await self._call("get_object_tagging", Key=self._name(key))
        except MissingFromStore:
            return None
        metadata = {name.lower(): value for name, value in head.get("Metadata", {}).items()}
        tags = {pair["Key"]: pair["Value"] for pair in tagging["TagSet"]}
        return copies.inspected(
            Natural(
                head["ContentLength"],
                head["ETag"],
                int(head["LastModified"].timestamp()) * 10**9,
                head.get("VersionId", ""),
                shown_etag=head["ETag"].strip('"'),
                headers={name: head[field] for name, field in _HEADERS.items() if field in head},
                tags=tags,
            ),
            metadata,
            await self._parcel(key, head, tags),
        )

    async def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        options = {} if if_match is None else {"IfMatch": if_match}
        if length is not None:
            options["Range"] = f"bytes={start}-{start + max(length, 1) - 1}"
        elif start:
            options["Range"] = f"bytes={start}-"
        try:
            answer = await self._call("get_object", Key=self._name(key), **options)
        except StoreRefused as error:
            if error.details.get("code") == "InvalidRange":
                return
            raise
        left = 0 if length == 0 else int(answer["ContentLength"])
        async with answer["Body"] as stream:
            while left:
                with _domain_errors():
                    chunk = await stream.read(READ_BYTES)
                if not chunk:
                    raise StoreUnavailable("The store's answer ended early.")
                left -= len(chunk)
                yield chunk

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        placed = await self._ours(key, if_match)
        if placed is None:
            raise MissingFromStore
        if tags:
            pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
            await self._call("put_object_tagging", Key=self._name(key), Tagging={"TagSet": pairs})
        else:
            await self._call("delete_object_tagging", Key=self._name(key))
        return Written(placed.size, placed.etag, placed.native_version)

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        placed = await self._ours(key, if_match)
        if placed is not None:
            await self._call("delete_object", Key=self._name(key))
            sidecar = copies.sidecar(self._prefix, key, placed.version)
            await self._call("delete_object", Key=sidecar)

    async def parcel_of(self, key: str) -> Parcel | None:
        """What our copy under this key carries; None if there is none."""
        try:
            head = await self._head(key)
            tagging = await self._call("get_object_tagging", Key=self._name(key))
        except MissingFromStore:
            return None
        tags = {pair["Key"]: pair["Value"] for pair in tagging["TagSet"]}
        return await self._parcel(key, head, tags)

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """Every key that begins with `prefix`; what is below `.crossdock/.` is the store's own."""
        start: dict[str, str] = {}
        while True:
            page = await self._call("list_objects_v2", Prefix=self._prefix + prefix, **start)
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                if not key.startswith(f"{RESERVED_PREFIX}."):
                    yield key
            if not page.get("IsTruncated"):
                return
            start = {"ContinuationToken": page["NextContinuationToken"]}

    async def end_uploads(self, name: str) -> None:
        """Ends the uploads that were left open under exactly this name, up to 1,000."""
        page = await self._call("list_multipart_uploads", Prefix=name)
        for left in page.get("Uploads", ()):
            if left["Key"] == name:
                await self._call("abort_multipart_upload", Key=name, UploadId=left["UploadId"])

    async def aclose(self) -> None:
        await self._stack.aclose()
        self._client = None

    # --- how -----------------------------------------------------------------------------------

    def _name(self, key: str) -> str:
        naming.natural(key)
        return self._prefix + key

    def _options(self, parcel: Parcel) -> tuple[dict[str, Any], bytes | None]:
        metadata, more = marks.to_metadata(
            parcel,
            held=self._profile.headers,
            tags=False,
            limit=self._profile.metadata_bytes_max,
        )
        options: dict[str, Any] = {"Metadata": metadata}
        for name, field in _HEADERS.items():
            if name in parcel.headers:
                options[field] = parcel.headers[name]
        if parcel.tags:
            options["Tagging"] = urlencode(parcel.tags)
        return options, more

    async def _ours(self, key: str, if_match: str) -> Placed | None:
        placed = await self.examine(key)
        if placed is not None:
            copies.check_ours(placed, if_match)
        return placed

    async def _parcel(
        self, key: str, head: Mapping[str, Any], tags: Mapping[str, str] | None = None
    ) -> Parcel | None:
        metadata = head.get("Metadata", {})
        held = {name: head[field] for name, field in _HEADERS.items() if field in head}
        parcel = marks.from_metadata(metadata, held)
        if parcel is not None and marks.MORE in metadata:
            sidecar = copies.sidecar(self._prefix, key, parcel.version)
            answer = await self._call("get_object", Key=sidecar)
            async with answer["Body"] as stream:
                with _domain_errors():
                    text = await stream.read()
            parcel = marks.from_document(json.loads(text))
        return parcel if parcel is None or tags is None else marks.tagged(parcel, tags)

    async def _head(self, key: str) -> Any:
        return await self._call("head_object", Key=self._name(key))

    async def _put(self, name: str, options: Mapping[str, Any], data: bytes) -> Written:
        answer = await self._call("put_object", Key=name, Body=data, **options)
        return Written(len(data), answer["ETag"], answer.get("VersionId", ""))

    async def _put_parts(
        self,
        name: str,
        options: Mapping[str, Any],
        condition: Mapping[str, str],
        body: Chunks,
        size: int,
    ) -> Written:
        begun = await self._call("create_multipart_upload", Key=name, **options)
        upload = {"Key": name, "UploadId": begun["UploadId"]}
        try:
            part_bytes = max(self._profile.part_bytes, -(-size // PARTS_MAX))
            parts = await self._send_parts(upload, bodies.blocks(body, part_bytes))
            await self._still(name, condition)
            done = await self._call(
                "complete_multipart_upload",
                **upload,
                **condition,
                MultipartUpload={"Parts": parts},
            )
        except BaseException:
            with contextlib.suppress(CrossdockError):  # it expires by the bucket's own rules
                await asyncio.shield(self._call("abort_multipart_upload", **upload))
            raise
        return Written(size, done["ETag"], done.get("VersionId", ""))

    async def _still(self, name: str, condition: Mapping[str, str]) -> None:
        """A look just before the end of an upload: AWS judges If-Match there, too, but not every
        server does (moto doesn't)."""
        if "IfMatch" in condition:
            head = await self._call("head_object", Key=name)
            if head["ETag"] != condition["IfMatch"]:
                raise ChangedInStore

    async def _send_parts(self, upload: Mapping[str, str], parts: Chunks) -> list[dict[str, Any]]:
        """One part is on its way while the next one is read."""
        sending: asyncio.Task[dict[str, Any]] | None = None
        sent: list[dict[str, Any]] = []
        number = 0
        try:
            async for part in parts:
                if sending is not None:
                    sent.append(await sending)
                number += 1
                sending = asyncio.create_task(self._send_part(upload, number, part))
            if sending is not None:
                sent.append(await sending)
        except BaseException:
            if sending is not None:
                sending.cancel()
                await asyncio.wait((sending,))
            raise
        return sent

    async def _send_part(
        self, upload: Mapping[str, str], number: int, part: bytes
    ) -> dict[str, Any]:
        answer = await self._call("upload_part", **upload, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    async def _call(self, operation: str, **options: Any) -> Any:
        client = self._client or await self._open()
        with _domain_errors():
            return await getattr(client, operation)(Bucket=self._bucket, **options)

    async def _open(self) -> Any:
        async with self._opening:
            if self._client is None:
                config = AioConfig(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=ANSWER_SECONDS,
                    retries={"max_attempts": 0},  # who calls knows what may be tried again
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"payload_signing_enabled": False, "addressing_style": "path"},
                )
                client = get_session().create_client("s3", config=config, **self._where)
                self._client = await self._stack.enter_async_context(client)
        return self._client


@contextlib.contextmanager
def _domain_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        refused = 400 <= status < 500 and status not in (408, 409, 429)
        word = _WORDS.get(code, StoreRefused if refused else StoreUnavailable)
        raise word(str(error)[:300], code=code) from error
    except (TimeoutError, BotoCoreError, OSError) as error:
        raise StoreUnavailable(f"The store does not answer: {error}"[:300]) from error
