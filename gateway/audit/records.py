"""Events become records: an open entry of salted commitments, and openings that stay private.

An entry is a format byte and a row of 32-byte commitments, nothing else, so the log can be open to
everyone. A commitment is SHA-256(salt || field || 0x00 || value) with 16 random bytes of salt of
its own, so equal values don't look equal and short ones can't be guessed; no key is shared and the
salt's length is fixed, so HMAC would add nothing but time. The fields of `FIELDS` have fixed
places. Recipients and details follow, sorted by commitment and filled up with what looks like more
of them to a multiple of eight: their place, name and number say nothing.

The openings hold the salts and values. Erasing a value and its salt leaves the entry, and so every
proof, as it was; nobody can then tell or guess what stood there.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256, shake_256
from typing import Any

from gateway.audit.merkle import HASH_BYTES, leaf_hash, root_of
from gateway.errors import InvalidArgument, LogDamaged
from gateway.model import Event, ReadBatch

FORMAT = b"\x01"
"""First byte of every entry; another layout of the fields takes another number."""

FIELDS = (
    *("number", "kind", "at", "party", "principal", "door", "request"),
    *("bucket", "key", "version", "outcome", "rule", "revision", "readers"),
)
"""Every entry commits to these, empty or not, in this order."""

TO = "to/"  # to/<party>: what was decided for that recipient
BY = "by/"  # by/<party>: the rule that decided it, apart, for the recipient may not learn it
DETAIL = "detail/"
READERS_JOIN = ","

PERMANENT = frozenset({"number", "kind", "at", "readers"})
"""Never erased: they hold nothing about a person, and order and access rest on them."""

SALT_BYTES = 16
EXTRAS_STEP = 8
EXTRAS_MAX = 1024
EVENTS_MAX = 1 << 20
"""Events of one batch, at most."""
ENTRY_BYTES_MAX = 65_535
"""C2SP tlog-tiles gives an entry's length 16 bits."""

Salts = Callable[[int], bytes]
"""A source of that many unpredictable bytes: os.urandom."""

_COUNT = struct.Struct(">H")
_ERASED = bytes(SALT_BYTES)
_HEAD_BYTES = len(FORMAT) + HASH_BYTES * len(FIELDS)
_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)

_LABELS = tuple(name.encode() + b"\x00" for name in FIELDS)


@dataclass(frozen=True, slots=True)
class Sealed:
    """`entry` is what the log's leaf hashes; `openings` are kept in the catalog."""

    entry: bytes
    openings: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """One field laid open; `value` is None once it was erased."""

    field: str
    salt: bytes
    value: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """All openings of one record; `pad` is the salt of its padding and goes to no party."""

    fields: tuple[Opening, ...]
    pad: bytes

    def value(self, field: str) -> str:
        """The value of a field, "" if it is erased or absent."""
        return next((item.value or "" for item in self.fields if item.field == field), "")


def commit(field: str, salt: bytes, value: str) -> bytes:
    """The commitment to a value. Lone surrogates are kept: no name may make a commit fail."""
    return _commitments(salt, [_label(field)], [value])[0]


def seal(event: Event, number: int, salts: Salts) -> Sealed:
    """Entry and openings of one event under its commit number.

    InvalidArgument if it has more than EXTRAS_MAX decisions, their rules, and details together.
    """
    values = (
        *(str(number), event.kind, str(event.at), event.party, event.principal, event.door),
        *(event.request, event.bucket, event.key, event.version, event.outcome, event.rule),
        *(event.revision, READERS_JOIN.join(event.readers)),
    )
    extras = [*_decisions(event), *((DETAIL + name, text) for name, text in event.detail.items())]
    if len(extras) > EXTRAS_MAX:
        raise InvalidArgument("An event has too many parts.", name="event", value=len(extras))
    count = len(FIELDS) + len(extras)
    random = salts(SALT_BYTES * (count + 1))
    pad = random[-SALT_BYTES:]
    labels = [*_LABELS, *(_label(name) for name, _ in extras)]
    commitments = _commitments(
        random[:-SALT_BYTES], labels, [*values, *(text for _, text in extras)]
    )
    places = sorted([*commitments[len(FIELDS) :], *_padding(pad, _pad_count(len(extras)))])
    entry = b"".join((FORMAT, *commitments[: len(FIELDS)], *places))
    text = _JSON.encode([values, extras]).encode()
    return Sealed(entry, b"".join((_COUNT.pack(count), random, text)))


def decode(openings: bytes) -> Opened:
    """Stored openings as values: in the order of `FIELDS`, then recipients and details.

    LogDamaged if these are not, byte for byte, openings that `seal` or `erase` made.
    """
    try:
        (count,) = _COUNT.unpack_from(openings)
        end = _COUNT.size + SALT_BYTES * count
        fixed, extras = json.loads(openings[end + SALT_BYTES :])
        pairs = [*zip(FIELDS, fixed, strict=True), *((name, value) for name, value in extras)]
        fields = tuple(
            Opening(_text(name), openings[at : at + SALT_BYTES], _text_or_none(value))
            for (name, value), at in zip(pairs, range(_COUNT.size, end, SALT_BYTES), strict=True)
        )
    except (ValueError, TypeError, struct.error, RecursionError) as error:
        raise LogDamaged("The openings of a record can't be read.", kind="openings") from error
    opened = Opened(fields, openings[end : end + SALT_BYTES])
    if _encode(opened) != openings or any(_half_erased(item) for item in fields):
        raise LogDamaged("The openings of a record are not as written.", kind="openings")
    return opened


def erase(openings: bytes, fields: Iterable[str]) -> bytes:
    """The openings without value and salt of these fields; unknown names are ignored.

    InvalidArgument for a field of `PERMANENT`.
    """
    gone = frozenset(fields)
    if kept := gone & PERMANENT:
        raise InvalidArgument(
            f"{min(kept)} is never erased: order and access rest on it.", name="fields"
        )
    opened = decode(openings)
    left = tuple(
        replace(item, salt=_ERASED, value=None) if item.field in gone else item
        for item in opened.fields
    )
    return _encode(Opened(left, opened.pad))


def verify_opening(entry: bytes, field: str, salt: bytes, value: str) -> bool:
    """Whether the entry commits to this value of this field."""
    if len(salt) != SALT_BYTES or not is_entry(entry):
        return False
    commitment = commit(field, salt, value)
    if field in FIELDS:
        start = len(FORMAT) + HASH_BYTES * FIELDS.index(field)
        return entry[start : start + HASH_BYTES] == commitment
    return commitment in _extras(entry)


def entry_size(extras: int) -> int:
    """Bytes of the entry of an event with that many recipients and details together."""
    return _HEAD_BYTES + HASH_BYTES * (extras + _pad_count(extras))


def is_entry(entry: bytes) -> bool:
    """Whether these bytes have the layout of an entry; every byte string that has may be one."""
    extras, rest = divmod(len(entry) - _HEAD_BYTES, HASH_BYTES)
    return (
        entry.startswith(FORMAT)
        and len(entry) <= ENTRY_BYTES_MAX
        and extras > 0
        and rest == 0
        and extras % EXTRAS_STEP == 0
    )


def differing(entry: bytes, opened: Opened) -> str | None:
    """The first field that is not what the entry commits to; erased ones pass.

    Every place of the entry is accounted for: "padding" says that some recipient or detail is
    hidden, missing or one too many.
    """
    kept = [(place, item) for place, item in enumerate(opened.fields) if item.value is not None]
    commitments = _commitments(
        b"".join(item.salt for _, item in kept),
        [_label(item.field) for _, item in kept],
        [item.value or "" for _, item in kept],
    )
    fixed = [entry[at : at + HASH_BYTES] for at in range(len(FORMAT), _HEAD_BYTES, HASH_BYTES)]
    unexplained = Counter(_extras(entry))
    for (place, item), commitment in zip(kept, commitments, strict=True):
        known = fixed[place] == commitment if place < len(FIELDS) else unexplained[commitment] > 0
        if not known:
            return item.field
        if place >= len(FIELDS):
            unexplained[commitment] -= 1
    extras = len(opened.fields) - len(FIELDS)
    unexplained.subtract(_padding(opened.pad, _pad_count(extras)))
    erased = sum(item.value is None for item in opened.fields[len(FIELDS) :])
    whole = min(unexplained.values()) >= 0 and unexplained.total() == erased
    return None if whole and is_entry(entry) else "padding"


# --- batches of reads --------------------------------------------------------------------------

ROOT = DETAIL + "root"
"""Hex root over a batch's entries: the one field of a batch record that a proof lays open."""


def seal_read(event: Event, salts: Salts) -> bytes:
    """An event of a batch, packed. Its batch's record has a commit number, it has none (0)."""
    return pack(seal(event, 0, salts))


def batch_of(at: int, events: Sequence[bytes], salts: Salts) -> ReadBatch:
    """One record for any number of sealed reads and refusals: the log grows by one leaf.

    The record's `detail/root` is the Merkle root over the events' own entries, padded with random
    leaves to a power of two, so that a proof of one read tells no party how much others read.
    InvalidArgument for more than EVENTS_MAX events, or none.
    """
    count = len(events)
    if not 0 < count <= EVENTS_MAX:
        raise InvalidArgument("A batch has no events, or too many.", name="events", value=count)
    pad = salts(HASH_BYTES)
    root = root_of(batch_leaves([unpack(item).entry for item in events], pad))
    detail = {"root": root.hex(), "events": str(count), "pad": pad.hex()}
    return ReadBatch(Event(kind="reads", at=at, detail=detail), tuple(events))


def batch_leaves(entries: Sequence[bytes], pad: bytes) -> list[bytes]:
    """The leaf hashes of a batch's tree; `pad` is the record's own secret `detail/pad`."""
    size = 1 << (len(entries) - 1).bit_length()
    padding = (sha256(pad + n.to_bytes(4, "big")).digest() for n in range(len(entries), size))
    return [*map(leaf_hash, entries), *padding]


def pack(sealed: Sealed) -> bytes:
    return _COUNT.pack(len(sealed.entry)) + sealed.entry + sealed.openings


def unpack(packed: bytes) -> Sealed:
    """LogDamaged if it is cut short."""
    if len(packed) < _COUNT.size:
        raise LogDamaged("A stored read can't be read.", kind="reads")
    end = _COUNT.size + _COUNT.unpack_from(packed)[0]
    if end >= len(packed):
        raise LogDamaged("A stored read can't be read.", kind="reads")
    return Sealed(packed[_COUNT.size : end], packed[end:])


# --- bytes -------------------------------------------------------------------------------------


def _decisions(event: Event) -> Iterator[tuple[str, str]]:
    """A decision is one word, and after a space the rule that it rests on, if any."""
    for party, decision in event.recipients.items():
        word, _, rule = decision.partition(" ")
        yield TO + party, word
        if rule:
            yield BY + party, rule


def _label(field: str) -> bytes:
    return _bytes(field) + b"\x00"


def _commitments(salts: bytes, labels: Sequence[bytes], values: Sequence[str]) -> list[bytes]:
    return [
        sha256(salts[at : at + SALT_BYTES] + label + _bytes(value)).digest()
        for at, label, value in zip(range(0, len(salts), SALT_BYTES), labels, values, strict=True)
    ]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _pad_count(extras: int) -> int:
    return -extras % EXTRAS_STEP if extras else EXTRAS_STEP


def _padding(pad: bytes, count: int) -> list[bytes]:
    """Places that open to nothing, made from a salt so that an auditor can tell them apart."""
    made = shake_256(pad).digest(HASH_BYTES * count)
    return [made[at : at + HASH_BYTES] for at in range(0, len(made), HASH_BYTES)]


def _extras(entry: bytes) -> list[bytes]:
    return [
        entry[start : start + HASH_BYTES] for start in range(_HEAD_BYTES, len(entry), HASH_BYTES)
    ]


def _encode(opened: Opened) -> bytes:
    values = [item.value for item in opened.fields[: len(FIELDS)]]
    extras = [(item.field, item.value) for item in opened.fields[len(FIELDS) :]]
    salts = b"".join(item.salt for item in opened.fields)
    text = _JSON.encode([values, extras]).encode()
    return b"".join((_COUNT.pack(len(opened.fields)), salts, opened.pad, text))


def _half_erased(item: Opening) -> bool:
    return item.value is None and (item.salt != _ERASED or item.field in PERMANENT)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a field is text")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)
