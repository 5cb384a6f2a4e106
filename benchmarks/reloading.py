"""What requests feel of a reload of 10,000 rules: 1,000 files are edited while clients write."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import policy
from benchmarks.load import Load, press
from benchmarks.servers import Server, gateway
from benchmarks.signing import signed

CLIENTS = 4
QUIET_S = 10.0
BUSY_S = 30.0
KIB4 = 4096
KEY = 'principals: [{name: bench, access_key: {id: ACME, secret: "env:BENCH_SECRET"}}]'

Row = tuple[str, str]


def reloading() -> Iterator[Row]:
    files = policy.folder()
    home = "{type: file, path: ../data/p0}"
    files["topology.yaml"] = files["topology.yaml"].replace(home, f"{home}, {KEY}", 1)
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        with gateway(folder, files, {0, 1}) as door:
            before = _writes(door, "quiet", QUIET_S)
            editing = threading.Thread(target=_edit, args=(folder / "policies", files))
            editing.start()
            meanwhile = _writes(door, "busy", BUSY_S)
            editing.join()
    yield "PUT 4 KiB while nothing is edited", _shown(before)
    yield "PUT 4 KiB while 1,000 files with 10,000 rules are read anew", _shown(meanwhile)


def _edit(folder: Path, files: dict[str, str]) -> None:
    time.sleep(2)
    for name, text in files.items():
        (folder / name).write_text(f"{text}# edited\n")


def _writes(door: Server, kind: str, seconds: float) -> Load:
    body = os.urandom(KIB4)
    paths = (f"/bucket0/p0/other/{kind}-{n}" for n in itertools.count())
    requests = (signed("PUT", door.port, path, body) for path in paths)
    return press(door.port, requests, CLIENTS, seconds, KIB4)


def _shown(load: Load) -> str:
    p50, p99 = load.percentile(0.5) * 1000, load.percentile(0.99) * 1000
    return (
        f"{load.errors} failed of {load.requests:,}; {load.per_second:,.0f}/s, "
        f"p50 {p50:.0f}, p99 {p99:.0f}, at worst {load.latencies[-1] * 1000:.0f} ms"
    )
