"""The authentication that a request carries, in its header or in a presigned URL's query.

Both become one `Claim`, still to be proved by `sigv4.verify`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gateway.s3.address import CONTROL, decode, split_query
from gateway.s3.canonical import ALGORITHM, SERVICE, TERMINATOR, RequestHead
from gateway.s3.dates import amz_date, iso_date, parse_amz_date, parse_http_date
from gateway.s3.errors import S3Error

SKEW_S_MAX = 15 * 60
REGION_CHARS_MAX = 128
"""Any region is taken, and a key derived for it is kept."""
PRESIGNED_S_MAX = 7 * 24 * 3600

_EXPIRES = re.compile(r"[+-]?[0-9]{1,18}")
_QUERY_AUTH = re.compile(
    r"[?&](?:X-Amz-(?:Algorithm|Credential|Signature)|AWSAccessKeyId|Signature)=", re.IGNORECASE
)
_SIGV4 = re.compile(r"[?&]X-Amz-(?:Algorithm|Credential|Signature)=", re.IGNORECASE)
_SIGV2 = re.compile(r"(?:^|&)(?:AWSAccessKeyId|Signature)=", re.IGNORECASE)
_REQUIRED = (
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
)
_AUTH_NAMES = frozenset({*_REQUIRED, "x-amz-security-token", "x-amz-content-sha256"})
HOISTED = ("content-md5", "content-type")
"""Headers that SigV2's presigned URLs carry in their query beside the `x-amz-*` ones."""

_ONCE = (b"authorization", b"host", b"x-amz-date", b"x-amz-content-sha256")
_HEADER_PARTS = frozenset({"Credential", "SignedHeaders", "Signature"})
_HEADER_CODE = "AuthorizationHeaderMalformed"
_QUERY_CODE = "AuthorizationQueryParametersError"
ONLY_V4 = f"The authorization mechanism you have provided is not supported. Use {ALGORITHM}."


class Claim(NamedTuple):
    """Who a request says it is from, and what it says to have signed.

    `date` is in SigV4's basic form, `at` the same in seconds; `payload` is a presigned URL's own
    payload hash. `code` is the error code for anything malformed in this way of signing.
    """

    access_key: str
    day: str
    region: str
    signed_headers: str
    signature: str
    date: str
    at: int
    presigned: bool = False
    payload: str = ""
    token: str = ""

    @property
    def code(self) -> str:
        return _QUERY_CODE if self.presigned else _HEADER_CODE

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{SERVICE}/{TERMINATOR}"


def read_claim(head: RequestHead, values: Mapping[bytes, bytes], now: int) -> Claim:
    """The claim in a request's head; `values` are its headers, `now` is in seconds.

    Errors are AWS's: 403 AccessDenied (none, expired), 403 RequestTimeTooSkewed, 400 for two ways
    of signing at once, SigV2, and all that is malformed.
    """
    header = values.get(b"authorization")
    in_query = "?" in head.target and _QUERY_AUTH.search(head.target) is not None
    if len(values) < len(head.headers):
        _check_single(head)
    if header is None:
        if not in_query:
            raise S3Error("AccessDenied", "Anonymous access is not allowed: sign the request.")
        return _from_query(head.target.partition("?")[2], now)
    if in_query:
        raise S3Error("InvalidArgument", "Sign in the Authorization header or the query, not both.")
    return _from_header(header.decode("latin-1"), values, now)


def _check_single(head: RequestHead) -> None:
    """What says how to verify must be said once: two readers could each take another one."""
    names = [name.lower() for name, _ in head.headers]
    for name in _ONCE:
        if names.count(name) > 1:
            raise S3Error("InvalidArgument", f"The header {name.decode()} is given twice.")


def _from_header(header: str, values: Mapping[bytes, bytes], now: int) -> Claim:
    credential, signed_headers, signature = _header_parts(header)
    date, at = _header_date(values)
    if abs(now - at) > SKEW_S_MAX:
        raise S3Error(
            "RequestTimeTooSkewed",
            RequestTime=date,
            ServerTime=iso_date(now),
            MaxAllowedSkewMilliseconds=str(SKEW_S_MAX * 1000),
        )
    access_key, day, region = read_credential(credential, date, _HEADER_CODE)
    return Claim(
        access_key,
        day,
        region,
        _signed_headers(signed_headers, _HEADER_CODE),
        _signature(signature, _HEADER_CODE),
        date,
        at,
        token=values.get(b"x-amz-security-token", b"").decode("latin-1"),
    )


def _header_parts(header: str) -> tuple[str, str, str]:
    """Credential, SignedHeaders and Signature, in any order, with or without blanks between."""
    scheme, *pieces = header.replace(",", " ").split() or [""]
    if scheme != ALGORITHM:
        raise _other_scheme(scheme)
    parts = {name: value for name, _, value in [piece.partition("=") for piece in pieces]}
    if len(pieces) != 3 or parts.keys() != _HEADER_PARTS:
        raise S3Error(_HEADER_CODE, "Credential, SignedHeaders and Signature are wanted, once.")
    return parts["Credential"], parts["SignedHeaders"], parts["Signature"]


def _other_scheme(scheme: str) -> S3Error:
    if scheme == "AWS":
        return S3Error("InvalidRequest", ONLY_V4)
    if scheme.startswith("AWS4-"):
        return S3Error("NotImplemented", f"{scheme} is not implemented. Use {ALGORITHM}.")
    return S3Error("InvalidArgument", f"Unsupported Authorization type. Use {ALGORITHM}.")


def _header_date(values: Mapping[bytes, bytes]) -> tuple[str, int]:
    """x-amz-date beats Date, which may be in either form."""
    text = values.get(b"x-amz-date", values.get(b"date", b"")).decode("latin-1").strip()
    at = parse_amz_date(text)
    if at is not None:
        return text, at
    at = parse_http_date(text) if b"x-amz-date" not in values else None
    if at is None:
        raise S3Error("AccessDenied", "A signed request needs a valid x-amz-date or Date header.")
    return amz_date(at), at


def _from_query(query: str, now: int) -> Claim:
    params: dict[str, str] = {}
    for raw_name, raw_value in split_query(query):
        name = decode(raw_name).lower()
        if name in _AUTH_NAMES:
            if name in params:
                raise S3Error(_QUERY_CODE, f"The query parameter {name} is given twice.")
            params[name] = decode(raw_value)
    if not params:
        raise S3Error("InvalidRequest", ONLY_V4)
    if _SIGV2.search(query) is not None:
        raise S3Error(_QUERY_CODE, "Sign with one algorithm, not with two.")
    for name in _REQUIRED:
        if name not in params:
            raise S3Error(_QUERY_CODE, f"The query parameter {name} is missing.")
    if params["x-amz-algorithm"] != ALGORITHM:
        raise S3Error(_QUERY_CODE, f"X-Amz-Algorithm only supports {ALGORITHM}.")
    date = params["x-amz-date"]
    at = parse_amz_date(date)
    if at is None:
        raise S3Error(_QUERY_CODE, "X-Amz-Date must be of the form 20130524T000000Z.")
    access_key, day, region = read_credential(params["x-amz-credential"], date, _QUERY_CODE)
    _check_lifetime(at, params["x-amz-expires"], now)
    return Claim(
        access_key,
        day,
        region,
        _signed_headers(params["x-amz-signedheaders"], _QUERY_CODE),
        _signature(params["x-amz-signature"], _QUERY_CODE),
        date,
        at,
        presigned=True,
        payload=params.get("x-amz-content-sha256", ""),
        token=params.get("x-amz-security-token", ""),
    )


def _check_lifetime(at: int, expires: str, now: int) -> None:
    """The 15 minutes of skew bound future dates alone: an old URL lives as long as it says."""
    if _EXPIRES.fullmatch(expires) is None:
        raise S3Error(_QUERY_CODE, "X-Amz-Expires must be a number of seconds.")
    seconds = int(expires)
    if not 1 <= seconds <= PRESIGNED_S_MAX:
        # AWS answers 400 here and RGW 403; SDKs act on neither, ceph/s3-tests wants the 403.
        message = f"X-Amz-Expires must be from 1 to {PRESIGNED_S_MAX} seconds."
        raise S3Error(_QUERY_CODE, message, status=403)
    if at - now > SKEW_S_MAX:
        raise S3Error("AccessDenied", "Request is not valid yet", ServerTime=iso_date(now))
    if now > at + seconds:
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            Expires=iso_date(at + seconds),
            ServerTime=iso_date(now),
        )


def read_credential(text: str, date: str, code: str) -> tuple[str, str, str]:
    """Five fields, split from the right: a key id may hold anything, slashes included."""
    fields = text.rsplit("/", 4)
    if len(fields) != 5 or not fields[0]:
        raise S3Error(code, "The Credential must be KEY-ID/YYYYMMDD/REGION/s3/aws4_request.")
    access_key, day, region, service, terminator = fields
    if service != SERVICE or terminator != TERMINATOR:
        raise S3Error(code, f"The Credential must end in /{SERVICE}/{TERMINATOR}.")
    if len(region) > REGION_CHARS_MAX:
        raise S3Error(code, f"The Credential's region is over {REGION_CHARS_MAX} characters.")
    if day != date[:8]:
        raise S3Error(code, f"The Credential's date {day!r} is not that of the request.")
    return access_key, day, region


def _signed_headers(text: str, code: str) -> str:
    names = text.lower()
    if "host" not in names.split(";"):
        raise S3Error(code, "SignedHeaders must name host.")
    if not names.isascii():
        raise S3Error(code, "SignedHeaders must be ASCII.")
    return names


def _signature(text: str, code: str) -> str:
    if len(text) != 64 or not text.isascii():
        raise S3Error(code, "The Signature must be 64 hex digits.")
    return text


def is_signed_with_sigv4(target: str) -> bool:
    """Whether a request target's query says that it carries such a signature."""
    return _SIGV4.search(target) is not None


def hoisted(query: Mapping[str, str], *, sigv2: bool = False) -> Mapping[str, str]:
    """The headers that a presigned URL carries in its query, by lower-case name.

    Checksum values are left out: a presigner bakes in that of an empty body, which says nothing
    of the body that will come. InvalidArgument for a value that no header could have.
    """
    beginnings = ("x-amz-", "x-crossdock-", *(HOISTED if sigv2 else ()))
    found = {
        name.lower(): value.strip()
        for name, value in query.items()
        if name.lower().startswith(beginnings) and name.lower() not in _AUTH_NAMES
    }
    for name, value in found.items():
        if CONTROL.search(value):
            message = f"The query parameter {name} holds a control character."
            raise S3Error("InvalidArgument", message, ArgumentName=name)
    kept = {"x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-checksum-type"}
    return MappingProxyType(
        {
            name: value
            for name, value in found.items()
            if name in kept or not name.startswith("x-amz-checksum-")
        }
    )
