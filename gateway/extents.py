"""Pure streaming arithmetic: the block that begins an extent, and slices across extents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.errors import Damaged
from gateway.model import EMPTY, Extent, ObjectRef

_MAGIC = b"crossdock-extent-1 "
_LENGTH_DIGITS = 6
_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_HEAD_BYTES = len(_MAGIC) + _LENGTH_DIGITS + 1


@dataclass(frozen=True, slots=True)
class Label:
    """What an extent says of itself, so that a lost catalog can be rebuilt from the stores.

    `part` is the part's number in an upload, 0 for a whole version; `version` then names the
    upload.
    """

    ref: ObjectRef
    version: str
    author: str
    at: int
    part: int = 0
    headers: Mapping[str, str] = EMPTY
    metadata: Mapping[str, str] = EMPTY
    tags: Mapping[str, str] = EMPTY


def encode_label(label: Label) -> bytes:
    """One line of ASCII head (magic and length), one line of JSON."""
    fields = {
        "bucket": label.ref.bucket,
        "key": label.ref.key,
        "version": label.version,
        "author": label.author,
        "at": label.at,
        "part": label.part,
        "headers": dict(label.headers),
        "metadata": dict(label.metadata),
        "tags": dict(label.tags),
    }
    # surrogateescape: header values are bytes on the wire, and need not be UTF-8
    text = _JSON.encode(fields).encode()
    return b"%s%0*d\n%s\n" % (_MAGIC, _LENGTH_DIGITS, len(text), text)


def decode_label(start: bytes) -> tuple[Label, int]:
    """The label and its length in bytes, from the first bytes of an extent's store object.

    Raises Damaged where they don't begin with a whole label.
    """
    head = start[:_HEAD_BYTES]
    digits = head[len(_MAGIC) : -1]
    if not head.startswith(_MAGIC) or not head.endswith(b"\n") or not digits.isdigit():
        raise Damaged("this store object does not begin as an extent does")
    end = _HEAD_BYTES + int(digits) + 1
    try:
        fields = json.loads(start[_HEAD_BYTES : end - 1])
        label = Label(
            ObjectRef(fields["bucket"], fields["key"]),
            fields["version"],
            fields["author"],
            fields["at"],
            fields["part"],
            fields["headers"],
            fields["metadata"],
            fields["tags"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("an extent's label can't be read") from error
    return label, end


def slices(extents: Sequence[Extent], start: int, length: int) -> Iterator[Extent]:
    """The pieces that hold the bytes [start, start + length) of a version, in order.

    A whole extent keeps its digest, a slice of one has none.
    """
    position = 0
    end = start + length
    for extent in extents:
        first = max(start, position)
        last = min(end, position + extent.length)
        if first < last:
            whole = last - first == extent.length
            yield replace(
                extent,
                offset=extent.offset + first - position,
                length=last - first,
                digest=extent.digest if whole else "",
            )
        position += extent.length
        if position >= end:
            return


def total(extents: Sequence[Extent]) -> int:
    return sum(extent.length for extent in extents)
