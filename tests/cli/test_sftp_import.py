"""`crossdock sftp import` on a whole gateway: another sFTP server's files, once or followed."""

from __future__ import annotations

import asyncio
from asyncio import to_thread
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Running
from tests.cli.depot import DepotServer
from tests.cli.site import Site, eventually, first

INTO = "orders/invoices"


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[DepotServer]:
    (tmp_path / "depot").mkdir()
    with DepotServer(tmp_path / "depot").running() as server:
        yield server


def start(site: Site) -> None:
    """The first start puts the policy in force."""
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))


def content(client: Any, key: str) -> bytes:
    body: bytes = client.get_object(Bucket="orders", Key=key)["Body"].read()
    return body


def test_files_become_versions_with_their_times_and_are_shared_by_policy(
    site: Site, depot: DepotServer
) -> None:
    depot.lay("a.csv", b"one")
    depot.lay("2012/deep/b ä.csv", b"two", 1000000000)
    depot.lay("empty", b"")

    async def story(gateway: Running) -> None:
        done = await to_thread(site.ask, *depot.words(INTO, "--principal", "erp"))
        assert (done["imported"], done["bytes"], done["left"]) == (3, 6, [])
        acme, initech = first(gateway, "acme", "erp"), first(gateway, "initech")
        for client in (acme, initech):
            assert await to_thread(content, client, "invoices/a.csv") == b"one"
            assert await to_thread(content, client, "invoices/2012/deep/b ä.csv") == b"two"
            assert await to_thread(content, client, "invoices/empty") == b""
        head = await to_thread(acme.head_object, Bucket="orders", Key="invoices/a.csv")
        assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-meta-mtime"] == "1354040105"

        async def copied() -> bool:
            return (site.folder / "globex/in/invoices/2012/deep/b ä.csv").exists()

        await eventually(copied)
        reads = len(depot.reads)
        again = await to_thread(site.ask, *depot.words(INTO, "--principal", "erp"))
        assert (again["imported"], again["known"], len(depot.reads)) == (0, 3, reads)

    asyncio.run(site.running(story))
    (row,) = site.ask("history", "orders/invoices/a.csv")["versions"]
    assert (row["principal"], row["door"]) == ("erp", "sftp")
    assert site.call("audit", "verify").exit_code == 0


def test_without_a_gateway_it_goes_by_the_policy_in_force(site: Site, depot: DepotServer) -> None:
    depot.lay("in/a.csv")
    depot.lay("other/b.csv")
    start(site)
    dry = site.ask(*depot.words(INTO, "--dry-run", path="/in"))
    assert (dry["imported"], dry["dry"], depot.reads) == (1, True, [])
    result = site.call(*depot.words(INTO, path="/in"))
    assert (result.exit_code, result.stdout) == (0, "1 imported (7 B)\n")
    assert len(site.ask("who-has", "orders/invoices/a.csv")["holders"]) == 3
    again = site.ask(*depot.words(INTO, path="/in/"))
    assert (again["imported"], again["known"]) == (0, 1)
