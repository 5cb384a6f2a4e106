"""`kill -9` of the gateway under an sFTP job: what was closed is whole, what was not is resumed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.cli.site import GATEWAY, TOPOLOGY, Site
from tests.s3.test_complete_after_kill import SIGKILLED, WAIT_S, served

PART = 8 * 1024**2
DATA = random.Random(7).randbytes(3 * PART + 1000)
PATH = "/orders/invoices/big"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.make()
    site.write("gateway.yaml", GATEWAY.replace("admin:", 'sftp: "127.0.0.1:0", admin:'))
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(site.folder / "key"))
    key.write_public_key(str(site.folder / "policies" / "key.pub"))
    principal = '{name: erp, ssh_key: "file:key.pub", user: job}'
    site.write("policies/topology.yaml", TOPOLOGY.replace("{name: erp}", principal))
    return site


@asynccontextmanager
async def client(site: Site, facts: Any) -> AsyncIterator[asyncssh.SFTPClient]:
    port = int(facts["doors"]["sftp"].rpartition(":")[2])
    lines = "\n".join(f"[127.0.0.1]:{port} {key}" for key in facts["host_keys"])
    async with (
        asyncssh.connect(
            "127.0.0.1",
            port,
            username="job",
            client_keys=[str(site.folder / "key")],
            known_hosts=asyncssh.import_known_hosts(lines),
            agent_path=None,
        ) as connection,
        connection.start_sftp_client() as sftp,
    ):
        yield sftp


async def put(site: Site, facts: Any, mode: str, data: bytes) -> None:
    async with client(site, facts) as sftp, sftp.open(PATH, mode) as file:
        await file.write(data)


async def size(site: Site, facts: Any) -> int:
    async with client(site, facts) as sftp:
        return int((await sftp.stat(PATH)).size or 0) if await sftp.exists(PATH) else -1


async def whole(site: Site, facts: Any) -> bool:
    async with client(site, facts) as sftp, sftp.open(PATH, "rb") as file:
        content: object = await file.read()
        return content == DATA


@pytest.mark.parametrize(
    "dies_at",
    ["exchange.taken", "exchange.staged", "exchange.appended", "exchange.before-commit"],
)
def test_an_upload_goes_on_after_the_gateway_was_killed(site: Site, dies_at: str) -> None:
    with served(site, dies_at) as (process, facts):
        with pytest.raises((asyncssh.Error, OSError)):
            asyncio.run(put(site, facts, "wb", DATA))
        assert process.wait(WAIT_S) == SIGKILLED
    with served(site) as (_, facts):
        kept = asyncio.run(size(site, facts))
        assert kept <= len(DATA)
        asyncio.run(put(site, facts, "ab" if kept > 0 else "wb", DATA[max(0, kept) :]))
        assert asyncio.run(whole(site, facts)), "what was kept was a beginning, without a hole"
    history = site.ask("history", "orders/invoices/big")
    assert len(history["versions"]) == 1


def test_what_was_closed_is_there_after_the_gateway_was_killed(site: Site) -> None:
    with served(site) as (process, facts):
        asyncio.run(put(site, facts, "wb", DATA))
        process.kill()
        assert process.wait(WAIT_S) == SIGKILLED
    with served(site) as (_, facts):
        assert asyncio.run(whole(site, facts))
