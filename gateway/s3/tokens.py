"""Continuation tokens: where a listing goes on, sealed so that no other listing takes them.

A token is unpadded base64url (`[A-Za-z0-9_-]`, as some clients decode it once more) of a MAC and
the position. It is bound to a context (party, bucket), so another party's or bucket's is garbage.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from gateway.s3.errors import S3Error

MAC_BYTES = 16
TOKEN_CHARS_MAX = 4096


def seal_token(secret: bytes, context: str, position: str) -> str:
    """The token for a position (a key or a common prefix) of this context."""
    raw = position.encode()
    return urlsafe_b64encode(_mac(secret, context, raw) + raw).decode().rstrip("=")


def open_token(secret: bytes, context: str, token: str) -> str:
    """The position in a token; an empty token means the start. InvalidArgument for any other."""
    if not token:
        return ""
    raw = _decode(token)
    if raw is not None:
        mac, position = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if hmac.compare_digest(mac, _mac(secret, context, position)):
            return position.decode()
    raise S3Error(
        "InvalidArgument",
        "The continuation token provided is incorrect",
        ArgumentName="continuation-token",
        ArgumentValue=token[:TOKEN_CHARS_MAX],
    )


def _mac(secret: bytes, context: str, position: bytes) -> bytes:
    text = context.encode()
    message = b"continuation-token" + len(text).to_bytes(4, "big") + text + position
    return hmac.digest(secret, message, "sha256")[:MAC_BYTES]


def _decode(token: str) -> bytes | None:
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        return None
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
