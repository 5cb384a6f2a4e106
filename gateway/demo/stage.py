"""The stage: a folder, a gateway and an S3 server as processes, and clients for the parties."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

START_SECONDS = 30
REGION = "us-east-1"
INBOX = "globex-inbox"

GATEWAY = """
listen: {s3: "127.0.0.1:0", admin: "127.0.0.1:0"}
catalog: sqlite:///data/catalog.db
state: data
seal_key: file:data/seal.key
policies: policies
"""
TOPOLOGY = """
parties:
  acme:
    title: Acme Manufacturing, its files in a folder
    store: {{type: file, path: ../acme}}
    principals: [{{name: erp}}]
  globex:
    title: Globex Logistics, its files in its own S3 bucket
    store: {{type: s3, bucket: {inbox}, endpoint: "{endpoint}",
            credentials: {{id: "env:GLOBEX_ID", secret: "env:GLOBEX_SECRET"}}}}
    principals: [{{name: wms}}]
  initech:
    title: Initech Accounting, which only reads what others share
    principals: [{{name: ledger}}]
  umbra:
    title: Umbra Trading, an outsider
    principals: [{{name: desk}}]
buckets:
  orders:
    owner: acme
    members:
      acme: {{write: ["invoices/**"]}}
      globex: {{}}
      initech: {{}}
"""
PARTIES = MappingProxyType(
    {
        "acme": """
party: acme
sends:
  - {id: invoices, bucket: orders, keys: ["invoices/**"], to: {globex: copy, initech: share}}
""",
        "globex": """
party: globex
accepts:
  - {id: from-acme, from: [acme], bucket: orders, into: "from-{author}/{key}"}
""",
        "initech": """
party: initech
accepts:
  - {id: from-acme, from: [acme], bucket: orders}
""",
        "umbra": """
party: umbra
accepts:
  - {id: anything, from: ["*"]}
""",
    }
)


@dataclass(frozen=True)
class Stage:
    """`party` are S3 clients of the gateway, one for each party; `cloud` is globex's own."""

    folder: Path
    party: Mapping[str, Any]
    cloud: Any
    gateway: subprocess.Popen[str]

    def command(self, *words: str) -> tuple[int, Any]:
        """Runs one `crossdock` command with --json; its exit code, and what it printed."""
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "gateway.cli", *words, "--json"],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        with suppress(json.JSONDecodeError):
            return done.returncode, json.loads(done.stdout)
        return done.returncode, done.stdout + done.stderr

    def stop(self) -> int:
        """Ctrl-C; the gateway's exit code."""
        self.gateway.send_signal(signal.SIGINT)
        return self.gateway.wait(START_SECONDS)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    with _s3_server(folder) as endpoint:
        cloud = client(endpoint, "GLOBEXCLOUD", "globex-cloud-secret")
        cloud.create_bucket(Bucket=INBOX)
        _write_files(folder, endpoint)
        with _gateway(folder) as (process, facts):
            url = facts["doors"]["s3"]
            keys = {key["party"]: (key["id"], key["secret"]) for key in facts["keys"]}
            party = {name: client(url, *key) for name, key in keys.items()}
            yield Stage(folder, party, cloud, process)


def client(url: str, access_id: str, secret: str) -> Any:
    """A plain boto3 client: only the endpoint differs from AWS."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=access_id,
        aws_secret_access_key=secret,
        region_name=REGION,
        config=ClientConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def _write_files(folder: Path, endpoint: str) -> None:
    (folder / "gateway.yaml").write_text(GATEWAY)
    policies = folder / "policies"
    policies.mkdir()
    (policies / "topology.yaml").write_text(TOPOLOGY.format(inbox=INBOX, endpoint=endpoint))
    for name, text in PARTIES.items():
        (policies / f"{name}.yaml").write_text(text)


@contextmanager
def _gateway(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    with (folder / "gateway.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--json"],
            cwd=folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        facts = process.stdout.readline() if process.stdout else ""
        if not facts:
            raise RuntimeError(
                "the gateway did not start:\n" + (folder / "gateway.log").read_text()
            )
        yield process, json.loads(facts)
    finally:
        _end(process)


@contextmanager
def _s3_server(folder: Path) -> Iterator[str]:
    """moto in server mode: a real S3 server as far as any client can tell."""
    port = _free_port()
    with (folder / "s3.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


def _environment() -> dict[str, str]:
    return {**os.environ, "GLOBEX_ID": "GLOBEXCLOUD", "GLOBEX_SECRET": "globex-cloud-secret"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("the S3 server did not start")


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()
