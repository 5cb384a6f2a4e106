"""What a request claims about its body's checksums, and how answers spell them."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.digests import ALGORITHMS, composite
from gateway.s3.errors import S3Error

DEFAULT_ALGORITHM = "crc64nvme"
"""Computed when the client names none, as AWS does."""

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"

TRAILER = "x-amz-trailer"
HEADER_PREFIX = "x-amz-checksum-"
_NOT_VALUES = frozenset({"x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-checksum-type"})
_FULL_OBJECT_ALONE = frozenset({"crc64nvme"})
_EITHER = frozenset({"crc32", "crc32c"})

NO_CLAIMS: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Claims:
    """What a request's head says of its body.

    `algorithm` is the one whose checksum is kept and shown ("" if the client named none),
    `values` the raw digests known at the head (Content-MD5 as md5), `trailers` the headers that
    will follow the body.
    """

    algorithm: str = ""
    values: Mapping[str, bytes] = field(default_factory=lambda: NO_CLAIMS)
    trailers: tuple[str, ...] = ()

    @property
    def algorithms(self) -> frozenset[str]:
        """The digests to compute: those claimed and the one to keep."""
        return frozenset({*self.values, self.algorithm or DEFAULT_ALGORITHM})

    def complete(self, trailers: Mapping[str, str]) -> Mapping[str, bytes]:
        """All claims, once the trailing headers have come (`Decoder.trailers`)."""
        found = dict(self.values)
        for name, value in trailers.items():
            algorithm = _algorithm_of(name)
            if algorithm is not None:
                found[algorithm] = parse_value(algorithm, value)
        return MappingProxyType(found)


def parse_claims(headers: Mapping[str, str]) -> Claims:
    """The claims of a request that has a body; header names are lower case.

    Raises InvalidRequest (two checksums, a malformed or unknown one, a header that disagrees with
    the algorithm named or with a trailer), InvalidDigest (Content-MD5).
    """
    named = named_algorithm(headers)
    values: dict[str, bytes] = {}
    for name in headers:
        algorithm = _algorithm_of(name)
        if algorithm is not None:
            values[algorithm] = parse_value(algorithm, headers[name])
    trailers = _trailers(headers)
    trailing = [name.removeprefix(HEADER_PREFIX) for name in trailers]
    if len(values) + len(trailing) > 1:
        raise S3Error("InvalidRequest", "Send at most one checksum, in a header or the trailer.")
    claimed = next(iter([*values, *trailing]), "")
    if named and claimed and named != claimed:
        raise S3Error("InvalidRequest", f"The checksum sent is not the {named.upper()} announced.")
    if "content-md5" in headers:
        md5 = parse_md5(headers["content-md5"])
        if values.setdefault("md5", md5) != md5:
            raise S3Error("BadDigest", "Content-MD5 and x-amz-checksum-md5 differ.")
    return Claims(claimed or named, MappingProxyType(values), trailers)


def named_algorithm(headers: Mapping[str, str]) -> str:
    """The algorithm that the client names for its checksums, or ""."""
    sdk = headers.get("x-amz-sdk-checksum-algorithm", "")
    name = headers.get("x-amz-checksum-algorithm", sdk)
    if sdk and name.lower() != sdk.lower():
        raise S3Error("InvalidRequest", "The request names two checksum algorithms.")
    if name and name.lower() not in ALGORITHMS:
        raise S3Error("InvalidRequest", f"The checksum algorithm {name!r} is not supported.")
    return name.lower()


def _trailers(headers: Mapping[str, str]) -> tuple[str, ...]:
    names = headers.get(TRAILER, "")
    found = tuple(name.strip().lower() for name in names.split(",") if name.strip())
    if not all(map(_algorithm_of, found)):
        raise S3Error("InvalidRequest", "x-amz-trailer may only name a checksum header.")
    return found


def _algorithm_of(header: str) -> str | None:
    """The algorithm of an `x-amz-checksum-*` header that carries a value; None for any other."""
    if not header.startswith(HEADER_PREFIX) or header in _NOT_VALUES:
        return None
    algorithm = header.removeprefix(HEADER_PREFIX)
    if algorithm not in ALGORITHMS:
        raise S3Error("InvalidRequest", f"The checksum algorithm {algorithm!r} is not supported.")
    return algorithm


def parse_value(algorithm: str, text: str) -> bytes:
    """A checksum's raw digest from its base64; InvalidRequest if it is not of the right form."""
    raw = _from_base64(text)
    if raw is None or len(raw) != ALGORITHMS[algorithm].size:
        message = f"Value for {HEADER_PREFIX}{algorithm} header is invalid."
        raise S3Error("InvalidRequest", message)
    return raw


def parse_md5(text: str) -> bytes:
    """Content-MD5's 16 bytes, or InvalidDigest."""
    raw = _from_base64(text)
    if raw is None or len(raw) != ALGORITHMS["md5"].size:
        raise S3Error("InvalidDigest", ContentMD5=text)
    return raw


def _from_base64(text: str) -> bytes | None:
    try:
        return b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None


def spell(digest: bytes) -> str:
    """A digest as headers and XML carry it."""
    return b64encode(digest).decode("ascii")


def spell_composite(algorithm: str, digests: Sequence[bytes]) -> str:
    """The checksum of parts: `base64-N`, which SDKs know not to compare with a download."""
    return f"{spell(composite(algorithm, digests))}-{len(digests)}"


def upload_type(algorithm: str, asked: str = "") -> str:
    """The checksum type of a multipart upload, FULL_OBJECT or COMPOSITE.

    `asked` is x-amz-checksum-type; a pair that S3 does not have is an InvalidRequest.
    """
    kind = asked.upper() or (FULL_OBJECT if algorithm in _FULL_OBJECT_ALONE else COMPOSITE)
    can_be_full = algorithm in _FULL_OBJECT_ALONE or algorithm in _EITHER
    fits = kind == FULL_OBJECT if algorithm in _FULL_OBJECT_ALONE else kind == COMPOSITE
    if not algorithm or not (fits or (kind == FULL_OBJECT and can_be_full)):
        raise S3Error(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm or 'missing'} algorithm.",
        )
    return kind


def object_claim(headers: Mapping[str, str]) -> tuple[str, str]:
    """What CompleteMultipartUpload claims of the whole object: (algorithm, text), or ("", "").

    The text is base64, with `-N` where it is composite.
    """
    found = [(algorithm, headers[name]) for name in headers if (algorithm := _algorithm_of(name))]
    if len(found) > 1:
        raise S3Error("InvalidRequest", "Send at most one checksum.")
    if not found:
        return "", ""
    algorithm, text = found[0]
    value, dash, count = text.strip().partition("-")
    parse_value(algorithm, value)
    if dash and not (count.isascii() and count.isdecimal()):
        raise S3Error("InvalidRequest", f"Value for {HEADER_PREFIX}{algorithm} header is invalid.")
    return algorithm, text.strip()
