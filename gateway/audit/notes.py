"""Signed notes, checkpoints and witness cosignatures (C2SP signed-note, -checkpoint, -cosignature).

A note is text that ends in a newline, a blank line, and one line for each signature. Whoever
verifies brings the keys: signatures by unknown keys say nothing and are passed over, but a key that
is known and fails rejects the whole note.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.audit.merkle import HASH_BYTES
from gateway.errors import BadInput, InvalidArgument

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
KEY_BYTES = 32
SIGNATURE_BYTES = 64
SIGNATURES_MAX = 100
NOTE_BYTES_MAX = 1_000_000
ORIGIN_BYTES_MAX = 255
SIZE_MAX = (1 << 63) - 1

_DASH = "\u2014 "
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_PRIVATE = "PRIVATE+KEY+"
_KINDS = frozenset({ED25519, COSIGNATURE_V1})
_TIME = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key and the name under which it signs."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        data = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return sha256(data).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode64(bytes([self.kind]) + self.public)}"


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A private key; its seed never shows in a repr."""

    name: str
    seed: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        if not is_name(self.name) or len(self.seed) != KEY_BYTES or self.kind not in _KINDS:
            raise InvalidArgument("A key needs a name without space or plus.", name="key")

    def __repr__(self) -> str:
        return f"Signer({self.name})"

    @property
    def verifier(self) -> Verifier:
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return Verifier(self.name, self.kind, public)

    @property
    def skey(self) -> str:
        """The private key as text: a secret."""
        key = encode64(bytes([self.kind]) + self.seed)
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{key}"

    def sign(self, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that verified; `time` is a cosignature's, in seconds since 1970."""

    verifier: Verifier
    time: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A note that holds at least one good signature of a known key."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: after `size` records its root was this."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"


# --- keys --------------------------------------------------------------------------------------


def is_name(name: str) -> bool:
    """Whether this can be the name of a key and the origin of a log."""
    return bool(_NAME.fullmatch(name)) and len(name.encode("utf-8", "replace")) <= ORIGIN_BYTES_MAX


def parse_vkey(text: str) -> Verifier:
    """A verifier key. InvalidArgument if it is not one, or of a kind that is not known."""
    kind, key = _key(text)
    verifier = Verifier(text.partition("+")[0], kind, key)
    if verifier.vkey != text:
        raise InvalidArgument("The key's id does not match it.", name="vkey")
    return verifier


def parse_skey(text: str) -> Signer:
    """A private key as `Signer.skey` writes it. Its text is in no error message."""
    kind, key = _key(text.removeprefix(_PRIVATE))
    signer = Signer(text.removeprefix(_PRIVATE).partition("+")[0], key, kind)
    if signer.skey != text:
        raise InvalidArgument("The key's id does not match it.", name="skey")
    return signer


def _key(text: str) -> tuple[int, bytes]:
    parts = text.split("+", 2)
    data = decode64(parts[2]) if len(parts) == 3 else None
    if not data or len(data) != 1 + KEY_BYTES or data[0] not in _KINDS or not is_name(parts[0]):
        raise InvalidArgument("This is not an Ed25519 key (name+id+base64).", name="key")
    return data[0], data[1:]


# --- notes -------------------------------------------------------------------------------------


def sign_note(text: str, signers: Iterable[Signer]) -> str:
    """The text with a signature line of each signer (of kind ED25519)."""
    _check_text(text)
    return text + "\n" + "".join(_line(s.verifier, s.sign(text.encode())) for s in signers)


def cosign(note: str, signer: Signer, time: int) -> str:
    """A witness's signature line for a checkpoint; `time` in seconds since 1970.

    The caller has verified the checkpoint and that it extends the last one that it cosigned.
    """
    text, _ = split(note)
    if signer.kind != COSIGNATURE_V1 or not 0 <= time <= SIZE_MAX:
        raise InvalidArgument("A witness needs a cosignature key and a time.", name="signer")
    signature = signer.sign(_cosigned(text, time))
    return _line(signer.verifier, _TIME.pack(time) + signature)


def open_note(note: str, verifiers: Sequence[Verifier]) -> Note:
    """The note's text, and who signed it.

    BadInput if it is malformed, if the signature of a known key fails, or if none is known.
    """
    text, lines = split(note)
    good: dict[Verifier, Signature] = {}
    for name, key_id, data in map(_parse_line, lines):
        for verifier in verifiers:
            if (verifier.name, verifier.key_id) != (name, key_id):
                continue
            good.setdefault(verifier, _verify(verifier, text, data))
    if not good:
        raise BadInput("No signature on this note is by a known key.")
    return Note(text, tuple(good.values()))


def split(note: str) -> tuple[str, list[str]]:
    """Text and signature lines, nothing verified. BadInput if it is malformed."""
    if len(note) > NOTE_BYTES_MAX:
        raise BadInput("The note is too long.")
    head, blank, tail = note.rpartition("\n\n")
    text = head + "\n"
    lines = tail.split("\n")
    if not blank or lines.pop() or not 0 < len(lines) <= SIGNATURES_MAX:
        raise BadInput("The note does not end in a blank line and signatures.")
    _check_text(text)
    for line in lines:
        _parse_line(line)
    return text, lines


def _check_text(text: str) -> None:
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise BadInput("The note is not UTF-8.") from error
    if not text.endswith("\n") or any(byte < 0x20 and byte != 0x0A for byte in data):
        raise BadInput("The note holds a control character, or its text does not end in a newline.")


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    data = decode64(encoded)
    if not line.startswith(_DASH) or not space or not is_name(name) or not data or len(data) < 5:
        raise BadInput("A signature line of the note is malformed.")
    return name, data[:4], data[4:]


def _line(verifier: Verifier, signature: bytes) -> str:
    return f"{_DASH}{verifier.name} {encode64(verifier.key_id + signature)}\n"


def _verify(verifier: Verifier, text: str, data: bytes) -> Signature:
    message, time = text.encode(), 0
    if verifier.kind == COSIGNATURE_V1:
        if len(data) != _TIME.size + SIGNATURE_BYTES:
            raise BadInput(f"The cosignature of {verifier.name} is malformed.")
        (time,) = _TIME.unpack_from(data)
        message, data = _cosigned(text, time), data[_TIME.size :]
    try:
        Ed25519PublicKey.from_public_bytes(verifier.public).verify(data, message)
    except (InvalidSignature, ValueError) as error:
        raise BadInput(f"The signature of {verifier.name} is wrong.") from error
    return Signature(verifier, time)


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


# --- checkpoints -------------------------------------------------------------------------------


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """The checkpoint as a note; the key's name must be the log's origin."""
    if signer.name != checkpoint.origin or signer.kind != ED25519:
        raise InvalidArgument("The log's key bears another name than the log.", name="signer")
    return sign_note(checkpoint.text, [signer])


def open_checkpoint(note: str, verifiers: Sequence[Verifier]) -> tuple[Checkpoint, Note]:
    """A checkpoint signed by its log, whose key must be among the verifiers.

    BadInput if it is anything else.
    """
    opened = open_note(note, verifiers)
    checkpoint = parse_checkpoint(opened.text)
    by_log = any(
        signature.verifier.name == checkpoint.origin and signature.verifier.kind == ED25519
        for signature in opened.signatures
    )
    if not by_log:
        raise BadInput("The log itself has not signed this checkpoint with a known key.")
    return checkpoint, opened


def parse_checkpoint(text: str) -> Checkpoint:
    """A note's text as a checkpoint: origin, size, root, and no extension lines."""
    lines = text.split("\n")
    if len(lines) != 4 or not is_name(lines[0]) or not _SIZE.fullmatch(lines[1]) or lines[3]:
        raise BadInput("This note is not a checkpoint.")
    root = decode64(lines[2])
    if not root or len(root) != HASH_BYTES or int(lines[1]) > SIZE_MAX:
        raise BadInput("This note is not a checkpoint.")
    return Checkpoint(lines[0], int(lines[1]), root)


# --- base64 ------------------------------------------------------------------------------------


def encode64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode64(text: str) -> bytes | None:
    """Strict base64: None for anything but the one spelling of some bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode64(data) == text else None
