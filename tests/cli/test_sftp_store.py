"""A partner that has an sFTP server and nothing else, in a whole gateway."""

import asyncio
import hashlib
import json
from asyncio import to_thread
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh

from gateway.app import Running
from tests.cli.site import TOPOLOGY, Site, eventually, first, get
from tests.contract.sftp_servers import PASSWORD, ROOT, USER, Served, Whole, serving

KEY = "invoices/a"
HOME = "{type: file, path: ../acme}"
INBOX = "{type: file, path: ../globex}"


def sftp(port: int) -> str:
    return (
        f"{{type: sftp, host: 127.0.0.1, port: {port}, user: {USER}, path: {ROOT},"
        " host_key: 'file:../partner.pub', credentials: {password: 'file:../partner.password'}}"
    )


Story = Callable[[Running, Served], Awaitable[None]]


def partner(
    site: Site, story: Story, instead: str, *, pinned: asyncssh.SSHKey | None = None
) -> None:
    """`story` with a partner's server running, which is the store in the place of `instead`."""

    async def main() -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        pin(site, pinned or key)
        site.write("partner.password", PASSWORD + "\n")
        async with serving(site.folder / "partner", Whole, [key]) as server:
            site.write("policies/topology.yaml", TOPOLOGY.replace(instead, sftp(server.port)))
            await site.running(lambda gateway: story(gateway, server))

    asyncio.run(main())


def pin(site: Site, key: asyncssh.SSHKey) -> None:
    site.write("partner.pub", key.export_public_key().decode())


def put(client: Any, body: bytes) -> None:
    client.put_object(Bucket="orders", Key=KEY, Body=body)


def copy_of(site: Site) -> Path:
    return site.folder / "partner" / "inbox" / "in" / KEY


async def delivery(site: Site) -> Any:
    return (await to_thread(site.ask, "deliveries", "--party", "globex"))[-1]


async def settled(site: Site, count: int) -> None:
    async def so() -> bool:
        rows = await to_thread(site.ask, "deliveries", "--party", "globex")
        return [row["state"] for row in rows] == ["done"] * count

    await eventually(so, 10)


def test_a_copy_arrives_there_with_a_receipt(site: Site) -> None:
    async def story(gateway: Running, server: Served) -> None:
        acme = first(gateway, "acme", "erp")
        await to_thread(put, acme, b"one")
        await settled(site, 1)
        assert copy_of(site).read_bytes() == b"one"
        holders = (await to_thread(site.ask, "who-has", f"orders/{KEY}"))["holders"]
        (theirs,) = [each for each in holders if each["party"] == "globex"]
        assert hashlib.sha256(b"one").hexdigest() in json.dumps(theirs)
        await to_thread(put, acme, b"two")
        await settled(site, 2)
        assert copy_of(site).read_bytes() == b"two"
        copy_of(site).unlink()  # the partner's job has taken it
        await to_thread(put, acme, b"three")
        await settled(site, 3)
        assert copy_of(site).read_bytes() == b"three"
        globex = first(gateway, "globex")
        body = (await to_thread(globex.get_object, Bucket="orders", Key=KEY))["Body"]
        assert await to_thread(body.read) == b"three"
        assert (await to_thread(site.ask, "repair"))["checked"] == 1

    partner(site, story, INBOX)
    assert site.call("audit", "verify").exit_code == 0


def test_a_server_with_another_key_gets_no_copy_and_the_reason_is_told(site: Site) -> None:
    async def story(gateway: Running, server: Served) -> None:
        await to_thread(put, first(gateway, "acme", "erp"), b"one")

        async def parked() -> bool:
            return bool((await delivery(site))["state"] == "parked")

        await eventually(parked, 10)
        why = json.dumps(await delivery(site))
        assert "is not the one that is pinned" in why
        assert PASSWORD not in why
        assert not copy_of(site).exists()

    partner(site, story, INBOX, pinned=asyncssh.generate_private_key("ssh-ed25519"))

    async def again(gateway: Running, server: Served) -> None:
        await to_thread(site.ask, "deliveries", "retry")
        await settled(site, 1)
        assert copy_of(site).read_bytes() == b"one"

    site.write("policies/topology.yaml", TOPOLOGY)
    partner(site, again, INBOX)


def test_a_party_may_keep_its_own_files_there(site: Site) -> None:
    async def story(gateway: Running, server: Served) -> None:
        acme = first(gateway, "acme", "erp")
        large = bytes(range(256)) * 20_000
        await to_thread(put, acme, large)
        answer = await to_thread(
            lambda: acme.get_object(Bucket="orders", Key=KEY, Range="bytes=1000000-1000999")
        )
        assert await to_thread(answer["Body"].read) == large[1_000_000:1_001_000]
        assert list((site.folder / "partner/inbox/.crossdock/extents").rglob("*"))
        server.breaks()
        whole = await to_thread(acme.get_object, Bucket="orders", Key=KEY)
        assert await to_thread(whole["Body"].read) == large
        theirs = site.folder / "partner/inbox/invoices/theirs"
        theirs.parent.mkdir()
        theirs.write_bytes(b"was there already")
        address = f"sftp://127.0.0.1:{server.port}{ROOT}/invoices/"
        done = await to_thread(site.ask, "adopt", address, "orders")
        assert (done["adopted"], done["refused"]) == (1, 0)
        found = await to_thread(acme.get_object, Bucket="orders", Key="invoices/theirs")
        assert await to_thread(found["Body"].read) == b"was there already"
        health = json.loads(
            (await to_thread(get, f"{gateway.doors['admin'].listen.url}/-/health"))[1]
        )
        assert health["status"] == "ok"

    partner(site, story, HOME)


def test_a_lost_catalog_is_made_again_from_there(site: Site) -> None:
    """The author's files and the copies of them lie at partners' servers, two folders of one."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    pin(site, key)
    site.write("partner.password", PASSWORD + "\n")
    report = str(site.folder / "report.jsonl")

    async def writes(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"), b"one")
        await to_thread(put, first(gateway, "acme", "erp"), b"two")
        await settled(site, 2)

    async def reads(gateway: Running) -> None:
        for party in ("acme", "globex", "initech"):
            client = first(gateway, party, "erp" if party == "acme" else "")
            answer = await to_thread(client.get_object, Bucket="orders", Key=KEY)
            assert await to_thread(answer["Body"].read) == b"two"

    async def main() -> None:
        (site.folder / "partner" / "home").mkdir(parents=True)
        async with serving(site.folder / "partner", Whole, [key]) as server:
            home = sftp(server.port).replace(ROOT, "/home")
            text = TOPOLOGY.replace(HOME, home).replace(INBOX, sftp(server.port))
            site.write("policies/topology.yaml", text)
            await site.running(writes)
            for file in (site.folder / "data").glob("catalog.db*"):
                file.unlink()
            words = ("rebuild", "--report", report, "--rules-since", "always")
            done = await to_thread(site.ask, *words)
            assert done["versions"] == 2
            await site.running(reads)
            again = await to_thread(site.ask, "repair")
            assert (again["checked"], again["sent_again"]) == (1, 0)

    asyncio.run(main())
