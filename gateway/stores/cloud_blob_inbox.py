"""Copies in an Azure container, through obstore.

What Azure can't name is encoded (naming.azure_name); marks and tags are metadata. A small copy
is written on a condition. A large one is uploaded aside, and then copied inside the cloud on the
condition that nothing is there; for a replacement no such condition exists, and the look just
before it is all there is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

import obstore

from gateway.errors import ChangedInStore, MissingFromStore, Occupied
from gateway.model import RESERVED_PREFIX, Chunks
from gateway.stores import Natural, Parcel, Placed, Written, bodies, copies, marks, naming
from gateway.stores.cloud import create, delete, domain_errors, read, upload
from gateway.stores.profiles import Profile

STAGING_FOLDER = f"{RESERVED_PREFIX}.staging/"

_HEADERS = MappingProxyType(
    {
        "content-type": "Content-Type",
        "cache-control": "Cache-Control",
        "content-disposition": "Content-Disposition",
        "content-encoding": "Content-Encoding",
        "content-language": "Content-Language",
    }
)
_NATIVE = MappingProxyType({native: name for name, native in _HEADERS.items()})


class BlobInbox:
    def __init__(self, place: Any, profile: Profile, prefix: str = "") -> None:
        self._place = place
        self._profile = profile
        self._prefix = prefix

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        name = self._name(key)
        there, _ = await self._find(key)
        copies.check_free(there, replace)
        attributes, more = self._attributes(parcel)
        if more is not None:
            with domain_errors():
                sidecar = copies.sidecar(self._prefix, key, parcel.version)
                await obstore.put_async(self._place, sidecar, more)
        body = bodies.exact(body, parcel.size)
        held, whole = await bodies.first(body, self._profile.part_bytes)
        if whole:
            return await self._put(name, b"".join(held), attributes, there)
        return await self._put_large(key, name, bodies.joined(held, body), attributes, there)

    async def examine(self, key: str) -> Placed | None:
        return (await self._find(key))[0]

    async def inspect(self, key: str) -> Natural | None:
        try:
            with domain_errors():
                result = await obstore.get_async(self._place, self._name(key))
        except MissingFromStore:
            return None
        meta = result.meta
        headers, metadata = self._told(result.attributes)
        return copies.inspected(
            Natural(
                meta["size"],
                meta["e_tag"] or "",
                int(meta["last_modified"].timestamp() * 1e9),
                meta["version"] or "",
                headers=headers,
            ),
            metadata,
            await self._parcel(key, result.attributes),
        )

    def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        return read(self._place, self._name(key), start, length, if_match)

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        """obstore can't change metadata alone: our copy is written again from itself."""
        there, held = await self._find(key)
        if there is None:
            raise MissingFromStore
        copies.check_ours(there, if_match)
        if held is None:
            raise ChangedInStore
        parcel = marks.tagged(held, tags)
        try:
            body = self.read_copy(key, if_match=if_match)
            return await self.deliver(key, parcel, body, replace=if_match)
        except Occupied as error:
            raise ChangedInStore from error

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        there, _ = await self._find(key)
        if there is not None:
            copies.check_ours(there, if_match)
            await delete(self._place, self._name(key))
            await delete(self._place, copies.sidecar(self._prefix, key, there.version))

    async def parcel_of(self, key: str) -> Parcel | None:
        """What our copy under this key carries; None if there is none."""
        return (await self._find(key))[1]

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """Every key that begins with `prefix`; what is below `.crossdock/.` is the store's own."""
        folder = self._prefix
        if prefix.startswith(RESERVED_PREFIX):  # only there are names surely the keys
            folder += prefix.rpartition("/")[0] + "/"
        pages = obstore.list(self._place, folder or None)
        while True:
            with domain_errors():
                page = await anext(pages, None)
            if page is None:
                return
            for entry in page:
                key = naming.key_of_azure(entry["path"].removeprefix(self._prefix))
                if key is None or key.startswith(f"{RESERVED_PREFIX}."):
                    continue
                if key.startswith(prefix):
                    yield key

    async def end_uploads(self, name: str) -> None:
        """Azure has none: blocks that nothing names are dropped after a week."""

    async def aclose(self) -> None:
        """obstore's stores hold nothing that wants closing."""

    # --- how -----------------------------------------------------------------------------------

    def _name(self, key: str) -> str:
        return self._prefix + naming.azure_name(key)

    def _attributes(self, parcel: Parcel) -> tuple[dict[str, str], bytes | None]:
        metadata, more = marks.to_metadata(
            parcel,
            held=self._profile.headers,
            tags=True,
            limit=self._profile.metadata_bytes_max,
        )
        if self._profile.identifiers:
            metadata = {marks.identifier(name): value for name, value in metadata.items()}
        headers = {
            _HEADERS[name]: value for name, value in parcel.headers.items() if name in _HEADERS
        }
        return metadata | headers, more

    async def _find(self, key: str) -> tuple[Placed | None, Parcel | None]:
        """What lies there, and what its marks say. A GET, for obstore's HEAD leaves the metadata
        out; its body is not read."""
        try:
            with domain_errors():
                result = await obstore.get_async(self._place, self._name(key))
        except MissingFromStore:
            return None, None
        meta = result.meta
        parcel = await self._parcel(key, result.attributes)
        there = copies.placed(meta["size"], meta["e_tag"] or "", meta["version"] or "", parcel)
        return there, parcel

    async def _parcel(self, key: str, attributes: Mapping[Any, str]) -> Parcel | None:
        headers, metadata = self._told(attributes)
        parcel = marks.from_metadata(metadata, headers)
        if parcel is None or marks.MORE not in metadata:
            return parcel
        name = copies.sidecar(self._prefix, key, parcel.version)
        sidecar = read(self._place, name, 0, None, None)
        return marks.from_document(json.loads(b"".join([chunk async for chunk in sidecar])))

    def _told(self, attributes: Mapping[Any, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Content headers, and metadata under the names that it was given."""
        headers = {_NATIVE[name]: v for name, v in attributes.items() if name in _NATIVE}
        metadata = {name: v for name, v in attributes.items() if name not in _NATIVE}
        if self._profile.identifiers:
            metadata = {marks.name_of(name): value for name, value in metadata.items()}
        return headers, metadata

    async def _put(
        self, name: str, data: bytes, attributes: dict[str, str], there: Placed | None
    ) -> Written:
        if there is None:
            return await create(self._place, name, data, attributes)
        mode: Any = {"e_tag": there.etag}
        if there.native_version:
            mode["version"] = there.native_version
        try:
            with domain_errors():
                result = await obstore.put_async(
                    self._place, name, data, mode=mode, attributes=attributes
                )
        except ChangedInStore as error:
            raise Occupied from error
        return Written(len(data), result["e_tag"] or "", result["version"] or "")

    async def _put_large(
        self,
        key: str,
        name: str,
        body: Chunks,
        attributes: dict[str, str],
        there: Placed | None,
    ) -> Written:
        aside = f"{self._prefix}{STAGING_FOLDER}{secrets.token_hex(16)}"
        await upload(self._place, aside, body, self._profile, attributes)
        try:
            if there is not None:
                now, _ = await self._find(key)
                if now is None or now.etag != there.etag:
                    raise Occupied
            with domain_errors():
                await obstore.copy_async(self._place, aside, name, overwrite=there is not None)
                meta = await obstore.head_async(self._place, name)
        finally:
            await delete(self._place, aside)
        return Written(meta["size"], meta["e_tag"] or "", meta["version"] or "")
