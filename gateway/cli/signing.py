"""One signed HTTP request, as a party's own program makes it: SigV4 in its header."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gateway.errors import BadInput, CrossdockError
from gateway.model import EMPTY
from gateway.s3.canonical import (
    ALGORITHM,
    RequestHead,
    canonical_request,
    header_values,
    sign,
    signing_key,
    string_to_sign,
)

TIMEOUT_S = 60.0
ANSWER_BYTES_MAX = 32 * 1024**2
KEY_ID, SECRET, REGION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"


class Reply(NamedTuple):
    status: int
    content: Any


def ask(
    method: str, endpoint: str, path: str, body: bytes = b"", headers: Mapping[str, str] = EMPTY
) -> Reply:
    """Signs with the key in the environment, where every S3 program looks for it. BadInput if it
    is not there; CrossdockError if nobody answers."""
    place = urlsplit(endpoint)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise BadInput(f"{endpoint!r} is no endpoint; expected one like https://files.example.com")
    target = place.path.rstrip("/") + path
    signed = _signed(method, place.netloc, target, body, headers)
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname, place.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, target, body, signed)
        answer = connection.getresponse()
        return Reply(answer.status, json.loads(answer.read(ANSWER_BYTES_MAX)))
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        raise CrossdockError(f"{endpoint} does not answer: {error}") from error
    except ValueError as error:
        raise CrossdockError(f"{endpoint} gave no answer of Crossdock's API") from error
    finally:
        connection.close()


def _signed(
    method: str, host: str, target: str, body: bytes, headers: Mapping[str, str]
) -> Mapping[str, str]:
    key, secret = os.environ.get(KEY_ID, ""), os.environ.get(SECRET, "")
    if not key or not secret:
        raise BadInput(f"{KEY_ID} and {SECRET} must hold the key of a principal with `may: policy`")
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    sent = {**headers, "host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    raw = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    names = ";".join(sorted(name.lower() for name in sent))
    head = RequestHead(method, target, raw)
    request = canonical_request(head, header_values(raw), names, digest)
    day, region = now[:8], os.environ.get(REGION) or "us-east-1"
    scope = f"{day}/{region}/s3/aws4_request"
    proof = sign(signing_key(secret, day, region), string_to_sign(now, scope, request))
    said = f"{ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={proof}"
    return {**sent, "authorization": said}
