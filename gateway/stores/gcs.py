"""A GCS bucket as a store: extents and copies over the JSON API, every write on a condition.

An object's generation is our etag: it changes with the content, and not with the metadata. Names
are the keys but for the few that GCS can't hold (naming.gcs_name); marks and tags are metadata.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from gateway.errors import (
    ChangedInStore,
    MissingFromStore,
    Occupied,
    StoreRefused,
    StoreUnavailable,
)
from gateway.model import RESERVED_PREFIX, Chunks
from gateway.stores import Natural, Parcel, Placed, Stat, Written, bodies, copies, marks, naming
from gateway.stores.gcs_upload import NOTHING, insert, put, remove
from gateway.stores.gcs_wire import Bucket, domain_errors
from gateway.stores.profiles import Profile

READ_BYTES = 256 * 1024
RANGE_NOT_SATISFIABLE = 416

_HEADERS = MappingProxyType(
    {
        "content-type": "contentType",
        "cache-control": "cacheControl",
        "content-disposition": "contentDisposition",
        "content-encoding": "contentEncoding",
        "content-language": "contentLanguage",
    }
)


@dataclass(frozen=True, slots=True)
class _Found:
    placed: Placed
    parcel: Parcel | None
    metageneration: str
    metadata: Mapping[str, str]
    about: Mapping[str, Any]


class GcsStore:
    """`prefix` is put before every name as it is."""

    def __init__(self, bucket: Bucket, profile: Profile, prefix: str = "") -> None:
        self._bucket = bucket
        self._profile = profile
        self._prefix = prefix

    # --- extents -------------------------------------------------------------------------------

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        name = self._extent(key)
        try:
            return await put(
                self._bucket, name, {}, bodies.exact(body, size), NOTHING, self._profile
            )
        except ChangedInStore as error:
            raise Occupied from error

    def read(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        return self._read(self._extent(key), start, length, if_match)

    async def stat(self, key: str) -> Stat:
        about = await self._look(self._extent(key))
        modified = datetime.fromisoformat(about["timeCreated"])
        generation = about["generation"]
        return Stat(int(about["size"]), generation, int(modified.timestamp() * 10**9), generation)

    async def delete(self, key: str) -> None:
        await remove(self._bucket, self._extent(key))

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        """What is below `.crossdock/.` is the store's own."""
        starts = {prefix, naming.ENCODED_FOLDER.decode() + "/"}
        for start in starts:
            if any(start != other and start.startswith(other) for other in starts):
                continue
            async for name in self._names(start):
                key = naming.key_of_gcs(name)
                if key is None or key.startswith(f"{RESERVED_PREFIX}."):
                    continue
                if key.startswith(prefix):
                    yield key

    async def aclose(self) -> None:
        await self._bucket.aclose()

    # --- copies under natural keys -------------------------------------------------------------

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        copies.check_free(await self.examine(key), replace)
        resource, more = self._resource(parcel)
        if more is not None:
            sidecar = copies.sidecar(self._prefix, key, parcel.version)
            await insert(self._bucket, sidecar, {}, more)
        try:
            return await put(
                self._bucket,
                self._name(key),
                resource,
                bodies.exact(body, parcel.size),
                replace or NOTHING,
                self._profile,
            )
        except ChangedInStore as error:
            if replace is not None and await self._find(key) is None:
                raise copies.gone() from error
            raise Occupied from error

    async def examine(self, key: str) -> Placed | None:
        there = await self._find(key)
        return None if there is None else there.placed

    async def inspect(self, key: str) -> Natural | None:
        there = await self._find(key)
        if there is None:
            return None
        about = there.about
        changed = datetime.fromisoformat(about["timeCreated"])
        headers = {name: about[field] for name, field in _HEADERS.items() if field in about}
        return copies.inspected(
            Natural(
                int(about["size"]),
                about["generation"],
                int(changed.timestamp() * 10**9),
                about["generation"],
                headers=headers,
            ),
            there.metadata,
            there.parcel,
        )

    def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        return self._read(self._name(key), start, length, if_match)

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        there = await self._find(key)
        if there is None:
            raise MissingFromStore
        copies.check_ours(there.placed, if_match)
        if there.parcel is None:
            raise ChangedInStore
        parcel = marks.tagged(there.parcel, tags)
        resource, more = self._resource(parcel)
        if more is not None:
            sidecar = copies.sidecar(self._prefix, key, parcel.version)
            await insert(self._bucket, sidecar, {}, more)
        gone: dict[str, None] = dict.fromkeys(there.metadata.keys() - resource["metadata"].keys())
        await self._bucket.call(
            "PATCH",
            self._bucket.object(self._name(key)),
            {
                "ifGenerationMatch": there.placed.etag,
                "ifMetagenerationMatch": there.metageneration,
            },
            data=json.dumps({"metadata": gone | resource["metadata"]}).encode(),
            headers={"content-type": "application/json"},
        )
        return Written(there.placed.size, there.placed.etag, there.placed.native_version)

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        there = await self.examine(key)
        if there is not None:
            copies.check_ours(there, if_match)
            await remove(self._bucket, self._name(key), there.etag)
            await remove(self._bucket, copies.sidecar(self._prefix, key, there.version))

    async def parcel_of(self, key: str) -> Parcel | None:
        """What our copy under this key carries; None if there is none."""
        there = await self._find(key)
        return None if there is None else there.parcel

    # --- names and marks -----------------------------------------------------------------------

    def _extent(self, key: str) -> str:
        naming.extent_path(key)
        return self._prefix + key

    def _name(self, key: str) -> str:
        return self._prefix + naming.gcs_name(key)

    def _resource(self, parcel: Parcel) -> tuple[dict[str, Any], bytes | None]:
        metadata, more = marks.to_metadata(
            parcel,
            held=self._profile.headers,
            tags=True,
            limit=self._profile.metadata_bytes_max,
        )
        headers = {field: parcel.headers[n] for n, field in _HEADERS.items() if n in parcel.headers}
        return {"metadata": metadata, **headers}, more

    async def _find(self, key: str) -> _Found | None:
        try:
            about = await self._look(self._name(key))
        except MissingFromStore:
            return None
        metadata = about.get("metadata", {})
        headers = {name: about[field] for name, field in _HEADERS.items() if field in about}
        parcel = marks.from_metadata(metadata, headers)
        if parcel is not None and marks.MORE in metadata:
            name = copies.sidecar(self._prefix, key, parcel.version)
            sidecar = self._read(name, 0, None, None)
            parcel = marks.from_document(json.loads(b"".join([chunk async for chunk in sidecar])))
        generation = about["generation"]
        there = copies.placed(int(about["size"]), generation, generation, parcel)
        return _Found(there, parcel, about["metageneration"], metadata, about)

    # --- single steps --------------------------------------------------------------------------

    async def _look(self, name: str) -> Mapping[str, Any]:
        return (await self._bucket.call("GET", self._bucket.object(name), {})).document

    async def _names(self, start: str) -> AsyncIterator[str]:
        query = {"prefix": self._prefix + start, "fields": "items(name),nextPageToken"}
        while True:
            page = (await self._bucket.call("GET", self._bucket.objects, query)).document
            for item in page.get("items", ()):
                yield item["name"].removeprefix(self._prefix)
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    async def _read(self, name: str, start: int, length: int | None, match: str | None) -> Chunks:
        """As Store.read. A range can't be empty: for none, one byte is asked for and dropped."""
        query = {"alt": "media"}
        if match is not None:
            if not match.isdecimal():
                await self._look(name)
                raise ChangedInStore
            query["ifGenerationMatch"] = match
        end = "" if length is None else str(start + max(length, 1) - 1)
        headers = {"accept-encoding": "gzip"}  # else GCS unpacks what was stored as gzip
        if start or end:
            headers["range"] = f"bytes={start}-{end}"
        url = self._bucket.object(name)
        try:
            async with self._bucket.open("GET", url, query, headers=headers) as response:
                if match not in (None, response.headers["x-goog-generation"]):
                    raise ChangedInStore  # not every server judges the condition
                left = 0 if length == 0 else int(response.headers["content-length"])
                while left:
                    with domain_errors():
                        chunk = await response.content.read(READ_BYTES)
                    if not chunk:
                        raise StoreUnavailable("The store's answer ended early.")
                    left -= len(chunk)
                    yield chunk
        except StoreRefused as error:
            if error.details.get("status") != RANGE_NOT_SATISFIABLE:
                raise
        except ChangedInStore:
            await self._look(name)  # a condition on nothing may fail, too
            raise
