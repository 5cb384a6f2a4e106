"""The key by which an sFTP server shows that it is the one that is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

import asyncssh

from gateway.errors import ConfigError

_FAMILIES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),  # the last for servers from before 2016
)
_FAMILY_OF = MappingProxyType(
    {"ssh-rsa": _FAMILIES[2]} | {name: family for family in _FAMILIES for name in family}
)
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


@dataclass(frozen=True, slots=True)
class Pins:
    """The keys by which a server may show itself. A server has several, and shows the one of the
    first kind that is asked for: `kinds` are those that are worth asking for."""

    fingerprints: frozenset[str]
    kinds: tuple[tuple[str, ...], ...]


def pins_of(text: str) -> Pins:
    """Of a fingerprint or a public key, or a file of either, one a line; the lines of ssh-keyscan
    and of known_hosts will do. ConfigError where there is none, or one that can't be read."""
    fingerprints: set[str] = set()
    kinds: set[tuple[str, ...]] = set()
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if _FINGERPRINT.fullmatch(words[0]):
            fingerprints.add(words[0])
            kinds.update(_FAMILIES)
            continue
        at = next((i for i, word in enumerate(words[:2]) if word in _FAMILY_OF), None)
        if at is None:
            raise ConfigError(
                "The host key is neither SHA256:… nor a public key like ssh-ed25519 …"
            )
        try:
            key = asyncssh.import_public_key(" ".join(words[at : at + 2]))
        except asyncssh.KeyImportError as error:
            raise ConfigError(f"The host key can't be read: {error}.") from error
        fingerprints.add(key.get_fingerprint())
        kinds.add(_FAMILY_OF[words[at]])
    if not fingerprints:
        raise ConfigError("The host key is missing.")
    return Pins(frozenset(fingerprints), tuple(f for f in _FAMILIES if f in kinds))
