"""`crossdock repair` and the scrub of a whole gateway, over folders and an S3 server."""

import asyncio
import json
import os
from asyncio import to_thread
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from gateway.app import Running
from gateway.operations.scrubbing import CURSOR, Sweep, scrubbing_of
from tests.cli.site import TOPOLOGY, Site, eventually, first, get
from tests.counterparts import servers

KEYS = ("invoices/a", "invoices/b", "invoices/c")


def put(client: Any, *keys: str) -> None:
    for key in keys:
        client.put_object(Bucket="orders", Key=key, Body=f"content of {key}".encode())


def copy_of(site: Site, key: str) -> Path:
    return site.folder / "globex" / "in" / key


async def arrived(site: Site, *keys: str) -> None:
    async def all_there() -> bool:
        done = await to_thread(site.ask, "deliveries", "--state", "done")
        return len({each["object"] for each in done if not each["why"]}) >= len(keys)

    await eventually(all_there)


def rot(path: Path) -> None:
    """Other bytes of the same length, and nobody wrote them, as far as the folder tells."""
    about = path.stat()
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def found(done: Any) -> dict[str, str]:
    return {each["object"]: each["finding"] for each in done["copies"]}


def test_repair_sends_again_what_is_gone_or_rotted_and_nothing_else(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"), *KEYS)
        await arrived(site, *KEYS)
        a, b, c = (copy_of(site, key) for key in KEYS)
        assert (await to_thread(site.ask, "repair"))["found"] == {}
        a.unlink()
        rot(b)
        c.write_bytes(b"globex's own now")
        dry = await to_thread(site.ask, "repair", "--dry-run", code=1)
        assert found(dry) == {
            "orders/invoices/a": "missing",
            "orders/invoices/b": "damaged",
            "orders/invoices/c": "altered",
        }
        assert not any(each["sent_again"] for each in dry["copies"])
        assert not a.exists()
        none = await to_thread(site.ask, "repair", "--party", "initech")
        assert none["checked"] == 0
        done = await to_thread(site.ask, "repair", code=1)
        assert (done["checked"], done["sent_again"]) == (3, 2)

        async def mended() -> bool:
            whole = a.exists() and b.exists()
            return whole and (a.read_bytes(), b.read_bytes()) == (
                b"content of invoices/a",
                b"content of invoices/b",
            )

        await eventually(mended)
        assert c.read_bytes() == b"globex's own now"
        again = await to_thread(site.ask, "repair", code=1)
        assert found(again) == {"orders/invoices/c": "altered"}
        body = await to_thread(
            first(gateway, "globex").get_object, Bucket="orders", Key="invoices/c"
        )
        assert body["Body"].read() == b"content of invoices/c"

    asyncio.run(site.running(story))
    (who,) = [
        each
        for each in site.ask("who-has", "orders/invoices/c")["holders"]
        if each["party"] == "globex"
    ]
    assert who["checked"].endswith(" altered")
    table = site.call("repair")
    assert "invoices/c" in table.stdout
    assert "3 copies checked" in table.stdout
    assert site.call("audit", "verify").exit_code == 0


def test_without_a_gateway_the_next_start_sends_it(site: Site) -> None:
    async def before(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"), KEYS[0])
        await arrived(site, KEYS[0])

    async def after(gateway: Running) -> None:
        async def there() -> bool:
            return copy_of(site, KEYS[0]).exists()

        await eventually(there)

    asyncio.run(site.running(before))
    copy_of(site, KEYS[0]).unlink()
    assert site.ask("repair", code=1)["sent_again"] == 1
    asyncio.run(site.running(after))


@pytest.mark.parametrize("words", [("--rate", "0"), ("--rate", "1e9"), ("--rate", "x")])
def test_a_rate_that_can_not_be_is_bad_input(site: Site, words: tuple[str, str]) -> None:
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
    assert site.call("repair", *words).exit_code == 2


def test_the_scrub_of_a_gateway_checks_what_is_due_and_tells_of_losses(site: Site) -> None:
    site.write("gateway.yaml", (site.folder / "gateway.yaml").read_text() + "scrub: {rate: 9999}\n")

    async def story(gateway: Running) -> None:
        house = gateway.house
        await to_thread(put, first(gateway, "acme", "erp"), *KEYS)
        await arrived(site, *KEYS)
        scrubbing = scrubbing_of(house)
        await house.catalog.put(CURSOR, json.dumps([0, 0]).encode())
        assert (await scrubbing.step()).checked == 0  # each was verified a moment ago
        assert await house.catalog.losses() == []
        (extent,) = list((site.folder / "acme").glob(".crossdock/extents/*/*"))[:1]
        away = extent.rename(site.folder / "away")
        await house.catalog.put(CURSOR, json.dumps([0, 0]).encode())
        await scrubbing.step()
        url = gateway.doors["admin"].listen.url
        answer = json.loads((await to_thread(get, f"{url}/-/health"))[1])
        assert answer["status"] == "degraded"
        assert [lost["finding"] for lost in answer["scrub"]["lost"]] == ["missing"]
        metrics = (await to_thread(get, f"{url}/-/metrics"))[1]
        assert "crossdock_extents_lost 1.0" in metrics
        away.rename(extent)
        await house.catalog.put(CURSOR, json.dumps([0, 0]).encode())
        await scrubbing.step()
        answer = json.loads((await to_thread(get, f"{url}/-/health"))[1])
        assert (answer["status"], answer["scrub"]["lost"]) == ("ok", [])
        kept = await house.catalog.get(CURSOR)
        assert kept is not None
        assert Sweep(*json.loads(kept)).below == 0

    asyncio.run(site.running(story))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with servers.moto() as endpoint:
        yield endpoint


def test_a_copy_in_a_bucket_is_looked_at_by_etag_or_read_back(site: Site, moto: str) -> None:
    client = boto3.client("s3", endpoint_url=moto, aws_access_key_id="k", aws_secret_access_key="s")
    client.create_bucket(Bucket="globex-inbox")
    cloud = (
        f"{{type: s3, bucket: globex-inbox, prefix: mesh/, endpoint: '{moto}',"
        " credentials: {id: 'env:MOTO_KEY', secret: 'env:MOTO_KEY'}}"
    )
    site.write("policies/topology.yaml", TOPOLOGY.replace("{type: file, path: ../globex}", cloud))

    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"), *KEYS)
        await arrived(site, *KEYS)
        quick = await to_thread(site.ask, "repair", "--quick")
        assert (quick["checked"], quick["bytes"]) == (3, 0)
        whole = await to_thread(site.ask, "repair")
        assert (whole["checked"], whole["bytes"]) == (3, 3 * len("content of invoices/a"))
        await to_thread(client.delete_object, Bucket="globex-inbox", Key=f"mesh/in/{KEYS[0]}")
        await to_thread(
            client.put_object, Bucket="globex-inbox", Key=f"mesh/in/{KEYS[1]}", Body=b"theirs"
        )
        done = await to_thread(site.ask, "repair", "--quick", code=1)
        assert found(done) == {"orders/invoices/a": "missing", "orders/invoices/b": "taken"}
        assert done["sent_again"] == 1

        async def there() -> bool:
            listed = await to_thread(client.list_objects_v2, Bucket="globex-inbox", Prefix="mesh/")
            return f"mesh/in/{KEYS[0]}" in {each["Key"] for each in listed["Contents"]}

        await eventually(there)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_KEY", "k")
        asyncio.run(site.running(story))
