"""A store in memory, for tests and demonstrations: the contract in its shortest form."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from gateway.errors import ChangedInStore, MissingFromStore, Occupied, StoreUnavailable
from gateway.model import Chunks
from gateway.stores import Natural, Parcel, Placed, Stat, Written, bodies, naming

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Held:
    data: bytes
    etag: str
    modified: int
    parcel: Parcel | None = None


class MemoryStore:
    """`clock` gives moments (nanoseconds since 1970)."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._writes = 0

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        naming.extent_path(key)
        data = await _whole(body, size)
        if key in self._held:
            raise Occupied
        return self._keep(key, data, None)

    def read(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        return self._read(key, start, length, if_match)

    async def stat(self, key: str) -> Stat:
        held = self._find(key)
        return Stat(len(held.data), held.etag, held.modified)

    async def delete(self, key: str) -> None:
        self._held.pop(key, None)

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        for key in sorted(self._held):
            if key.startswith(prefix):
                yield key

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        naming.natural(key)
        data = await _whole(body, parcel.size)
        there = self._held.get(key)
        if replace is not None and there is None:
            raise StoreUnavailable("The older copy is gone: examine again.")
        if there is not None and (there.parcel is None or there.etag != replace):
            raise Occupied
        return self._keep(key, data, parcel)

    async def examine(self, key: str) -> Placed | None:
        naming.natural(key)
        held = self._held.get(key)
        if held is None:
            return None
        if held.parcel is None:
            return Placed(len(held.data), held.etag)
        ours = held.parcel
        return Placed(
            len(held.data), held.etag, version=ours.version, number=ours.number, ref=ours.ref
        )

    async def inspect(self, key: str) -> Natural | None:
        held = self._held.get(key)
        if held is None:
            return None
        return Natural(
            len(held.data),
            held.etag,
            held.modified,
            ours=held.parcel is not None,
            parcel=held.parcel,
        )

    def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        return self._read(key, start, length, if_match)

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        held = self._find(key)
        if held.parcel is None or held.etag != if_match:
            raise ChangedInStore
        parcel = dataclasses.replace(held.parcel, tags=tags)
        self._held[key] = dataclasses.replace(held, parcel=parcel)
        return Written(len(held.data), held.etag)

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        held = self._held.get(key)
        if held is None:
            return
        if held.parcel is None or held.etag != if_match:
            raise ChangedInStore
        del self._held[key]

    async def parcel_of(self, key: str) -> Parcel | None:
        """What our copy under this key carries; None if there is none."""
        held = self._held.get(key)
        return held.parcel if held is not None else None

    def put(self, key: str, data: bytes) -> None:
        """The owner's own hand: a file that Crossdock did not write, or one changed in place."""
        self._keep(key, data, None)

    def _find(self, key: str) -> _Held:
        try:
            return self._held[key]
        except KeyError:
            raise MissingFromStore from None

    def _keep(self, key: str, data: bytes, parcel: Parcel | None) -> Written:
        self._writes += 1
        held = _Held(data, f"m{self._writes}", self._clock(), parcel)
        self._held[key] = held
        return Written(len(data), held.etag)

    async def _read(self, key: str, start: int, length: int | None, if_match: str | None) -> Chunks:
        held = self._find(key)
        if if_match is not None and held.etag != if_match:
            raise ChangedInStore
        end = len(held.data) if length is None else min(len(held.data), start + length)
        for at in range(start, end, CHUNK_BYTES):
            yield held.data[at : min(at + CHUNK_BYTES, end)]


async def _whole(body: Chunks, size: int | None) -> bytes:
    return b"".join([chunk async for chunk in bodies.exact(body, size)])
