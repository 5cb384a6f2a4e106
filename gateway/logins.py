"""Who may come in through SSH, as the mesh and the catalog say; pure but for scrypt's time."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType

from gateway.model import Principal

Network = IPv4Network | IPv6Network


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

    def __iter__(self) -> Iterator[Login]:
        return iter(self._logins.values())
