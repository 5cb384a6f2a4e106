"""What every store must do: one suite of behaviours, run by each kind in a few lines.

A kind is a `Kind`: how to open an empty store, and how its owner's own hand puts an object there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import pytest

from gateway.errors import (
    BrokenSource,
    ChangedInStore,
    InvalidArgument,
    KeyTooLong,
    MissingFromStore,
    Occupied,
    StoreUnavailable,
)
from gateway.model import EMPTY, Chunks, ObjectRef
from gateway.stores import CanInspect, Inbox, Parcel, Placed, Store
from tests.contract.memory import peak_growth_bytes

KEY = ".crossdock/extents/0a/first"
MIB = 1024 * 1024
STREAM_BYTES = 64 * MIB
MEMORY_BYTES_MAX = 56 * MIB  # less than the stream: it can't have been held as a whole

ODD_KEYS = (
    "plain.csv",
    "folder/plain.csv",
    "a",
    "a/b",
    "a/b/c",
    "a//b",
    "a///b",
    "/a",
    "//a",
    "a/",
    "a/b/",
    "/",
    "//",
    ".",
    "..",
    "../up",
    "../../etc/passwd",
    "a/../b",
    "a/./b",
    "a/b/..",
    ".hidden",
    ".crossdock",
    "./.crossdock/x",
    "a%2Fb",
    "a%2fb",
    "%keys/a%2F%2Fb",
    "%2E%2E",
    "with space",
    " lead and trail ",
    "plus+percent%tilde~hash#question?",
    "semi;equal=at@and&dollar$comma,",
    "quote'double\"back\\slash",
    "caf\u00e9/nfc",
    "cafe\u0301/nfd",
    "\u65e5\u672c\u8a9e/\U0001f4e6.txt",
    "Case",
    "case",
    "new\nline",
    "tab\tand\x01control\x7f",
    "nul\0inside",
    "l" * 1024,
    "seg/" + "s" * 256,
    "\u00e9" * 512,
    "%" * 1024,
)


class Opened(Store, Inbox, CanInspect, Protocol):
    async def parcel_of(self, key: str) -> Parcel | None: ...


class Kind(Protocol):
    streams: bool  # whether bodies pass through in bounded memory
    unheard_of: frozenset[str]  # odd keys that the counterpart, not the store, can't take

    def open(self) -> AbstractAsyncContextManager[Any]: ...
    async def plant(self, store: Any, key: str, data: bytes) -> None:
        """The owner puts an object there, or alters one, behind Crossdock's back."""
        ...


async def pieces(data: bytes, size: int = 1000) -> Chunks:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def breaking(data: bytes, error: Exception) -> Chunks:
    yield data
    raise error


async def many(total: int) -> Chunks:
    block = bytes(range(256)) * 1024
    for at in range(0, total, len(block)):
        yield block[: total - at]


async def whole(chunks: Chunks) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def listed(keys: AsyncIterator[str]) -> set[str]:
    return {key async for key in keys}


def parcel(
    data: bytes,
    version: str = "v1",
    number: int = 1,
    *,
    headers: Mapping[str, str] = EMPTY,
    metadata: Mapping[str, str] = EMPTY,
    tags: Mapping[str, str] = EMPTY,
    key: str = "invoices/1.csv",
) -> Parcel:
    return Parcel(
        ref=ObjectRef("orders", key),
        version=version,
        number=number,
        author="acme",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        headers=headers,
        metadata=metadata,
        tags=tags,
    )


async def examined(store: Opened, key: str) -> Placed:
    placed = await store.examine(key)
    assert placed is not None
    return placed


class StoreSuite:
    """`kind` is a fixture of the subclass's module."""

    def run(self, kind: Kind, behaviour: Callable[[Opened], Awaitable[None]]) -> None:
        async def main() -> None:
            async with kind.open() as store:
                await behaviour(store)

        asyncio.run(main())

    # --- extents -------------------------------------------------------------------------------

    @pytest.mark.parametrize("size", [0, 1, 4096, 3 * MIB + 1])
    def test_reads_back_what_was_written(self, kind: Kind, size: int) -> None:
        data = bytes(i * 7 % 251 for i in range(997)) * (size // 997 + 1)
        data = data[:size]

        async def behaviour(store: Opened) -> None:
            written = await store.write(KEY, pieces(data, 65_537), size=size)
            assert written.size == size
            assert await whole(store.read(KEY)) == data
            stat = await store.stat(KEY)
            assert (stat.size, stat.etag) == (size, written.etag)
            assert stat.modified > 1_600_000_000 * 10**9

        self.run(kind, behaviour)

    def test_takes_a_body_of_unknown_length(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            assert (await store.write(KEY, pieces(b"x" * 5000), size=None)).size == 5000
            assert await whole(store.read(KEY)) == b"x" * 5000

        self.run(kind, behaviour)

    def test_reads_ranges_and_past_the_end(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            await store.write(KEY, pieces(b"0123456789"), size=10)
            for start, length, expected in (
                (0, 3, b"012"),
                (3, 4, b"3456"),
                (9, 1, b"9"),
                (4, None, b"456789"),
                (8, 100, b"89"),
                (10, 1, b""),
                (10, None, b""),
                (99, 5, b""),
                (0, 0, b""),
            ):
                assert await whole(store.read(KEY, start, length)) == expected, (start, length)

        self.run(kind, behaviour)

    def test_an_empty_object_reads_as_nothing(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            await store.write(KEY, pieces(b""), size=0)
            assert await whole(store.read(KEY)) == b""
            assert await whole(store.read(KEY, 0, 10)) == b""
            assert (await store.stat(KEY)).size == 0

        self.run(kind, behaviour)

    def test_reading_can_end_early(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            await store.write(KEY, many(2 * MIB), size=2 * MIB)
            reading = store.read(KEY)
            assert await anext(reading)
            await reading.aclose()  # type: ignore[attr-defined]
            assert len(await whole(store.read(KEY))) == 2 * MIB

        self.run(kind, behaviour)

    def test_what_is_absent_is_missing(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            with pytest.raises(MissingFromStore):
                await store.stat(KEY)
            with pytest.raises(MissingFromStore):
                await whole(store.read(KEY))
            with pytest.raises(MissingFromStore):
                await whole(store.read(KEY, 5, 5, if_match="other"))

        self.run(kind, behaviour)

    @pytest.mark.parametrize("large", [False, True])
    def test_an_existing_extent_is_never_overwritten(self, kind: Kind, large: bool) -> None:
        second = b"second" * (1_500_000 if large else 1)

        async def behaviour(store: Opened) -> None:
            await store.write(KEY, pieces(b"first"), size=5)
            with pytest.raises(Occupied):
                await store.write(KEY, pieces(second, 100_000), size=None)
            assert await whole(store.read(KEY)) == b"first"

        self.run(kind, behaviour)

    @pytest.mark.parametrize("before", [0, 10, 3 * MIB, 13 * MIB])
    def test_a_body_that_breaks_leaves_nothing(self, kind: Kind, before: int) -> None:
        async def behaviour(store: Opened) -> None:
            with pytest.raises(ZeroDivisionError, match="the very same"):
                await store.write(
                    KEY, breaking(b"x" * before, ZeroDivisionError("the very same")), size=None
                )
            with pytest.raises(MissingFromStore):
                await store.stat(KEY)
            assert await listed(store.keys()) == set()

        self.run(kind, behaviour)

    @pytest.mark.parametrize("declared", [0, 9, 11, 10**7])
    def test_a_body_of_another_length_is_refused(self, kind: Kind, declared: int) -> None:
        async def behaviour(store: Opened) -> None:
            with pytest.raises(BrokenSource):
                await store.write(KEY, pieces(b"0123456789", 3), size=declared)
            assert await listed(store.keys()) == set()

        self.run(kind, behaviour)

    @pytest.mark.parametrize("before", [0, 2 * MIB, 20 * MIB])
    def test_a_cancelled_write_leaves_nothing(self, kind: Kind, before: int) -> None:
        async def behaviour(store: Opened) -> None:
            waiting = asyncio.Event()

            async def endless() -> Chunks:
                async for chunk in many(before):
                    yield chunk
                waiting.set()
                await asyncio.sleep(3600)

            writing = asyncio.create_task(store.write(KEY, endless(), size=None))
            await waiting.wait()
            await asyncio.sleep(0.1)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            assert await listed(store.keys()) == set()

        self.run(kind, behaviour)

    def test_deleting_twice_is_no_error(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            await store.write(KEY, pieces(b"x"), size=1)
            await store.delete(KEY)
            await store.delete(KEY)
            with pytest.raises(MissingFromStore):
                await store.stat(KEY)

        self.run(kind, behaviour)

    def test_a_condition_names_the_content(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            etag = (await store.write(KEY, pieces(b"one"), size=3)).etag
            assert await whole(store.read(KEY, 1, 1, if_match=etag)) == b"n"
            with pytest.raises(ChangedInStore):
                await whole(store.read(KEY, if_match="0-0-0"))

        self.run(kind, behaviour)

    def test_lists_extents_by_prefix(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            names = {f".crossdock/extents/{i % 3}/e{i}" for i in range(9)}
            for name in names:
                await store.write(name, pieces(b"x"), size=1)
            await store.deliver("in/plain.csv", parcel(b"y"), pieces(b"y"), replace=None)
            assert await listed(store.keys(".crossdock/")) == names
            only = {name for name in names if "/1/" in name}
            assert await listed(store.keys(".crossdock/extents/1")) == only
            assert await listed(store.keys(".crossdock/extents/none")) == set()
            assert await listed(store.keys()) == names | {"in/plain.csv"}

        self.run(kind, behaviour)

    @pytest.mark.parametrize("key", ["plain", "../x", ".crossdock/../x", ".crossdock/", ""])
    def test_an_extent_key_stays_below_its_prefix(self, kind: Kind, key: str) -> None:
        async def behaviour(store: Opened) -> None:
            with pytest.raises(InvalidArgument):
                await store.write(key, pieces(b"x"), size=1)

        self.run(kind, behaviour)

    def test_a_large_body_passes_in_bounded_memory(self, kind: Kind) -> None:
        if not kind.streams:
            pytest.skip("this store is memory")

        async def behaviour(store: Opened) -> None:
            await store.write(KEY, many(9 * MIB), size=None)  # what is loaded once is not counted
            await store.delete(KEY)
            with peak_growth_bytes() as growth:
                await store.write(KEY, many(STREAM_BYTES), size=None)
            assert growth() < MEMORY_BYTES_MAX
            with peak_growth_bytes() as growth:
                read = 0
                async for chunk in store.read(KEY):
                    read += len(chunk)
            assert growth() < MEMORY_BYTES_MAX
            assert read == STREAM_BYTES

        self.run(kind, behaviour)

    # --- copies under natural keys -------------------------------------------------------------

    def test_odd_keys_neither_escape_nor_collide(self, kind: Kind) -> None:
        async def deliver(store: Opened, key: str) -> None:
            data = key.encode()
            await store.deliver(key, parcel(data, key=key), pieces(data), replace=None)

        async def behaviour(store: Opened) -> None:
            keys = [key for key in ODD_KEYS if key not in kind.unheard_of]
            for key in keys:
                await deliver(store, key)
            for key in keys:
                assert await whole(store.read_copy(key)) == key.encode(), key
                placed = await examined(store, key)
                assert (placed.version, placed.ref) == ("v1", ObjectRef("orders", key)), key
                with pytest.raises(Occupied):
                    await deliver(store, key)
            assert await listed(store.keys(".crossdock/")) == set()
            assert await listed(store.keys()) == set(keys)

        self.run(kind, behaviour)

    @pytest.mark.parametrize("key", [".crossdock/x", "", "x" * 1025, ".crossdock/.marks/00"])
    def test_no_copy_lies_where_extents_are(self, kind: Kind, key: str) -> None:
        async def behaviour(store: Opened) -> None:
            with pytest.raises((InvalidArgument, KeyTooLong)):
                await store.deliver(key, parcel(b"x"), pieces(b"x"), replace=None)

        self.run(kind, behaviour)

    def test_headers_metadata_and_tags_arrive(self, kind: Kind) -> None:
        sent = parcel(
            b"x",
            headers={
                "content-type": "text/csv",
                "cache-control": "no-cache",
                "content-disposition": 'attachment; filename="1.csv"',
                "content-encoding": "gzip",
                "content-language": "en",
            },
            metadata={"class": "partner", "with-dash": "1", "name": "caf\u00e9 \u2603", "e": ""},
            tags={"final": "yes", "a b": "c+d/e="},
        )

        async def behaviour(store: Opened) -> None:
            await store.deliver("a//b", sent, pieces(b"x"), replace=None)
            assert await store.parcel_of("a//b") == sent

        self.run(kind, behaviour)

    def test_metadata_beyond_what_the_store_holds_arrives_too(self, kind: Kind) -> None:
        key = "\u00e9" * 500
        metadata = {f"name{i}": "\u00e9" * 90 for i in range(40)}
        sent = parcel(b"x", metadata=metadata, key=key)

        async def behaviour(store: Opened) -> None:
            await store.deliver("in/x", sent, pieces(b"x"), replace=None)
            assert await store.parcel_of("in/x") == sent
            assert (await examined(store, "in/x")).ref == ObjectRef("orders", key)
            assert await listed(store.keys()) == {"in/x"}

        self.run(kind, behaviour)

    def test_a_large_copy_arrives_whole(self, kind: Kind) -> None:
        size = 13 * MIB + 5

        async def behaviour(store: Opened) -> None:
            data = await whole(many(size))
            sent = parcel(data, headers={"content-type": "text/csv"}, metadata={"a": "b"})
            written = await store.deliver("in/large", sent, many(size), replace=None)
            placed = await examined(store, "in/large")
            assert (placed.size, placed.etag, placed.version) == (size, written.etag, "v1")
            assert await whole(store.read_copy("in/large", if_match=placed.etag)) == data
            assert await store.parcel_of("in/large") == sent
            with pytest.raises(Occupied):
                await store.deliver("in/large", sent, many(size), replace=None)

        self.run(kind, behaviour)

    def test_nothing_lies_under_a_fresh_key(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            assert await store.examine("in/x") is None
            with pytest.raises(MissingFromStore):
                await whole(store.read_copy("in/x"))
            await store.remove_copy("in/x", if_match="any")
            with pytest.raises(MissingFromStore):
                await store.retag("in/x", {}, if_match="any")

        self.run(kind, behaviour)

    @pytest.mark.parametrize("size", [10, 13 * MIB])
    def test_a_delivery_that_breaks_changes_nothing(self, kind: Kind, size: int) -> None:
        async def behaviour(store: Opened) -> None:
            old = await store.deliver("in/x", parcel(b"old"), pieces(b"old"), replace=None)
            newer = parcel(b"x" * size + b"rest", "v2", 2)
            for body in (breaking(b"x" * size, BrokenSource("half way")), many(size)):
                for key, replace in (("in/x", old.etag), ("in/y", None)):
                    with pytest.raises((BrokenSource, RuntimeError)):
                        await store.deliver(key, newer, body, replace=replace)
            assert await whole(store.read_copy("in/x")) == b"old"
            assert (await examined(store, "in/x")).version == "v1"
            assert await store.examine("in/y") is None
            assert await listed(store.keys()) == {"in/x"}

        self.run(kind, behaviour)

    def test_what_is_not_ours_is_never_overwritten(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            await kind.plant(store, "in/x", b"theirs")
            placed = await examined(store, "in/x")
            assert (placed.version, placed.size) == ("", 6)
            for replace in (None, placed.etag, "other"):
                with pytest.raises(Occupied):
                    await store.deliver("in/x", parcel(b"ours"), pieces(b"ours"), replace=replace)
            with pytest.raises(ChangedInStore):
                await store.remove_copy("in/x", if_match=placed.etag)
            with pytest.raises(ChangedInStore):
                await store.retag("in/x", {"a": "b"}, if_match=placed.etag)
            assert await whole(store.read_copy("in/x")) == b"theirs"

        self.run(kind, behaviour)

    @pytest.mark.parametrize("size", [10, 13 * MIB])
    @pytest.mark.parametrize("replacing", [False, True])
    def test_what_comes_meanwhile_is_not_overwritten(
        self, kind: Kind, size: int, replacing: bool
    ) -> None:
        async def behaviour(store: Opened) -> None:
            replace = None
            if replacing:
                old = await store.deliver("in/x", parcel(b"old"), pieces(b"old"), replace=None)
                replace = old.etag

            async def overtaken() -> Chunks:
                async for chunk in many(size):
                    yield chunk
                await kind.plant(store, "in/x", b"theirs")

            sent = parcel(await whole(many(size)), "v2", 2)
            with pytest.raises(Occupied):
                await store.deliver("in/x", sent, overtaken(), replace=replace)
            assert await whole(store.read_copy("in/x")) == b"theirs"
            assert await listed(store.keys()) == {"in/x"}

        self.run(kind, behaviour)

    def test_our_older_copy_is_replaced_by_its_etag(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            first = await store.deliver("in/x", parcel(b"one"), pieces(b"one"), replace=None)
            for replace in (None, "other"):
                with pytest.raises(Occupied):
                    await store.deliver(
                        "in/x", parcel(b"two", "v2", 2), pieces(b"two"), replace=replace
                    )
            second = await store.deliver(
                "in/x", parcel(b"two", "v2", 2), pieces(b"two"), replace=first.etag
            )
            placed = await examined(store, "in/x")
            assert (placed.version, placed.number, placed.altered) == ("v2", 2, False)
            assert (placed.etag, placed.ref) == (second.etag, ObjectRef("orders", "invoices/1.csv"))
            assert await whole(store.read_copy("in/x")) == b"two"
            with pytest.raises(ChangedInStore):
                await whole(store.read_copy("in/x", if_match=first.etag))

        self.run(kind, behaviour)

    def test_a_large_copy_replaces_an_older_one(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            data = await whole(many(13 * MIB))
            first = await store.deliver("in/x", parcel(b"one"), pieces(b"one"), replace=None)
            newer = parcel(data, "v2", 2)
            with pytest.raises(Occupied):
                await store.deliver("in/x", newer, many(len(data)), replace="other")
            await store.deliver("in/x", newer, many(len(data)), replace=first.etag)
            assert (await examined(store, "in/x")).version == "v2"

        self.run(kind, behaviour)

    def test_replacing_what_is_gone_is_worth_another_look(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            with pytest.raises(StoreUnavailable):
                await store.deliver("in/x", parcel(b"two"), pieces(b"two"), replace="gone")
            assert await store.examine("in/x") is None

        self.run(kind, behaviour)

    def test_an_altered_copy_is_not_replaced(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            first = await store.deliver("in/x", parcel(b"one"), pieces(b"one"), replace=None)
            await kind.plant(store, "in/x", b"ONE")
            placed = await examined(store, "in/x")
            assert placed.altered or not placed.version
            for replace in (None, first.etag, placed.etag):
                with pytest.raises(Occupied):
                    await store.deliver(
                        "in/x", parcel(b"two", "v2", 2), pieces(b"two"), replace=replace
                    )
            with pytest.raises(ChangedInStore):
                await store.remove_copy("in/x", if_match=first.etag)
            with pytest.raises(ChangedInStore):
                await store.retag("in/x", {}, if_match=first.etag)
            with pytest.raises(ChangedInStore):
                await whole(store.read_copy("in/x", if_match=first.etag))
            assert await whole(store.read_copy("in/x")) == b"ONE"

        self.run(kind, behaviour)

    def test_tags_of_our_copy_can_change(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            sent = parcel(b"x", metadata={"a": "b"}, tags={"final": "no"})
            first = await store.deliver("in/x", sent, pieces(b"x"), replace=None)
            second = await store.retag("in/x", {"final": "yes", "n": "2"}, if_match=first.etag)
            placed = await examined(store, "in/x")
            assert (placed.version, placed.etag, placed.size) == ("v1", second.etag, 1)
            carried = await store.parcel_of("in/x")
            assert carried is not None
            assert (carried.tags, carried.metadata) == ({"final": "yes", "n": "2"}, {"a": "b"})
            await store.retag("in/x", {}, if_match=second.etag)
            carried = await store.parcel_of("in/x")
            assert carried is not None
            assert (carried.tags, carried.metadata) == ({}, {"a": "b"})
            with pytest.raises(ChangedInStore):
                await store.retag("in/x", {"a": "b"}, if_match="other")

        self.run(kind, behaviour)

    @pytest.mark.parametrize("key", ["in/x", "a//b", "."])
    def test_our_copy_can_be_removed(self, kind: Kind, key: str) -> None:
        if key in kind.unheard_of:
            pytest.skip("the counterpart can't take this key")

        async def behaviour(store: Opened) -> None:
            etag = (await store.deliver(key, parcel(b"x"), pieces(b"x"), replace=None)).etag
            with pytest.raises(ChangedInStore):
                await store.remove_copy(key, if_match="other")
            await store.remove_copy(key, if_match=etag)
            await store.remove_copy(key, if_match=etag)
            assert await store.examine(key) is None
            await store.deliver(key, parcel(b"y"), pieces(b"y"), replace=None)
            assert await whole(store.read_copy(key)) == b"y"

        self.run(kind, behaviour)

    # --- what its owner put there ----------------------------------------------------------------

    def test_tells_what_its_owner_put_there(self, kind: Kind) -> None:
        async def behaviour(store: Opened) -> None:
            assert await store.inspect("in/x") is None
            await kind.plant(store, "in/x", b"theirs")
            about = await store.inspect("in/x")
            assert about is not None
            assert (about.size, about.ours) == (6, False)
            assert about.modified > 1_600_000_000 * 10**9
            assert about.etag == (await examined(store, "in/x")).etag
            assert await whole(store.read_copy("in/x", if_match=about.etag)) == b"theirs"
            await kind.plant(store, "in/x", b"changed")
            with pytest.raises(ChangedInStore):
                await whole(store.read_copy("in/x", if_match=about.etag))
            again = await store.inspect("in/x")
            assert again is not None
            assert (again.size, again.etag != about.etag) == (7, True)
            assert [key async for key in store.keys("in/")] == ["in/x"]

        self.run(kind, behaviour)

    def test_tells_a_delivered_copy_from_it(self, kind: Kind) -> None:
        headers = {"content-type": "text/csv"}
        metadata = {"a": "b", "name": "Z\u00fcrich"}

        async def behaviour(store: Opened) -> None:
            sent = parcel(b"x", headers=headers, metadata=metadata, tags={"final": "yes"})
            await store.deliver("in/x", sent, pieces(b"x"), replace=None)
            about = await store.inspect("in/x")
            assert about is not None
            assert (about.size, about.ours) == (1, True)
            if about.headers:  # a folder holds none
                assert about.headers["content-type"] == "text/csv"
                assert about.metadata.items() >= metadata.items()

        self.run(kind, behaviour)
