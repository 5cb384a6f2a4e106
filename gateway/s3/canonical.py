"""SigV4's canonical request: the exact bytes that a client signed, rebuilt from what it sent."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from gateway.s3.address import split_query

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
TERMINATOR = "aws4_request"

_PLAIN_PATH = re.compile(r"[A-Za-z0-9._~/-]*")
_ESCAPED_SLASH = re.compile("%2[Ff]")

RawHeaders = Sequence[tuple[bytes, bytes]]


class RequestHead(NamedTuple):
    """A request's first bytes as received: method, raw target, header pairs in order of arrival."""

    method: str
    target: str
    headers: RawHeaders


def header_values(headers: RawHeaders) -> Mapping[bytes, bytes]:
    """Values by lower-case name; a repeated header's values are joined with `,` as they came."""
    values: dict[bytes, bytes] = {}
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in values:
            values[name] = b"%b,%b" % (_collapse(values[name]), _collapse(value))
        else:
            values[name] = value
    return MappingProxyType(values)


def _collapse(value: bytes) -> bytes:
    """Outer blanks go, inner ones become one: inside quotes too, as the SDKs do."""
    return b" ".join(value.split())


def canonical_request(
    head: RequestHead,
    values: Mapping[bytes, bytes],
    signed_headers: str,
    payload: str,
    *,
    prefix: str = "",
    presigned: bool = False,
) -> bytes:
    """The canonical request. `signed_headers` is lower case, parted by `;`; `prefix` stands
    before the path where a proxy cut it off; a presigned URL leaves out its own signature."""
    path, _, query = head.target.partition("?")
    names = signed_headers.encode()
    return b"%b\n%b\n%b\n%b\n%b\n%b" % (
        head.method.encode(),
        canonical_path(prefix + path).encode(),
        canonical_query(query, presigned=presigned).encode() if query else b"",
        b"".join([b"%b:%b\n" % (n, _collapse(values.get(n, b""))) for n in names.split(b";")]),
        names,
        payload.encode(),
    )


def canonical_path(path: str) -> str:
    """Each segment decoded once and encoded again; `//`, `.` and `..` stay, as S3 signs them."""
    if _PLAIN_PATH.fullmatch(path):
        return path
    return "/".join([_quoted(segment) for segment in path.split("/")])


def with_bare_slashes(head: RequestHead, *, virtual: bool) -> RequestHead | None:
    """The request with the escaped slashes of its key (`virtual`: of its whole path) written out;
    None where there are none. S3 signs a key's slashes bare, however they travel: the SDK for Java
    escapes the second of two. One that parts bucket and key is never an escaped one."""
    if "%2" not in head.target:
        return None
    path, question, query = head.target.partition("?")
    at = 1 if virtual else path.find("/", 1)
    key = _ESCAPED_SLASH.sub("/", path[at:]) if at > 0 else ""
    if len(path[:at]) + len(key) == len(path) or at <= 0:
        return None
    return head._replace(target=f"{path[:at]}{key}{question}{query}")


def canonical_query(query: str, *, presigned: bool = False) -> str:
    """Sorted pairs, each decoded by no form rules (`+` is a plus) and encoded again."""
    pairs = [(_quoted(name), _quoted(value)) for name, value in split_query(query)]
    if presigned:
        pairs = [pair for pair in pairs if pair[0].lower() != "x-amz-signature"]
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def _quoted(text: str) -> str:
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogateescape")), safe="")


def string_to_sign(date: str, scope: str, request: bytes) -> str:
    """What the signing key signs. `date` is `20130524T000000Z`, `scope` `date/region/s3/…`."""
    return f"{ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(request).hexdigest()}"


def signing_key(secret: str, day: str, region: str) -> bytes:
    """The key of one day, region and service, derived from a secret."""
    key = hmac.digest(f"AWS4{secret}".encode(), day.encode(), "sha256")
    key = hmac.digest(key, region.encode(), "sha256")
    key = hmac.digest(key, SERVICE.encode(), "sha256")
    return hmac.digest(key, TERMINATOR.encode(), "sha256")


def sign(key: bytes, text: str) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.digest(key, text.encode(), "sha256").hex()
