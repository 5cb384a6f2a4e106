"""The proof of one event as a file that verifies offline (C2SP tlog-proof@v1).

The format's `extra` line carries what a proof by itself can't: the record's entry, and the openings
that are disclosed. An event that stands in a batch of reads brings the way from its own entry up
to the root that the batch's record commits to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.audit.merkle import (
    HASH_BYTES,
    PROOF_HASHES_MAX,
    HashAt,
    from_leaves,
    included,
    inclusion_proof,
    leaf_hash,
)
from gateway.audit.notes import (
    SIZE_MAX,
    Checkpoint,
    Signature,
    Verifier,
    decode64,
    encode64,
    open_checkpoint,
)
from gateway.audit.records import ROOT, Opened, Opening, batch_leaves, verify_opening
from gateway.errors import BadInput

HEADER = "c2sp.org/tlog-proof@v1"
PROOF_BYTES_MAX = 1 << 20
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class InBatch:
    """Where an event stands in a batch: the batch record's entry, the opening of its root, and
    the way from the event's entry up to that root."""

    entry: bytes
    root: Opening
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows: at `index` of the log under `checkpoint` stands an event with these
    fields. What is not among them was not disclosed, and may be anything."""

    checkpoint: Checkpoint
    index: int
    fields: Mapping[str, str]
    signatures: tuple[Signature, ...]


def in_batch(index: int, record: bytes, opened: Opened, entries: Sequence[bytes]) -> InBatch:
    """The place of event `index` in the batch whose record is `record`.

    `opened` are the batch record's openings, `entries` the entries of all its events, in order.
    """
    leaves = batch_leaves(entries, bytes.fromhex(opened.value("detail/pad")))
    root = next(item for item in opened.fields if item.field == ROOT)
    path = inclusion_proof(index, len(leaves), from_leaves(leaves))
    return InBatch(record, root, index, tuple(path))


def make_proof(
    note: str,
    size: int,
    index: int,
    hash_at: HashAt,
    *,
    entry: bytes,
    openings: Sequence[Opening],
    batch: InBatch | None = None,
) -> str:
    """A `.tlog-proof` for the record at `index` under the checkpoint `note` of `size` records.

    `entry` and `openings` are the event's (see disclosure.open_for); erased ones are left out.
    """
    extra: dict[str, Any] = {"entry": encode64(entry), "openings": _rows(openings)}
    if batch:
        extra["batch"] = {
            "entry": encode64(batch.entry),
            "root": _rows([batch.root]),
            "index": batch.index,
            "path": [encode64(item) for item in batch.path],
        }
    packed = encode64(json.dumps(extra, separators=(",", ":")).encode())
    path = [encode64(item) for item in inclusion_proof(index, size, hash_at)]
    return "\n".join([HEADER, f"extra {packed}", f"index {index}", *path, "", note])


def verify_proof(text: str, verifiers: Sequence[Verifier]) -> Proven:
    """What the proof shows, under the keys that the reader trusts. BadInput if it shows nothing."""
    index, path, extra, note = _parse(text)
    checkpoint, opened = open_checkpoint(note, verifiers)
    try:
        entry = _bytes(extra["entry"])
        openings = [Opening(_text(f), _bytes(s), _text(v)) for f, s, v in extra["openings"]]
        leaf = _batch_record(extra["batch"], entry) if "batch" in extra else entry
    except (KeyError, TypeError, ValueError, UnicodeError) as error:
        raise BadInput("The proof's extra data is malformed.") from error
    if not included(index, checkpoint.size, leaf_hash(leaf), path, checkpoint.root):
        raise BadInput(f"The record is not at index {index} of this log.")
    fields: dict[str, str] = {}
    for item in openings:
        known = verify_opening(entry, item.field, item.salt, item.value or "")
        if not known or item.field in fields:
            raise BadInput(f"The record does not say this of its field {item.field!r}.")
        fields[item.field] = item.value or ""
    return Proven(checkpoint, index, fields, opened.signatures)


def _batch_record(batch: Any, entry: bytes) -> bytes:
    """The entry of the batch's record, once it is shown that the event stands in the batch."""
    record = _bytes(batch["entry"])
    ((_, salt, root),) = batch["root"]
    if not verify_opening(record, ROOT, _bytes(salt), _text(root)):
        raise BadInput("The batch's record does not commit to this root.")
    path = [_bytes(item) for item in batch["path"]]
    index = batch["index"]
    if type(index) is not int or len(path) > PROOF_HASHES_MAX:
        raise TypeError("an index is a number")
    if not included(index, 1 << len(path), leaf_hash(entry), path, bytes.fromhex(root)):
        raise BadInput("The event does not stand in this batch.")
    return record


def _parse(text: str) -> tuple[int, list[bytes], Any, str]:
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if len(text) > PROOF_BYTES_MAX or not blank or lines[0] != HEADER or len(lines) < 3:
        raise BadInput("This is not a tlog-proof.")
    found = _INDEX.fullmatch(lines[2])
    raw = decode64(lines[1].removeprefix("extra "))
    path = [decode64(line) for line in lines[3:]]
    hashes = [item for item in path if item and len(item) == HASH_BYTES]
    if not found or raw is None or not lines[1].startswith("extra ") or len(hashes) != len(path):
        raise BadInput("A line of the proof is malformed.")
    if int(found[1]) > SIZE_MAX or len(path) > PROOF_HASHES_MAX:
        raise BadInput("The proof's numbers are out of range.")
    try:
        extra = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadInput("The proof's extra data is malformed.") from error
    if not isinstance(extra, dict):
        raise BadInput("The proof's extra data is malformed.")
    return int(found[1]), hashes, extra, note


def _rows(openings: Sequence[Opening]) -> list[list[str]]:
    return [
        [item.field, encode64(item.salt), item.value] for item in openings if item.value is not None
    ]


def _bytes(value: Any) -> bytes:
    data = decode64(_text(value))
    if data is None:
        raise ValueError("not base64")
    return data


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value
