"""What only a folder can do wrong: links, crashes between two steps, disks that fail."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import MissingFromStore, Occupied, StoreFull, StoreRefused, StoreUnavailable
from gateway.stores.disk import Disk, SharedSync
from gateway.stores.file import FileStore
from tests.contract.store_suite import KEY, examined, listed, many, parcel, pieces, whole


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Iterator[FileStore]:
    with ThreadPoolExecutor(8) as pool:
        yield FileStore(str(root), pool)


def failing(number: int) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def deliver(store: FileStore, key: str, data: bytes, replace: str | None = None) -> str:
    number = 1 if replace is None else 2
    sent = parcel(data, f"v{number}", number, key=key)
    return asyncio.run(store.deliver(key, sent, pieces(data), replace=replace)).etag


def test_an_ordinary_key_is_a_plain_file_at_that_path(store: FileStore, root: Path) -> None:
    deliver(store, "in/a b/é.csv", b"data")
    assert (root / "in" / "a b" / "é.csv").read_bytes() == b"data"


def test_an_odd_key_is_a_file_under_its_encoded_name(store: FileStore, root: Path) -> None:
    deliver(store, "../up", b"data")
    assert (root / "%keys" / "%2E%2E%2Fup").read_bytes() == b"data"


def test_an_extent_is_a_file_at_its_key(store: FileStore, root: Path) -> None:
    asyncio.run(store.write(KEY, pieces(b"x"), size=1))
    assert (root / KEY).read_bytes() == b"x"


def test_a_linked_folder_is_not_entered(store: FileStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"secret")
    root.mkdir()
    (root / "in").symlink_to(outside)
    deliver(store, "in/y", b"data")
    deliver(store, "in/x", b"data")
    assert {path.name for path in outside.iterdir()} == {"x"}
    assert asyncio.run(whole(store.read_copy("in/x"))) == b"data"


def test_a_linked_file_is_neither_read_nor_replaced(
    store: FileStore, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    root.mkdir()
    (root / "x").symlink_to(outside)
    with pytest.raises(Occupied):
        deliver(store, "x", b"data")
    with pytest.raises(MissingFromStore):
        asyncio.run(whole(store.read_copy("x")))
    assert outside.read_bytes() == b"secret"


def test_our_own_folder_may_not_be_a_link(store: FileStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    (root / ".crossdock").symlink_to(outside)
    with pytest.raises(StoreRefused):
        asyncio.run(store.write(KEY, pieces(b"x"), size=1))
    assert not list(outside.iterdir())


def test_a_root_that_went_away_is_not_made_anew(store: FileStore, root: Path) -> None:
    asyncio.run(store.write(KEY, pieces(b"x"), size=1))
    shutil.rmtree(root)
    with pytest.raises(StoreRefused):
        asyncio.run(store.write(KEY, pieces(b"x"), size=1))
    with pytest.raises(StoreRefused):
        asyncio.run(whole(store.read(KEY)))
    assert not root.exists()


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EACCES, StoreRefused),
        (errno.EROFS, StoreRefused),
        (errno.EIO, StoreUnavailable),
    ],
)
@pytest.mark.parametrize("call", ["writev", "fsync", "link"])
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_disk_that_fails_leaves_nothing(
    store: FileStore,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    word: type[Exception],
    call: str,
    size: int,
) -> None:
    asyncio.run(store.write(KEY + "1", pieces(b"x"), size=1))  # the folders are there
    with monkeypatch.context() as broken:
        broken.setattr(os, call, failing(number))
        with pytest.raises(word):
            asyncio.run(store.write(KEY, many(size), size=size))
    with pytest.raises(MissingFromStore):
        asyncio.run(store.stat(KEY))


def test_a_folder_that_can_not_be_synced_takes_the_extent_back(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(store.write(KEY + "1", pieces(b"x"), size=1))
    real = os.fsync

    def folders_fail(file: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{file}"):
            raise OSError(errno.EIO, "bad disk")
        real(file)

    monkeypatch.setattr(os, "fsync", folders_fail)
    with pytest.raises(StoreUnavailable):
        asyncio.run(store.write(KEY, pieces(b"x"), size=1))
    with pytest.raises(MissingFromStore):
        asyncio.run(store.stat(KEY))


def test_file_and_folder_are_synced_before_a_write_returns(
    store: FileStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(store.write(KEY + "1", pieces(b"x"), size=1))
    synced: list[os.stat_result] = []
    real = os.fsync

    def seen(file: int) -> None:
        synced.append(os.fstat(file))
        real(file)

    monkeypatch.setattr(os, "fsync", seen)
    asyncio.run(store.write(KEY, pieces(b"x"), size=1))
    path = root / KEY
    assert [about.st_ino for about in synced] == [path.stat().st_ino, path.parent.stat().st_ino]


def test_one_sync_of_a_folder_serves_all_who_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, count, first_is_in, go = SharedSync(), 0, threading.Event(), threading.Event()
    folder = os.open(tmp_path, os.O_RDONLY)

    def slow(_: int) -> None:
        nonlocal count
        count += 1
        first_is_in.set()
        go.wait(10)

    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(shared.sync, folder)
        first_is_in.wait(10)
        others = [pool.submit(shared.sync, folder) for _ in range(15)]
        while sum(sync.shared_by for sync in shared._gathering.values()) < 15:
            pass
        go.set()
        for waiter in (first, *others):
            waiter.result(10)
    os.close(folder)
    assert count == 2
    assert not shared._running
    assert not shared._gathering


def test_a_failed_sync_fails_for_all_it_was_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedSync()
    folder = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with ThreadPoolExecutor(8) as pool:
        for waiter in [pool.submit(shared.sync, folder) for _ in range(8)]:
            with pytest.raises(OSError, match="fsync"):
                waiter.result(10)
    os.close(folder)


def moved_away(folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")


def replaced(folder: Path) -> None:
    moved_away(folder)
    folder.mkdir()


@pytest.mark.parametrize("happens", [moved_away, replaced, shutil.rmtree])
def test_an_extent_lies_under_its_name_whatever_became_of_the_folder(
    store: FileStore, root: Path, happens: Callable[[Path], None]
) -> None:
    asyncio.run(store.write(KEY + "1", pieces(b"x"), size=1))
    happens((root / KEY).parent)
    asyncio.run(store.write(KEY, pieces(b"data"), size=4))
    assert (root / KEY).read_bytes() == b"data"


def test_a_link_to_somewhere_else_is_never_followed(
    store: FileStore, root: Path, tmp_path: Path
) -> None:
    asyncio.run(store.write(KEY + "1", pieces(b"x"), size=1))
    moved_away((root / KEY).parent)
    (tmp_path / "secret").mkdir()
    (root / KEY).parent.symlink_to(tmp_path / "secret")
    with pytest.raises(StoreRefused):
        asyncio.run(store.write(KEY, pieces(b"data"), size=4))
    assert not list((tmp_path / "secret").iterdir())


def test_no_handle_of_a_folder_is_left_open(root: Path) -> None:
    def handles() -> list[str]:
        links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
        paths = (os.readlink(link) for link in links if link.is_symlink())
        return [path for path in paths if path.startswith(str(root))]

    with ThreadPoolExecutor(4) as pool:
        gone = FileStore(str(root), pool)
        for i in range(9):
            key = f".crossdock/extents/{i % 3}/{i}"
            asyncio.run(gone.write(key, pieces(b"x"), size=1))
        assert handles(), "a store keeps its folders open"
        del gone
    assert handles() == []


def test_concurrent_writers_of_one_key_have_one_winner(store: FileStore) -> None:
    async def main() -> list[object]:
        writes = (store.write(KEY, pieces(b"x" * 100), size=100) for _ in range(16))
        return list(await asyncio.gather(*writes, return_exceptions=True))

    results = asyncio.run(main())
    assert sum(not isinstance(result, Occupied) for result in results) == 1


def test_a_write_cancelled_at_its_last_step_leaves_nothing(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked, cancelled = threading.Event(), threading.Event()
    real = os.link

    def slow(*args: object, **options: object) -> None:
        real(*args, **options)  # type: ignore[arg-type]
        linked.set()
        assert cancelled.wait(10)  # or the write might end before it is cancelled

    monkeypatch.setattr(os, "link", slow)

    async def main() -> None:
        writing = asyncio.create_task(store.write(KEY, pieces(b"x"), size=1))
        await asyncio.to_thread(linked.wait, 10)
        writing.cancel()
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await listed(store.keys()) == set()

    asyncio.run(main())


def test_a_copy_without_its_sidecar_is_not_ours(store: FileStore, root: Path) -> None:
    etag = deliver(store, "x", b"data")
    shutil.rmtree(root / ".crossdock" / ".marks")
    assert asyncio.run(examined(store, "x")).version == ""
    with pytest.raises(Occupied):
        deliver(store, "x", b"newer", replace=etag)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"copies": [{}]}', '{"copies": 1, "at": "x"}'])
def test_a_damaged_sidecar_makes_a_copy_not_ours(store: FileStore, root: Path, text: str) -> None:
    deliver(store, "x", b"data")
    (sidecar,) = [p for p in (root / ".crossdock" / ".marks").rglob("*") if p.is_file()]
    sidecar.write_text(text)
    assert asyncio.run(examined(store, "x")).version == ""


def test_a_crash_between_sidecar_and_file_leaves_the_older_copy_ours(
    store: FileStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = deliver(store, "x", b"older")
    with monkeypatch.context() as crash:
        real = Disk.replace

        def dies(disk: Disk, staged: object, path: tuple[bytes, ...]) -> object:
            if path == (b"x",):
                raise KeyboardInterrupt
            return real(disk, staged, path)  # type: ignore[arg-type]

        crash.setattr(Disk, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            deliver(store, "x", b"newer", replace=etag)
    placed = asyncio.run(examined(store, "x"))
    assert (placed.version, placed.altered, placed.etag) == ("v1", False, etag)
    deliver(store, "x", b"newer", replace=etag)
    assert asyncio.run(examined(store, "x")).version == "v2"


def test_a_file_changed_in_place_is_altered(store: FileStore, root: Path) -> None:
    deliver(store, "x", b"data")
    (root / "x").write_bytes(b"DATA")
    placed = asyncio.run(examined(store, "x"))
    assert (placed.altered, placed.version) == (True, "v1")


def test_a_restored_folder_still_holds_our_copies(store: FileStore, root: Path) -> None:
    deliver(store, "x", b"data")
    copied = root.with_name("restored")
    shutil.copytree(root, copied)
    shutil.rmtree(root)
    copied.rename(root)
    placed = asyncio.run(examined(store, "x"))
    assert (placed.altered, placed.version) == (False, "v1")
    deliver(store, "x", b"newer", replace=placed.etag)


@pytest.mark.parametrize("data", [b"data", b"x" * 3_000_000])
def test_also_those_whose_content_was_not_hashed_before(
    store: FileStore, root: Path, data: bytes
) -> None:
    """Of an upload in parts the sender knows no SHA-256 of the whole."""
    sent = dataclasses.replace(parcel(data), sha256="")
    asyncio.run(store.deliver("x", sent, pieces(data, 100_000), replace=None))
    copied = root.with_name("restored")
    shutil.copytree(root, copied)
    shutil.rmtree(root)
    copied.rename(root)
    placed = asyncio.run(examined(store, "x"))
    assert (placed.altered, placed.version) == (False, "v1")


def test_a_foreign_folder_in_the_way_is_gone_around(store: FileStore, root: Path) -> None:
    (root / "x" / "y").mkdir(parents=True)
    deliver(store, "x", b"data")
    assert asyncio.run(whole(store.read_copy("x"))) == b"data"
    assert (root / "x" / "y").is_dir()


def test_abandoned_staging_files_are_swept(store: FileStore, root: Path) -> None:
    asyncio.run(store.write(KEY, pieces(b"x"), size=1))
    staging = root / ".crossdock" / ".staging"
    staging.mkdir()
    for name, age in (("old", 90_000), ("young", 10)):
        (staging / name).write_bytes(b"x")
        moment = os.stat(staging).st_mtime - age
        os.utime(staging / name, (moment, moment))
    assert Disk(str(root)).sweep() == 1
    assert {path.name for path in staging.iterdir()} == {"young"}


def test_a_file_system_without_nameless_files_will_do(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def old(path: object, flags: int, *args: object, **options: object) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not here")
        return real(path, flags, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", old)
    asyncio.run(store.write(KEY, pieces(b"x"), size=1))
    with pytest.raises(Occupied):
        asyncio.run(store.write(KEY, pieces(b"y"), size=1))
    assert asyncio.run(whole(store.read(KEY))) == b"x"
