"""Extents in a cloud bucket or container: S3, Azure Blob and GCS, one class over obstore."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from types import MappingProxyType
from typing import Any, Protocol

import obstore
from obstore import exceptions as obstore_errors

from gateway.errors import (
    ChangedInStore,
    CrossdockError,
    MissingFromStore,
    Occupied,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from gateway.model import Chunks
from gateway.stores import CanInspect, Inbox, Parcel, Stat, Written, bodies, naming
from gateway.stores.profiles import Profile

SMALL_BYTES_MAX = 4 * 1024 * 1024  # up to this a body is collected, and created on a condition
READ_BYTES = 256 * 1024

_STATUS = re.compile(r"status code: (\d{3})")
_PAST_THE_END = re.compile(r"Wanted range starting at \d+, but object was only")
_NO_PLACE = re.compile(
    r"NoSuchBucket|ContainerNotFound|ContainerBeingDeleted|bucket does not exist"
)
_NO_ROOM = re.compile(r"QuotaExceeded|InsufficientStorage|AccountQuota|XMinioStorageFull")
RANGE_NOT_SATISFIABLE = 416
INSUFFICIENT_STORAGE = 507
_RETRIED_STATUSES = frozenset((408, 409, 425, 429))


class CloudInbox(Inbox, CanInspect, Protocol):
    """What knows how the cloud's natural keys are named; it lists them, too."""

    def names(self, prefix: str) -> AsyncIterator[str]: ...
    async def parcel_of(self, key: str) -> Parcel | None: ...
    async def end_uploads(self, name: str) -> None: ...
    async def aclose(self) -> None: ...


class CloudStore:
    """`place` is one of obstore's stores; `inbox` speaks for the natural keys. `prefix` is put
    before every name as it is."""

    def __init__(self, place: Any, profile: Profile, inbox: CloudInbox, prefix: str = "") -> None:
        self._place = place
        self._profile = profile
        self._prefix = prefix
        self._inbox = inbox
        self.deliver = inbox.deliver
        self.examine = inbox.examine
        self.inspect = inbox.inspect
        self.read_copy = inbox.read_copy
        self.retag = inbox.retag
        self.remove_copy = inbox.remove_copy
        self.parcel_of = inbox.parcel_of

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        name = self._name(key)
        body = bodies.exact(body, size)
        held, whole = await bodies.first(body, SMALL_BYTES_MAX)
        if whole:
            return await create(self._place, name, b"".join(held))
        # A multipart upload can't be made conditional through obstore. Extent keys are fresh, so
        # that a look before is enough to notice a mistake.
        if await exists(self._place, name):
            raise Occupied
        try:
            return await upload(self._place, name, bodies.joined(held, body), self._profile)
        except BaseException:
            # obstore ends what it began, but not always when it is cancelled in the middle of a
            # part. What can't be ended now is seen by nobody, and what went wrong matters more.
            with contextlib.suppress(CrossdockError):
                await asyncio.shield(self._inbox.end_uploads(name))
            raise

    def read(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        return read(self._place, self._name(key), start, length, if_match)

    async def stat(self, key: str) -> Stat:
        with domain_errors():
            meta = await obstore.head_async(self._place, self._name(key))
        modified = int(meta["last_modified"].timestamp() * 1e9)
        return Stat(meta["size"], meta["e_tag"] or "", modified, meta["version"] or "")

    async def delete(self, key: str) -> None:
        await delete(self._place, self._name(key))

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        async for key in self._inbox.names(prefix):
            yield key

    async def aclose(self) -> None:
        await self._inbox.aclose()

    def _name(self, key: str) -> str:
        naming.extent_path(key)
        return self._prefix + key


# --- single steps on an obstore store, in our words --------------------------------------------


async def create(
    place: Any, name: str, data: bytes, attributes: dict[str, str] | None = None
) -> Written:
    """Occupied where the name is taken."""
    with domain_errors():
        result = await obstore.put_async(place, name, data, mode="create", attributes=attributes)
    return Written(len(data), result["e_tag"] or "", result["version"] or "")


async def upload(
    place: Any,
    name: str,
    body: Chunks,
    profile: Profile,
    attributes: dict[str, str] | None = None,
) -> Written:
    """In parts, in bounded memory, whatever lies there; nothing is left if it does not end."""
    feed = bodies.Feed(_gathered(body))
    doing = asyncio.ensure_future(_put_parts(place, name, feed, profile, attributes))
    try:
        result = await asyncio.shield(doing)
    except asyncio.CancelledError:
        feed.stop()
        await asyncio.wait((doing,))
        if doing.exception() is None:
            await delete(place, name)
        raise
    except CrossdockError:
        if feed.error is not None:
            raise feed.error from None
        raise
    return Written(feed.size, result["e_tag"] or "", result["version"] or "")


async def _put_parts(
    place: Any, name: str, feed: bodies.Feed, profile: Profile, attributes: dict[str, str] | None
) -> Any:
    try:
        with domain_errors():
            return await obstore.put_async(
                place,
                name,
                feed.chunks(),
                attributes=attributes,
                use_multipart=True,
                chunk_size=profile.part_bytes,
                max_concurrency=profile.parts_at_once,
            )
    except Exception as error:
        if feed.error is not None and error is not feed.error:
            raise feed.error from None
        raise


async def _gathered(body: Chunks) -> Chunks:
    """Fewer, larger steps between the two languages."""
    async for batch in bodies.batches(body, READ_BYTES):
        yield batch[0] if len(batch) == 1 else b"".join(batch)


async def read(
    place: Any, name: str, start: int, length: int | None, if_match: str | None
) -> Chunks:
    """As Store.read. A range can't be empty: for none, one byte is asked for and dropped, so that
    absence and the condition tell nevertheless."""
    options: obstore.GetOptions = {} if if_match is None else {"if_match": if_match}
    if length is not None:
        options["range"] = (start, start + max(length, 1))
    elif start:
        options["range"] = {"offset": start}
    result = await _got(place, name, options)
    if result is None or length == 0:
        return
    at, end = result.range
    async for chunk in _streamed(result):
        at += len(chunk)
        yield chunk
    if at != end:
        raise StoreUnavailable("The store's answer ended early.")


async def _got(place: Any, name: str, options: obstore.GetOptions) -> Any:
    """None where the range begins at or past the end."""
    try:
        with domain_errors():
            return await obstore.get_async(place, name, options=options)
    except ChangedInStore as error:
        if await exists(place, name):
            raise
        raise MissingFromStore from error  # Azure answers 412 to a condition on nothing, too
    except (StoreRefused, StoreUnavailable) as error:
        if error.details.get("status") == RANGE_NOT_SATISFIABLE:
            return None
        raise


async def _streamed(result: Any) -> Chunks:
    stream = result.stream(min_chunk_size=READ_BYTES)
    while True:
        with domain_errors():
            chunk = await anext(stream, None)
        if chunk is None:
            return
        yield bytes(chunk)


async def exists(place: Any, name: str) -> bool:
    try:
        with domain_errors():
            await obstore.head_async(place, name)
    except MissingFromStore:
        return False
    return True


async def delete(place: Any, name: str) -> None:
    with contextlib.suppress(MissingFromStore), domain_errors():
        await obstore.delete_async(place, name)


_WORDS = MappingProxyType(
    {
        obstore_errors.AlreadyExistsError: Occupied,
        obstore_errors.PreconditionError: ChangedInStore,
        obstore_errors.PermissionDeniedError: StoreRefused,
        obstore_errors.UnauthenticatedError: StoreRefused,
        obstore_errors.InvalidPathError: StoreRefused,
        obstore_errors.NotSupportedError: StoreRefused,
        PermissionError: StoreRefused,
        FileNotFoundError: MissingFromStore,
    }
)


@contextlib.contextmanager
def domain_errors() -> Iterator[None]:
    """Tells obstore's errors in the words of gateway.errors."""
    try:
        yield
    except (obstore_errors.BaseError, OSError) as error:
        text = str(error)
        found = _STATUS.search(text)
        status = int(found[1]) if found else 0
        if _PAST_THE_END.search(text):  # what obstore says where the server did not
            status = RANGE_NOT_SATISFIABLE
        raise _word(error, text, status)(text.partition("\n")[0][:300], status=status) from error


def _word(error: Exception, text: str, status: int) -> type[CrossdockError]:
    if status == INSUFFICIENT_STORAGE or _NO_ROOM.search(text):
        return StoreFull
    if _NO_PLACE.search(text):
        return StoreRefused
    for kind, word in _WORDS.items():
        if isinstance(error, kind):
            return word
    if 400 <= status < 500 and status not in _RETRIED_STATUSES:
        return StoreRefused
    return StoreUnavailable
