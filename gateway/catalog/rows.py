"""Rows to values and back: the one place that knows how a value lies in its columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from gateway.model import (
    EMPTY,
    Bucket,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Extent,
    Facts,
    Grant,
    Lock,
    May,
    Mode,
    ObjectRef,
    Part,
    Principal,
    Receipt,
    Source,
    Upload,
    Version,
    Versioning,
)

Row = tuple[Any, ...]

MODES = MappingProxyType({mode.value: mode for mode in Mode})
KINDS = MappingProxyType({kind.value: kind for kind in DeliveryKind})

STATES = (
    DeliveryState.PENDING,
    DeliveryState.PARKED,
    DeliveryState.DONE,
    DeliveryState.SUPERSEDED,
    DeliveryState.WITHDRAWN,
    DeliveryState.CANCELLED,
)
"""A state's place is its number in the deliveries table; the open ones come first."""

STATE_NUMBERS = MappingProxyType({state: number for number, state in enumerate(STATES)})

dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
loads = json.JSONDecoder().decode

# --- versions ----------------------------------------------------------------------------------

VERSION = (
    "v.number, v.id, v.bucket, v.key, v.author, v.at, v.marker, v.is_null, v.size, v.etag,"
    " v.checksum_type, v.rest, v.tags, v.tags_number, v.lock"
)
VERSION_WIDTH = 15
VERSION_OF = f"SELECT {VERSION} FROM versions v WHERE v.number = ?"

_TEXTS = ("principal", "door", "sha256", "invocation", "parent")
_MAPS = ("checksums", "headers", "metadata")


def version_rest(version: Version) -> str:
    """What has no column of its own, as JSON; what is empty is left out."""
    rest: dict[str, Any] = {name: text for name in _TEXTS if (text := getattr(version, name))}
    rest |= {name: dict(each) for name in _MAPS if (each := getattr(version, name))}
    if version.extents:
        rest["extents"] = extent_rows(version.extents)
    if version.parts:
        rest["parts"] = version.parts
    if version.part_checksums:
        rest["part_checksums"] = version.part_checksums
    if version.sources:
        rest["sources"] = source_rows(version.sources)
    return dumps(rest)


def version_of(row: Row) -> Version:
    """From the columns of VERSION."""
    number, id_, bucket, key, author, at, marker, is_null, size, etag = row[:10]
    checksum_type, text, tags, tags_number, lock = row[10:]
    rest = loads(text)
    get = rest.get
    return Version(
        id=id_,
        ref=ObjectRef(bucket, key),
        author=author,
        principal=get("principal", ""),
        door=get("door", ""),
        at=at,
        number=number,
        parent=get("parent", ""),
        marker=marker == 1,
        null=is_null == 1,
        size=size,
        etag=etag,
        sha256=get("sha256", ""),
        checksums=get("checksums", EMPTY),
        checksum_type=checksum_type,
        headers=get("headers", EMPTY),
        metadata=get("metadata", EMPTY),
        tags=loads(tags) if tags else EMPTY,
        tags_number=tags_number,
        lock=lock_of(lock),
        extents=extents_of(get("extents", ())),
        parts=tuple(get("parts", ())),
        part_checksums=tuple(get("part_checksums", ())),
        sources=sources_of(get("sources", ())),
        invocation=get("invocation", ""),
    )


def facts_of(row: Row) -> Facts:
    return version_of(row).facts


def algorithm_of(version: Version) -> str:
    """What a listing names: the first algorithm, the one that the client chose."""
    return next(iter(version.checksums), "")


def extent_rows(extents: Sequence[Extent]) -> list[Row]:
    return [(*_six(e), e.etag) if e.etag else _six(e) for e in extents]


def _six(e: Extent) -> Row:
    return (e.party, e.store, e.key, e.offset, e.length, e.digest)


def extents_of(rows: Sequence[Row]) -> tuple[Extent, ...]:
    return tuple([Extent(*row) for row in rows])


def source_rows(sources: Sequence[Source]) -> list[Row]:
    return [(s.kind, s.ref.bucket, s.ref.key, s.version) for s in sources]


def sources_of(rows: Sequence[Row]) -> tuple[Source, ...]:
    return tuple(
        [Source(kind, ObjectRef(bucket, key), version) for kind, bucket, key, version in rows]
    )


def tags_text(tags: Mapping[str, str]) -> str:
    return dumps(dict(tags)) if tags else ""


def lock_text(lock: Lock | None) -> str:
    return dumps([lock.mode, lock.until, lock.hold]) if lock else ""


def lock_of(text: str) -> Lock | None:
    return Lock(*loads(text)) if text else None


# --- grants ------------------------------------------------------------------------------------

GRANT = "g.party, g.mode, g.rule, g.revision, g.opened"
GRANT_WIDTH = 5


def grant_of(row: Sequence[Any]) -> Grant:
    """From the columns of GRANT, with `closed` as a sixth where it has ended."""
    party, mode, *rest = row
    return Grant(party, MODES[mode], *rest)


# --- deliveries --------------------------------------------------------------------------------

DELIVERY = (
    "d.id, v.id, v.bucket, v.key, d.number, v.author, d.party, d.store, d.target, d.kind, d.state,"
    " d.rule, d.promised, d.attempts, d.due, d.token, d.code, d.error, d.receipt, d.replaced,"
    " d.deadline, d.missed, d.checked, d.finding, d.gone"
)
DELIVERY_FROM = "deliveries d JOIN versions v ON v.number = d.number"


def delivery_of(row: Row) -> Delivery:
    """From the columns of DELIVERY."""
    id_, version, bucket, key, number, author, party, store, target, kind, state = row[:11]
    *rest, text, replaced, deadline, missed, checked, finding, gone = row[11:]
    receipt = None if text is None else Receipt(**loads(text), replaced=replaced == 1)
    return Delivery(
        *(id_, version, ObjectRef(bucket, key), number, author, party, store, target),
        *(
            KINDS[kind],
            STATES[state],
            *rest,
            receipt,
            deadline,
            missed == 1,
            checked,
            finding,
            gone,
        ),
    )


def receipt_text(receipt: Receipt) -> str:
    """As JSON; `replaced` is a column, for a newer copy changes it."""
    return dumps(
        {
            "at": receipt.at,
            "size": receipt.size,
            "sha256": receipt.sha256,
            "etag": receipt.etag,
            "target_version": receipt.target_version,
            "attempts": receipt.attempts,
        }
    )


# --- uploads -----------------------------------------------------------------------------------

UPLOAD = "id, bucket, party, key, begun, rest, version"


def upload_row(upload: Upload) -> Row:
    principal = upload.principal
    rest = {
        "name": principal.name,
        "may": principal.may.value,
        "keys": principal.keys,
        "headers": dict(upload.headers),
        "metadata": dict(upload.metadata),
        "tags": dict(upload.tags),
        "algorithm": upload.algorithm,
        "checksum_type": upload.checksum_type,
        "lock": lock_text(upload.lock),
    }
    ref = upload.ref
    return (upload.id, ref.bucket, principal.party, ref.key, upload.begun, dumps(rest), "")


def upload_of(row: Row) -> Upload:
    id_, bucket, party, key, begun, text, version = row
    rest = loads(text)
    return Upload(
        id_,
        ObjectRef(bucket, key),
        Principal(party, rest["name"], May(rest["may"]), tuple(rest["keys"])),
        begun,
        rest["headers"],
        rest["metadata"],
        rest["tags"],
        rest["algorithm"],
        rest["checksum_type"],
        version,
        lock_of(rest.get("lock", "")),
    )


def part_rest(part: Part) -> str:
    return dumps([extent_rows(part.extents), dict(part.checksums), source_rows(part.sources)])


def part_of(row: Row) -> Part:
    number, size, etag, at, text = row
    extents, checksums, sources = loads(text)
    return Part(number, size, etag, at, extents_of(extents), checksums, sources_of(sources))


# --- buckets -----------------------------------------------------------------------------------

SETTINGS_CACHED = 64
"""Texts of settings kept as values: every request reads its bucket, and 1,000 rules are long."""

BUCKET = "name, owner, members, versioning, history, created, settings"
DECLARED = "SELECT settings FROM declared_settings WHERE bucket = ?"
ONE_BUCKET = f"SELECT {BUCKET} FROM buckets WHERE name = ? AND gone_under IS NULL"


def bucket_row(bucket: Bucket) -> Row:
    members = {party: list(patterns) for party, patterns in bucket.members.items()}
    return (
        *(bucket.name, bucket.owner, dumps(members), bucket.versioning.value),
        *(bucket.history, bucket.created, settings_text(bucket.settings)),
    )


def settings_text(settings: Mapping[str, str]) -> str:
    return dumps(dict(settings)) if settings else ""


@lru_cache(SETTINGS_CACHED)
def settings_of(text: str) -> Mapping[str, str]:
    return MappingProxyType(loads(text)) if text else EMPTY


def bucket_of(row: Row) -> Bucket:
    name, owner, text, versioning, history, created, settings = row
    members = {party: tuple(patterns) for party, patterns in loads(text).items()}
    return Bucket(
        *(name, owner, members, Versioning(versioning), history, created),
        settings=settings_of(settings),
    )
