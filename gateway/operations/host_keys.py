"""The keys by which clients know this gateway's sFTP door again: made once, kept in the catalog."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from gateway.catalog import Settings
from gateway.identity import Seal

PURPOSE_HOST_KEY = "crossdock sftp host key v1"
SETTING = "sftp.host-key."
"""Begins the names of values in the catalog's settings; the key's type follows."""
RSA_BITS = 3072


@dataclass(frozen=True, slots=True)
class HostKey:
    """`private` is OpenSSH's form, `public` a line as of known_hosts without the host."""

    private: bytes
    public: str

    @property
    def fingerprint(self) -> str:
        """As ssh shows it: `SHA256:` and base64 without padding."""
        digest = hashlib.sha256(base64.b64decode(self.public.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


_MAKERS: Mapping[str, Callable[[], PrivateKeyTypes]] = MappingProxyType(
    {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
        "rsa": lambda: rsa.generate_private_key(65537, RSA_BITS),
    }
)
"""By type; a client picks the one that it knows, so none may ever go."""


async def host_keys(settings: Settings, seal: Seal) -> Sequence[HostKey]:
    """Those of this catalog, the same for every gateway on it. Damaged where the seal key is not
    the one that they were sealed with."""
    return [await _kept(settings, seal, kind) for kind in _MAKERS]


async def _kept(settings: Settings, seal: Seal, kind: str) -> HostKey:
    name, about = SETTING + kind, (kind,)
    sealed = await settings.get(name)
    if sealed is None:
        fresh = await asyncio.to_thread(_made, kind)
        sealed = await settings.put_if_absent(name, seal.seal(PURPOSE_HOST_KEY, about, fresh))
    private = seal.open(PURPOSE_HOST_KEY, about, sealed)
    key = serialization.load_ssh_private_key(private, None)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return HostKey(private, public.decode())


def _made(kind: str) -> bytes:
    return _MAKERS[kind]().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
