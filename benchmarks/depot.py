"""An import from OpenSSH's server, which shares the cores with it, into a folder store."""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cli.site import Site
from tests.counterparts import servers

SMALL_FILES = 5000
SMALL_BYTES = 2000
BIG_BYTES = 512 * 1024 * 1024
MIB = 1024 * 1024
OLD = 1_000_000_000


def depot() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder, servers.sshd() as server:
        site = Site(Path(folder))
        site.make()
        asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
        _lay(server.folder)
        known = ("--as", "acme", "--host-key", server.host_key, "--identity", str(server.key))
        address = f"sftp://{server.user}@127.0.0.1:{server.port}{server.folder}"

        def seconds(pattern: str) -> float:
            began = time.perf_counter()
            words = ("sftp", "import", address, "orders/invoices", *known, "--include", pattern)
            site.ask(*words)
            return time.perf_counter() - began

        yield "one file of 512 MiB", f"{BIG_BYTES / MIB / seconds('big'):,.0f} MiB/s"
        yield "files of 2 kB", f"{SMALL_FILES / seconds('small/**'):,.0f} a second"
        yield "known files", f"{SMALL_FILES / seconds('small/**'):,.0f} a second"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        yield "memory at most, the command's own libraries included", f"{peak} MiB"


def _lay(folder: Path) -> None:
    (folder / "small").mkdir()
    block = os.urandom(MIB)
    with (folder / "big").open("wb") as file:
        for _ in range(BIG_BYTES // MIB):
            file.write(block)
    for number in range(SMALL_FILES):
        (folder / f"small/{number:06}.csv").write_bytes(block[:SMALL_BYTES])
    for path in (folder / "big", *(folder / "small").iterdir()):
        os.utime(path, (OLD, OLD))
