"""What the inboxes in clouds say alike of that which lies under a natural key, and refuse alike."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from gateway.errors import ChangedInStore, Occupied, StoreUnavailable
from gateway.model import RESERVED_PREFIX
from gateway.stores import Natural, Parcel, Placed, marks

MARKS_FOLDER = f"{RESERVED_PREFIX}.marks/"


def placed(size: int, etag: str, native_version: str, parcel: Parcel | None) -> Placed:
    """`parcel` is what its marks say, None without marks of ours."""
    if parcel is None:
        return Placed(size, etag, native_version)
    return Placed(
        size,
        etag,
        native_version,
        version=parcel.version,
        number=parcel.number,
        ref=parcel.ref,
        altered=size != parcel.size,
    )


def inspected(about: Natural, metadata: Mapping[str, str], parcel: Parcel | None) -> Natural:
    """With its metadata as its owner wrote it, or as the marks of a copy."""
    return replace(
        about,
        ours=marks.VERSION in metadata,
        parcel=parcel if parcel is not None and parcel.size == about.size else None,
        metadata={name: marks.readable(value) for name, value in metadata.items()},
    )


def check_free(there: Placed | None, replace: str | None) -> None:
    """Whether a delivery may be written here, as Inbox.deliver has it."""
    if there is None and replace is not None:
        raise gone()
    if there is not None and not _is_ours(there, replace):
        raise Occupied


def check_ours(there: Placed, if_match: str) -> None:
    if not _is_ours(there, if_match):
        raise ChangedInStore


def gone() -> StoreUnavailable:
    return StoreUnavailable("The older copy is gone: examine again.")


def sidecar(prefix: str, key: str, version: str) -> str:
    """The name of the document with what the marks had no room for."""
    return f"{prefix}{MARKS_FOLDER}{hashlib.sha256(key.encode()).hexdigest()}/{version}"


def _is_ours(there: Placed, etag: str | None) -> bool:
    return bool(there.version) and not there.altered and there.etag == etag
