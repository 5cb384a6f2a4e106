"""The one way to somebody's sFTP server: none but the one whose host key is known hears a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import asyncssh

from gateway.stores.sftp_pins import Pins

CONNECT_SECONDS = 20.0
KEEPALIVE_SECONDS = 15.0
KEEPALIVES_MISSED_MAX = 3
TRIES = 3
CIPHERS = (
    *("aes128-gcm@openssh.com", "aes256-gcm@openssh.com"),
    *("aes128-ctr", "aes192-ctr", "aes256-ctr", "chacha20-poly1305@openssh.com"),
)
"""The fast ones first: the others cost twice the time or more."""
OLD_CIPHERS = ("aes256-cbc", "aes128-cbc", "3des-cbc")
OLD_EXCHANGES = ("diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1")


@dataclass(frozen=True, slots=True)
class Where:
    """The server, and who we are there."""

    host: str
    port: int
    user: str
    pins: Pins
    key: asyncssh.SSHKey | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    legacy: bool = False  # it is so old that it knows nothing better


async def dial(
    where: Where, kind: Sequence[str], shown: list[asyncssh.SSHKey]
) -> asyncssh.SSHClientConnection:
    """A connection that is logged in. The server is asked for a host key of that kind (of any,
    without one); the one that it shows is added to `shown`. Nothing of the SSH set-up of whoever
    runs this counts. Raises asyncssh's errors: HostKeyNotVerifiable unless the key is pinned,
    KeyExchangeFailed where the server has none of that kind.

    Such a server may hang up before what it says of that is read: so it is asked again, to tell
    that from a line that is down."""
    for _ in range(TRIES - 1):
        known = len(shown)
        try:
            return await _dial(where, kind, shown)
        except asyncssh.ConnectionLost:
            if not kind or len(shown) > known:
                raise
    return await _dial(where, kind, shown)


async def _dial(
    where: Where, kind: Sequence[str], shown: list[asyncssh.SSHKey]
) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        where.host,
        where.port,
        username=where.user,
        client_factory=_knowing(where.pins, shown),
        known_hosts=_nobody,
        server_host_key_algs=kind or (),
        client_keys=[where.key] if where.key else None,
        password=where.password,
        agent_path=None,
        config=None,
        gss_host=None,
        encryption_algs=[*CIPHERS, *(OLD_CIPHERS if where.legacy else ())],
        kex_algs=f"+{','.join(OLD_EXCHANGES)}" if where.legacy else (),
        compression_algs=None,
        utf8_decode_errors="replace",
        connect_timeout=CONNECT_SECONDS,
        login_timeout=CONNECT_SECONDS,
        keepalive_interval=KEEPALIVE_SECONDS,
        keepalive_count_max=KEEPALIVES_MISSED_MAX,
    )


def _knowing(pins: Pins, shown: list[asyncssh.SSHKey]) -> Callable[[], asyncssh.SSHClient]:
    return lambda: _Knowing(pins, shown)


class _Knowing(asyncssh.SSHClient):
    """Knows the pinned keys alone."""

    def __init__(self, pins: Pins, shown: list[asyncssh.SSHKey]) -> None:
        self._pins = pins
        self._shown = shown

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self._shown.append(key)
        return key.get_fingerprint() in self._pins.fingerprints


def _nobody(_host: str, _address: str, _port: int | None) -> Sequence[Sequence[str]]:
    """The known hosts of whoever runs this count for nothing."""
    return ([], [], [])
