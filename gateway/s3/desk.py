"""What every handler has at hand: the exchange, the limits, and one request read into values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from gateway.exchange import Exchange
from gateway.model import OBJECT_BYTES_MAX, PART_NUMBER_MAX, Caller, ObjectRef, Principal
from gateway.s3.address import CONTROL, Target
from gateway.s3.errors import S3Error
from gateway.s3.forms import Form
from gateway.s3.origin import Seen
from gateway.s3.routes import Operation
from gateway.s3.sigv4 import Verified
from gateway.s3.wire import Wire

HEAD_BYTES_MAX = 32 * 1024
"""A prefix, a start-after and a token, each of a 1,024-byte key, percent-encoded, are 9 KiB."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond any of these a request is refused; sizes are in bytes, times in seconds.

    `party_requests_max` are those of one party, and of all whose signature is yet to be read.
    `head_s` is the time for a connection's first request head; `stall_s` how long a body may give
    no byte, or a client take none, and the time for all fields of a form; `idle_s` how long a
    connection may wait for its next request (longer than clients keep theirs: 60 s in JVMs, or
    they meet a connection that has just been closed).
    """

    body_bytes_max: int = OBJECT_BYTES_MAX
    head_bytes_max: int = HEAD_BYTES_MAX
    document_bytes_max: int = 4 * 1024**2
    requests_max: int = 1024
    party_requests_max: int = 512
    connections_max: int = 10_000
    parts_max: int = PART_NUMBER_MAX
    head_s: float = 10.0
    stall_s: float = 60.0
    idle_s: float = 630.0


class Signer(NamedTuple):
    """A credential as the signature's check wants it; `sigv2`: it may be shown by SigV2 too."""

    secret: str
    principal: Principal
    sigv2: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """The means of handlers. `token_secret` seals continuation tokens: the same for every gateway
    of one catalog."""

    exchange: Exchange
    limits: Limits
    region: str
    token_secret: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One authenticated request. Header names are lower case; a presigned URL's own headers are
    among them. `now` is in seconds, taken when the request began; `form` is a PostObject's."""

    operation: Operation
    target: Target
    headers: Mapping[str, str]
    caller: Caller
    verified: Verified[Signer]
    wire: Wire
    now: int
    seen: Seen
    form: Form | None = None

    @property
    def bucket(self) -> str:
        return self.target.bucket

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.target.bucket, self.target.key)

    def url(self, key: str) -> str:
        """Of an object in the bucket, as the client would write it, path-style."""
        return f"{self.seen.base(self.target)}/{self.bucket}/{quote(key)}"

    @property
    def query(self) -> Mapping[str, str]:
        return self.target.query

    @property
    def version(self) -> str:
        """The version id asked for, or ""."""
        version = self.target.query.get("versionId")
        if version == "":
            raise S3Error("InvalidArgument", "Version id cannot be the empty string")
        if version and CONTROL.search(version):
            raise S3Error("InvalidArgument", "Invalid version id specified")
        return version or ""
