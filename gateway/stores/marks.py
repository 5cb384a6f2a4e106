"""What says of a delivered copy that it is ours: a parcel's facts, to and from JSON."""

from __future__ import annotations

import json
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
