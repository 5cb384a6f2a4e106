"""A depot: somebody's sFTP server that files come from. How it is named, trusted and reached.

Its host key is pinned: nothing is sent to a server that shows another one, not even a name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

import asyncssh

from gateway.errors import BadInput, DepotUnavailable, HostKeyDiffers, HostKeyUnknown
from gateway.identity import Secret

T = TypeVar("T")

PORT = 22
CONNECT_SECONDS_MAX = 20.0
"""For the connection, and again for the login."""
KEEPALIVE_SECONDS = 15
KEEPALIVES_LOST_MAX = 4
FAST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr")
"""What is asked for first: the other ciphers cost twice the time or more."""
FAMILIES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
)
"""The host keys that a server may have beside each other, each with its signatures: one that is
pinned by its fingerprint alone is asked for one by one."""

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
_USER_AND_HOST = "expected sftp://USER@HOST[:PORT]/PATH"


@dataclass(frozen=True, slots=True)
class Depot:
    """Where it is, whom it knows us as, and the folder in it. Paths are bytes, as they are in
    SFTP."""

    user: str
    host: str
    port: int
    path: bytes

    @property
    def place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Access:
    """What proves who we are: a private key (OpenSSH or PEM text), or a password."""

    identity: Secret = field(default_factory=lambda: Secret(""))
    password: Secret = field(default_factory=lambda: Secret(""))
    passphrase: Secret = field(default_factory=lambda: Secret(""))

    @property
    def given(self) -> bool:
        return bool(self.identity.reveal() or self.password.reveal())


@dataclass(frozen=True, slots=True)
class Pin:
    """The host keys that are trusted, by fingerprint, and the families that they may be of."""

    fingerprints: frozenset[str] = frozenset()
    families: tuple[tuple[str, ...], ...] = ()


def depot_of(text: str) -> Depot:
    """sftp://USER@HOST[:PORT]/PATH, percent-encoded where it must be; `/~/PATH` counts from the
    user's own folder. BadInput says what is wrong."""
    try:
        parts = urlsplit(text)
        port = parts.port or PORT
    except ValueError as error:
        raise BadInput(f"{text}: {error}; {_USER_AND_HOST}") from None
    if parts.password is not None:
        raise BadInput("an address holds no password; give --password-from env:NAME or file:PATH")
    if parts.scheme != "sftp" or not parts.hostname or not parts.username:
        raise BadInput(f"{text} is no depot; {_USER_AND_HOST}")
    if parts.query or parts.fragment:
        raise BadInput(f"{text}: write ? as %3F and # as %23; {_USER_AND_HOST}")
    path = unquote_to_bytes(parts.path or "/")
    if b"\0" in path:
        raise BadInput(f"{text}: a path can't contain the character NUL")
    path = path[3:] or b"." if path.startswith(b"/~/") else path
    user = unquote_to_bytes(parts.username).decode("utf-8", "replace")
    return Depot(user, parts.hostname, port, path.rstrip(b"/") or b"/")


def pin_of(text: str, depot: Depot) -> Pin:
    """A fingerprint (`SHA256:…`), public keys (`ssh-ed25519 AAAA…`, one a line), or lines as of
    known_hosts, of which those count that name this host. BadInput if there is nothing of that."""
    text = text.strip()
    if _FINGERPRINT.fullmatch(text):
        return Pin(frozenset({text.rstrip("=")}), ((), *FAMILIES))
    keys = list(_keys(text, depot))
    if not keys:
        raise BadInput(
            f"no host key of {depot.place} is given: expected SHA256:…, a public key as "
            "`ssh-ed25519 AAAA…`, or a file with such lines or of the form of known_hosts"
        )
    families = tuple(each for each in FAMILIES if any(_name(key) in each for key in keys))
    return Pin(frozenset(key.get_fingerprint() for key in keys), families or ((),))


def _keys(text: str, depot: Depot) -> Iterator[asyncssh.SSHKey]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        yield from [asyncssh.import_public_key(line) for line in lines]
        return
    except asyncssh.KeyImportError:
        pass  # then they are lines of known_hosts
    try:
        known = asyncssh.import_known_hosts("\n".join(lines) + "\n")
    except ValueError:
        return
    port = None if depot.port == PORT else depot.port
    yield from known.match(depot.host, "", port)[0]


def _name(key: asyncssh.SSHKey) -> str:
    return key.get_algorithm()


@dataclass(frozen=True, slots=True)
class Session:
    """`abandon` ends the connection without a word, so that no answer is waited for any more."""

    client: asyncssh.SFTPClient
    abandon: Callable[[], None]


class _Client(asyncssh.SSHClient):
    """Trusts what is pinned, and remembers what it was shown."""

    def __init__(self, pin: Pin) -> None:
        self._pin = pin
        self.offered: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.offered = key
        return key.get_fingerprint() in self._pin.fingerprints


async def visit(
    depot: Depot, access: Access, pin: Pin, work: Callable[[Session], Awaitable[T]]
) -> T:
    """Does something in a session, with paths as bytes. Raises as `opened`. Cancelled, it takes the
    connection away first: a server that does not answer must not hold up the end."""
    connection = await opened(depot, access, pin)
    try:
        try:
            client = await connection.start_sftp_client(path_encoding=None)
        except (OSError, asyncssh.Error) as error:
            raise DepotUnavailable(f"{depot.place} offers no sFTP: {_reason(error)}") from error
        doing = asyncio.ensure_future(work(Session(client, connection.abort)))
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            connection.abort()
            doing.cancel()
            await asyncio.wait((doing,))
            raise
    finally:
        connection.close()
        await connection.wait_closed()


async def opened(depot: Depot, access: Access, pin: Pin) -> asyncssh.SSHClientConnection:
    """A connection that is logged in. Raises HostKeyUnknown where nothing is pinned,
    HostKeyDiffers, BadInput where the login is refused, DepotUnavailable. The families of keys that
    the pinned one may be of are tried until the server shows it."""
    proof = _proof(access)
    shown: dict[str, asyncssh.SSHKey] = {}
    for family in pin.families or ((),):
        client = _Client(pin)
        try:
            return await _connection(depot, proof, client, family)
        except asyncssh.HostKeyNotVerifiable:
            if client.offered is not None:
                shown[client.offered.get_fingerprint()] = client.offered
        except asyncssh.PermissionDenied as error:
            raise BadInput(
                f"{depot.place} does not let {depot.user} in: it refused the key or password"
            ) from error
        except asyncssh.KeyExchangeFailed as error:
            if family is pin.families[-1] and not shown:
                raise DepotUnavailable(_unreached(depot, error)) from error
        except (OSError, TimeoutError, asyncssh.Error) as error:
            raise DepotUnavailable(_unreached(depot, error)) from error
    raise _distrust(depot, pin, shown.values())


async def _connection(
    depot: Depot, proof: dict[str, object], client: _Client, family: tuple[str, ...]
) -> asyncssh.SSHClientConnection:
    """Nothing of this machine's own SSH set-up counts: no config file, agent or key of a user."""
    return await asyncssh.connect(
        depot.host,
        depot.port,
        config=None,
        username=depot.user,
        client_factory=lambda: client,
        known_hosts=([], [], []),
        agent_path=None,
        encryption_algs="^" + ",".join(FAST),
        server_host_key_algs=list(family) or (),
        compression_algs=None,
        connect_timeout=CONNECT_SECONDS_MAX,
        login_timeout=CONNECT_SECONDS_MAX,
        keepalive_interval=KEEPALIVE_SECONDS,
        keepalive_count_max=KEEPALIVES_LOST_MAX,
        **proof,
    )


def _proof(access: Access) -> dict[str, object]:
    password = access.password.reveal()
    if not access.identity.reveal():
        return {"client_keys": None, "password": password}
    try:
        passphrase = access.passphrase.reveal() or None
        key = asyncssh.import_private_key(access.identity.reveal(), passphrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise BadInput(f"the identity is no private key that can be used: {error}") from None
    return {"client_keys": [key], "password": password or None}


def _distrust(depot: Depot, pin: Pin, shown: Iterable[asyncssh.SSHKey]) -> BadInput:
    offered = "\n".join(f"  {_line(key)}\n  {key.get_fingerprint()}" for key in shown)
    if not pin.fingerprints:
        return HostKeyUnknown(
            f"the host key of {depot.place} is not pinned. It offers\n{offered}\n"
            "Compare that with what its operator tells you on another way; if it is the same, give "
            "one of the two lines as --host-key. Nothing was sent"
        )
    pinned = "\n".join(f"  {each}" for each in sorted(pin.fingerprints))
    return HostKeyDiffers(
        f"the host key of {depot.place} is not the one that is pinned. It offers\n{offered}\n"
        f"and pinned is\n{pinned}\n"
        "Somebody may stand in between, or the server has a new key: ask its operator. Nothing was "
        "sent"
    )


def _line(key: asyncssh.SSHKey) -> str:
    algorithm, value = key.export_public_key().decode().split()[:2]
    return f"{algorithm} {value}"


def _unreached(depot: Depot, error: BaseException) -> str:
    return f"{depot.place} can't be reached: {_reason(error)}"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS_MAX:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def below(folder: bytes, name: bytes) -> bytes:
    """The path of a name in a folder; b"" is the folder that is meant without saying so."""
    return folder.rstrip(b"/") + b"/" + name if folder else name
