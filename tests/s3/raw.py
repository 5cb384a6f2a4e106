"""Requests as bytes: signed by botocore, sent over a socket, answers read as they come."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.harness import REGION, Gateway, key_of

UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
TIMEOUT_S = 20


class _Auth(S3SigV4Auth):  # type: ignore[misc]
    def __init__(self, principal: str, mode: str) -> None:
        super().__init__(Credentials(*key_of(principal)), "s3", REGION)
        self.mode = mode

    def payload(self, request: AWSRequest) -> str:
        return self.mode


@dataclass(frozen=True)
class At:
    """Where a proxy before a gateway listens."""

    port: int
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Signed:
    """A signed head, ready to be sent, and what chunk signatures are built on."""

    method: str
    target: str
    headers: Mapping[str, str]

    def head(self, *extra: str) -> bytes:
        """The head's bytes; `extra` header lines stand outside the signature."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join([*lines, *extra]) + "\r\n\r\n").encode()

    @property
    def signature(self) -> str:
        return self.headers["Authorization"].rpartition("=")[2]


def sign(
    gateway: Gateway | At,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes = b"",
    mode: str | None = None,
    principal: str = "acme/erp",
    host: str = "",
) -> Signed:
    """`mode` is x-amz-content-sha256; by default the body's own hash."""
    host = host or f"127.0.0.1:{gateway.port}"
    request = AWSRequest(method, f"http://{host}{target}")
    request.headers["Host"] = host
    for name, value in (headers or {}).items():
        request.headers[name] = value
    _Auth(principal, mode or hashlib.sha256(body).hexdigest()).add_auth(request)
    return Signed(method, target, dict(request.headers.items()))


def chunked(pieces: Iterable[bytes], trailer: bytes = b"") -> bytes:
    """Unsigned aws-chunked framing."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n" + trailer + b"\r\n"


def sealed(
    signed: Signed, pieces: Iterable[bytes], trailer: str = "", principal: str = "acme/erp"
) -> bytes:
    """Signed aws-chunked framing, with a signed trailer (`name:value`) where one is given."""
    date = signed.headers["X-Amz-Date"]
    scope = f"{date[:8]}/{REGION}/s3/aws4_request"
    key = f"AWS4{key_of(principal)[1]}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    previous, framed = signed.signature, b""

    def chain(kind: str, rest: str) -> str:
        text = f"AWS4-HMAC-SHA256-{kind}\n{date}\n{scope}\n{previous}\n{rest}"
        return hmac.digest(key, text.encode(), "sha256").hex()

    empty = hashlib.sha256().hexdigest()
    for piece in [*pieces, b""]:
        previous = chain("PAYLOAD", f"{empty}\n{hashlib.sha256(piece).hexdigest()}")
        framed += b"%x;chunk-signature=%b\r\n" % (len(piece), previous.encode())
        framed += piece + b"\r\n" if piece else b""
    if trailer:
        seal = chain("TRAILER", hashlib.sha256(f"{trailer}\n".encode()).hexdigest())
        framed += f"{trailer}\r\nx-amz-trailer-signature:{seal}\r\n".encode()
    return framed + b"\r\n"


def posted(
    gateway: Gateway,
    bucket: str,
    fields: Mapping[str, str],
    file: bytes = b"x",
    *,
    policy: Mapping[str, object] | None = None,
    principal: str = "acme/erp",
) -> tuple[Signed, bytes]:
    """A browser's form, signed with SigV2; its policy by default covers exactly these fields."""
    conditions = [{name: value} for name, value in {**fields, "bucket": bucket}.items()]
    allowed = policy or {"expiration": in_an_hour(), "conditions": conditions}
    text = base64.b64encode(json.dumps(allowed).encode()).decode()
    key, secret = key_of(principal)
    signature = base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()
    own = {"AWSAccessKeyId": key, "policy": text, "signature": signature}
    lines = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**own, **fields}.items()
    ]
    head = '--b\r\nContent-Disposition: form-data; name="file"; filename="dir\\a.txt"\r\n\r\n'
    body = ("".join(lines) + head).encode() + file + b"\r\n--b--\r\n"
    headers = {
        "Host": f"127.0.0.1:{gateway.port}",
        "Content-Type": "multipart/form-data; boundary=b",
    }
    return Signed("POST", f"/{bucket}", headers), body


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code in the body, or ""."""
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


class Socket:
    """One connection to the gateway."""

    def __init__(self, gateway: Gateway | At, trust: str = "") -> None:
        plain = socket.create_connection(("127.0.0.1", gateway.port), TIMEOUT_S)
        if gateway.tls:
            context = ssl.create_default_context(cafile=trust)
            plain = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._socket = plain
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hang_up(self) -> None:
        """Nothing more will be sent; answers can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def ask(self, data: bytes, method: str = "GET") -> Reply:
        self.send(data)
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        """The next answer, `100 Continue` included; a HEAD's has no body."""
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        status, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
        while len(self._left) < length:
            self._more()
        body, self._left = self._left[:length], self._left[length:]
        return Reply(int(status.split()[1]), headers, body)

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError("the gateway closed the connection")
        self._left += data

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        self._socket.settimeout(seconds)
        try:
            self._more()
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(TIMEOUT_S)
        return False

    def closed(self) -> bool:
        """Whether the gateway ends the connection, having said nothing more."""
        try:
            self._more()
        except (EOFError, ConnectionError):
            return not self._left
        return False


def ask(gateway: Gateway | At, signed: Signed, body: bytes = b"", *extra: str) -> Reply:
    """One request on a connection of its own; Content-Length is added for a body."""
    lines = [*extra]
    if body and not any(line.lower().startswith(("content-length", "transfer-")) for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    with Socket(gateway) as connection:
        return connection.ask(signed.head(*lines) + body, signed.method)
