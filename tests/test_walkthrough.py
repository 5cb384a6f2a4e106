"""The product's story on the example policies: read this first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.audit.check import audit
from gateway.model import DeliveryState, ObjectRef
from tests.harness import Gateway
from tests.sftp.bed import Bed

POLICIES = Path(__file__).parents[1] / "policies"
KEY = "invoices/2026-07.csv"


@pytest.fixture(name="gateway")
def _gateway(tmp_path: Path) -> Iterator[Gateway]:
    files = {path.name: path.read_text() for path in POLICIES.glob("*.yaml")}
    with Gateway(tmp_path / "policies", files) as gateway:
        yield gateway


def test_one_file_in_every_party_served(gateway: Gateway, tmp_path: Path) -> None:
    acme, globex = gateway.client("acme/erp"), gateway.client("globex/wms")
    initech, umbra = gateway.client("initech/ledger"), gateway.client("umbra/desk")

    # acme puts a file, as into any S3 bucket; nobody else is waited for
    first = acme.put_object(Bucket="orders", Key=KEY, Body=b"4711,100.00\n")
    assert acme.head_object(Bucket="orders", Key=KEY)["ReplicationStatus"] == "PENDING"

    # acme's rule says `globex: copy`: the copy lies in globex's own store, under a readable name
    gateway.drain()
    copy = tmp_path / "data/globex/inbox/acme" / KEY
    assert copy.read_bytes() == b"4711,100.00\n"
    assert acme.head_object(Bucket="orders", Key=KEY)["ReplicationStatus"] == "COMPLETED"
    assert globex.head_object(Bucket="orders", Key=KEY)["ReplicationStatus"] == "REPLICA"

    # and `initech: share`: initech lists and reads it where it is
    assert keys(initech) == [KEY]
    assert read(initech) == b"4711,100.00\n"

    # umbra is no member of the bucket, so there is none
    assert refusal(umbra.get_object, Bucket="orders", Key=KEY) == "NoSuchBucket"
    assert umbra.list_buckets()["Buckets"] == []

    # initech may read, not write; the refusal says which grant is missing
    with pytest.raises(ClientError, match="in orders, initech may write nothing"):
        initech.put_object(Bucket="orders", Key=KEY, Body=b"forged")

    # a second version: nothing is overwritten, every party follows, the first still reads
    acme.put_object(Bucket="orders", Key=KEY, Body=b"4711,120.00\n")
    gateway.drain()
    assert copy.read_bytes() == read(initech) == b"4711,120.00\n"
    old = acme.get_object(Bucket="orders", Key=KEY, VersionId=first["VersionId"])
    assert old["Body"].read() == b"4711,100.00\n"

    # an edit of the rule is obeyed at once, for what was shared before, too
    rules = gateway.files["acme.yaml"]
    gateway.edit_policy("acme.yaml", rules.replace(", initech: share", ""))
    assert refusal(initech.get_object, Bucket="orders", Key=KEY) == "NoSuchKey"
    assert keys(initech) == []
    gateway.edit_policy("acme.yaml", rules)

    # a delete hides the key from every view; globex's copy is globex's, history stays
    acme.delete_object(Bucket="orders", Key=KEY)
    assert refusal(initech.get_object, Bucket="orders", Key=KEY) == "NoSuchKey"
    assert copy.exists()
    story = gateway.run(gateway.catalog.story(ObjectRef("orders", KEY)))
    assert [(s.version.author, s.version.marker) for s in story] == [
        ("acme", True),
        ("acme", False),
        ("acme", False),
    ]

    # who has the second version, by which rule, and how is it known that it arrived?
    second = story[1]
    assert {g.party: g.mode.value for g in second.grants} == {
        "acme": "own",
        "globex": "copy",
        "initech": "share",
    }
    [rule] = {g.rule for g in second.grants if g.party != "acme"}
    assert rule.startswith("acme.yaml:")
    assert rule.endswith("(invoices)")
    [delivery] = second.deliveries
    assert delivery.state is DeliveryState.DONE
    assert delivery.receipt
    assert delivery.receipt.sha256 == second.version.sha256

    # and the log can be recomputed: three policies, two writes, two deliveries, one delete
    records = gateway.run(gateway.catalog.records(0, 1000))
    report = audit(records, lambda name: b"", head=None)
    assert report.finding is None
    assert report.unsealed == len(records) == 8


def keys(client: Any) -> list[str]:
    return [o["Key"] for o in client.list_objects_v2(Bucket="orders").get("Contents", [])]


def read(client: Any) -> bytes:
    return bytes(client.get_object(Bucket="orders", Key=KEY)["Body"].read())


def refusal(call: Any, **arguments: str) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_job_of_ten_years_ago_changes_its_host_name(tmp_path: Path) -> None:
    """The same promise by the other door, with OpenSSH's own client."""
    bed = Bed(tmp_path)
    try:
        # the job puts a temporary name; partners see nothing of it
        bed.local("7.csv", b"4711,100.00\n")
        assert bed.batch("put 7.csv /orders/in/7.csv.tmp").code == 0
        assert bed.keys("globex") == []

        # and renames it: one version, which globex gets as a copy of its own
        assert bed.batch("rename /orders/in/7.csv.tmp /orders/in/7.csv").code == 0
        bed.drain()
        assert bed.versions("in/7.csv") == 1
        assert bed.copies() == {"in/orders/in/7.csv": b"4711,100.00\n"}

        # globex's job takes it, and moves it out of its way: acme's own view stays as it was
        ran = bed.batch("rename /orders/in/7.csv /orders/done/7.csv", user="globex.erp")
        assert ran.code == 0
        assert (bed.keys("globex"), bed.keys("acme")) == (["done/7.csv"], ["in/7.csv"])

        # what it may not write is refused before a byte travels, in words that its log shows
        ran = bed.batch("put 7.csv /orders/in/7.csv", user="globex.erp")
        assert "in orders, globex may write acks/**" in ran.err
    finally:
        bed.close()
