"""Proves that a request was signed by who it says it is from (AWS Signature Version 4)."""

from __future__ import annotations

import enum
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, NamedTuple, Protocol, TypeVar

from gateway.s3.canonical import (
    RequestHead,
    canonical_request,
    header_values,
    sign,
    signing_key,
    string_to_sign,
    with_bare_slashes,
)
from gateway.s3.errors import S3Error
from gateway.s3.presign import Claim, read_claim

SIGNING_KEYS_MAX = 4096

_MUST_BE_SIGNED = (b"x-amz-", b"x-crossdock-")
NO_TOKENS = "This key takes no session token."
_NOT_CHUNKED = "A presigned URL takes no chunked payload."
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# Stands in for the secret of a key id that nobody has, so that both take the same time.
NOBODYS_SECRET = "0" * 40


class Payload(enum.Enum):
    """How the body is framed and what vouches for it; selected by x-amz-content-sha256."""

    HASHED = "sha256 in hex"
    UNSIGNED = "UNSIGNED-PAYLOAD"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"

    @property
    def framed(self) -> bool:
        """Whether the body is aws-chunked."""
        return self not in (Payload.HASHED, Payload.UNSIGNED)


_LITERALS: Mapping[str, Payload] = MappingProxyType(
    {payload.value: payload for payload in Payload if payload is not Payload.HASHED}
)


class Credential(Protocol):
    """What a key look-up answers with; it may carry more, such as the principal."""

    @property
    def secret(self) -> str: ...


C = TypeVar("C", bound=Credential)
C_co = TypeVar("C_co", bound=Credential, covariant=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What clients sign for, where that differs from what arrives here.

    `region`: refuse any other (empty: take the client's). `host` (with port, if not the scheme's
    own) and `prefix` (a path without trailing slash) are those of `external_url` behind a proxy
    that rewrites them. `virtual`: the bucket stands in the Host, and the path is the key alone.
    """

    region: str = ""
    host: str = ""
    prefix: str = ""
    virtual: bool = False


class Verified(NamedTuple, Generic[C_co]):
    """A proved signature, and what the body's own proof builds on.

    `content_sha256` is the claimed hash (hex) where `payload` is HASHED. `signature` is the seed
    of chunk signatures, made with `signing_key` under `scope` and `date`. `sigv2` marks what was
    proved by the older, weaker algorithm.
    """

    access_key: str
    credential: C_co
    payload: Payload = Payload.UNSIGNED
    content_sha256: str = ""
    presigned: bool = False
    signature: str = ""
    signing_key: bytes = b""
    scope: str = ""
    date: str = ""
    sigv2: bool = False

    def __repr__(self) -> str:
        """Neither the credential's secret nor the key may reach a log."""
        return f"Verified({self.access_key!r}, {self.payload.name}, {self.scope!r})"


class SigningKeys:
    """Derived keys of credentials that have proved themselves; the oldest make room for new ones.

    Only a good signature enters a key, so strangers can't push others out.
    """

    def __init__(self, limit: int = SIGNING_KEYS_MAX) -> None:
        self._limit = limit
        self._keys: dict[tuple[str, str, str], tuple[str, bytes]] = {}

    def get(self, claim: Claim, secret: str) -> bytes | None:
        known, key = self._keys.get((claim.access_key, claim.day, claim.region), ("", b""))
        return key if key and known == secret else None

    def put(self, claim: Claim, secret: str, key: bytes) -> None:
        while len(self._keys) >= self._limit:
            del self._keys[next(iter(self._keys))]
        self._keys[claim.access_key, claim.day, claim.region] = (secret, key)


def verify(
    head: RequestHead,
    lookup: Callable[[str], C | None],
    now: int,
    keys: SigningKeys,
    endpoint: Endpoint = Endpoint(),
) -> Verified[C]:
    """Check a request's signature, in its header or presigned; `now` is in seconds, taken when
    the request began.

    Raises S3Error with AWS's codes: AccessDenied (unsigned, expired, `x-amz-*` headers outside the
    signature), InvalidAccessKeyId, SignatureDoesNotMatch (with both strings to compare),
    RequestTimeTooSkewed, and 400s for what is malformed. An unknown key id and a wrong signature
    take the same time.
    """
    values = header_values(head.headers)
    claim = read_claim(head, values, now)
    _check_region(claim, endpoint.region)
    _check_signed(claim, values)
    payload, content_sha256 = _payload(claim, values)
    if endpoint.host:
        values = {**values, b"host": endpoint.host.encode()}
    heads = (head, with_bare_slashes(head, virtual=endpoint.virtual))
    requests = [
        canonical_request(
            each,
            values,
            claim.signed_headers,
            content_sha256,
            prefix=endpoint.prefix,
            presigned=claim.presigned,
        )
        for each in heads
        if each
    ]
    credential, key = _prove(claim, requests, lookup, keys)
    return Verified(
        claim.access_key,
        credential,
        payload,
        content_sha256.lower() if payload is Payload.HASHED else "",
        claim.presigned,
        claim.signature,
        key,
        claim.scope,
        claim.date,
    )


def _prove(
    claim: Claim, requests: Sequence[bytes], lookup: Callable[[str], C | None], keys: SigningKeys
) -> tuple[C, bytes]:
    """`requests` are the ways in which what came may have been signed, the usual one first."""
    credential = lookup(claim.access_key)
    secret = NOBODYS_SECRET if credential is None else credential.secret
    texts = [string_to_sign(claim.date, claim.scope, request) for request in requests]
    known = keys.get(claim, secret)
    key = known or signing_key(secret, claim.day, claim.region)
    good = [hmac.compare_digest(sign(key, text), claim.signature) for text in texts]
    if any(good) and credential is not None:
        if claim.token:
            raise S3Error("InvalidToken", NO_TOKENS)
        if known is None:
            keys.put(claim, secret, key)
        return credential, key
    if known is not None:
        # Every refusal costs exactly one derivation, or its time would tell known ids from others.
        signing_key(NOBODYS_SECRET, claim.day, claim.region)
    # Both answers are made before one is chosen, for the same reason.
    unknown = S3Error("InvalidAccessKeyId", AWSAccessKeyId=claim.access_key)
    wrong = mismatch(claim.access_key, texts[0].encode(), claim.signature)
    wrong.fields = {
        **wrong.fields,
        "CanonicalRequest": requests[0].decode("utf-8", "replace"),
        "CanonicalRequestBytes": requests[0].hex(" "),
    }
    raise unknown if credential is None else wrong


def mismatch(access_key: str, text: bytes, provided: str) -> S3Error:
    """The answer to a wrong signature: what was to be signed, for the client to compare with its
    own, and of the secret nothing."""
    return S3Error(
        "SignatureDoesNotMatch",
        AWSAccessKeyId=access_key,
        StringToSign=text.decode("utf-8", "replace"),
        SignatureProvided=provided,
        StringToSignBytes=text.hex(" "),
    )


def _check_region(claim: Claim, region: str) -> None:
    if region and claim.region != region:
        raise S3Error(
            claim.code,
            f"The region {claim.region!r} is wrong; expecting {region!r}.",
            headers={"x-amz-bucket-region": region},
            Region=region,
        )


def _check_signed(claim: Claim, values: Mapping[bytes, bytes]) -> None:
    """Every `x-amz-*` must be signed: one smuggled beside a presigned URL would act as the signer
    (an unsigned x-amz-copy-source reads whatever the signer can)."""
    signed = claim.signed_headers.encode().split(b";")
    unsigned = [
        name
        for name in values
        if name.startswith(_MUST_BE_SIGNED)
        and name not in signed
        and name != b"x-amz-content-sha256"
    ]
    if unsigned:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=b", ".join(unsigned).decode("latin-1"),
        )


def _payload(claim: Claim, values: Mapping[bytes, bytes]) -> tuple[Payload, str]:
    """The verifier that x-amz-content-sha256 selects, and the value that was signed."""
    text = values.get(b"x-amz-content-sha256", b"").decode("latin-1").strip()
    if claim.presigned:
        return _presigned_payload(claim, text)
    if not text:
        message = "Missing required header for this request: x-amz-content-sha256"
        raise S3Error("InvalidRequest", message)
    return _selected(text), text


def _presigned_payload(claim: Claim, header: str) -> tuple[Payload, str]:
    """A header outside the signature selects nothing, and no framing is ever undone for it."""
    if header.startswith("STREAMING-"):
        raise S3Error("InvalidRequest", _NOT_CHUNKED)
    is_signed = "x-amz-content-sha256" in claim.signed_headers.split(";")
    return unframed_payload(claim.payload or (header if is_signed else ""))


def unframed_payload(text: str) -> tuple[Payload, str]:
    """The verifier that a presigned URL's x-amz-content-sha256 selects, and the value that counts
    as signed; "" where it has none."""
    text = text or Payload.UNSIGNED.value
    payload = _selected(text)
    if payload.framed:
        raise S3Error("InvalidRequest", _NOT_CHUNKED)
    return payload, text


def _selected(text: str) -> Payload:
    payload = _LITERALS.get(text)
    if payload is not None:
        return payload
    if _SHA256.fullmatch(text):
        return Payload.HASHED
    if text.startswith("STREAMING-AWS4-ECDSA-P256-SHA256-"):
        raise S3Error("NotImplemented", f"The payload mode {text} is not implemented.")
    raise S3Error(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a "
        "SHA-256 in hex.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=text,
    )
