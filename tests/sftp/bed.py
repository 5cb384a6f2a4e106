"""A whole world behind a real sFTP door on loopback, and real clients that come to it."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gateway.exchange import Span, Staged
from gateway.habits import USUAL, Habits
from gateway.logins import Login
from gateway.model import Caller
from gateway.sftp.arrival import Means
from gateway.sftp.door import Limits, SftpDoor
from gateway.telemetry import Request
from tests.model.world import World, caller, ref

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, principals: [{name: erp}, {name: reader, may: read}]}
  globex: {store: {type: file, path: g}, principals: [{name: erp}]}
  hooli: {principals: [{name: erp}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["in/**", "out/**"]}, globex: {write: ["acks/**"]}}}
  vault: {owner: acme, members: {acme: {write: ["**"]}}}
"""
SENDS = 'party: acme\nsends:\n  - {bucket: orders, keys: ["in/**"], to: {globex: copy}}\n'
INTO = (
    "party: globex\naccepts:\n"
    '  - {from: [acme], bucket: orders, into: "in/{bucket}/{key}", consume: true}\n'
)
FILES = {"topology.yaml": TOPOLOGY, "acme.yaml": SENDS, "globex.yaml": INTO}
PASSWORD = "correct horse battery"
RUN_SECONDS = 60


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class FakeGuard:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.shut = False

    def arrives(self, source: str) -> bool:
        return not self.shut

    def leaves(self, source: str) -> None:
        self.said.append("left")

    def unknown_user(self, source: str) -> None:
        self.said.append("unknown")

    def bad_login(self, source: str) -> None:
        self.said.append("bad")

    def over_limit(self, source: str) -> None:
        self.said.append("over")


async def _matches(password: str, kept: bytes | None) -> bool:
    return kept is not None and password.encode() == kept


class Bed(World):
    """Users are `party.name`; each has a key of its own, and the same password."""

    def __init__(
        self,
        folder: Path,
        policies: dict[str, str] | None = None,
        *,
        ciphers: str = "modern",
        host_kind: str = "ssh-ed25519",
        **limits: Any,
    ) -> None:
        super().__init__(policies or FILES)
        self.folder = folder
        self.habits: dict[str, Habits] = {}
        self.logins: dict[str, Login] = {}
        self.strangers: list[str] = []
        self.requests: list[Request] = []
        self.guard = FakeGuard()
        for party, name in (("acme", "erp"), ("acme", "reader"), ("globex", "erp")):
            self.logins[f"{party}.{name}"] = self._login(party, name)
        host = asyncssh.generate_private_key(host_kind)
        self.door = self.new_door(host.export_private_key(), Limits(**limits), ciphers)
        self.port = self.run(self.door.start("127.0.0.1", 0, None))
        line = host.export_public_key().decode().strip()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {line}\n")

    def new_door(self, host_key: bytes, limits: Limits, ciphers: str) -> SftpDoor:
        ids = itertools.count(1)
        means = Means(
            lookup=self.logins.get,
            matches=_matches,
            habits_of=lambda who: self.habits.get(f"{who.party}.{who.name}", USUAL),
            guard=self.guard,
            observe=self.events.append,
            stranger=self.strangers.append,
            measure=self.requests.append,
            clock=lambda: self.now,
            ticks=time.monotonic,
            ids=lambda: f"s{next(ids)}",
        )
        return SftpDoor(
            self.exchange,
            means,
            host_keys=[host_key],
            ciphers=ciphers,
            limits=limits,
        )

    def _login(self, party: str, name: str) -> Login:
        key = asyncssh.generate_private_key("ssh-ed25519")
        path = self.folder / f"{party}.{name}"
        path.write_bytes(key.export_private_key())
        path.chmod(0o600)
        known = self.mesh.parties[party].principals[name].principal
        line = key.export_public_key().decode().strip()
        user = f"{party}.{name}"
        return Login(user, known, keys=(line,), passwords=(PASSWORD.encode(),))

    def admit(self, *users: str) -> None:
        """Gives logins to more principals of the topology."""
        for user in users:
            self.logins[user] = self._login(*user.split("."))

    def change(self, user: str, **fields: Any) -> None:
        self.logins[user] = replace(self.logins[user], **fields)

    def close(self) -> None:
        self.run(self.door.stop(5))
        super().close()

    # --- clients -------------------------------------------------------------------------------

    @property
    def options(self) -> list[str]:
        said = {
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
        }
        return [f"-o{name}={value}" for name, value in said.items()]

    def batch(self, *lines: str, user: str = "acme.erp", args: Sequence[str] = ()) -> Ran:
        """OpenSSH's sftp with a batch file."""
        if shutil.which("sftp") is None:
            pytest.skip("OpenSSH's sftp is not installed")
        file = self.folder / "batch"
        file.write_text("\n".join(lines) + "\n")
        where = ["-P", str(self.port), "-i", str(self.folder / user), *self.options, *args]
        return self.run(self.ran("sftp", *where, "-b", str(file), f"{user}@127.0.0.1"))

    async def ran(self, *command: str, give_up: float = RUN_SECONDS) -> Ran:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
        )
        out, err = await asyncio.wait_for(process.communicate(), give_up)
        return Ran(process.returncode or 0, out.decode(), err.decode())

    @asynccontextmanager
    async def connection(
        self, user: str = "acme.erp", **options: Any
    ) -> AsyncIterator[asyncssh.SSHClientConnection]:
        given = {"client_keys": [str(self.folder / user)], "password": None} | options
        async with asyncssh.connect(
            "127.0.0.1",
            self.port,
            username=user,
            known_hosts=str(self.folder / "known_hosts"),
            agent_path=None,
            **given,
        ) as connection:
            yield connection

    @asynccontextmanager
    async def client(
        self, user: str = "acme.erp", **options: Any
    ) -> AsyncIterator[asyncssh.SFTPClient]:
        async with (
            self.connection(user, **options) as connection,
            connection.start_sftp_client() as sftp,
        ):
            yield sftp

    async def serves_others(self) -> None:
        async with self.client("globex.erp") as sftp:
            assert "orders" in await sftp.listdir("/")

    async def left(self) -> None:
        """Returns once every session has ended."""
        for _ in range(3000):
            if not self.door.connections and not self.door.sessions:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("a session does not end")

    # --- what came of it -----------------------------------------------------------------------

    def local(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return name

    def keys(self, party: str, bucket: str = "orders") -> list[str]:
        page = self.run(self.exchange.listing.keys(caller(party), bucket, Span()))
        return [entry.key for entry in page.entries]

    def versions(self, key: str) -> int:
        return len(self.run(self.catalog.story(ref(key))))

    def standing(self, user: str = "acme.erp") -> Caller:
        return Caller(self.logins[user].principal, "test", "r")

    def drafts(self, user: str = "acme.erp") -> Sequence[Staged]:
        return self.run(self.exchange.staging.page(self.standing(user), "orders", ""))

    def staged(self, user: str = "acme.erp") -> list[str]:
        return [each.upload.ref.key for each in self.drafts(user)]
