"""One gateway's files, and its commands as the operator calls them."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gateway.app import Running, running
from gateway.cli import main
from gateway.config import Config, read

GATEWAY = """
listen: {s3: "127.0.0.1:0", admin: "127.0.0.1:0"}
limits: {stop: 5s}
"""
TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: ../acme}
    principals: [{name: erp}, {name: auditor, may: read}]
  globex:
    store: {type: file, path: ../globex}
    principals: [{name: wms}]
  initech:
    principals: [{name: ledger}]
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["invoices/**"]}, globex: {}, initech: {}}
"""
ACME = """
party: acme
sends:
  - {id: invoices, bucket: orders, keys: ["invoices/**"], to: {globex: copy, initech: share}}
"""
GLOBEX = """
party: globex
accepts: [{id: from-acme, from: [acme], bucket: orders, into: "in/{key}"}]
"""
INITECH = """
party: initech
accepts: [{id: from-acme, from: [acme], bucket: orders}]
"""


@dataclass(frozen=True)
class Site:
    folder: Path

    def make(self) -> None:
        (self.folder / "policies").mkdir()
        self.write("gateway.yaml", GATEWAY)
        self.write("policies/topology.yaml", TOPOLOGY)
        self.write("policies/acme.yaml", ACME)
        self.write("policies/globex.yaml", GLOBEX)
        self.write("policies/initech.yaml", INITECH)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    @property
    def config(self) -> Config:
        return read(self.folder / "gateway.yaml")

    def call(self, *words: str) -> Result:
        """One command; its output on both streams, and its exit code."""
        return CliRunner().invoke(
            main, [*words, "--config", str(self.folder / "gateway.yaml")], catch_exceptions=False
        )

    def ask(self, *words: str, code: int = 0) -> Any:
        """One command with --json."""
        result = self.call(*words, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    async def running(self, story: Callable[[Running], Awaitable[None]]) -> None:
        async with running(self.config) as gateway:
            await story(gateway)
