"""A webhook's other end: a real HTTP server on loopback that answers as a test wants.

with Receiver() as receiver:
    receiver.answers = lambda got: 500 if len(receiver.got) < 3 else 200
    ...
    receiver.got[0].record["s3"]["object"]["key"]
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

HANG = "hang"
"""No answer, until the receiver is let go."""
CUT = "cut"
"""The connection ends without an answer."""

PATIENCE_S = 30


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    @property
    def record(self) -> Any:
        (record,) = self.message["Records"]
        return record

    @property
    def event(self) -> str:
        return str(self.message["Event"] if "Event" in self.message else self.record["eventName"])

    @property
    def key(self) -> str:
        return str(self.record["s3"]["object"]["key"])

    def signed_by(self, secret: bytes) -> bool:
        """As the specification of Standard Webhooks tells a receiver to check."""
        head = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
        digest = hmac.new(secret, head + self.body, hashlib.sha256).digest()
        return self.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


@dataclass
class Receiver:
    """`got` is all that came, in order, answered or not."""

    answers: Callable[[Received], int | str] = lambda _: 200
    location: str = ""
    retry_after: str = ""
    certificate: Path | None = None
    got: list[Received] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)
    came: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self._server.server_port}/in"

    @property
    def extras(self) -> Mapping[str, str]:
        said = {"location": self.location, "retry-after": self.retry_after}
        return {name: value for name, value in said.items() if value}

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(got.event, got.key) for got in self.got]

    def wait(self, count: int) -> list[Received]:
        """Once so many came."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.got) >= count, PATIENCE_S), self.got
        return self.got

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                names = {name.lower(): value for name, value in self.headers.items()}
                got = Received(self.path, names, body)
                answer = receiver.answers(got)
                with receiver.came:
                    receiver.got.append(got)
                    receiver.came.notify_all()
                if answer == HANG:
                    receiver.let_go.wait(PATIENCE_S)
                if isinstance(answer, str):
                    self.close_connection = True
                    return
                self.send_response(answer)
                for name, value in receiver.extras.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

        return Handler
