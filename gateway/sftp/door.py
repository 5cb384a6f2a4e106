"""The sFTP door: listens, counts who is in, and lets each connection be an Arrival."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import asyncssh
from asyncssh import SSHAcceptor, SSHServerChannel

from gateway.exchange import Exchange
from gateway.logins import Login
from gateway.model import Event
from gateway.sftp.acts import Acts
from gateway.sftp.algorithms import OFFERS
from gateway.sftp.arrival import Arrival, Guards, Means
from gateway.sftp.channel import NewSession
from gateway.sftp.pace import Pace
from gateway.sftp.recent import Recent
from gateway.sftp.session import Session
from gateway.sftp.visit import HabitsOf, Shared, Visit
from gateway.sftp.writing import Slots

KEEPALIVE_SECONDS = 15
"""How often a client is sent something while it waits, for what is on the way not to give it up."""
KEEPALIVES_MAX = 20
IDLE_ROUND_SECONDS = 5.0
PARTS_HELD_MAX = 48
"""Of all files that are being written: 8 MiB each, as a rule."""
SESSIONS_PER_CONNECTION = 10
WINDOW_BYTES = 4 * 1024**2
S_NS = 10**9


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts, and times in seconds; `rate` is in bytes a second, 0 for none."""

    connections: int = 250
    per_user: int = 32
    files: int = 64
    rate: int = 0
    idle_s: float = 1800
    login_s: float = 30
    tries: int = 6


class SourceGuard(Guards, Protocol):
    """Also asked whether a source may come at all."""

    def arrives(self, source: str) -> bool: ...
    def leaves(self, source: str) -> None: ...


class SftpDoor:
    def __init__(
        self,
        exchange: Exchange,
        *,
        lookup: Callable[[str], Login | None],
        matches: Callable[[str, bytes | None], Awaitable[bool]],
        habits_of: HabitsOf,
        guard: SourceGuard,
        observe: Callable[[Event], None],
        stranger: Callable[[str], None],
        clock: Callable[[], int],
        ticks: Callable[[], float],
        ids: Callable[[], str],
        host_keys: Sequence[bytes],
        ciphers: str = "modern",
        limits: Limits | None = None,
    ) -> None:
        self._exchange = exchange
        self._guard = guard
        self._ticks = ticks
        self._clock = clock
        self._limits = limits or Limits()
        self._host_keys = [asyncssh.import_private_key(key) for key in host_keys]
        self._offer = OFFERS[ciphers]
        self._habits_of = habits_of
        self._slots = Slots(PARTS_HELD_MAX)
        self._shared = Shared({}, Recent())
        self._arrivals: set[Arrival] = set()
        self._sessions: set[Session] = set()
        self._acceptor: SSHAcceptor | None = None
        self._idling: asyncio.Task[None] | None = None
        self._means = Means(
            lookup=lookup,
            matches=matches,
            guard=guard,
            observe=observe,
            stranger=stranger,
            clock=clock,
            ids=ids,
            session=self._session,
            tries_max=self._limits.tries,
            sessions_max=SESSIONS_PER_CONNECTION,
            admit=self._admit,
            leave=self._leave,
        )

    # --- start and stop ------------------------------------------------------------------------

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Listens, and returns the port. SSH is its own protection: there is no `context`."""
        self._acceptor = await asyncssh.listen(
            host,
            port,
            server_factory=lambda: Arrival(self._means),
            server_host_keys=self._host_keys,
            encryption_algs=self._offer.ciphers,
            kex_algs=self._offer.exchanges,
            mac_algs=self._offer.macs,
            signature_algs=self._offer.signatures,
            compression_algs=None,
            server_version="Crossdock",
            login_timeout=self._limits.login_s,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVES_MAX,
            allow_pty=False,
            line_editor=False,
            agent_forwarding=False,
            x11_forwarding=False,
            gss_host=None,
            window=WINDOW_BYTES,
        )
        self._idling = asyncio.create_task(self._close_idle())
        return self._acceptor.get_port()

    async def stop(self, grace_s: float) -> None:
        """Takes no more connections, ends those that there are as if their clients were gone, and
        waits until what they wrote is kept."""
        if self._acceptor is None:
            return
        self._acceptor.close()
        if self._idling is not None:
            self._idling.cancel()
        for arrival in tuple(self._arrivals):
            if arrival.connection is not None:
                arrival.connection.abort()
        ending = [asyncio.create_task(each.ended.wait()) for each in self._sessions]
        if ending:
            _, late = await asyncio.wait(ending, timeout=grace_s)
            for each in late:
                each.cancel()
        await self._acceptor.wait_closed()

    # --- who is in -----------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        return len(self._arrivals)

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    def _admit(self, arrival: Arrival) -> bool:
        if len(self._arrivals) >= self._limits.connections:
            return False
        if not self._guard.arrives(arrival.source):
            return False
        self._arrivals.add(arrival)
        return True

    def _leave(self, arrival: Arrival) -> None:
        if arrival in self._arrivals:
            self._arrivals.discard(arrival)
            self._guard.leaves(arrival.source)

    async def _close_idle(self) -> None:
        """A connection is idle while it asks for nothing, and nothing that it asked for is under
        way."""
        while True:
            await asyncio.sleep(IDLE_ROUND_SECONDS)
            before = self._clock() - int(self._limits.idle_s * S_NS)
            for arrival in tuple(self._arrivals):
                if arrival.busy_until < before and arrival.connection is not None:
                    arrival.connection.close()

    def _session(self, arrival: Arrival) -> NewSession:
        def new(channel: SSHServerChannel[bytes]) -> Session:
            visit = Visit(self._exchange, arrival.standing, self._habits_of, self._shared)
            session = Session(
                channel,
                visit,
                Acts(visit, self._slots),
                Pace(self._limits.rate, self._ticks, asyncio.sleep),
                files_max=self._limits.files,
                over=lambda: self._guard.over_limit(arrival.source),
                left=self._sessions.discard,
            )
            self._sessions.add(session)
            return session

        return new
