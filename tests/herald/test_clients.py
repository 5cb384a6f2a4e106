"""Clients other than boto3 put the configuration, unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.clients.door import ACCESS, SECRET, Door, program, run
from tests.herald.conftest import Make, arn, queue
from tests.receiver import Receiver

MINIO = Path(__file__).with_name("minio_watch.py")


def test_aws_cli(gateways: Make, receivers: Callable[[], Receiver], tmp_path: Path) -> None:
    receiver = receivers()
    gateway = gateways(acme=receiver.url)
    door = Door(gateway.endpoint, "", "orders")
    (tmp_path / "notify.json").write_text(json.dumps(queue("acme", Id="mine")))

    def aws(*words: str) -> str:
        made = [program("awscli", "aws"), "--endpoint-url", door.endpoint, "s3api", *words]
        return run([*made, "--bucket", "orders"], door, tmp_path)

    notify = ("--notification-configuration", "file://notify.json")
    aws("put-bucket-notification-configuration", *notify)
    found = json.loads(aws("get-bucket-notification-configuration"))
    assert found == queue("acme", Id="mine")
    aws("put-object", "--key", "k", "--body", "notify.json")
    gateway.tell()
    assert sorted(got.event for got in receiver.got) == ["ObjectCreated:Put", "s3:TestEvent"]


def test_minios_sdk(gateways: Make, receivers: Callable[[], Receiver], tmp_path: Path) -> None:
    gateway = gateways(acme=receivers().url)
    door = Door(gateway.endpoint, "", "orders")
    words = [door.host, ACCESS, SECRET, "orders", arn("acme")]
    assert run([program("minio"), str(MINIO), *words], door, tmp_path) == "well\n"
