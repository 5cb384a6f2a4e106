"""Bytes on their way in: collected, hashed off the event loop, and judged before they count."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from gateway.digests import Hasher, hasher
from gateway.errors import BadDigest, IncompleteBody
from gateway.exchange.terms import Offload
from gateway.extents import Label, encode_label
from gateway.faults import fault
from gateway.model import EMPTY, Body, Chunks, Extent
from gateway.stores import Store

GROUP_BYTES = 1024 * 1024
"""Bytes collected before they are hashed and written in one go."""

INLINE_BYTES_MAX = 32 * 1024
"""Up to here hashing costs less than handing it to a thread."""

DEFAULT_CHECKSUM = "crc64nvme"
"""What S3 computes where a client names no checksum (AWS: Checking object integrity)."""

ALWAYS = frozenset({"md5", "sha256", "xxhash128"})
"""The ETag, the content's identity, and the extent's own digest."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What arrived and is now durable in a store. Digests are raw, by algorithm."""

    extent: Extent
    digests: Mapping[str, bytes]
    checksums: Mapping[str, str] = EMPTY  # what S3 shows of them, base64

    @property
    def etag(self) -> str:
        return self.digests["md5"].hex()

    @property
    def sha256(self) -> str:
        return self.digests["sha256"].hex()


class Meter:
    """Counts and hashes what passes. MD5, the slowest, has a lane (a thread) of its own."""

    def __init__(self, algorithms: frozenset[str]) -> None:
        self._hashers: dict[str, Hasher] = {name: hasher(name) for name in sorted(algorithms)}
        rest = tuple(each for name, each in self._hashers.items() if name != "md5")
        self._lanes = ((self._hashers["md5"],), rest)
        self.size = 0

    def update(self, group: Sequence[bytes], offload: Offload[None]) -> Sequence[Awaitable[None]]:
        """Begins to hash chunks; wait for what is returned before the next ones."""
        size = sum(map(len, group))
        self.size += size
        if size > INLINE_BYTES_MAX:
            return [offload(partial(_feed, lane, group)) for lane in self._lanes]
        for lane in self._lanes:
            _feed(lane, group)
        return ()

    def digests(self) -> dict[str, bytes]:
        return {name: each.digest() for name, each in self._hashers.items()}


def _feed(lane: Sequence[Hasher], group: Sequence[bytes]) -> None:
    for each in lane:
        for chunk in group:
            each.update(chunk)


async def take(
    store: Store,
    place: Extent,
    label: Label,
    body: Body,
    offload: Offload[None],
    checksum: str = DEFAULT_CHECKSUM,
) -> Taken:
    """Writes a body as one extent under the fresh key of `place`, and returns what it was.
    `checksum` is the algorithm that is kept and shown where the body itself names none.

    The verdict on length and claimed digests falls inside the stream: a body that is not what its
    client said never becomes durable. Raises what the body raises, BadDigest, IncompleteBody, and
    the store's errors.
    """
    shown = body.checksum or checksum
    meter = Meter(ALWAYS | body.algorithms | {shown})
    head = encode_label(label)
    size = None if body.size is None else len(head) + body.size
    await store.write(place.key, _judged(head, body, meter, offload), size=size)
    fault("exchange.taken")
    digests = meter.digests()
    extent = replace(place, offset=len(head), length=meter.size, digest=digests["xxhash128"].hex())
    return Taken(extent, digests, {shown: base64.b64encode(digests[shown]).decode()})


async def _judged(head: bytes, body: Body, meter: Meter, offload: Offload[None]) -> Chunks:
    yield head
    async for group in groups(body):
        hashing = meter.update(group, offload)
        for chunk in group:
            yield chunk
        for each in hashing:
            await each
        group.clear()  # the next one may take its time
    if body.size is not None and meter.size != body.size:
        raise IncompleteBody
    _compare(body.claims, meter.digests())


def _compare(claims: Mapping[str, bytes], digests: Mapping[str, bytes]) -> None:
    for algorithm, claim in claims.items():
        if digests[algorithm] != claim:
            raise BadDigest(algorithm=algorithm)


async def groups(chunks: AsyncIterable[bytes]) -> AsyncIterator[list[bytes]]:
    """The same chunks, so many at a time that a group is worth a thread. They are never joined:
    fresh memory for a megabyte costs more than hashing it."""
    group: list[bytes] = []
    size = 0
    async for chunk in chunks:
        group.append(chunk)
        size += len(chunk)
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


class Relayed:
    """A body made of bytes that Crossdock holds already: a real copy across parties."""

    def __init__(self, chunks: Chunks, size: int, checksum: str = "") -> None:
        self._chunks = chunks
        self.size: int | None = size
        self.checksum = checksum
        self.algorithms: frozenset[str] = frozenset()
        self.claims: Mapping[str, bytes] = EMPTY_CLAIMS

    def __aiter__(self) -> Chunks:
        return self._chunks


EMPTY_CLAIMS: Mapping[str, bytes] = MappingProxyType({})
