"""The sFTP store, against the servers of asyncssh, OpenSSH and paramiko."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from gateway.stores.sftp import SftpStore
from tests.contract import paramiko_server
from tests.contract.conftest import served
from tests.contract.sftp_servers import (
    ROOT,
    NoDates,
    NoReplacing,
    Overwriting,
    Whole,
    host_key,
    opened,
    secrets,
    serving,
    spec,
)
from tests.contract.store_suite import (
    StoreSuite,
)
from tests.counterparts import servers
from tests.counterparts.servers import Sshd


class OnAsyncssh:
    streams = True
    unheard_of: frozenset[str] = frozenset()

    def __init__(self, folder: Path, server: type[Whole]) -> None:
        self.folder = folder
        self.server = server
        self.inbox = folder / ROOT.strip("/")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SftpStore]:
        async with (
            serving(self.folder, self.server, [host_key()]) as server,
            opened(spec(server.port), secrets(host_key())) as store,
        ):
            yield store

    async def plant(self, store: SftpStore, key: str, data: bytes) -> None:
        path = self.inbox / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def left(self) -> list[Path]:
        return list((self.inbox / ".crossdock" / ".staging").glob("*"))


class OnParamiko(OnAsyncssh):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[SftpStore]:
        self.inbox.mkdir(parents=True, exist_ok=True)
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
        with paramiko_server.serving(self.folder, key) as port:
            async with opened(spec(port), secrets(key)) as store:
                yield store


class TestSftpStoreOnParamiko(StoreSuite):
    @pytest.fixture
    def kind(self, tmp_path: Path) -> Iterator[OnParamiko]:
        kind = OnParamiko(tmp_path / "server", Whole)
        yield kind
        assert not kind.left(), "a staging file was left behind"


class TestSftpStore(StoreSuite):
    @pytest.fixture(params=[Whole, NoReplacing, Overwriting, NoDates])
    def kind(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnAsyncssh]:
        kind = OnAsyncssh(tmp_path / "server", request.param)
        yield kind
        assert {path.name for path in (tmp_path / "server").glob("*")} <= {"inbox"}
        assert not kind.left(), "a staging file was left behind"


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    yield from served(servers.sshd())


class OnOpenssh:
    streams = True
    unheard_of: frozenset[str] = frozenset()

    def __init__(self, server: Sshd, folder: Path) -> None:
        self.server = server
        self.inbox = folder

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SftpStore]:
        about = dataclasses.replace(spec(self.server.port, str(self.inbox)), user=self.server.user)
        key = self.server.key.read_text()
        async with opened(about, {"host_key": self.server.host_key, "key": key}) as store:
            yield store

    async def plant(self, store: SftpStore, key: str, data: bytes) -> None:
        path = self.inbox / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class TestSftpStoreOnOpenssh(StoreSuite):
    @pytest.fixture
    def kind(self, sshd: Sshd, request: pytest.FixtureRequest) -> Iterator[OnOpenssh]:
        folder = sshd.folder / f"{abs(hash(request.node.nodeid)):x}"
        folder.mkdir()
        shutil.chown(folder, sshd.user)
        yield OnOpenssh(sshd, folder)
        assert not list((folder / ".crossdock" / ".staging").glob("*"))
