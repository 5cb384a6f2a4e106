"""Another Crossdock, whose store this door is: extents, copies and what says that they are ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh

from gateway.stores.sftp import SftpStore
from gateway.stores.sftp_dial import Where
from gateway.stores.sftp_pins import pins_of
from tests.contract.store_suite import listed, parcel, pieces, whole
from tests.sftp.bed import Bed

KEY = "invoices/2026/1.csv"


@asynccontextmanager
async def opened(bed: Bed) -> AsyncIterator[SftpStore]:
    line = (bed.folder / "known_hosts").read_text().partition(" ")[2]
    key = asyncssh.read_private_key(str(bed.folder / "acme.erp"))
    store = SftpStore(Where("127.0.0.1", bed.port, "acme.erp", pins_of(line), key), "/orders/in")
    try:
        yield store
    finally:
        await store.aclose()


def test_a_copy_is_delivered_replaced_and_removed(bed: Bed) -> None:
    async def story() -> None:
        async with opened(bed) as store:
            assert await store.examine(KEY) is None
            one, two = b"one" * 1000, b"two" * 2000
            first = await store.deliver(KEY, parcel(one), pieces(one), replace=None)
            placed = await store.examine(KEY)
            assert placed is not None
            assert await whole(store.read_copy(KEY, if_match=first.etag)) == one
            newer = parcel(two, "v2", 2)
            second = await store.deliver(KEY, newer, pieces(two), replace=first.etag)
            assert await whole(store.read_copy(KEY, if_match=second.etag)) == two
            assert await store.parcel_of(KEY) == newer
            await store.remove_copy(KEY, if_match=second.etag)
            assert await store.examine(KEY) is None

    bed.run(story())


def test_a_copy_is_as_old_as_its_delivery(bed: Bed) -> None:
    async def story() -> None:
        async with opened(bed) as store, bed.client() as sftp:
            await store.deliver(KEY, parcel(b"x"), pieces(b"x"), replace=None)
            found = await sftp.stat(f"/orders/in/{KEY}")
            assert found.mtime is not None
            assert 0 <= bed.now // 10**9 - found.mtime <= 2

    bed.run(story())


def test_an_extent_is_written_read_listed_and_deleted(bed: Bed) -> None:
    async def story() -> None:
        async with opened(bed) as store:
            data, key = b"extent" * 1000, ".crossdock/ab/abcdef"
            written = await store.write(key, pieces(data), size=len(data))
            assert written.size == len(data)
            assert await whole(store.read(key, 6, 6)) == b"extent"
            assert await listed(store.keys()) == {key}
            await store.delete(key)
            assert await listed(store.keys()) == set()

    bed.run(story())
