"""What a request is about: bucket, key and query, read exactly once from the raw target and Host.

Nobody after this module decodes a path again: policy, catalog and audit see one spelling.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from gateway.model import EMPTY, KEY_BYTES_MAX
from gateway.s3.errors import S3Error

RESERVED_PATH = "/-"
"""`/-/…` is Crossdock's own; no bucket name can be `-`."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What a percent-encoded value can hold and a header can't (RFC 9110, 5.5): it would end a line of
an answer, and begin one of the client's own making."""

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_BUCKET_NAME = re.compile(rf"(?=.{{3,63}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}\Z")


class Resource(enum.Enum):
    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed request target. `bucket` and `key` are "" where the target names none.

    `query` holds the first value of each name, decoded. `reserved` is the decoded-nowhere path
    below `/-/` (with its leading slash), or "". `virtual`: the Host names the bucket.
    """

    bucket: str
    key: str
    query: Mapping[str, str]
    reserved: str = ""
    virtual: bool = False

    @property
    def resource(self) -> Resource:
        if self.key:
            return Resource.OBJECT
        return Resource.BUCKET if self.bucket else Resource.SERVICE


def parse_target(raw: str, host: str, domains: Sequence[str] = ()) -> Target:
    """Read a request target as the client sent it (`/bucket/key?query`) and its Host header.

    `domains` are our names for virtual-hosted addressing (`bucket.s3.example.com`), without port.
    Raises InvalidURI, InvalidBucketName or KeyTooLongError (all 400).
    """
    if not raw.startswith("/") or "#" in raw:
        raise S3Error("InvalidURI", "The request target must be a path that begins with '/'.")
    path, _, query = raw.partition("?")
    params = parse_query(query) if query else EMPTY
    bucket = bucket_of_host(host, domains) if domains else ""
    if bucket:
        check_bucket_name(bucket)
        return Target(bucket, parse_key(path[1:]), params, virtual=True)
    if path == RESERVED_PATH or path.startswith(f"{RESERVED_PATH}/"):
        return Target("", "", params, path)
    # Parted before decoding: an escaped slash never ends the bucket's name.
    first, _, rest = path[1:].partition("/")
    if not first:
        if rest or path != "/":
            raise S3Error("InvalidBucketName", "The path names no bucket.")
        return Target("", "", params)
    bucket = decode(first)
    check_bucket_name(bucket)
    return Target(bucket, parse_key(rest), params)


def parse_key(raw: str) -> str:
    """Decode a percent-encoded key: valid UTF-8, at most 1024 bytes, otherwise untouched."""
    key = decode(raw)
    if len(key) * 4 > KEY_BYTES_MAX and len(key.encode()) > KEY_BYTES_MAX:
        raise S3Error("KeyTooLongError")
    return key


def decode(raw: str) -> str:
    """Percent-decode once, by no form rules: `+` stays a plus."""
    if "%" not in raw and raw.isascii():
        return raw
    if _BROKEN_ESCAPE.search(raw):
        raise S3Error("InvalidURI", "A '%' in the request target begins no two-digit hex escape.")
    try:
        return unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        raise S3Error("InvalidURI", "The request target is not UTF-8 once decoded.") from None


def parse_query(raw: str) -> Mapping[str, str]:
    """S3's rules: parted at `&` only, `+` is a blank, the first value of a name counts."""
    params: dict[str, str] = {}
    for name, value in split_query(raw):
        params.setdefault(decode(name.replace("+", " ")), decode(value.replace("+", " ")))
    return MappingProxyType(params)


def split_query(raw: str) -> Iterable[tuple[str, str]]:
    """The pairs of a raw query, still encoded; a name without `=` has the value ""."""
    for piece in raw.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            yield name, value


def bucket_of_host(host: str, domains: Sequence[str]) -> str:
    """The bucket in a virtual-hosted Host: all that stands left of our longest matching domain."""
    name = host.rpartition(":")[0] if _has_port(host) else host
    name = name.lower().rstrip(".")
    for domain in sorted(domains, key=len, reverse=True):
        if name == domain.lower():
            return ""
        if name.endswith(f".{domain.lower()}"):
            return name[: -len(domain) - 1]
    return ""


def _has_port(host: str) -> bool:
    _, colon, port = host.rpartition(":")
    return bool(colon) and (port.isdecimal() or not port)


def check_bucket_name(name: str) -> None:
    """S3's naming rules: 3 to 63 of `a-z 0-9 . -`, labels begin and end alphanumeric, no IPv4."""
    if _BUCKET_NAME.match(name) is None or _IPV4.match(name):
        raise S3Error("InvalidBucketName", BucketName=name)
