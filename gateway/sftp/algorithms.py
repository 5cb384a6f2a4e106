"""What is offered to clients. They choose, by their own order: a list without ChaCha20 makes most
take AES, which this machine's processor does itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Offer:
    ciphers: tuple[str, ...]
    exchanges: tuple[str, ...]
    macs: tuple[str, ...]
    signatures: tuple[str, ...]


_GCM = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com")
_CTR = ("aes256-ctr", "aes192-ctr", "aes128-ctr")
_EXCHANGES = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp521",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp256",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
_MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
_SIGNATURES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)

MODERN = Offer(_GCM + _CTR, _EXCHANGES, _MACS, _SIGNATURES)
LEGACY = Offer(
    (*_GCM, *_CTR, "chacha20-poly1305@openssh.com", "aes256-cbc", "aes128-cbc", "3des-cbc"),
    (*_EXCHANGES, "diffie-hellman-group-exchange-sha1", "diffie-hellman-group14-sha1"),
    (*_MACS, "hmac-sha1-etm@openssh.com", "hmac-sha1"),
    (*_SIGNATURES, "ssh-rsa"),
)
"""For jobs that know nothing newer: JSch 0.1.55, paramiko before 2.9, PuTTY of the 2000s."""

OFFERS: Mapping[str, Offer] = MappingProxyType({"modern": MODERN, "legacy": LEGACY})
