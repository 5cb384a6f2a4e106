"""A store in a cloud whose connections break: readers don't notice, metrics do."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.counterparts.servers import moto
from tests.harness import FILES, TOPOLOGY, Gateway
from tests.s3.raw import Socket, ask, sign

BODY = os.urandom(3 * 1024 * 1024)
PIECE_BYTES = 64 * 1024


class Cutter:
    """Passes connections on to `port`. The next `cuts` answers end after `after` bytes."""

    def __init__(self, port: int) -> None:
        self.cuts = 0
        self.after = len(BODY) // 3
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._server.accept()
                theirs = socket.create_connection(("127.0.0.1", self._target))
                for ends in ((ours, theirs, False), (theirs, ours, True)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                passed += len(data)
                if answers and self.cuts and passed > self.after:
                    self.cuts -= 1
                    break
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()  # the other thread closes the other one


@pytest.fixture(scope="module")
def cutter() -> Iterator[Cutter]:
    with moto() as endpoint:
        boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
        ).create_bucket(Bucket="acme-extents")
        cutter = Cutter(int(endpoint.rpartition(":")[2]))
        yield cutter
        cutter.close()


@pytest.fixture(scope="module")
def gateway(cutter: Cutter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    store = (
        "{type: s3, bucket: acme-extents, region: us-east-1, "
        f'endpoint: "http://127.0.0.1:{cutter.port}", '
        'credentials: {id: "env:ID", secret: "env:SECRET"}}'
    )
    topology = TOPOLOGY.replace("{type: file, path: stores/acme}", store)
    folder: Path = tmp_path_factory.mktemp("breaks")
    with Gateway(folder, {**FILES, "topology.yaml": topology}) as running:
        running.client().put_object(Bucket="orders", Key="k", Body=BODY)
        yield running


def reads(gateway: Gateway, outcome: str) -> float:
    labels = {"party": "acme", "store": "home", "verb": "read", "outcome": outcome}
    found = gateway.telemetry.registry.get_sample_value("crossdock_store_calls_total", labels)
    return found or 0.0


def test_read_that_breaks_off_goes_on_behind_its_last_byte(
    gateway: Gateway, cutter: Cutter
) -> None:
    cutter.cuts = 2
    reply = ask(gateway, sign(gateway, "GET", "/orders/k"))
    assert (reply.status, reply.body) == (200, BODY)
    assert cutter.cuts == 0
    assert (reads(gateway, "StoreUnavailable"), reads(gateway, "ok")) == (2, 1)
    labels = {"party": "acme", "store": "home", "verb": "read"}
    got = gateway.telemetry.registry.get_sample_value("crossdock_store_read_bytes_total", labels)
    assert got == len(BODY), "not a byte was read twice"


def test_store_that_keeps_breaking_is_told_of(gateway: Gateway, cutter: Cutter) -> None:
    cutter.cuts, cutter.after = 10, 1000
    with Socket(gateway) as connection:
        connection.send(sign(gateway, "GET", "/orders/k").head())
        assert connection.reply().status == 503
    cutter.cuts = 0
    assert ask(gateway, sign(gateway, "GET", "/orders/k")).body == BODY
