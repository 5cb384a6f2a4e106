"""sFTP servers for the tests: asyncssh's over a temporary folder, as it is and lame in some way."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from asyncssh.constants import FXF_WRITE

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
