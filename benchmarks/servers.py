"""The processes under measurement: the gateway, and bare programs that move the same bytes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_S = 30

GATEWAY = """
listen: {{s3: "127.0.0.1:{port}", sftp: "127.0.0.1:{sftp}", admin: "127.0.0.1:{admin}"}}
catalog: sqlite:///data/catalog.db
state: data
seal_key: file:data/seal.key
policies: policies
limits: {{party: 2000, requests: 2000}}
sftp: {{connections: 1000, per_host: 1000, per_user: 1000}}
"""

BARE = """
import asyncio, sys, uvloop
from aiohttp import web
body = bytes(int(sys.argv[2]))
async def handle(request):
    if request.method == "PUT":
        async for _ in request.content.iter_any():
            pass
        return web.Response(status=200)
    if len(body) <= 1 << 20:
        return web.Response(body=body)
    response = web.StreamResponse()
    response.content_length = len(body)
    await response.prepare(request)
    piece = body[: 1 << 20]
    for _ in range(len(body) // len(piece)):
        await response.write(piece)
    return response
async def main():
    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    await asyncio.Event().wait()
uvloop.run(main())
"""


@dataclass(frozen=True, slots=True)
class Server:
    pid: int
    port: int
    sftp: int = 0

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def peak_rss_mb(self) -> float:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1024


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, cores: set[int], **env: str) -> Iterator[Server]:
    """Runs a server on these cores until the block ends."""
    process = subprocess.Popen(
        command,
        env=os.environ | env,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, port)
        yield Server(process.pid, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError("the server did not start")


@contextlib.contextmanager
def bare(size: int, cores: set[int]) -> Iterator[Server]:
    port = free_port()
    with running([sys.executable, "-c", BARE, str(port), str(size)], port, cores) as server:
        yield server


@contextlib.contextmanager
def gateway(folder: Path, policies: dict[str, str], cores: set[int]) -> Iterator[Server]:
    """The gateway on its embedded default in `folder`; secrets of the policies come as S_<ID>."""
    port = free_port()
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    for name, text in policies.items():
        (folder / "policies" / name).write_text(text)
    config = folder / "gateway.yaml"
    sftp = free_port()
    config.write_text(GATEWAY.format(port=port, sftp=sftp, admin=free_port()))
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
    with running(command, port, cores, BENCH_SECRET=SECRET) as server:
        yield replace(server, sftp=sftp)


SECRET = "a-secret-for-measurements-alone-0123456789"
