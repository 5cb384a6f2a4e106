"""One gateway's files, and its commands as the operator calls them."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError
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


def s3(gateway: Running, access_id: str, secret: str) -> Any:
    """A boto3 client of a running gateway; its calls block, so they want a thread."""
    return boto3.client(
        "s3",
        endpoint_url=gateway.doors["s3"].listen.url,
        aws_access_key_id=access_id,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=ClientConfig(
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )


def first(gateway: Running, party: str, name: str = "") -> Any:
    """A client with the key that the first start made."""
    made = next(
        c for c in gateway.made if c.principal.party == party and name in ("", c.principal.name)
    )
    return s3(gateway, made.id, made.secret.reveal())


def get(url: str) -> tuple[int, str]:
    """A plain GET."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def refused(call: Callable[[], object]) -> str:
    """The S3 error code of a call, "" if it went through."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what is awaited is another process
            await asyncio.sleep(0.05)
