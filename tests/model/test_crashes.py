"""Death at every point, and `kill -9` under load: what was acknowledged is there afterwards."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from tests.cli.site import Site
from tests.model.crash_sweep import BUGS, KILLED

ROOT = Path(__file__).parents[2]
POINTS_MIN = 200
SWEEP_SECONDS_MAX = 300
"""Half a minute on two idle cores."""

MEMORY = Path("/dev/shm")
KILLS = 3
WRITERS = 4
ACKS_BEFORE_KILL = 60
PATIENCE_S = 60


def swept(*words: str) -> Any:
    """The sweep, in a process of its own: one that forks must have no threads. A dead process
    leaves what it wrote in the page cache, so that memory serves as well as a disk."""
    folder = str(MEMORY) if os.access(MEMORY, os.W_OK) else tempfile.gettempdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.model.crash_sweep", *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": folder},
        capture_output=True,
        text=True,
        timeout=SWEEP_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def sweep() -> Any:
    return swept()


def sites() -> set[str]:
    """Every name that product code gives to `fault`."""
    calls = (
        node
        for file in (ROOT / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    named = [call.args[0] for call in calls if call.func.id == "fault"]  # type: ignore[attr-defined]
    return {name.value for name in named if isinstance(name, ast.Constant)}  # type: ignore[misc]


@pytest.mark.timeout(SWEEP_SECONDS_MAX)
def test_the_story_comes_by_every_fault_site(sweep: Any) -> None:
    assert len(sites()) >= 30
    assert sites() - set(sweep["hits"]) == set()


@pytest.mark.timeout(SWEEP_SECONDS_MAX)
def test_at_least_200_processes_died_and_at_every_site(sweep: Any) -> None:
    died = [point for point in sweep["points"] if point["code"] == KILLED]
    assert len(died) >= POINTS_MIN
    assert {point["site"] for point in died} == sites()
    assert {point["code"] for point in sweep["points"]} <= {0, KILLED}


@pytest.mark.timeout(SWEEP_SECONDS_MAX)
def test_whatever_the_point_nothing_is_lost_doubled_or_half_there(sweep: Any) -> None:
    wrong = [point for point in sweep["points"] if point["found"] or point["left"]]
    assert not wrong, json.dumps(wrong[:3], indent=1)


@pytest.mark.timeout(SWEEP_SECONDS_MAX)
@pytest.mark.parametrize(
    ("bug", "shows", "sign"),
    [
        ("promise later", "reopened", "promised {"),
        ("answer first", "reopened", "acknowledged and lost"),
        ("settle first", "at the end", "never told"),
    ],
)
def test_the_sweep_finds_a_planted_bug(bug: str, shows: str, sign: str) -> None:
    assert bug in BUGS
    found = [each for point in swept(bug)["points"] for each in point["found"]]
    assert any(when == shows and text.startswith(sign) for when, text in found), found


# --- kill -9 of the whole program --------------------------------------------------------------


@dataclass
class Load:
    """Clients that write and overwrite until the gateway is gone. `acked` are (key, version id,
    content) in the order of the answers; each key belongs to one client."""

    acked: list[tuple[str, str, bytes]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)
    broken: list[BaseException] = field(default_factory=list)

    def write(self, life: int, writer: int, s3: Any) -> None:
        while not self.over.is_set():
            key = f"invoices/{writer}/{len(self.acked) % 5}"
            content = f"{life} {writer} {self.sent[key]} ".encode() * (1 + 700 * (writer % 2))
            self.sent[key] += 1
            try:
                answer = s3.put_object(Bucket="orders", Key=key, Body=content)
            except (BotoCoreError, ClientError) as error:  # it died under our hands
                self.broken.append(error)
                return
            self.acked.append((key, answer["VersionId"], content))


@contextmanager
def served(site: Site) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "serve", "--json", "--config", "gateway.yaml"],
        cwd=site.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def client(facts: Any, key: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=facts["doors"]["s3"],
        aws_access_key_id=key["id"],
        aws_secret_access_key=key["secret"],
        region_name="us-east-1",
        config=ClientConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def until(true: Callable[[], bool], every_s: float = 0.02) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(every_s)


def killed_under_load(site: Site, life: int, load: Load, keys: list[Any]) -> None:
    """One life of the gateway; `keys` are those of its first one."""
    load.over.clear()
    with served(site) as (process, facts):
        keys.extend(facts["keys"])
        erp = next(key for key in keys if key["principal"] == "erp")
        clients = [client(facts, erp) for _ in range(WRITERS)]
        threads = [
            threading.Thread(target=load.write, args=(life, writer, s3))
            for writer, s3 in enumerate(clients)
        ]
        before = len(load.acked)
        for thread in threads:
            thread.start()
        until(lambda: len(load.acked) >= before + ACKS_BEFORE_KILL)
        process.kill()
        process.wait(PATIENCE_S)
        load.over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        for s3 in clients:
            s3.close()


def test_three_times_kill_9_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    site, load = Site(tmp_path), Load()
    keys: list[Any] = []
    site.make()
    for life in range(KILLS):
        killed_under_load(site, life, load, keys)
    assert load.broken, "no kill hit a request"
    with served(site) as (_, facts):
        s3 = client(facts, next(key for key in keys if key["principal"] == "erp"))
        for key, version, content in load.acked:
            got = s3.get_object(Bucket="orders", Key=key, VersionId=version)["Body"].read()
            assert got == content
        kept = Counter(
            each["Key"]
            for page in s3.get_paginator("list_object_versions").paginate(Bucket="orders")
            for each in page["Versions"]
        )
        newest = {key: s3.get_object(Bucket="orders", Key=key)["Body"].read() for key in kept}
        s3.close()
        acked = Counter(key for key, _, _ in load.acked)
        assert acked <= kept <= load.sent
        copies = tmp_path / "globex/in"
        # what was under way at the kill is leased to the dead for half a minute
        until(lambda: not site.ask("deliveries", "--state", "pending"), every_s=0.5)
        assert {
            str(f.relative_to(copies)): f.read_bytes() for f in copies.rglob("*") if f.is_file()
        } == newest
    assert site.call("audit", "verify").exit_code == 0
