"""`kill -9` between a Complete's commit and its answer: asked again it is the same version."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError

from tests.cli.site import Site

WAIT_S = 30
SIGKILLED = -9
KEY = "invoices/multi"
DYING = """
import os, signal, sys
from gateway import faults
from gateway.cli import main
site = sys.argv.pop(1)

def die(name):
    if name == site:
        os.kill(os.getpid(), signal.SIGKILL)

faults.arm(die)
main()
"""


@contextmanager
def served(site: Site, dies_at: str = "") -> Iterator[tuple[subprocess.Popen[str], Any]]:
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, dies_at, "serve", "--json", "--config", "gateway.yaml"],
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


@contextmanager
def client(facts: Any, keys: list[Any]) -> Iterator[Any]:
    erp = next(key for key in keys if key["principal"] == "erp")
    s3 = boto3.client(
        "s3",
        endpoint_url=facts["doors"]["s3"],
        aws_access_key_id=erp["id"],
        aws_secret_access_key=erp["secret"],
        region_name="us-east-1",
        config=ClientConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    try:
        yield s3
    finally:
        s3.close()


def complete(s3: Any, upload: str, etag: str) -> tuple[str, str]:
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = s3.complete_multipart_upload(
        Bucket="orders", Key=KEY, UploadId=upload, MultipartUpload=parts
    )
    return done["ETag"], done["VersionId"]


@pytest.mark.parametrize(
    ("dies_at", "committed"),
    [("exchange.before-commit", False), ("exchange.after-commit", True)],
)
def test_complete_after_kill_9_gives_one_version(
    tmp_path: Path, dies_at: str, committed: bool
) -> None:
    site = Site(tmp_path)
    site.make()
    with served(site, dies_at) as (process, facts):
        keys = facts["keys"]
        with client(facts, keys) as s3:
            upload = s3.create_multipart_upload(Bucket="orders", Key=KEY)["UploadId"]
            part = {"Bucket": "orders", "Key": KEY, "UploadId": upload, "PartNumber": 1}
            etag = s3.upload_part(**part, Body=b"all of it")["ETag"]
            with pytest.raises(BotoCoreError):
                complete(s3, upload, etag)
            assert process.wait(WAIT_S) == SIGKILLED
    there = site.call("history", f"orders/{KEY}", "--json")
    assert there.exit_code == (0 if committed else 1)
    with served(site) as (_, facts), client(facts, keys) as s3:
        again, once_more = complete(s3, upload, etag), complete(s3, upload, etag)
        assert again == once_more
        versions = s3.list_object_versions(Bucket="orders")["Versions"]
        assert [(v["Key"], v["VersionId"]) for v in versions] == [(KEY, again[1])]
        assert (again[1] in there.stdout) is committed
        assert s3.get_object(Bucket="orders", Key=KEY)["Body"].read() == b"all of it"
        assert "Uploads" not in s3.list_multipart_uploads(Bucket="orders")
    assert len(site.ask("deliveries")) == 1
    assert site.call("audit", "verify").exit_code == 0
