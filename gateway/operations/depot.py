"""A depot: somebody's sFTP server that files come from. How it is named, trusted and reached.

Its host key is pinned: nothing is sent to a server that shows another one, not even a name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

import asyncssh

from gateway.errors import BadInput, DepotUnavailable, HostKeyDiffers, HostKeyUnknown
from gateway.identity import Secret
from gateway.stores.sftp_dial import CONNECT_SECONDS, Where, dial
from gateway.stores.sftp_pins import Pins, pins_of

T = TypeVar("T")

PORT = 22
SAID_CHARS_MAX = 500
_BARE = re.compile(r"#.*|SHA256:.*|ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp\d+")
"""What a line begins with that names no host."""
_USER_AND_HOST = "expected sftp://USER@HOST[:PORT]/PATH"


@dataclass(frozen=True, slots=True)
class Depot:
    """Where it is, whom it knows us as, and the folder in it. Paths are bytes, as they are in
    SFTP. `legacy`: it knows nothing better than CBC modes and SHA-1."""

    user: str
    host: str
    port: int
    path: bytes
    legacy: bool = False

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


UNKNOWN = Pins(frozenset(), ())
"""No key is trusted, so a server can only show its own."""


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


def pins_for(text: str, depot: Depot) -> Pins:
    """A fingerprint or public keys, as pins_of takes them; of lines as of known_hosts those alone
    that name this host, hashed or not. ConfigError, BadInput where there is nothing of that."""
    words = [line.split()[0] for line in text.splitlines() if line.split()]
    if all(_BARE.fullmatch(word) for word in words):
        return pins_of(text)
    try:
        known = asyncssh.import_known_hosts(text.rstrip("\n") + "\n")
    except ValueError as error:
        raise BadInput(f"the host key's file is not of the form of known_hosts: {error}") from None
    port = None if depot.port == PORT else depot.port
    keys = known.match(depot.host, "", port)[0]
    if not keys:
        raise BadInput(f"the host key's file names no key of {depot.place}")
    return pins_of("\n".join(_line(key) for key in keys))


@dataclass(frozen=True, slots=True)
class Session:
    """`abandon` ends the connection without a word, so that no answer is waited for any more."""

    client: asyncssh.SFTPClient
    abandon: Callable[[], None]


async def visit(
    depot: Depot, access: Access, pins: Pins, work: Callable[[Session], Awaitable[T]]
) -> T:
    """Does something in a session, with paths as bytes. Raises as `opened`. Cancelled, it takes the
    connection away first: a server that does not answer must not hold up the end."""
    connection = await opened(depot, access, pins)
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


async def opened(depot: Depot, access: Access, pins: Pins) -> asyncssh.SSHClientConnection:
    """A connection that is logged in. Raises HostKeyUnknown where nothing is pinned,
    HostKeyDiffers, BadInput where the login is refused, DepotUnavailable."""
    where = Where(depot.host, depot.port, depot.user, pins, *_proof(access), depot.legacy)
    shown: list[asyncssh.SSHKey] = []
    ended: asyncssh.Error | None = None
    for kind in pins.kinds or ((),):
        try:
            return await dial(where, kind, shown)
        except asyncssh.HostKeyNotVerifiable:
            continue  # it may have one of another kind, too
        except asyncssh.PermissionDenied as error:
            raise BadInput(
                f"{depot.place} does not let {depot.user} in: it refused the key or password"
            ) from error
        except asyncssh.KeyExchangeFailed as error:
            ended = error
        except (OSError, asyncssh.Error) as error:
            raise DepotUnavailable(_unreached(depot, error)) from error
    if ended is not None and not shown:
        old = "" if depot.legacy else "; an old server may need --ciphers legacy"
        raise DepotUnavailable(_unreached(depot, ended) + old) from ended
    raise _distrust(depot, pins, shown)


def _proof(access: Access) -> tuple[asyncssh.SSHKey | None, str | None]:
    password = access.password.reveal() or None
    if not access.identity.reveal():
        return None, password
    try:
        passphrase = access.passphrase.reveal() or None
        return asyncssh.import_private_key(access.identity.reveal(), passphrase), password
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise BadInput(f"the identity is no private key that can be used: {error}") from None


def _distrust(depot: Depot, pins: Pins, shown: Sequence[asyncssh.SSHKey]) -> BadInput:
    offered = "\n".join(f"  {_line(key)}\n  {key.get_fingerprint()}" for key in shown)
    if not pins.fingerprints:
        return HostKeyUnknown(
            f"the host key of {depot.place} is not pinned. It offers\n{offered}\n"
            "Compare that with what its operator tells you on another way; if it is the same, give "
            "one of the two lines as --host-key. Nothing was sent"
        )
    pinned = "\n".join(f"  {each}" for each in sorted(pins.fingerprints))
    return HostKeyDiffers(
        f"the host key of {depot.place} is not the one that is pinned. It offers\n{offered}\n"
        f"and pinned is\n{pinned}\n"
        "Somebody may stand in between, or the server has a new key: ask its operator. Nothing was "
        "sent"
    )


def _line(key: asyncssh.SSHKey) -> str:
    algorithm, value = key.export_public_key().decode().split()[:2]
    return f"{algorithm} {value}"


def _unreached(depot: Depot, error: Exception) -> str:
    return f"{depot.place} can't be reached: {_reason(error)}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(str(error) or type(error).__name__)


def printable(text: str) -> str:
    """A stranger's words: as many as a line takes, and none that steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text[:SAID_CHARS_MAX])


def below(folder: bytes, name: bytes) -> bytes:
    """The path of a name in a folder; b"" is the folder that is meant without saying so."""
    return folder.rstrip(b"/") + b"/" + name if folder else name
