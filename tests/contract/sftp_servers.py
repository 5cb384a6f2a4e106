"""sFTP servers for the tests, asyncssh's over a temporary folder, and stores on them."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncssh
from asyncssh.constants import FXF_WRITE

from gateway.policy.mesh import StoreSpec
from gateway.stores.build import build
from gateway.stores.sftp import SftpStore
from tests.contract.store_suite import (
    parcel,
    pieces,
)

USER, PASSWORD = "acme", "a word"
ROOT = "/inbox"


class Whole(asyncssh.SFTPServer):
    """A server as asyncssh has it, whose clients see `folder` alone."""

    folder = ""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(channel, chroot=self.folder.encode())


class NoReplacing(Whole):
    """A rename never replaces a file here."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("no posix-rename here")


class Overwriting(NoReplacing):
    """A rename goes over whatever is there, against the protocol's word."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        os.replace(self.map_path(oldpath), self.map_path(newpath))


class NoDates(Whole):
    """As a server over an object store: no date is taken, and nothing is synced."""

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        raise asyncssh.SFTPFailure("no")

    def fsync(self, file_obj: object) -> None:
        raise asyncssh.SFTPOpUnsupported("no fsync here")


class Full(Whole):
    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class Closed(Whole):
    """Everything may be read, nothing written."""

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        raise asyncssh.SFTPPermissionDenied("no")

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if pflags & FXF_WRITE:
            raise asyncssh.SFTPPermissionDenied("no")
        return super().open(path, pflags, attrs)


class Door(asyncssh.SSHServer):
    """Lets USER in with PASSWORD, or with a key of `keys`."""

    def __init__(
        self, keys: frozenset[str], connections: list[asyncssh.SSHServerConnection]
    ) -> None:
        self._keys = keys
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.get_fingerprint() in self._keys


@dataclass(frozen=True)
class Served:
    server: asyncssh.SSHAcceptor
    connections: list[asyncssh.SSHServerConnection]

    @property
    def port(self) -> int:
        return self.server.get_port()

    def dies(self) -> None:
        self.server.close()
        self.breaks()

    def breaks(self) -> None:
        """Every connection; others may come."""
        for connection in self.connections:
            connection.abort()


@asynccontextmanager
async def serving(
    folder: Path,
    kind: type[Whole],
    host_keys: list[asyncssh.SSHKey],
    keys: frozenset[str] = frozenset(),
    port: int = 0,
) -> AsyncIterator[Served]:
    (folder / ROOT.strip("/")).mkdir(parents=True, exist_ok=True)
    here = type(kind.__name__, (kind,), {"folder": str(folder)})
    connections: list[asyncssh.SSHServerConnection] = []
    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=host_keys,
        server_factory=lambda: Door(keys, connections),
        sftp_factory=here,
    )
    try:
        yield Served(server, connections)
    finally:
        server.close()
        await server.wait_closed()


# --- stores on them ------------------------------------------------------------------------------


@cache  # it takes a while to make one
def host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def spec(port: int, path: str = ROOT) -> StoreSpec:
    return StoreSpec("p", "home", "sftp", host="127.0.0.1", port=port, user=USER, path=path)


def secrets(key: asyncssh.SSHKey) -> dict[str, str]:
    return {"host_key": key.get_fingerprint(), "password": PASSWORD}


@asynccontextmanager
async def opened(about: StoreSpec, credentials: dict[str, str]) -> AsyncIterator[SftpStore]:
    store = build(about, credentials, ThreadPoolExecutor(1))
    assert isinstance(store, SftpStore)
    try:
        yield store
    finally:
        await store.aclose()


def on(
    tmp_path: Path,
    story: Callable[[SftpStore], Awaitable[None]],
    *,
    server: type[Whole] = Whole,
    credentials: Mapping[str, str] | None = None,
    path: str = ROOT,
    host_keys: Sequence[asyncssh.SSHKey] = (),
    logins: frozenset[str] = frozenset(),
) -> None:
    async def main() -> None:
        keys = list(host_keys) or [host_key()]
        async with (
            serving(tmp_path / "server", server, keys, logins) as listening,
            opened(spec(listening.port, path), dict(credentials or secrets(host_key()))) as store,
        ):
            await story(store)

    asyncio.run(main())


async def delivers(store: SftpStore, key: str = "in/x", data: bytes = b"data") -> None:
    await store.deliver(key, parcel(data), pieces(data), replace=None)
