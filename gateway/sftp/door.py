"""The sFTP door: listens, counts who is in, and lets each connection be an Arrival."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncssh
from asyncssh import SSHAcceptor, SSHServerChannel

from gateway.exchange import Exchange
from gateway.sftp.acts import Acts
from gateway.sftp.algorithms import OFFERS
from gateway.sftp.arrival import Arrival, Means
from gateway.sftp.channel import NewSession
from gateway.sftp.pace import Pace
from gateway.sftp.recent import Recent
from gateway.sftp.session import Session
from gateway.sftp.visit import Shared, Visit
from gateway.sftp.writing import Slots

KEEPALIVE_SECONDS = 15
"""How often a client is sent something while it waits, for what is on the way not to give it up."""
KEEPALIVES_MAX = 20
IDLE_ROUND_SECONDS = 5.0
PARTS_HELD_MAX = 48
"""Of all files that are being written: 8 MiB each, as a rule."""
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


@dataclass(frozen=True, slots=True)
class Present:
    """Who is in, and how many files they are writing."""

    connections: int = 0
    sessions: int = 0
    writing: int = 0


class SftpDoor:
    def __init__(
        self,
        exchange: Exchange,
        means: Means,
        *,
        host_keys: Sequence[bytes],
        ciphers: str = "modern",
        limits: Limits | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._exchange = exchange
        self._means = means
        self._limits = limits or Limits()
        self._host_keys = [asyncssh.import_private_key(key) for key in host_keys]
        self._offer = OFFERS[ciphers]
        self._ended = ended
        self._slots = Slots(PARTS_HELD_MAX)
        self._shared = Shared({}, Recent(), means.observe, means.clock)
        self._arrivals: set[Arrival] = set()
        self._sessions: set[Session] = set()
        self._users: Counter[str] = Counter()
        self._acceptor: SSHAcceptor | None = None
        self._idling: asyncio.Task[None] | None = None

    # --- start and stop ------------------------------------------------------------------------

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Listens, and returns the port. SSH is its own protection: there is no `context`."""
        self._acceptor = await asyncssh.listen(
            host,
            port,
            server_factory=lambda: Arrival(self._means, self),
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
        self._ended()

    # --- who is in -----------------------------------------------------------------------------

    @property
    def tries_max(self) -> int:
        return self._limits.tries

    @property
    def connections(self) -> int:
        return len(self._arrivals)

    def present(self) -> Present:
        return Present(len(self._arrivals), len(self._sessions), len(self._shared.writing))

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    def admit(self, arrival: Arrival) -> bool:
        if len(self._arrivals) >= self._limits.connections:
            return False
        if not self._means.guard.arrives(arrival.source):
            return False
        self._arrivals.add(arrival)
        return True

    def leave(self, arrival: Arrival) -> None:
        if arrival in self._arrivals:
            self._arrivals.discard(arrival)
            self._means.guard.leaves(arrival.source)

    def room(self, user: str) -> bool:
        """Whether this user may have one more session; it counts until `give_room`."""
        if self._users[user] >= self._limits.per_user:
            return False
        self._users[user] += 1
        return True

    def give_room(self, user: str) -> None:
        self._users[user] -= 1
        if not self._users[user]:
            del self._users[user]

    async def _close_idle(self) -> None:
        """A connection is idle while it asks for nothing, and nothing that it asked for is under
        way."""
        while True:
            await asyncio.sleep(IDLE_ROUND_SECONDS)
            before = self._means.clock() - int(self._limits.idle_s * S_NS)
            for arrival in tuple(self._arrivals):
                if arrival.idle_since(before) and arrival.connection is not None:
                    arrival.connection.close()

    def session(self, arrival: Arrival) -> NewSession:
        def new(channel: SSHServerChannel[bytes]) -> Session:
            began = self._means.clock() // S_NS
            visit = Visit(
                *(self._exchange, arrival.standing, self._means.habits_of, self._shared), began
            )
            session = Session(
                channel,
                visit,
                Acts(visit, self._slots),
                Pace(self._limits.rate, self._means.ticks, asyncio.sleep),
                files_max=self._limits.files,
                over=lambda: self._means.guard.over_limit(arrival.source),
                left=self._sessions.discard,
                measure=self._means.measure,
                arrival=arrival,
                ticks=self._means.ticks,
            )
            self._sessions.add(session)
            return session

        return new
