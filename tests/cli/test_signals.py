"""The gateway as a process: what it prints, how it stops, and what running requests get."""

import asyncio
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.app import Running
from gateway.cli.serve import greet
from tests.cli.site import Site

SERVE = (sys.executable, "-m", "gateway.cli", "serve", "--json", "--config")
SECONDS = 30
SIZE = 64 * 1024


@contextmanager
def served(site: Site, *words: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """`crossdock serve --json` and what it says of itself."""
    process = subprocess.Popen(
        [*SERVE, str(site.folder / "gateway.yaml"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline() or "null")
    finally:
        process.kill()
        process.communicate()


def slow_put(facts: Any, going: threading.Event) -> int:
    """A PUT whose body comes in two halves; the status of its answer."""
    made = next(key for key in facts["keys"] if key["principal"] == "erp")
    url = f"{facts['doors']['s3']}/orders/invoices/slow"
    request = AWSRequest("PUT", url, data=b"x" * SIZE)
    S3SigV4Auth(Credentials(made["id"], made["secret"]), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=SECONDS)
    connection.putrequest("PUT", "/orders/invoices/slow")
    for name, value in request.headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(SIZE))
    connection.endheaders()
    connection.send(b"x" * (SIZE // 2))
    going.set()
    time.sleep(1)
    connection.send(b"x" * (SIZE // 2))
    status = connection.getresponse().status
    connection.close()
    return status


def test_sigterm_stops_it_cleanly_and_running_requests_finish(site: Site) -> None:
    statuses: list[int] = []
    going = threading.Event()
    with served(site) as (process, facts):
        client = threading.Thread(target=lambda: statuses.append(slow_put(facts, going)))
        client.start()
        assert going.wait(SECONDS)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        code = process.wait(SECONDS)
        client.join(SECONDS)
    assert (code, statuses) == (0, [200])
    assert site.ask("history", "orders/invoices/slow")["versions"][0]["size"] == SIZE
    assert site.ask("audit", "verify")["unsealed"] == 0


def test_kill_9_loses_nothing_that_was_acknowledged_and_ctrl_c_stops_the_next_one(
    site: Site,
) -> None:
    with served(site) as (process, facts):
        made = next(key for key in facts["keys"] if key["principal"] == "erp")
        client = boto3.client(
            "s3",
            endpoint_url=facts["doors"]["s3"],
            aws_access_key_id=made["id"],
            aws_secret_access_key=made["secret"],
            region_name="us-east-1",
        )
        versions = [
            client.put_object(Bucket="orders", Key=f"invoices/{n}", Body=b"x")["VersionId"]
            for n in range(5)
        ]
        process.kill()
        process.wait(SECONDS)
        client.close()
    kept = [site.ask("history", f"orders/invoices/{n}")["versions"][0]["version"] for n in range(5)]
    assert kept == versions
    with served(site) as (process, facts):
        assert facts["keys"] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


def test_what_it_prints_can_be_pasted(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(gateway: Running) -> None:
        greet(gateway)

    asyncio.run(site.running(story))
    text = capsys.readouterr().out
    assert "s3      http://127.0.0.1:" in text
    assert all(name in text for name in ("acme", "globex", "initech", "XD"))
    export, put, ls = text.strip().splitlines()[-3:]
    assert export.startswith("export AWS_ACCESS_KEY_ID=XD")
    assert put.split()[-1] == "s3://orders/invoices/README.md"
    assert ls.split()[-1] == "s3://orders"
    asyncio.run(site.running(story))
    again = capsys.readouterr().out
    assert "(sealed)" in again
    assert "key create acme erp --env)" in again.strip().splitlines()[-3]


def test_what_keeps_it_from_starting_exits_2(site: Site) -> None:
    site.write("policies/topology.yaml", "")
    result = site.call("serve")
    assert result.exit_code == 2
    assert "topology.yaml:1:1: the file is empty" in result.stderr
    assert result.stdout == ""
