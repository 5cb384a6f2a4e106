"""What an author sees over S3 of copies that follow its delete, with boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import FILES, Gateway

FOLLOWING = {
    **FILES,
    "acme.yaml": FILES["acme.yaml"].replace(
        "initech: share}}", "initech: share}, deletes: follow}"
    ),
    "globex.yaml": FILES["globex.yaml"].replace('"in/{key}"', '"in/{key}", deletes: follow'),
}
KEY = "invoices/1"


def status(s3: Any, **how: str) -> str | None:
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket="orders", Key=KEY, **how)
    headers = error.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-delete-marker"] == "true"
    found = headers.get("x-amz-replication-status")
    return str(found) if found else None


def test_the_author_sees_how_far_its_marker_has_come(tmp_path: Path) -> None:
    with Gateway(tmp_path, FOLLOWING) as gateway:
        acme, globex = gateway.client("acme/erp"), gateway.client("globex/wms")
        acme.put_object(Bucket="orders", Key=KEY, Body=b"one")
        gateway.drain()
        copy = tmp_path / "stores" / "globex" / "in" / KEY
        assert copy.read_bytes() == b"one"
        marker = acme.delete_object(Bucket="orders", Key=KEY)["VersionId"]
        assert status(acme) == status(acme, VersionId=marker) == "PENDING"
        assert status(globex) is None
        gateway.drain()
        assert not copy.exists()
        assert status(acme) == status(acme, VersionId=marker) == "COMPLETED"
        assert status(globex, VersionId=marker) is None


def test_a_marker_that_nothing_follows_has_no_status(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        acme = gateway.client("acme/erp")
        acme.put_object(Bucket="orders", Key=KEY, Body=b"one")
        gateway.drain()
        acme.delete_object(Bucket="orders", Key=KEY)
        assert status(acme) is None
