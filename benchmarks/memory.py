"""Memory: a thousand readers that stall, and one upload far larger than memory should grow."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.door import MIB, TOPOLOGY
from benchmarks.load import press
from benchmarks.servers import Server, gateway
from benchmarks.signing import signed

STALLED = 1000
UPLOAD_BYTES = 5 * 1024 * MIB

Row = tuple[str, str]


def memory() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        with gateway(Path(folder), {"topology.yaml": TOPOLOGY}, {0, 1}) as door:
            idle = door.rss_mb()
            yield "RSS idle", f"{idle:.0f} MB"
            grown = _stalled(door) - idle
            yield (
                f"RSS for {STALLED} stalled readers of 64 MiB",
                f"+{grown:.0f} MB = {grown / STALLED * 1024:.0f} KB each",
            )
    with tempfile.TemporaryDirectory(dir=".") as folder:
        with gateway(Path(folder), {"topology.yaml": TOPOLOGY}, {0, 1}) as door:
            idle = door.rss_mb()
            seconds = _upload(door)
            speed = UPLOAD_BYTES / seconds / 1e6
            grown = door.peak_rss_mb() - idle
            yield "RSS peak for one upload of 5 GiB", f"+{grown:.0f} MB, at {speed:.0f} MB/s"


def _stalled(door: Server) -> float:
    body = os.urandom(64 * MIB)
    press(door.port, iter([signed("PUT", door.port, "/bench/big", body)]), 1, 60, len(body))
    request = signed("GET", door.port, "/bench/big")
    sockets = []
    try:
        for _ in range(STALLED):
            sock = socket.create_connection(("127.0.0.1", door.port))
            sock.sendall(request)
            sock.recv(1)
            sockets.append(sock)
        time.sleep(2)
        return door.rss_mb()
    finally:
        for sock in sockets:
            sock.close()


def _upload(door: Server) -> float:
    piece = os.urandom(MIB)
    digest = hashlib.sha256()
    for _ in range(UPLOAD_BYTES // MIB):
        digest.update(piece)
    head = signed("PUT", door.port, "/bench/huge", digest=digest.hexdigest())
    head = head.replace(b"Content-Length: 0", b"Content-Length: %d" % UPLOAD_BYTES)
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", door.port)) as sock:
        sock.sendall(head)
        for _ in range(UPLOAD_BYTES // MIB):
            sock.sendall(piece)
        answer = sock.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer.decode(errors="replace"))
    return time.perf_counter() - start
