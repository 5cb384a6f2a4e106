"""The sFTP door of a watched gateway, and a client for each actor."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

import asyncssh

from gateway.habits import USUAL
from gateway.logins import Login, Proof
from gateway.sftp.arrival import Means
from gateway.sftp.door import SftpDoor
from gateway.telemetry import Request
from tests.security.world import Watched

T = TypeVar("T")

STOP_S = 5.0


class NoGuard:
    """Turns nobody away."""

    def arrives(self, source: str) -> bool:
        return True

    def leaves(self, source: str) -> None: ...
    def unknown_user(self, source: str) -> None: ...
    def bad_login(self, source: str) -> None: ...
    def over_limit(self, source: str) -> None: ...


def password_of(user: str) -> str:
    return f"secret of {user}"


async def _matches(password: str, kept: bytes | None) -> bool:
    return kept is not None and password.encode() == kept


class Filing:
    """Users are `party.name`. Clients live on the gateway's own loop."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.requests: list[Request] = []
        self.port = 0
        self._connections: dict[str, asyncssh.SSHClientConnection] = {}
        self._clients: dict[str, asyncssh.SFTPClient] = {}

    def __enter__(self) -> Self:
        self.watched.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.watched.run(self._stop())

    async def _start(self) -> None:
        ids = itertools.count(1)
        means = Means(
            lookup=self._login,
            matches=_matches,
            habits_of=lambda _: USUAL,
            guard=NoGuard(),
            observe=self.watched.events.append,
            stranger=self.watched.strangers.append,
            measure=self.requests.append,
            clock=self.watched.clock,
            ticks=time.monotonic,
            ids=lambda: f"s{next(ids)}",
        )
        key = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
        self.door = SftpDoor(self.watched.exchange, means, host_keys=[key])
        self.port = await self.door.start("127.0.0.1", 0, None)

    async def _stop(self) -> None:
        for connection in self._connections.values():
            connection.abort()
        await self.door.stop(STOP_S)

    def _login(self, user: str) -> Login | None:
        party, _, name = user.partition(".")
        known = self.watched.mesh.parties.get(party)
        spec = known and known.principals.get(name)
        if not spec:
            return None
        kept = (password_of(user).encode(),)
        return Login(user, spec.principal, passwords=kept, proof=Proof.PASSWORD)

    # --- what tests do with it -----------------------------------------------------------------

    def connect(self, user: str, **options: object) -> Awaitable[asyncssh.SSHClientConnection]:
        given = {"password": password_of(user), "client_keys": None} | options
        return asyncssh.connect(
            "127.0.0.1",
            self.port,
            username=user,
            known_hosts=None,
            agent_path=None,
            **given,
        )

    def ask(self, actor: str, act: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """What an actor (`party/name`) does through its session."""

        async def acts() -> T:
            return await act(await self._client(actor.replace("/", ".")))

        return self.watched.run(acts())

    def enter(self, actor: str) -> None:
        """Logs in, if that was not done before."""
        self.watched.run(self._client(actor.replace("/", ".")))

    async def _client(self, user: str) -> asyncssh.SFTPClient:
        if user not in self._clients:
            connection = await self.connect(user)
            self._connections[user] = connection
            self._clients[user] = await connection.start_sftp_client()
        return self._clients[user]
