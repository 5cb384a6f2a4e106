"""From a PUT's 200 to the verified copy, while idle, for 1, 3 and 8 recipients."""

from __future__ import annotations

import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import press
from benchmarks.servers import Server, gateway
from benchmarks.signing import signed

ROUNDS = 60
WAIT_S = 10.0

Row = tuple[str, str]


def policies(recipients: int) -> dict[str, str]:
    names = [f"r{n}" for n in range(recipients)]
    parties = "".join(
        f"  {name}:\n    store: {{type: file, path: ../data/{name}}}\n"
        f"    principals: [{{name: p}}]\n"
        for name in names
    )
    members = "".join(f"      {name}: {{}}\n" for name in names)
    topology = (
        "parties:\n  acme:\n    store: {type: file, path: ../data/acme}\n    principals:\n"
        '      - {name: bench, access_key: {id: ACME, secret: "env:BENCH_SECRET"}}\n'
        f"{parties}buckets:\n  bench:\n    owner: acme\n    members:\n"
        f'      acme: {{write: ["**"]}}\n{members}'
    )
    sends = (
        "party: acme\nsends:\n  - id: all\n    bucket: bench\n    keys: ['**']\n"
        f"    to: {{{', '.join(f'{name}: copy' for name in names)}}}\n"
    )
    rule = "{from: [acme], into: '{bucket}/{key}'}"
    accepts = {f"{name}.yaml": f"party: {name}\naccepts:\n  - {rule}\n" for name in names}
    return {"topology.yaml": topology, "acme.yaml": sends} | accepts


def lag() -> Iterator[Row]:
    for recipients in (1, 3, 8):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            with gateway(Path(folder), policies(recipients), {0, 1}) as door:
                times = sorted(_one(door, n) for n in range(ROUNDS))
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        label = f"copies verified, {recipients} recipients, idle"
        yield label, f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms after the 200"


def _one(door: Server, number: int) -> float:
    """Seconds from the 200 until the author sees COMPLETED for all."""
    path = f"/bench/lag-{number}"
    press(door.port, iter([signed("PUT", door.port, path, os.urandom(4096))]), 1, 10, 4096)
    start = time.perf_counter()
    while time.perf_counter() < start + WAIT_S:
        if _status(door.port, path) == "COMPLETED":
            return time.perf_counter() - start
        time.sleep(0.002)
    raise RuntimeError("the copies did not arrive")


def _status(port: int, path: str) -> str:
    lines = signed("HEAD", port, path).decode().split("\r\n")[1:-2]
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers=headers, method="HEAD"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers.get("x-amz-replication-status", ""))
