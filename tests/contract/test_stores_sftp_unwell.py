"""The sFTP store against servers that are unwell, lame, hasty or somebody else's."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import FXF_WRITE
from asyncssh.misc import MaybeAwait

from gateway.errors import (
    ConfigError,
    Damaged,
    MissingFromStore,
    Occupied,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from gateway.model import Chunks
from gateway.stores import CanTidy, sftp, sftp_pool
from gateway.stores.build import build
from gateway.stores.sftp import SftpStore
from gateway.stores.sftp_copies import COMPARED_BYTES_MAX
from gateway.stores.sftp_pool import LINES_MAX, Line
from gateway.stores.sftp_wire import Staged, Tree
from tests.contract.sftp_servers import (
    PASSWORD,
    Closed,
    Full,
    NoReplacing,
    Overwriting,
    Whole,
    delivers,
    host_key,
    on,
    opened,
    secrets,
    serving,
    spec,
)
from tests.contract.store_suite import (
    KEY,
    MIB,
    examined,
    listed,
    many,
    parcel,
    pieces,
    whole,
)
from tests.counterparts import servers


def test_a_server_with_another_key_is_refused_by_name(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")

    async def story(store: SftpStore) -> None:
        with pytest.raises(StoreRefused, match="is not the one that is pinned") as refusal:
            await store.examine("x")
        assert host_key().get_fingerprint() in refusal.value.message
        assert not refusal.value.details.get("absent")

    on(tmp_path, story, credentials=secrets(other))


@pytest.mark.parametrize("pinned", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("form", ["fingerprint", "line", "scan"])
def test_whichever_of_a_servers_keys_is_pinned_it_is_known(
    tmp_path: Path, pinned: str, form: str
) -> None:
    keys = [asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256")]
    keys.append(asyncssh.generate_private_key("ssh-rsa", key_size=2048))
    (key,) = [key for key in keys if key.get_algorithm() == pinned]
    line = key.export_public_key().decode().strip()
    text = {"fingerprint": key.get_fingerprint(), "line": line, "scan": f"# h\nh {line}\n"}[form]
    on(
        tmp_path,
        delivers,
        host_keys=keys,
        credentials={"host_key": text, "password": PASSWORD},
    )
    assert (tmp_path / "server/inbox/in/x").read_bytes() == b"data"


@pytest.mark.parametrize(
    "text", ["", "# none\n", "MD5:aa", "ssh-ed25519", "ssh-ed25519 AAAA", "x y z"]
)
def test_what_is_no_host_key_is_a_mistake_of_the_configuration(text: str) -> None:
    with pytest.raises(ConfigError, match="host key"):
        build(spec(22), {"host_key": text, "password": "x"}, ThreadPoolExecutor(1))


def test_a_key_lets_us_in_and_a_password_too(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    sealed = key.export_private_key(passphrase="open").decode().strip()
    on(
        tmp_path,
        delivers,
        credentials={
            "host_key": host_key().get_fingerprint(),
            "key": sealed,
            "passphrase": "open",
        },
        logins=frozenset({key.get_fingerprint()}),
    )
    with pytest.raises(ConfigError, match="private key of acme"):
        build(
            spec(22),
            {"host_key": host_key().get_fingerprint(), "key": sealed, "passphrase": "shut"},
            ThreadPoolExecutor(1),
        )


def test_wrong_credentials_are_refused(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        with pytest.raises(StoreRefused, match="does not let acme in"):
            await delivers(store)

    on(tmp_path, story, credentials={**secrets(host_key()), "password": "another"})


def test_nobody_there_is_worth_another_try() -> None:
    async def main() -> None:
        async with opened(spec(servers.free_port()), secrets(host_key())) as store:
            with pytest.raises(StoreUnavailable):
                await store.examine("x")

    asyncio.run(main())


def test_a_missing_root_is_refused_and_never_made(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: delivers(store),
            lambda: store.examine("x"),
            lambda: store.inspect("x"),
            lambda: store.stat(KEY),
            lambda: store.delete(KEY),
            lambda: whole(store.read(KEY)),
            lambda: whole(store.read_copy("x")),
            lambda: store.write(KEY, pieces(b"x"), size=1),
            lambda: listed(store.keys()),
        ]
        for call in calls:
            with pytest.raises(StoreRefused) as refusal:
                await call()
            assert refusal.value.details["absent"]

    on(tmp_path, story, path="/mount/inbox")
    assert [path.name for path in (tmp_path / "server").iterdir()] == ["inbox"]


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        with pytest.raises(StoreFull):
            await delivers(store)

    on(tmp_path, story, server=Full)


def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        with pytest.raises(StoreRefused):
            await delivers(store)

    on(tmp_path, story, server=Closed)


def test_a_server_that_dies_in_mid_write_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        folder = tmp_path / "server"
        async with AsyncExitStack() as stack:
            async with serving(folder, Whole, [host_key()]) as server:
                port = server.port
                store = await stack.enter_async_context(opened(spec(port), secrets(host_key())))
                old = await store.deliver("in/x", parcel(b"old"), pieces(b"old"), replace=None)

                async def dying() -> Chunks:
                    yield b"x" * 3 * MIB
                    server.dies()
                    yield b"y" * 3 * MIB

                newer = parcel(b"x" * 3 * MIB + b"y" * 3 * MIB, "v2", 2)
                with pytest.raises(StoreUnavailable):
                    await store.deliver("in/x", newer, dying(), replace=old.etag)
                with pytest.raises(StoreUnavailable):
                    await store.write(KEY, pieces(b"x"), size=1)
            async with serving(folder, Whole, [host_key()], port=port):
                assert await whole(store.read_copy("in/x", if_match=old.etag)) == b"old"
                with pytest.raises(MissingFromStore):
                    await store.stat(KEY)
                again = pieces(b"x" * 3 * MIB + b"y" * 3 * MIB, MIB)
                await store.deliver("in/x", newer, again, replace=old.etag)
                assert (await examined(store, "in/x")).version == "v2"

    asyncio.run(main())


def test_a_broken_connection_is_replaced_by_the_next_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            serving(tmp_path / "server", Whole, [host_key()]) as server,
            opened(spec(server.port), secrets(host_key())) as store,
        ):
            await store.write(KEY, many(4 * MIB), size=4 * MIB)
            reading = store.read(KEY)
            await anext(reading)
            server.breaks()
            with pytest.raises(StoreUnavailable):
                await whole(reading)
            assert len(await whole(store.read(KEY))) == 4 * MIB

    asyncio.run(main())


def test_many_at_once_share_a_few_connections(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            serving(tmp_path / "server", Whole, [host_key()]) as server,
            opened(spec(server.port), secrets(host_key())) as store,
        ):
            await asyncio.gather(*(delivers(store, f"in/{i}") for i in range(60)))
            assert len(await listed(store.keys())) == 60
            assert 1 < len(server.connections) <= LINES_MAX

    asyncio.run(main())


def test_a_server_that_grants_one_connection_serves_all(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            serving(tmp_path / "server", Whole, [host_key()]) as server,
            opened(spec(server.port), secrets(host_key())) as store,
        ):
            await delivers(store, "in/first")
            server.server.close()  # who is in stays in
            await asyncio.gather(*(delivers(store, f"in/{i}") for i in range(20)))
            assert len(server.connections) == 1

    asyncio.run(main())


class Slipping(Whole):
    """Its owner puts a file there while a copy is read back, before that has its name."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if b"/.staging/" in path and not pflags & FXF_WRITE:
            file = Path(self.folder, "inbox", "in", "x")
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(b"theirs")
        return super().open(path, pflags, attrs)


class SlippingOver(Slipping, Overwriting):
    pass


@pytest.mark.parametrize("server", [Slipping, SlippingOver])
@pytest.mark.parametrize("replacing", [False, True])
def test_what_comes_while_a_copy_is_read_back_is_not_overwritten(
    tmp_path: Path, server: type[Whole], replacing: bool
) -> None:
    async def plain(store: SftpStore) -> None:
        await delivers(store, data=b"older")

    async def story(store: SftpStore) -> None:
        there = await store.examine("in/x")
        replace = there.etag if there else None
        newer = parcel(b"newer", "v2", 2)
        with pytest.raises(Occupied):
            await store.deliver("in/x", newer, pieces(b"newer"), replace=replace)
        assert await whole(store.read_copy("in/x")) == b"theirs"

    if replacing:
        on(tmp_path, plain)
    on(tmp_path, story, server=server)


class Telling(Whole):
    """Notes what is synced, and what is named when."""

    synced: tuple[int, ...] = ()
    named: tuple[bool, ...] = ()

    def fsync(self, file_obj: Any) -> MaybeAwait[None]:
        Telling.synced += (os.fstat(file_obj.fileno()).st_ino,)
        return super().fsync(file_obj)

    def rename(self, oldpath: bytes, newpath: bytes) -> MaybeAwait[None]:
        Telling.named += (os.stat(self.map_path(oldpath)).st_ino in Telling.synced,)
        return super().rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> MaybeAwait[None]:
        Telling.named += (os.stat(self.map_path(oldpath)).st_ino in Telling.synced,)
        return super().posix_rename(oldpath, newpath)


def test_a_file_is_synced_before_it_gets_its_name(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        await store.write(KEY, pieces(b"x"), size=1)
        old = await store.deliver("in/x", parcel(b"old"), pieces(b"old"), replace=None)
        await store.deliver("in/x", parcel(b"2", "v2", 2), pieces(b"2"), replace=old.etag)

    on(tmp_path, story, server=Telling)
    assert len(Telling.named) >= 5
    assert all(Telling.named)


class Hasty(Whole):
    """A consumer takes every file away in the moment in which it appears."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        if b".crossdock" not in newpath:
            os.rename(self.map_path(newpath), self.folder + "/taken")


def test_a_copy_that_is_taken_at_once_was_delivered(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        written = await store.deliver("in/x", parcel(b"data"), pieces(b"data"), replace=None)
        assert (written.size, written.read_back) == (4, True)
        assert await store.examine("in/x") is None
        with pytest.raises(MissingFromStore):
            await whole(store.read_copy("in/x", if_match=written.etag))
        await delivers(store, data=b"more")

    on(tmp_path, story, server=Hasty)
    assert (tmp_path / "server/taken").read_bytes() == b"more"


class Redating(Whole):
    """As a server over an object store: a rename is a copy, of another date."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        os.utime(self.map_path(newpath), (10**9, 10**9))


def test_a_copy_that_its_name_dates_anew_is_known(tmp_path: Path) -> None:
    large = b"x" * (COMPARED_BYTES_MAX + 1)  # its date alone tells

    async def story(store: SftpStore) -> None:
        first = await store.deliver("in/x", parcel(large), pieces(large, MIB), replace=None)
        placed = await examined(store, "in/x")
        assert (placed.version, placed.altered, placed.etag) == ("v1", False, first.etag)
        await store.deliver("in/x", parcel(b"2", "v2", 2), pieces(b"2"), replace=first.etag)
        assert (await examined(store, "in/x")).version == "v2"

    on(tmp_path, story, server=Redating)


class Spoiling(Whole):
    """Keeps other bytes than it was sent."""

    def write(self, file_obj: object, offset: int, data: bytes) -> MaybeAwait[int]:
        return super().write(file_obj, offset, data.replace(b"data", b"DATA"))


def test_what_a_server_spoils_gets_no_name(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        with pytest.raises(Damaged):
            await delivers(store)
        assert await store.examine("in/x") is None

    on(tmp_path, story, server=Spoiling)


def test_a_sidecar_that_stepped_aside_is_found(tmp_path: Path) -> None:
    """A process was killed between the two renames that replace a sidecar."""

    async def story(store: SftpStore) -> None:
        await delivers(store)
        marks = tmp_path / "server/inbox/.crossdock/.marks"
        (sidecar,) = (path for path in marks.rglob("*") if path.is_file())
        sidecar.rename(f"{sidecar}~")
        assert (await examined(store, "in/x")).version == "v1"

    on(tmp_path, story, server=NoReplacing)


class Late(NoReplacing):
    """Its owner changes the file `x` in the moment in which it is to step aside."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if oldpath.endswith(b"in/x"):
            Path(os.fsdecode(self.map_path(oldpath))).write_bytes(b"theirs")
        super().rename(oldpath, newpath)


def test_a_change_in_the_moment_of_a_replacement_is_put_back(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        old = await store.deliver("in/x", parcel(b"old"), pieces(b"old"), replace=None)
        newer = parcel(b"newer", "v2", 2)
        with pytest.raises(Occupied):
            await store.deliver("in/x", newer, pieces(b"newer"), replace=old.etag)

    on(tmp_path, story, server=Late)
    assert (tmp_path / "server/inbox/in/x").read_bytes() == b"theirs"


def test_a_write_cancelled_at_its_last_step_leaves_nothing(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        renamed, cancelled = asyncio.Event(), asyncio.Event()

        class Slow(Tree):
            async def place(self, staged: Staged, path: tuple[bytes, ...]) -> bool:
                done = await super().place(staged, path)
                renamed.set()
                await cancelled.wait()
                return done

        with pytest.MonkeyPatch.context() as slow:
            slow.setattr(sftp, "Tree", Slow)
            writing = asyncio.create_task(store.write(KEY, pieces(b"x"), size=1))
            await renamed.wait()
            writing.cancel()
            cancelled.set()
            with pytest.raises(asyncio.CancelledError):
                await writing
        assert await listed(store.keys()) == set()

    on(tmp_path, story)


def test_a_file_where_the_stores_own_folder_should_be_is_refused(tmp_path: Path) -> None:
    async def story(store: SftpStore) -> None:
        (tmp_path / "server/inbox/.crossdock").write_bytes(b"x")
        for call in (
            lambda: delivers(store),
            lambda: store.write(KEY, pieces(b"x"), size=1),
        ):
            with pytest.raises(StoreRefused, match="own folder"):
                await call()

    on(tmp_path, story)


class Stuck(Whole):
    """Takes long to say what lies at `in/x`."""

    async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        if path.endswith(b"in/x"):
            await asyncio.sleep(1)
        return asyncssh.SFTPAttrs.from_local(os.lstat(self.map_path(path)))


def test_a_request_without_an_answer_is_given_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_pool, "REQUEST_SECONDS", 0.2)

    async def story(store: SftpStore) -> None:
        with pytest.raises(StoreUnavailable, match="in time"):
            await store.examine("in/x")
        assert await store.examine("in/y") is None

    on(tmp_path, story, server=Stuck)


def test_a_connection_that_nobody_needs_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_pool, "IDLE_SECONDS", 0.05)

    async def main() -> None:
        async with (
            serving(tmp_path / "server", Whole, [host_key()]) as server,
            opened(spec(server.port), secrets(host_key())) as store,
        ):
            await delivers(store)
            async with asyncio.timeout(10):
                await server.connections[0].wait_closed()
            assert (await examined(store, "in/x")).version == "v1"
            assert len(server.connections) == 2

    asyncio.run(main())


def test_more_than_all_connections_take_wait_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_pool, "LINE_USERS_MAX", 1)
    monkeypatch.setattr(sftp_pool, "LINES_MAX", 1)
    monkeypatch.setattr(sftp_pool, "LINE_WAIT_SECONDS", 0.5)

    async def story(store: SftpStore) -> None:
        await asyncio.gather(*(delivers(store, f"in/{i}") for i in range(4)))
        await store.write(KEY, many(4 * MIB), size=None)
        reading = store.read(KEY)
        await anext(reading)  # a slow reader
        with pytest.raises(StoreUnavailable, match="free in time"):
            await store.examine("in/1")
        await reading.aclose()  # type: ignore[attr-defined]
        assert (await examined(store, "in/1")).version == "v1"

    on(tmp_path, story)


class Breaking:
    """Breaks the connection at the nth request from now on, before or after it is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self.after = False
        real = Line.ask_for

        async def ask_for(line: Line, seconds: float, verb: Any, *args: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left != 0:
                return await real(line, seconds, verb, *args, **more)
            if self.after:
                await real(line, seconds, verb, *args, **more)
            line.drop()
            raise StoreUnavailable("broken by the test")

        monkeypatch.setattr(Line, "ask_for", ask_for)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("server", [Whole, NoReplacing])
def test_wherever_a_replacement_breaks_one_whole_copy_is_left(
    tmp_path: Path, server: type[Whole], after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking(monkeypatch)
    breaking.after = after
    older, newer = b"older" * 20_000, b"newer" * 20_000

    async def story(store: SftpStore) -> None:
        step, reached = 0, True
        while reached:
            step += 1
            key = f"in/{step}"
            old = await store.deliver(key, parcel(older), pieces(older), replace=None)
            breaking.left = step
            try:
                await store.deliver(key, parcel(newer, "v2", 2), pieces(newer), replace=old.etag)
            except StoreUnavailable:
                assert breaking.left <= 0
            reached, breaking.left = breaking.left <= 0, 0
            found = await store.examine(key)
            assert found is None or not found.altered
            if found is None:
                assert server is NoReplacing
            elif found.version == "v1":
                assert await whole(store.read_copy(key, if_match=found.etag)) == older
            if found is None or found.version == "v1":
                etag = found.etag if found else None
                await store.deliver(key, parcel(newer, "v2", 2), pieces(newer), replace=etag)
            placed = await examined(store, key)
            assert (placed.version, placed.altered) == ("v2", False)
            assert await whole(store.read_copy(key, if_match=placed.etag)) == newer
        assert step > 15

    on(tmp_path, story, server=server)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_a_write_breaks_it_is_whole_or_not_there(
    tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking(monkeypatch)
    breaking.after = after
    data = b"data" * 50_000

    async def story(store: SftpStore) -> None:
        step, reached = 0, True
        while reached:
            step += 1
            breaking.left = step
            try:
                await store.write(f"{KEY}{step}", pieces(data), size=len(data))
            except StoreUnavailable:
                assert breaking.left <= 0
            reached, breaking.left = breaking.left <= 0, 0
            for key in await listed(store.keys(f"{KEY}{step}")):
                assert await whole(store.read(key)) == data
        assert step > 5
        assert f"{KEY}{step}" in await listed(store.keys())

    on(tmp_path, story)


def test_what_a_killed_writer_left_is_swept_a_day_later(tmp_path: Path) -> None:
    staging = tmp_path / "server" / "inbox" / ".crossdock" / ".staging"
    staging.mkdir(parents=True)
    for name, age in (("old", 86_400 + 60), ("young", 60), ("aside~", 10**6)):
        (staging / name).write_bytes(b"x")
        moment = time.time() - age
        os.utime(staging / name, (moment, moment))

    async def story(store: SftpStore) -> None:
        assert isinstance(store, CanTidy)
        assert await store.tidy() == 1

    on(tmp_path, story)
    assert {path.name for path in staging.iterdir()} == {"young", "aside~"}
