"""Copies in a partner's own bucket, behind an S3 server, follow a delete and are recalled."""

import asyncio
from asyncio import to_thread
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from gateway.app import Running
from tests.cli.site import ACME, GLOBEX, TOPOLOGY, Site, eventually, first
from tests.counterparts import servers

KEYS = ("invoices/a", "invoices/b", "invoices/c")
INBOX = "globex-inbox"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with servers.moto() as endpoint:
        yield endpoint


@pytest.fixture
def inbox(moto: str) -> Any:
    """globex's bucket, which keeps versions of its own."""
    client = boto3.client("s3", endpoint_url=moto, aws_access_key_id="k", aws_secret_access_key="s")
    client.create_bucket(Bucket=INBOX)
    client.put_bucket_versioning(Bucket=INBOX, VersioningConfiguration={"Status": "Enabled"})
    return client


def there(inbox: Any) -> list[str]:
    found = inbox.list_objects_v2(Bucket=INBOX, Prefix="mesh/").get("Contents", ())
    return sorted(each["Key"].removeprefix("mesh/in/") for each in found)


async def until(inbox: Any, *keys: str) -> None:
    async def so() -> bool:
        return await to_thread(there, inbox) == list(keys)

    await eventually(so, 10)


async def parked(site: Site) -> list[Any]:
    found: list[Any] = []

    async def so() -> bool:
        found[:] = await to_thread(site.ask, "deliveries", "--state", "parked")
        return bool(found)

    await eventually(so)
    return found


def test_copies_in_a_bucket_go(
    site: Site, moto: str, inbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_KEY", "k")
    cloud = (
        f"{{type: s3, bucket: {INBOX}, prefix: mesh/, endpoint: '{moto}',"
        " credentials: {id: 'env:MOTO_KEY', secret: 'env:MOTO_KEY'}}"
    )
    site.write("policies/topology.yaml", TOPOLOGY.replace("{type: file, path: ../globex}", cloud))
    site.write("policies/acme.yaml", ACME.replace("share}}", "share}, deletes: follow}"))
    agrees = '"in/{key}", deletes: follow, recall: yes'
    site.write("policies/globex.yaml", GLOBEX.replace('"in/{key}"', agrees))

    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        for key in KEYS:
            await to_thread(acme.put_object, Bucket="orders", Key=key, Body=key.encode())
        await until(inbox, *KEYS)
        await to_thread(acme.delete_object, Bucket="orders", Key=KEYS[0])
        await until(inbox, *KEYS[1:])
        done = await to_thread(site.ask, "recall", "globex", f"orders/{KEYS[1]}")
        assert (done["removals"], done["request"], done["reads"]) == (1, "", True)
        await until(inbox, KEYS[2])
        await to_thread(
            inbox.put_object, Bucket=INBOX, Key=f"mesh/in/{KEYS[2]}", Body=b"globex's own"
        )
        await to_thread(acme.delete_object, Bucket="orders", Key=KEYS[2])
        (left,) = await parked(site)
        assert (left["kind"], left["object"]) == ("removal", f"orders/{KEYS[2]}")
        body = await to_thread(inbox.get_object, Bucket=INBOX, Key=f"mesh/in/{KEYS[2]}")
        assert body["Body"].read() == b"globex's own"

    asyncio.run(site.running(story))
    fates = {key: site.ask("who-has", f"orders/{key}")["holders"] for key in KEYS[:2]}
    copies = {key: [h["copy"] for h in held if h["copy"]] for key, held in fates.items()}
    assert {key: copy[0].rpartition(" ")[2] for key, copy in copies.items()} == {
        KEYS[0]: "removed",
        KEYS[1]: "recalled",
    }
