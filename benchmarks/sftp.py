"""The sFTP door with OpenSSH's client, beside OpenSSH's own server; and many small files at once.

Client and server share the two cores, so these are figures of the pair.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import boto3

from benchmarks.servers import Server, free_port, gateway
from tests.counterparts import servers

MB = 1000 * 1000
BIG_BYTES = 256 * 1024**2
SMALL_BYTES = 4096
SMALL_FILES = 100
SESSIONS = 16
IDLE, BUSY = 200, 50
LATENCY_S = 0.020
CIPHERS = ("aes128-gcm@openssh.com", "aes128-ctr")
ROUNDS = 3

Row = tuple[str, str]


@dataclass(frozen=True)
class Way:
    """How a client comes to a server, and the folder that it writes into."""

    user: str
    port: int
    key: Path
    folder: str

    def run(self, cipher: str, line: str) -> float:
        """Seconds of one batch."""
        batch = self.key.parent / "batch"
        batch.write_text(line + "\n")
        quiet = ["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR"]
        where = ["-P", str(self.port), "-i", str(self.key), "-c", cipher, *quiet]
        began = time.perf_counter()
        command = ["sftp", *where, "-b", str(batch), f"{self.user}@127.0.0.1"]
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began


def policies(store: str, key: str) -> dict[str, str]:
    topology = (
        f"parties:\n  acme:\n    store: {store}\n    principals:\n"
        f'      - {{name: bench, user: bench, ssh_key: "file:{key}"}}\n'
        "buckets:\n  bench:\n    owner: acme\n    members: {acme: {write: ['**']}}\n"
    )
    return {"topology.yaml": topology}


@contextlib.contextmanager
def door(
    folder: Path, store: str = "{type: file, path: ../data/acme}"
) -> Iterator[tuple[Server, Way]]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path = folder / "key"
    path.write_bytes(key.export_private_key())
    path.chmod(0o600)
    (folder / "key.pub").write_bytes(key.export_public_key())
    with gateway(folder, policies(store, str(folder / "key.pub")), {0, 1}) as server:
        yield server, Way("bench", server.sftp, path, "/bench")


def sftp() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=".") as name:
        place = Path(name).absolute()
        big = place / "big"
        big.write_bytes(os.urandom(BIG_BYTES))
        yield from _streams(place, big)
        yield from _far(place, big)
        yield from _small(place / "small")
        yield from _many(place / "many")


# --- one stream --------------------------------------------------------------------------------


def _streams(place: Path, big: Path) -> Iterator[Row]:
    (place / "local").mkdir()
    with door(place / "local") as (server, way), contextlib.ExitStack() as stack:
        beside = _openssh(stack)
        for cipher in CIPHERS:
            for act, line in (("put", f"put {big} {{}}/x"), ("get", f"get {{}}/x {place}/back")):
                ours = [way.run(cipher, line.format(way.folder)) for _ in range(ROUNDS)]
                before = server.cpu_seconds()
                ours.append(way.run(cipher, line.format(way.folder)))
                cpu = server.cpu_seconds() - before
                rate = BIG_BYTES / MB / min(ours)
                text = f"{rate:,.0f} MB/s, {BIG_BYTES / MB / cpu:,.0f} MB a second of CPU"
                if beside:
                    theirs = min(
                        beside.run(cipher, line.format(beside.folder)) for _ in range(ROUNDS)
                    )
                    text += f"; OpenSSH's own server {BIG_BYTES / MB / theirs:,.0f} MB/s"
                yield f"{act} 256 MiB, {cipher.partition('@')[0]}", text


def _openssh(stack: contextlib.ExitStack) -> Way | None:
    try:
        found = stack.enter_context(servers.sshd())
    except servers.Absent:
        return None
    return Way(found.user, found.port, found.key, str(found.folder))


def _far(place: Path, big: Path) -> Iterator[Row]:
    """A store whose answers take 20 ms: an S3 server behind a wire that is that long."""
    try:
        with servers.versitygw() as endpoint, wire(int(endpoint.rpartition(":")[2])) as port:
            os.environ["BENCH_S3"] = servers.VERSITYGW_KEYS[1]
            os.environ["BENCH_ID"] = servers.VERSITYGW_KEYS[0]
            _make_bucket(endpoint)
            store = (
                f'{{type: s3, bucket: far, endpoint: "http://127.0.0.1:{port}", '
                'credentials: {id: "env:BENCH_ID", secret: "env:BENCH_S3"}}'
            )
            (place / "far").mkdir()
            with door(place / "far", store) as (_, way):
                for act, line in (
                    ("put", f"put {big} /bench/x"),
                    ("get", f"get /bench/x {place}/b"),
                ):
                    took = min(way.run(CIPHERS[0], line) for _ in range(ROUNDS))
                    yield f"{act} 256 MiB, store 20 ms away", f"{BIG_BYTES / MB / took:,.0f} MB/s"
    except servers.Absent as absent:
        yield "store 20 ms away", str(absent)


def _make_bucket(endpoint: str) -> None:
    name, secret = servers.VERSITYGW_KEYS
    given = {"aws_access_key_id": name, "aws_secret_access_key": secret}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **given).create_bucket(
        Bucket="far"
    )


@contextlib.contextmanager
def wire(target: int) -> Iterator[int]:
    """A relay to a port on this machine that holds every piece for half the way's time."""
    loop, port = asyncio.new_event_loop(), free_port()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)

        async def send() -> None:
            while True:
                due, piece = await queue.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not piece:
                    writer.close()
                    return
                writer.write(piece)
                await writer.drain()

        sending = asyncio.create_task(send())
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(256 * 1024):
                await queue.put((loop.time() + LATENCY_S / 2, piece))
        await queue.put((loop.time() + LATENCY_S / 2, b""))
        with contextlib.suppress(ConnectionError):
            await sending

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    async def serve() -> None:
        async with await asyncio.start_server(relay, "127.0.0.1", port):
            await asyncio.Event().wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    time.sleep(0.2)
    yield port


# --- many --------------------------------------------------------------------------------------


def _client(work: Callable[[], Coroutine[Any, Any, list[float]]]) -> list[float]:
    return asyncio.run(work())


async def _connected(way: Way, stack: contextlib.AsyncExitStack) -> asyncssh.SFTPClient:
    connection = await stack.enter_async_context(
        asyncssh.connect(
            "127.0.0.1",
            way.port,
            username=way.user,
            client_keys=[str(way.key)],
            known_hosts=None,
            agent_path=None,
            encryption_algs=[CIPHERS[0]],
        )
    )
    return await stack.enter_async_context(connection.start_sftp_client())


def _small(place: Path) -> Iterator[Row]:
    place.mkdir()
    data = os.urandom(SMALL_BYTES)
    with door(place) as (server, way):

        async def one(sftp: asyncssh.SFTPClient, number: int) -> None:
            for i in range(SMALL_FILES):
                async with sftp.open(f"/bench/{number}/{i}-{time.time_ns()}", "wb") as file:
                    await file.write(data)

        async def story() -> list[float]:
            async with contextlib.AsyncExitStack() as stack:
                clients = [await _connected(way, stack) for _ in range(SESSIONS)]
                found = []
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    await asyncio.gather(*(one(c, i) for i, c in enumerate(clients)))
                    found.append(SESSIONS * SMALL_FILES / (time.perf_counter() - began))
                return found

        rates = _client(story)
        yield (
            f"durable 4 KiB files, {SESSIONS} sessions",
            f"{max(rates):,.0f} a second, at worst {min(rates):,.0f}; {server.rss_mb():,.0f} MB",
        )


def _many(place: Path) -> Iterator[Row]:
    """200 sessions that do nothing, and 50 that write 1 MiB files."""
    place.mkdir()
    data = os.urandom(1024**2)
    with door(place) as (server, way):
        before = server.rss_mb()

        async def one(sftp: asyncssh.SFTPClient, number: int) -> None:
            for i in range(8):
                async with sftp.open(f"/bench/{number}/{i}", "wb") as file:
                    await file.write(data)

        async def story() -> list[float]:
            async with contextlib.AsyncExitStack() as stack:
                idle = [await _connected(way, stack) for _ in range(IDLE)]
                resting = server.rss_mb()
                busy = [await _connected(way, stack) for _ in range(BUSY)]
                began = time.perf_counter()
                await asyncio.gather(*(one(c, i) for i, c in enumerate(busy)))
                took = time.perf_counter() - began
                assert all([await each.exists("/bench") for each in idle])
                return [resting, BUSY * 8 * len(data) / MB / took]

        resting, rate = _client(story)
        yield (
            f"{IDLE} sessions idle, {BUSY} writing 1 MiB files",
            f"{rate:,.0f} MB/s; {(resting - before) * 1000 / IDLE:,.0f} KB an idle session, "
            f"at most {server.peak_rss_mb():,.0f} MB in all",
        )
