"""Credential -> principal: the access keys in force, and the seal that keeps secrets at rest."""

from __future__ import annotations

import base64
import hmac
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import ConfigError, Damaged, StartRefused
from gateway.model import Principal
from gateway.policy.mesh import Mesh

SEAL_KEY_BYTES = 32
SECRET_FILE_BYTES_MAX = 64 * 1024
ACCESS_ID_PREFIX = "XD"
ACCESS_ID_CHARS = 20
SECRET_RANDOM_BYTES = 25
NONCE_BYTES = 12
COMMITMENT_BYTES = 16
FORMAT = b"\x01"

PURPOSE_ACCESS_KEY = "crossdock access key v1"
PURPOSE_LOG_KEY = "crossdock log signing key v1"
PURPOSE_TOKENS = "crossdock continuation tokens v1"
PURPOSE_CHECK = "crossdock seal check v1"

NO_ACCESS_KEY = "password-"
"""Begins the id of what is kept among the keys and is none: passwords (see logins.py)."""

Random = Callable[[int], bytes]


class Secret:
    """A value that never shows: printed, formatted or logged it reads ***."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._value.encode(), other._value.encode()
        )

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled or copied")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a signed request proves: that its sender knows `secret`, and so acts as `principal`.
    `sigv2`: whether the older algorithm is proof enough."""

    id: str
    principal: Principal
    secret: Secret
    sigv2: bool = True


# --- references to secrets ---------------------------------------------------------------------


def resolve(reference: str, folder: Path, environ: Mapping[str, str] = os.environ) -> Secret:
    """The secret that `env:NAME` or `file:PATH` (relative to `folder`) names, without the line
    end that editors put after it. ConfigError says what is missing, never what is there."""
    kind, _, name = reference.partition(":")
    if kind == "env" and name:
        value = environ.get(name, "")
        if not value:
            raise ConfigError(f"the environment variable {name} is not set, or is empty")
        return Secret(value)
    if kind == "file" and name:
        return _read_secret(folder / name)
    raise ConfigError("a secret is written env:NAME or file:PATH, never as its value")


def _read_secret(path: Path) -> Secret:
    try:
        with path.open("rb") as file:
            raw = file.read(SECRET_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"the secret's file {path} can't be read: {error.strerror}") from error
    if len(raw) > SECRET_FILE_BYTES_MAX:
        raise ConfigError(f"the secret's file {path} is larger than {SECRET_FILE_BYTES_MAX} bytes")
    try:
        value = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the secret's file {path} is not UTF-8 text") from error
    if not value:
        raise ConfigError(f"the secret's file {path} is empty")
    return Secret(value)


# --- the seal ----------------------------------------------------------------------------------


class Seal:
    """AES-256-GCM under keys derived by HKDF-SHA-256 (RFC 5869), one per purpose.

    What a sealed value is about (party, principal, key id) is authenticated with it, so a sealed
    value moved to another row does not open. GCM alone doesn't commit to its key; the commitment
    in front does, and tells a wrong seal key from a value that was changed.
    Layout: 0x01, commitment (16), nonce (12), ciphertext and tag.
    """

    def __init__(self, key: bytes, random: Random = os.urandom) -> None:
        if len(key) != SEAL_KEY_BYTES:
            raise StartRefused(f"the seal key must be {SEAL_KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self._random = random

    def seal(self, purpose: str, about: Sequence[str], plain: bytes) -> bytes:
        cipher, commitment = self._derive(purpose)
        nonce = self._random(NONCE_BYTES)
        head = FORMAT + commitment + nonce
        return head + cipher.encrypt(nonce, plain, _canonical(about))

    def open(self, purpose: str, about: Sequence[str], sealed: bytes) -> bytes:
        """Damaged if the value was changed, moved, or sealed under another key or purpose."""
        cipher, commitment = self._derive(purpose)
        nonce_at = len(FORMAT) + COMMITMENT_BYTES
        body_at = nonce_at + NONCE_BYTES
        if not hmac.compare_digest(sealed[:nonce_at], FORMAT + commitment):
            raise Damaged("a sealed value was sealed with another seal key, or was changed")
        try:
            return cipher.decrypt(sealed[nonce_at:body_at], sealed[body_at:], _canonical(about))
        except (InvalidTag, ValueError) as error:
            raise Damaged("a sealed value was changed, or belongs to something else") from error

    def derive(self, purpose: str) -> bytes:
        """A 32-byte secret for one purpose: the same for every gateway of one catalog."""
        info = b"derived " + purpose.encode()
        return HKDF(SHA256(), SEAL_KEY_BYTES, salt=None, info=info).derive(self._key)

    def _derive(self, purpose: str) -> tuple[AESGCM, bytes]:
        length = SEAL_KEY_BYTES + COMMITMENT_BYTES
        derived = HKDF(SHA256(), length, salt=None, info=purpose.encode()).derive(self._key)
        return AESGCM(derived[:SEAL_KEY_BYTES]), derived[SEAL_KEY_BYTES:]


def _canonical(about: Sequence[str]) -> bytes:
    """Length-prefixed, so that no two sequences of fields have the same bytes."""
    fields = [field.encode() for field in about]
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def read_seal_key(reference: str, folder: Path) -> bytes | None:
    """The seal key (64 hex digits) from `file:PATH` or `env:NAME`; None if its file is absent.
    StartRefused if others on this machine could read the file."""
    kind, _, name = reference.partition(":")
    path = folder / name
    if kind == "file" and not path.exists():
        return None
    if kind == "file" and stat.S_IMODE(path.stat().st_mode) & 0o007:
        raise StartRefused(f"everyone can read the seal key {path}: chmod 600 it")
    try:
        key = bytes.fromhex(resolve(reference, folder).reveal().strip())
    except ValueError as error:
        raise StartRefused(f"the seal key {reference} is not written in hex digits") from error
    if len(key) != SEAL_KEY_BYTES:
        raise StartRefused(f"the seal key {reference} must be {2 * SEAL_KEY_BYTES} hex digits")
    return key


def make_seal_key(reference: str, folder: Path, random: Random = os.urandom) -> bytes:
    """Makes the key's file, readable by its owner alone, durable before anything is sealed."""
    kind, _, name = reference.partition(":")
    if kind != "file":
        raise StartRefused(f"seal_key: {reference} is not set: give it {SEAL_KEY_BYTES} bytes hex")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    key = random(SEAL_KEY_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.hex().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return key


# --- access keys -------------------------------------------------------------------------------


class Sealed(Protocol):
    """An access key as the catalog keeps it."""

    @property
    def id(self) -> str: ...
    @property
    def party(self) -> str: ...
    @property
    def principal(self) -> str: ...
    @property
    def sealed(self) -> bytes: ...
    @property
    def revoked(self) -> int: ...


def new_key(random: Random = os.urandom) -> tuple[str, Secret]:
    """A fresh access key id (20 characters, as AWS's) and its secret (40 characters, 200 bits)."""
    tail = base64.b32encode(random(SECRET_RANDOM_BYTES)).decode()
    access_id = ACCESS_ID_PREFIX + tail[: ACCESS_ID_CHARS - len(ACCESS_ID_PREFIX)]
    return access_id, Secret(base64.b32encode(random(SECRET_RANDOM_BYTES)).decode())


def seal_secret(seal: Seal, party: str, principal: str, access_id: str, secret: Secret) -> bytes:
    return seal.seal(PURPOSE_ACCESS_KEY, (party, principal, access_id), secret.reveal().encode())


def credentials(
    mesh: Mesh, kept: Iterable[Sealed], seal: Seal, secret_of: Callable[[str], Secret]
) -> tuple[Mapping[str, Credential], tuple[str, ...]]:
    """Every access key in force by its id, and what is wrong with those that are not.

    A key whose principal left the mesh, or that was revoked, is not in force. An id that two
    principals claim serves neither: whose it is can't be told.
    """
    found: dict[str, Credential] = {}
    claimed_twice: set[str] = set()
    problems: list[str] = []
    for read in (_from_mesh(mesh, secret_of, problems), _from_catalog(mesh, kept, seal, problems)):
        for credential in read:
            if credential.id in found:
                claimed_twice.add(credential.id)
            found[credential.id] = credential
    for access_id in sorted(claimed_twice):
        del found[access_id]
        problems.append(f"access key {access_id} is claimed twice and serves nobody")
    return MappingProxyType(found), tuple(problems)


def _from_mesh(
    mesh: Mesh, secret_of: Callable[[str], Secret], problems: list[str]
) -> Iterator[Credential]:
    for party in mesh.parties.values():
        for spec in party.principals.values():
            if not spec.access_key:
                continue
            try:
                secret = secret_of(spec.secret)
                yield Credential(spec.access_key, spec.principal, secret, party.sigv2)
            except ConfigError as error:
                problems.append(f"access key {spec.access_key} of {party.name}: {error.message}")


def _from_catalog(
    mesh: Mesh, kept: Iterable[Sealed], seal: Seal, problems: list[str]
) -> Iterator[Credential]:
    for key in kept:
        if key.id.startswith(NO_ACCESS_KEY):
            continue
        party = mesh.parties.get(key.party)
        spec = party.principals.get(key.principal) if party else None
        if key.revoked or party is None or spec is None:
            continue
        about = (key.party, key.principal, key.id)
        try:
            secret = Secret(seal.open(PURPOSE_ACCESS_KEY, about, key.sealed).decode())
        except Damaged as error:
            problems.append(f"access key {key.id} of {key.party}: {error.message}")
            continue
        yield Credential(key.id, spec.principal, secret, party.sigv2)


class Keyring:
    """The access keys in force: looked up by every request, swapped whole when they change."""

    def __init__(self) -> None:
        self._credentials: Mapping[str, Credential] = MappingProxyType({})

    def lookup(self, access_id: str) -> Credential | None:
        return self._credentials.get(access_id)

    def enter(self, found: Mapping[str, Credential]) -> None:
        self._credentials = found

    def all(self) -> tuple[Credential, ...]:
        return tuple(self._credentials.values())
