"""What says of a delivered copy that it is ours: a parcel's facts, to and from JSON."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.model import ObjectRef
from gateway.stores import Parcel

MARKS_FORMAT = 1


def to_document(parcel: Parcel) -> dict[str, Any]:
    return {
        "format": MARKS_FORMAT,
        "bucket": parcel.ref.bucket,
        "key": parcel.ref.key,
        "version": parcel.version,
        "number": parcel.number,
        "author": parcel.author,
        "size": parcel.size,
        "sha256": parcel.sha256,
        "headers": dict(parcel.headers),
        "metadata": dict(parcel.metadata),
        "tags": dict(parcel.tags),
    }


def from_document(document: dict[str, Any]) -> Parcel:
    """Raises ValueError, KeyError or TypeError where it is not a document of ours."""
    if document["format"] != MARKS_FORMAT:
        raise ValueError("marks of another format")
    return Parcel(
        ref=ObjectRef(document["bucket"], document["key"]),
        version=document["version"],
        number=int(document["number"]),
        author=document["author"],
        size=int(document["size"]),
        sha256=document["sha256"],
        headers=MappingProxyType(dict(document["headers"])),
        metadata=MappingProxyType(dict(document["metadata"])),
        tags=MappingProxyType(dict(document["tags"])),
    )


def dump(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode()


# --- marks as the metadata of a cloud object ---------------------------------------------------

PREFIX = "crossdock-"
MORE = PREFIX + "more"
VERSION = PREFIX + "version"
_FACTS = ("version", "number", "author", "sha256", "size")
_HEADER = PREFIX + "header-"


def to_metadata(
    parcel: Parcel, *, held: frozenset[str], tags: bool, limit: int
) -> tuple[dict[str, str], bytes | None]:
    """The metadata that marks a copy, beside the user's own. `held` names the content headers
    that the cloud holds as such, `tags` asks for the tags to go here too. Where it all comes to
    more than `limit` bytes, the rest is a document (the second value) for a sidecar."""
    facts = {PREFIX + name: str(getattr(parcel, name)) for name in _FACTS}
    document = to_document(parcel) | ({} if tags else {"tags": {}})
    metadata = facts | {
        PREFIX + "bucket": worded(parcel.ref.bucket),
        PREFIX + "key": worded(parcel.ref.key),
    }
    metadata |= {name: worded(value) for name, value in parcel.metadata.items()}
    metadata |= {
        _HEADER + name: worded(value) for name, value in parcel.headers.items() if name not in held
    }
    if tags and parcel.tags:
        metadata[PREFIX + "tags"] = worded(dump(dict(parcel.tags)).decode())
    size = sum(len(name) + len(value) for name, value in metadata.items())
    forged = any(name.startswith(PREFIX) for name in parcel.metadata)
    if size > limit or forged:
        return facts | {MORE: "1"}, dump(document)
    return metadata, None


def from_metadata(metadata: dict[str, str], headers: dict[str, str]) -> Parcel | None:
    """The parcel that this metadata marks; None if it isn't ours, or says too little."""
    try:
        facts = {name: metadata[PREFIX + name] for name in _FACTS}
        if MORE in metadata:
            ref = ObjectRef("", "")
        else:
            ref = ObjectRef(
                unworded(metadata[PREFIX + "bucket"]), unworded(metadata[PREFIX + "key"])
            )
        others = {
            name.removeprefix(_HEADER): unworded(value)
            for name, value in metadata.items()
            if name.startswith(_HEADER)
        }
        return Parcel(
            ref=ref,
            version=facts["version"],
            number=int(facts["number"]),
            author=facts["author"],
            size=int(facts["size"]),
            sha256=facts["sha256"],
            headers=headers | others,
            metadata={n: unworded(v) for n, v in metadata.items() if not n.startswith(PREFIX)},
            tags=json.loads(unworded(metadata.get(PREFIX + "tags") or "{}")),
        )
    except (KeyError, ValueError):
        return None


def worded(value: str) -> str:
    """Printable ASCII as it is; else, as S3 itself does, an encoded word (RFC 2047)."""
    as_is = value.isascii() and value.isprintable() and value == value.strip()
    if value and as_is and not value.startswith("=?"):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def unworded(value: str) -> str:
    """Inverse of `worded`; ValueError where an encoded word is damaged."""
    if value.startswith("=?UTF-8?B?") and value.endswith("?="):
        return base64.b64decode(value[10:-2], validate=True).decode()
    return value


def readable(value: str) -> str:
    """As `unworded`, of text that somebody else wrote: what is no encoded word stays as it is."""
    try:
        return unworded(value)
    except ValueError:
        return value


def identifier(name: str) -> str:
    """A metadata name as a C# identifier, which Azure asks for: `_` and two hex digits for each
    byte that is not a lower-case letter, or a digit behind the first place."""
    raw = name.encode()
    return "".join(
        chr(c) if c in _LETTERS or (at and c in _DIGITS) else f"_{c:02x}"
        for at, c in enumerate(raw)
    )


def name_of(text: str) -> str:
    """Inverse of `identifier`; what is not of its making stays as it is."""
    try:
        name = re.sub(rb"_([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text.encode())
        return name.decode() if identifier(name.decode()) == text else text
    except UnicodeDecodeError:
        return text


_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset(b"0123456789")


def tagged(parcel: Parcel, tags: Mapping[str, str]) -> Parcel:
    return dataclasses.replace(parcel, tags=MappingProxyType(dict(tags)))
