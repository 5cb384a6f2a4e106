"""The S3 door against bare programs doing the same bytes, in turns within one run."""

from __future__ import annotations

import hashlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.load import Load, press
from benchmarks.servers import Server, bare, gateway
from benchmarks.signing import signed

KIB, MIB = 1024, 1024**2
SIZES = (4 * KIB, 64 * KIB, MIB, 64 * MIB)
SERVER_CORE, CLIENT_CORE = {0}, {1}
ROUNDS = 3
SECONDS = 3.0

Row = tuple[str, str]

TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: ../data/acme}
    principals:
      - {name: bench, access_key: {id: ACME, secret: "env:BENCH_SECRET"}}
buckets:
  bench:
    owner: acme
    members: {acme: {write: ["**"]}}
"""


def name_of(size: int) -> str:
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


def clients_for(size: int) -> int:
    return 16 if size <= MIB else 4


def median(loads: list[Load], figure: Callable[[Load], float]) -> float:
    return statistics.median(figure(load) for load in loads)


def reads() -> Iterator[Row]:
    """Signed GET, as a ratio to a bare aiohttp server that sends the same bytes from memory."""
    os.sched_setaffinity(0, CLIENT_CORE)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, bare(size, SERVER_CORE) as plain:
            with gateway(Path(folder), {"topology.yaml": TOPOLOGY}, SERVER_CORE) as door:
                body = os.urandom(size)
                put = signed("PUT", door.port, "/bench/object", body)
                press(door.port, iter([put]), 1, 60, size)
                get = signed("GET", door.port, "/bench/object")
                yield from _compare("GET", size, plain, door, partial(itertools.repeat, get))


def writes() -> Iterator[Row]:
    """Signed durable PUT, as a ratio to a bare aiohttp server that reads the bytes and forgets
    them; and to MD5's own speed for the large ones."""
    yield from _writes(SERVER_CORE, SIZES)
    yield from _writes({0, 1}, SIZES[-1:])
    yield "MD5 on the server's core, the other one busy", f"{md5_speed():.0f} MB/s"


def _writes(cores: set[int], sizes: Sequence[int]) -> Iterator[Row]:
    os.sched_setaffinity(0, CLIENT_CORE)
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=".") as folder, bare(0, cores) as plain:
            with gateway(Path(folder), {"topology.yaml": TOPOLOGY}, cores) as door:
                body = os.urandom(size)
                digest = hashlib.sha256(body).hexdigest()
                count = 2000 if size <= 64 * KIB else 8
                requests = [
                    signed("PUT", door.port, f"/bench/k{n}", body, digest=digest)
                    for n in range(count)
                ]
                verb = "PUT" if cores == SERVER_CORE else "PUT on both cores"
                yield from _compare(verb, size, plain, door, partial(itertools.cycle, requests))


def _compare(
    verb: str, size: int, plain: Server, door: Server, source: Callable[[], Iterator[bytes]]
) -> Iterator[Row]:
    clients = clients_for(size)
    bare_loads, door_loads = [], []
    cpu = 0.0
    press(door.port, source(), clients, 1.0, size)  # warm up
    for _ in range(ROUNDS):
        bare_loads.append(press(plain.port, source(), clients, SECONDS, size))
        before = door.cpu_seconds()
        door_loads.append(press(door.port, source(), clients, SECONDS, size))
        cpu += door.cpu_seconds() - before
    theirs = median(bare_loads, lambda load: load.per_second)
    ours = median(door_loads, lambda load: load.per_second)
    requests = sum(load.requests for load in door_loads)
    label = f"{verb} {name_of(size)}, {clients} clients"
    speed = median(door_loads, lambda load: load.mb_per_second)
    p99 = median(door_loads, lambda load: load.percentile(0.99)) * 1000
    p50 = median(door_loads, lambda load: load.percentile(0.5)) * 1000
    added = p50 - median(bare_loads, lambda load: load.percentile(0.5)) * 1000
    yield label, f"{ours:,.0f}/s ({speed:,.0f} MB/s) = {ours / theirs:.0%} of bare {theirs:,.0f}/s"
    yield f"{label}, CPU per request", f"{cpu / requests * 1e6:,.0f} µs"
    yield f"{label}, latency", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, added at p50 {added:.2f} ms"


def durable_writes() -> Iterator[Row]:
    """Durable 4 KiB PUTs per second, against a bare program that writes, syncs and renames the
    same files, with as many threads as there are clients."""
    size = 4 * KIB
    body = os.urandom(size)
    digest = hashlib.sha256(body).hexdigest()
    for cores, label in ((SERVER_CORE, "one core"), ({0, 1}, "both cores")):
        os.sched_setaffinity(0, CLIENT_CORE)
        for clients in (16, 64):
            with tempfile.TemporaryDirectory(dir=".") as folder:
                with gateway(Path(folder), {"topology.yaml": TOPOLOGY}, cores) as door:
                    requests = [
                        signed("PUT", door.port, f"/bench/k{n}", body, digest=digest)
                        for n in range(2000)
                    ]
                    press(door.port, itertools.cycle(requests), clients, 1.0, size)
                    loads, files = [], []
                    for _ in range(ROUNDS):
                        loads.append(
                            press(door.port, itertools.cycle(requests), clients, SECONDS, size)
                        )
                        files.append(_files_per_second(Path(folder), body, clients, cores))
            ours = median(loads, lambda load: load.per_second)
            theirs = statistics.median(files)
            p99 = median(loads, lambda load: load.percentile(0.99)) * 1000
            text = f"{ours:,.0f}/s = {ours / theirs:.0%} of bare files {theirs:,.0f}/s"
            yield f"durable PUT 4 KiB, {clients} clients, {label}", f"{text}, p99 {p99:.1f} ms"


def _files_per_second(folder: Path, body: bytes, threads: int, cores: set[int]) -> float:
    """Write, fsync, rename, with this many threads on the same cores; the folder is not synced."""
    target = Path(tempfile.mkdtemp(dir=folder))
    until = time.perf_counter() + 1.5
    counts = [0] * threads
    names = itertools.count()
    lock = threading.Lock()

    def work(slot: int) -> None:
        os.sched_setaffinity(0, cores)
        while time.perf_counter() < until:
            with lock:
                name = target / f"{next(names)}"
            fd = os.open(f"{name}.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(fd, body)
            os.fsync(fd)
            os.close(fd)
            os.rename(f"{name}.tmp", name)
            counts[slot] += 1

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return sum(counts) / (time.perf_counter() - start)


def md5_speed() -> float:
    """MB/s of hashlib's MD5 on the server's core while the client's core is busy, as it is under
    load: where the two are threads of one physical core, each gets about half of it."""
    spin = [sys.executable, "-c", "while True: pass"]
    sibling = subprocess.Popen(spin, preexec_fn=lambda: os.sched_setaffinity(0, CLIENT_CORE))
    try:
        os.sched_setaffinity(0, SERVER_CORE)
        block = bytes(16 * MIB)
        start = time.perf_counter()
        for _ in range(8):
            hashlib.md5(block, usedforsecurity=False).digest()
        return 8 * len(block) / (time.perf_counter() - start) / 1e6
    finally:
        sibling.kill()
        sibling.wait()
