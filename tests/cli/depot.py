"""A depot for tests: an sFTP server of asyncssh's own over a folder, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "partner", "correct-horse"


class DepotServer:
    """Its files lie in `folder`. `reads` are (path, offset, size) of every read; `before_read` is
    called with these, and may wait. `logins` counts attempts of any kind."""

    def __init__(self, folder: Path, *kinds: str) -> None:
        self.folder = folder
        self.kinds = kinds or ("ssh-ed25519",)
        self.host_keys = [asyncssh.generate_private_key(kind) for kind in self.kinds]
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.reads: list[tuple[str, int, int]] = []
        self.before_read: Callable[[str, int, int], Coroutine[Any, Any, None]] = _at_once
        self.options: dict[str, Any] = {}
        self.logins = 0
        self.sessions = 0
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._acceptor: asyncssh.SSHAcceptor | None = None

    # --- what a caller of it says ----------------------------------------------------------------

    def url(self, path: str = "/") -> str:
        return f"sftp://{USER}@127.0.0.1:{self.port}{path}"

    def fingerprint(self, at: int = 0) -> str:
        return str(self.host_keys[at].get_fingerprint())

    def public_key(self, at: int = 0) -> str:
        return self.host_keys[at].export_public_key().decode()

    def identity(self) -> Path:
        path = self.folder.parent / "identity"
        path.write_bytes(self.client_key.export_private_key())
        path.chmod(0o600)
        return path

    def words(self, target: str, *more: str, path: str = "/") -> tuple[str, ...]:
        """A whole call of the command."""
        pinned = ("--host-key", self.fingerprint(), "--identity", str(self.identity()))
        return ("sftp", "import", self.url(path), target, "--as", "acme", *pinned, *more)

    # --- what lies in it -------------------------------------------------------------------------

    def lay(self, name: str | bytes, content: bytes = b"content", mtime: int = 1354040105) -> None:
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.utime(path, (mtime, mtime))

    # --- running ---------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[DepotServer]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self.run(self._listen())
        try:
            yield self
        finally:
            self.run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def away(self) -> None:
        self.run(self._close())

    def back(self) -> None:
        self.run(self._listen())

    async def _listen(self) -> None:
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=lambda: _Door(self),
            server_host_keys=self.host_keys,
            sftp_factory=lambda channel: _Files(channel, self),
            gss_host=None,
            **self.options,
        )
        self.port = self._acceptor.get_port()

    def hang_up(self) -> None:
        """Ends all connections without a word. To be called in its own thread."""
        for each in self.connections:
            each.abort()

    async def stuck(self, name: str, offset: int, size: int) -> None:
        """For `before_read`: no answer, until the test is over."""
        await self._over.wait()

    async def _end(self) -> None:
        self._over.set()
        await self._close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            await asyncio.wait(rest, timeout=5)

    async def _close(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None


class _Door(asyncssh.SSHServer):
    def __init__(self, depot: DepotServer) -> None:
        self._depot = depot

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._depot.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self._depot.logins += 1
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key == self._depot.client_key.convert_to_public()

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


class _Files(asyncssh.SFTPServer):
    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], depot: DepotServer) -> None:
        super().__init__(channel, chroot=os.fsencode(depot.folder))
        self._depot = depot
        depot.sessions += 1

    async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        name = str(Path(os.fsdecode(file_obj.name)).relative_to(self._depot.folder))
        self._depot.reads.append((name, offset, size))
        await self._depot.before_read(name, offset, size)
        data = super().read(file_obj, offset, size)
        assert isinstance(data, bytes)
        return data


async def _at_once(name: str, offset: int, size: int) -> None:
    return None
