"""Who may come in through SSH: what a login takes, passwords, public keys."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType

from gateway.errors import BadInput, ConfigError
from gateway.model import Principal

Network = IPv4Network | IPv6Network
Random = Callable[[int], bytes]

PASSWORD_CHARS_MIN = 8
PASSWORD_CHARS_GOOD = 12
"""Shorter ones are those that old jobs bring along; who sets one is told."""
PASSWORD_BYTES_MAX = 1024
PASSWORD_RANDOM_BYTES = 15
SALT_BYTES = 16
HASH_BYTES = 32
COST = (2**15, 8, 1)
"""scrypt's N, r, p (RFC 7914): 32 MiB and some 70 ms for each try."""
MEMORY_BYTES = 64 * 1024**2
SCHEME = "scrypt"
KEYS_MAX = 1000
"""Public keys of one file."""

KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)


class Proof(enum.Enum):
    """What a login takes."""

    ANY = "any"  # a key, or a password if one was made
    KEY = "key"  # a key or certificate alone
    PASSWORD = "password"  # noqa: S105 - the word, not one
    BOTH = "both"  # a key, then a password


@dataclass(frozen=True, slots=True)
class Login:
    """One user name at the sFTP door. `keys` and `authorities` are public keys, each a line as of
    authorized_keys; `passwords` are scrypt hashes. Without `networks` it may come from anywhere."""

    user: str
    principal: Principal
    keys: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    passwords: tuple[bytes, ...] = ()
    proof: Proof = Proof.ANY
    networks: tuple[Network, ...] = ()


class Logins:
    """The logins in force: swapped whole when they change."""

    def __init__(self) -> None:
        self._logins: Mapping[str, Login] = MappingProxyType({})

    def lookup(self, user: str) -> Login | None:
        return self._logins.get(user)

    def enter(self, found: Mapping[str, Login]) -> None:
        self._logins = found

    def __len__(self) -> int:
        return len(self._logins)


# --- passwords ---------------------------------------------------------------------------------


def new_password(random: Random) -> str:
    """24 letters and digits in groups: 120 bits."""
    text = base64.b32encode(random(PASSWORD_RANDOM_BYTES)).decode().lower()
    return "-".join(text[i : i + 6] for i in range(0, len(text), 6))


def hash_password(password: str, random: Random) -> bytes:
    """`scrypt$N$r$p$salt$hash`. BadInput for one that is too short or too long to be used."""
    if len(password) < PASSWORD_CHARS_MIN or len(password.encode()) > PASSWORD_BYTES_MAX:
        raise BadInput(f"a password has at least {PASSWORD_CHARS_MIN} characters, and at most 1 KB")
    salt = random(SALT_BYTES)
    said = (SCHEME, *map(str, COST), _text(salt), _text(_scrypt(password, salt, COST)))
    return "$".join(said).encode()


def password_matches(password: str, kept: bytes | None) -> bool:
    """Whether it is the one that was hashed; as slow where there is none."""
    if kept is None:
        _scrypt(password[:PASSWORD_BYTES_MAX], bytes(SALT_BYTES), COST)
        return False
    _, n, r, p, salt, digest = kept.decode().split("$")
    found = _scrypt(password[:PASSWORD_BYTES_MAX], _bytes(salt), (int(n), int(r), int(p)))
    return hmac.compare_digest(found, _bytes(digest))


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=MEMORY_BYTES, dklen=HASH_BYTES)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


# --- public keys -------------------------------------------------------------------------------


def public_keys(text: str) -> tuple[str, ...]:
    """The lines of a file of public keys, `type base64 comment` each. ConfigError for anything
    else in it, without repeating it: it may be a private key."""
    lines = [line.strip() for line in text.splitlines()]
    kept = tuple(line for line in lines if line and not line.startswith("#"))
    if not kept or len(kept) > KEYS_MAX:
        raise ConfigError(f"expected 1 to {KEYS_MAX} public keys, and not {len(kept)}")
    for i, line in enumerate(kept, 1):
        if "PRIVATE KEY" in line:
            raise ConfigError("this is a private key; expected the public one, of the .pub file")
        if not _is_public_key(line):
            text = "expected `ssh-ed25519 AAAA… comment` on each line, without options"
            raise ConfigError(f"key {i} is no public key; {text}")
    return kept


def _is_public_key(line: str) -> bool:
    kind, _, rest = line.partition(" ")
    if kind not in KEY_TYPES or not rest.strip():
        return False
    try:
        raw = base64.b64decode(rest.split()[0], validate=True)
    except binascii.Error:
        return False
    return raw[4 : 4 + len(kind)] == kind.encode() and raw[:4] == len(kind).to_bytes(4, "big")
