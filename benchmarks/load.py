"""A load generator that costs little: ready-made requests over kept-alive connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import uvloop


@dataclass(frozen=True, slots=True)
class Load:
    """What one run showed. Latencies in seconds, sorted."""

    requests: int
    seconds: float
    bytes: int
    errors: int
    latencies: tuple[float, ...]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def mb_per_second(self) -> float:
        return self.bytes / self.seconds / 1e6

    def percentile(self, p: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * p))]


class _Pump(asyncio.BufferedProtocol):
    """One connection: sends a request, waits for the whole answer, sends the next."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = bytearray(1 << 20)
        self._head = b""
        self._left = -1
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._run.errors += 1
            self.done.set_result(None)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._left >= 0:
            self._left -= nbytes
        else:
            self._head += self._buffer[:nbytes]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._left = _length(self._head[:end]) - (len(self._head) - end - 4)
        if self._left <= 0:
            self._finish()

    def _finish(self) -> None:
        run = self._run
        run.latencies.append(time.perf_counter() - self._sent)
        run.requests += 1
        if not self._head.startswith(b"HTTP/1.1 2"):
            run.errors += 1
            run.first_error = run.first_error or self._head[:600]
        self._head, self._left = b"", -1
        self._next()

    def _next(self) -> None:
        request = next(self._run.source, None)
        if request is None or time.perf_counter() > self._run.until:
            self.done.set_result(None)
            assert self._transport is not None
            self._transport.close()
            return
        self._sent = time.perf_counter()
        assert self._transport is not None
        self._transport.write(request)


class _Run:
    def __init__(self, source: Iterator[bytes], until: float) -> None:
        self.source = source
        self.until = until
        self.requests = 0
        self.errors = 0
        self.first_error = b""
        self.latencies: list[float] = []


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])


def press(port: int, source: Iterator[bytes], clients: int, seconds: float, size: int) -> Load:
    """Sends what `source` yields over `clients` connections, for at most `seconds`. `size` is the
    content of one request or answer in bytes. Raises if any answer is not a 2xx."""

    async def drive() -> Load:
        loop = asyncio.get_running_loop()
        start = time.perf_counter()
        run = _Run(source, start + seconds)
        pumps = [
            (await loop.create_connection(lambda: _Pump(run), "127.0.0.1", port))[1]
            for _ in range(clients)
        ]
        await asyncio.gather(*(pump.done for pump in pumps))
        took = time.perf_counter() - start
        if run.errors:
            raise RuntimeError(f"{run.errors} of {run.requests} failed: {run.first_error!r}")
        latencies = tuple(sorted(run.latencies))
        return Load(run.requests, took, run.requests * size, run.errors, latencies)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(drive())
