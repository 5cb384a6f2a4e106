"""The sFTP door of a whole gateway: keys made by command, edits that bite, what is on record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from click.testing import CliRunner

from gateway.app import Running
from gateway.audit.records import decode, unpack
from gateway.cli import main
from gateway.model import ObjectRef
from tests.cli.site import ACME, GATEWAY, TOPOLOGY, Site, eventually, first, get

WAIT_S = 30.0
"""A machine that does much else may be slow to follow an edit."""
WITH_SFTP = GATEWAY.replace("admin:", 'sftp: "127.0.0.1:0", admin:')


@pytest.fixture
def door(site: Site) -> Site:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(site.folder / "key"))
    key.write_public_key(str(site.folder / "policies" / "key.pub"))
    site.write("gateway.yaml", WITH_SFTP)
    nightly = '{name: erp, ssh_key: "file:key.pub", user: legacy}'
    site.write("policies/topology.yaml", TOPOLOGY.replace("{name: erp}", nightly))
    return site


@asynccontextmanager
async def client(gateway: Running, user: str, **options: Any) -> AsyncIterator[asyncssh.SFTPClient]:
    lines = [
        f"[127.0.0.1]:{gateway.doors['sftp'].listen.port} {key.public}"
        for key in gateway.house.host_keys
    ]
    async with (
        asyncssh.connect(
            "127.0.0.1",
            gateway.doors["sftp"].listen.port,
            username=user,
            known_hosts=asyncssh.import_known_hosts("\n".join(lines)),
            agent_path=None,
            **options,
        ) as connection,
        connection.start_sftp_client() as sftp,
    ):
        yield sftp


async def put(sftp: asyncssh.SFTPClient, path: str, data: bytes) -> None:
    async with sftp.open(path, "wb") as file:
        await file.write(data)


async def content(sftp: asyncssh.SFTPClient, path: str) -> object:
    async with sftp.open(path, "rb") as file:
        return await file.read()


def by_key(site: Site) -> dict[str, Any]:
    return {"client_keys": [str(site.folder / "key")]}


def test_what_comes_by_one_door_is_seen_through_the_other(door: Site) -> None:
    async def story(gateway: Running) -> None:
        made = {(c.principal.party, c.principal.name) for c in gateway.made}
        assert ("acme", "erp") not in made, "it has an SSH key, so it was given no access key"
        async with client(gateway, "legacy", **by_key(door)) as sftp:
            await put(sftp, "/orders/invoices/7.csv", b"7,100.00\n")
        wms = first(gateway, "globex")
        found = await asyncio.to_thread(wms.get_object, Bucket="orders", Key="invoices/7.csv")
        assert await asyncio.to_thread(found["Body"].read) == b"7,100.00\n"
        assert found["ContentType"] == "text/csv"
        copy = door.folder / "globex" / "in" / "invoices" / "7.csv"

        async def arrived() -> bool:
            return copy.exists()

        await eventually(arrived, WAIT_S)
        health = json.loads((await asyncio.to_thread(get, _admin(gateway, "health")))[1])
        assert health["sftp"].keys() == {"connections", "sessions", "writing", "banned"}
        metrics = (await asyncio.to_thread(get, _admin(gateway, "metrics")))[1]
        assert {"came", "left"} <= {outcome for kind, outcome in await logins(gateway)}
        assert 'crossdock_requests_total{door="sftp",operation="close",status="2xx"} 1.0' in metrics

    asyncio.run(door.running(story))
    assert door.call("audit", "verify").exit_code == 0
    history = door.ask("history", "orders/invoices/7.csv")
    assert "sftp" in json.dumps(history)


async def logins(gateway: Running) -> set[tuple[str, str]]:
    """What the log holds of logins, once the batch of this second is in it."""
    catalog = gateway.house.catalog
    found: set[tuple[str, str]] = set()

    async def there() -> bool:
        for index in range(await catalog.size()):
            for raw in await catalog.reads_of(index):
                opened = decode(unpack(raw).openings)
                if opened.value("kind") == "login":
                    found.add(("login", opened.value("outcome")))
        return len(found) >= 2

    await eventually(there, WAIT_S)
    return found


def _admin(gateway: Running, what: str) -> str:
    return f"{gateway.doors['admin'].listen.url}/-/{what}"


def test_host_keys_are_the_same_after_a_restart(door: Site) -> None:
    seen: list[list[str]] = []

    async def story(gateway: Running) -> None:
        seen.append([key.fingerprint for key in gateway.house.host_keys])

    for _ in range(2):
        asyncio.run(door.running(story))
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 3
    assert all(each.startswith("SHA256:") for each in seen[0])
    stored = (door.folder / "data" / "catalog.db").read_bytes()
    assert b"OPENSSH PRIVATE KEY" not in stored


def test_a_key_that_is_taken_out_of_its_file_is_withdrawn(door: Site) -> None:
    """By an edit of that file alone: the policies stay as they are."""

    async def story(gateway: Running) -> None:
        async with client(gateway, "legacy", **by_key(door)) as sftp:
            await sftp.listdir("/orders")
            other = asyncssh.generate_private_key("ssh-ed25519")
            other.write_public_key(str(door.folder / "policies" / "key.pub"))

            async def shut() -> bool:
                try:
                    await sftp.listdir("/orders")
                except asyncssh.SFTPPermissionDenied:
                    return True
                return False

            await eventually(shut, WAIT_S)
            with pytest.raises(asyncssh.PermissionDenied):
                async with client(gateway, "legacy", **by_key(door)):
                    pass
            async with client(gateway, "legacy", client_keys=[other]) as newer:
                await newer.listdir("/orders")

    asyncio.run(door.running(story))


def test_a_password_is_made_and_revoked_by_command(door: Site) -> None:
    async def story(gateway: Running) -> None:
        made = await asyncio.to_thread(door.ask, "key", "create", "globex", "wms", "--password")
        assert made["user"] == "globex.wms"
        word = made["password"]
        async with client(gateway, "globex.wms", password=word, client_keys=None) as sftp:
            assert await sftp.listdir("/orders") == [".", ".."]
            listed = await asyncio.to_thread(door.ask, "key", "list", "globex")
            assert [row["kind"] for row in listed if row["id"] == made["id"]] == ["password"]
            await asyncio.to_thread(door.ask, "key", "revoke", "globex", "wms", "--id", made["id"])
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.listdir("/orders")
        with pytest.raises(asyncssh.PermissionDenied):
            async with client(gateway, "globex.wms", password=word, client_keys=None):
                pass

    asyncio.run(door.running(story))
    for name in ("catalog.db", "catalog.db-wal"):
        path = door.folder / "data" / name
        assert not path.exists() or b"scrypt$" not in path.read_bytes(), "hashes are sealed, too"


def test_a_password_of_ones_own_is_read_from_standard_input(
    door: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(text: str) -> Any:
        config = ["--config", str(door.folder / "gateway.yaml")]
        words = ["key", "create", "globex", "wms", "--password", "--stdin"]
        return CliRunner().invoke(main, [*words, *config], input=text)

    assert create("short\n").exit_code == 2
    assert create("").exit_code == 2
    old = create("old8char\n")
    assert old.exit_code == 0
    assert "This password is short" in old.output
    done = create("correct horse battery\n")
    assert done.exit_code == 0
    assert "correct horse" not in done.output


def test_a_withdrawal_ends_what_is_being_read(door: Site) -> None:
    async def story(gateway: Running) -> None:
        made = await asyncio.to_thread(door.ask, "key", "create", "globex", "wms", "--password")
        word: dict[str, Any] = {"password": made["password"], "client_keys": None}
        async with (
            client(gateway, "legacy", **by_key(door)) as acme,
            client(gateway, "globex.wms", **word) as globex,
        ):
            await put(acme, "/orders/invoices/big", b"x" * 6_000_000)
            async with globex.open("/orders/invoices/big", "rb", block_size=1000) as file:
                assert len(await file.read(1000)) == 1000
                door.write("policies/acme.yaml", "party: acme\n")

                async def gone() -> bool:
                    return not await globex.exists("/orders/invoices/big")

                await eventually(gone, WAIT_S)
                with pytest.raises(asyncssh.SFTPNoSuchFile):
                    await file.read(1000)
            assert await globex.listdir("/orders") == [".", ".."]
            door.write("policies/acme.yaml", ACME)

    asyncio.run(door.running(story))


def test_habits_follow_an_edit_of_the_partys_own_file(door: Site) -> None:
    async def story(gateway: Running) -> None:
        async with client(gateway, "legacy", **by_key(door)) as sftp:
            assert "orders" in await sftp.listdir("/")
            jobs = "sftp:\n  erp: {map: {/out: orders/invoices/}}\n"
            door.write("policies/acme.yaml", ACME + jobs)

            async def mapped() -> bool:
                return "out" in await sftp.listdir("/")

            await eventually(mapped, WAIT_S)
            await put(sftp, "/out/8.csv", b"8")

    asyncio.run(door.running(story))
    assert "invoices/8.csv" in json.dumps(door.ask("who-has", "orders/invoices/8.csv"))


def test_who_tries_too_much_is_kept_out_until_the_operator_says_otherwise(door: Site) -> None:
    door.write("gateway.yaml", WITH_SFTP + "sftp: {ban: {score: 2}}\n")

    async def story(gateway: Running) -> None:
        with pytest.raises(asyncssh.PermissionDenied):
            async with client(gateway, "nobody", password="wrong", client_keys=None):
                pass
        with pytest.raises((asyncssh.Error, OSError)):
            async with client(gateway, "legacy", **by_key(door)):
                pass
        (ban,) = await asyncio.to_thread(door.ask, "sftp", "bans")
        assert ban["source"] == "127.0.0.1"
        assert 0 < ban["seconds_left"] <= 2 * 1800
        await asyncio.to_thread(door.ask, "sftp", "unban", "127.0.0.1")
        async with client(gateway, "legacy", **by_key(door)) as sftp:
            assert await sftp.exists("/orders")
        assert (await asyncio.to_thread(door.call, "sftp", "unban", "127.0.0.1")).exit_code == 1

    asyncio.run(door.running(story))
    assert door.call("sftp", "bans").exit_code == 1, "no gateway runs"


def test_what_is_being_written_when_the_gateway_stops_is_kept(door: Site, tmp_path: Path) -> None:
    async def stops(gateway: Running) -> None:
        async with asyncio.timeout(20):
            connection = client(gateway, "legacy", **by_key(door))
            sftp = await connection.__aenter__()
            file = await sftp.open("/orders/invoices/half", "wb")
            await file.write(b"half")

    async def resumes(gateway: Running) -> None:
        async with client(gateway, "legacy", **by_key(door)) as sftp:
            assert (await sftp.stat("/orders/invoices/half")).size == 4
            async with sftp.open("/orders/invoices/half", "ab") as file:
                await file.write(b" and half")
            assert await content(sftp, "/orders/invoices/half") == b"half and half"

    asyncio.run(door.running(stops))
    asyncio.run(door.running(resumes))


def test_a_file_that_rests_is_published_by_the_gateway_itself(
    door: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operations.housekeeping.SETTLE_SECONDS", 0.05)
    door.write("policies/acme.yaml", ACME + "sftp:\n  erp: {settle: quiet, quiet: 1s}\n")

    async def story(gateway: Running) -> None:
        async with client(gateway, "legacy", **by_key(door)) as sftp:
            await put(sftp, "/orders/invoices/9.csv", b"9")
            ref = ObjectRef("orders", "invoices/9.csv")

            async def there() -> bool:
                return bool(await gateway.house.catalog.story(ref))

            assert not await there()
            await eventually(there, WAIT_S)
            assert await content(sftp, "/orders/invoices/9.csv") == b"9"

    asyncio.run(door.running(story))


def test_what_is_no_public_key_is_named_by_check(door: Site) -> None:
    secret = (door.folder / "key").read_text()
    door.write("policies/key.pub", secret)
    result = door.call("check")
    assert result.exit_code == 2
    assert "topology.yaml:5:" in result.output
    assert "this is a private key; expected the public one" in result.output
    assert secret.splitlines()[1] not in result.output
