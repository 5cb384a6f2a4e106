"""A whole gateway, from start to stop, with its commands beside it."""

import asyncio
import json
from asyncio import to_thread
from dataclasses import replace
from functools import partial

import pytest

from gateway.app import Running, WorkerEnded
from gateway.errors import CatalogInUse, StartRefused
from tests.cli.site import ACME, INITECH, TOPOLOGY, Site, eventually, first, get, refused, s3

KEY = "invoices/1.csv"


def put(client: object, body: bytes = b"content", key: str = KEY) -> str:
    answer = client.put_object(Bucket="orders", Key=key, Body=body)  # type: ignore[attr-defined]
    return str(answer["VersionId"])


def read(client: object, key: str = KEY) -> bytes:
    answer = client.get_object(Bucket="orders", Key=key)  # type: ignore[attr-defined]
    return bytes(answer["Body"].read())


async def health(gateway: Running) -> dict[str, object]:
    _, text = await to_thread(get, gateway.doors["admin"].listen.url + "/-/health")
    return dict(json.loads(text))


def test_the_first_start_makes_keys_and_the_second_finds_everything(site: Site) -> None:
    kept: dict[str, tuple[str, str]] = {}

    async def first_start(gateway: Running) -> None:
        for made in gateway.made:
            kept[made.principal.name] = (made.id, made.secret.reveal())
        await to_thread(put, first(gateway, "acme", "erp"))

    async def second_start(gateway: Running) -> None:
        assert gateway.made == ()
        assert await to_thread(read, s3(gateway, *kept["erp"])) == b"content"
        assert await to_thread(read, s3(gateway, *kept["ledger"])) == b"content"

    asyncio.run(site.running(first_start))
    assert set(kept) == {"erp", "auditor", "wms", "ledger"}
    asyncio.run(site.running(second_start))


def test_a_copy_lies_in_the_recipients_folder_and_the_commands_tell_of_it(site: Site) -> None:
    async def story(gateway: Running) -> None:
        version = await to_thread(put, first(gateway, "acme", "erp"))
        copy = site.folder / "globex/in" / KEY

        async def arrived() -> bool:
            return bool(await to_thread(site.ask, "deliveries", "--state", "done"))

        await eventually(arrived)
        assert copy.read_bytes() == b"content"
        (row,) = (await to_thread(site.ask, "history", f"orders/{KEY}"))["versions"]
        assert (row["version"], row["author"], row["principal"]) == (version, "acme", "erp")
        holders = (await to_thread(site.ask, "who-has", f"orders/{KEY}"))["holders"]
        held = {each["party"]: each for each in holders}
        assert {name: each["mode"] for name, each in held.items()} == {
            "acme": "own",
            "globex": "copy",
            "initech": "share",
        }
        assert held["globex"]["copy"] == f"home:in/{KEY} done"
        assert held["globex"]["verified"]

    asyncio.run(site.running(story))
    table = site.call("who-has", f"orders/{KEY}")
    assert "acme.yaml:4 (invoices)" in table.stdout
    assert site.call("history", "orders/nix").exit_code == 1
    assert site.call("who-has", f"orders/{KEY}", "--version", "nix").exit_code == 1


def test_a_key_is_in_force_when_made_and_refused_when_revoked(site: Site) -> None:
    async def story(gateway: Running) -> None:
        made = await to_thread(site.ask, "key", "create", "acme", "erp")
        client = s3(gateway, made["id"], made["secret"])
        await to_thread(put, client)
        url = client.generate_presigned_url("get_object", {"Bucket": "orders", "Key": KEY})
        assert (await to_thread(get, url))[0] == 200
        await to_thread(site.ask, "key", "revoke", "acme", "erp", "--id", made["id"])
        assert await to_thread(refused, partial(put, client)) == "InvalidAccessKeyId"
        assert (await to_thread(get, url))[0] == 403

    asyncio.run(site.running(story))
    rows = site.ask("key", "list", "acme", "erp")
    assert [bool(row["revoked"]) for row in rows] == [False, True]
    again = site.call("key", "revoke", "acme", "erp", "--id", rows[1]["id"])
    assert again.exit_code == 1
    assert f"no open key {rows[1]['id']} of acme erp in" in again.output
    assert "no open key of acme nobody in" in site.call("key", "revoke", "acme", "nobody").output


def test_a_principal_added_later_gets_a_key_by_command_alone(site: Site) -> None:
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
    site.write("policies/topology.yaml", TOPOLOGY.replace("{name: erp}", "{name: erp}, {name: x}"))

    async def story(gateway: Running) -> None:
        assert gateway.made == ()
        made = await to_thread(site.ask, "key", "create", "acme", "x")
        await to_thread(put, s3(gateway, made["id"], made["secret"]))

    asyncio.run(site.running(story))


def test_a_store_without_its_secret_holds_up_no_other_party(site: Site) -> None:
    cloud = "{type: s3, bucket: b, credentials: {id: 'env:NIX_ID', secret: 'env:NIX_SECRET'}}"
    site.write("policies/topology.yaml", TOPOLOGY.replace("{type: file, path: ../globex}", cloud))

    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        assert await to_thread(read, first(gateway, "initech")) == b"content"
        answer = await health(gateway)
        assert answer["status"] == "degraded"
        assert "store home of globex: the environment variable NIX_ID" in json.dumps(answer)

    asyncio.run(site.running(story))
    assert len(site.ask("check", code=2)["problems"]) == 2


def test_a_store_that_holds_bytes_can_not_be_dropped_or_pointed_elsewhere(site: Site) -> None:
    moved = TOPOLOGY.replace("path: ../acme}", "path: ../elsewhere}")

    async def story(gateway: Running) -> None:
        site.write("policies/topology.yaml", moved)
        result = await to_thread(site.call, "check")
        assert result.exit_code == 0  # nothing is there to be cut off
        site.write("policies/topology.yaml", TOPOLOGY)
        await to_thread(put, first(gateway, "acme", "erp"))
        site.write("policies/topology.yaml", moved)

        async def seen() -> bool:
            return "still holds bytes" in json.dumps(await health(gateway))

        await eventually(seen, 2.5)
        assert await to_thread(read, first(gateway, "initech")) == b"content"

    asyncio.run(site.running(story))
    (problem,) = site.ask("check", code=2)["problems"]
    assert "store home of acme still holds bytes" in problem["text"]
    assert problem["line"] == 4
    former = (
        "{name: new, type: file, path: ../new}\n    former_stores: [{type: file, path: ../acme}]"
    )
    site.write("policies/topology.yaml", TOPOLOGY.replace("{type: file, path: ../acme}", former))
    assert site.call("check").exit_code == 0
    site.write("policies/topology.yaml", TOPOLOGY.replace("orders:", "others:"))
    texts = [problem["text"] for problem in site.ask("check", code=2)["problems"]]
    assert "bucket orders still holds files; empty it before you take it out" in texts


@pytest.mark.parametrize("failing", [True, False])
def test_a_worker_that_ends_before_its_time_ends_the_gateway(site: Site, failing: bool) -> None:
    async def ends() -> None:
        if failing:
            raise ZeroDivisionError

    async def story(gateway: Running) -> None:
        worker = asyncio.create_task(ends(), name="sealer")
        broken = replace(gateway, workers=(*gateway.workers, worker))
        with pytest.raises(ZeroDivisionError if failing else WorkerEnded):
            await broken.until(asyncio.Event())

    asyncio.run(site.running(story))


def test_a_principal_that_leaves_the_topology_is_refused(site: Site) -> None:
    async def story(gateway: Running) -> None:
        client = first(gateway, "acme", "erp")
        await to_thread(put, client)
        path = site.folder / "policies/topology.yaml"
        path.write_text(path.read_text().replace("{name: erp}, ", ""))

        async def gone() -> bool:
            return await to_thread(refused, partial(put, client)) == "InvalidAccessKeyId"

        await eventually(gone, 2.5)

    asyncio.run(site.running(story))


def test_reads_obey_an_edit_within_two_seconds(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        initech = first(gateway, "initech")
        assert await to_thread(read, initech) == b"content"
        site.write("policies/acme.yaml", ACME.replace(", initech: share", ""))

        async def hidden() -> bool:
            return await to_thread(refused, partial(read, initech)) == "NoSuchKey"

        await eventually(hidden, 2.5)
        listed = await to_thread(partial(initech.list_objects_v2, Bucket="orders"))
        assert listed["KeyCount"] == 0

    asyncio.run(site.running(story))


def test_a_bad_file_shows_everywhere_and_a_restart_starts_from_the_last_good(site: Site) -> None:
    async def before(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        assert (await health(gateway))["status"] == "ok"
        site.write("policies/initech.yaml", INITECH.replace("accepts", "accept"))

        async def seen() -> bool:
            return (await health(gateway))["status"] == "degraded"

        await eventually(seen, 2.5)
        await in_force(gateway)

    async def in_force(gateway: Running) -> None:
        answer = await health(gateway)
        assert "initech.yaml:3:1: unknown field `accept`" in json.dumps(answer["policy"])
        _, text = await to_thread(get, gateway.doors["admin"].listen.url + "/-/metrics")
        assert "crossdock_policy_problems 1.0" in text
        made = await to_thread(site.ask, "key", "create", "initech", "ledger")
        assert await to_thread(read, s3(gateway, made["id"], made["secret"])) == b"content"

    asyncio.run(site.running(before))
    asyncio.run(site.running(in_force))


def test_metrics_count_what_happened(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"), b"12345")
        await to_thread(refused, partial(put, first(gateway, "initech")))
        admin = gateway.doors["admin"].listen.url
        status, text = await to_thread(get, admin + "/-/metrics")
        assert status == 200
        operation = 'door="s3",operation="PutObject"'
        assert f'crossdock_requests_total{{{operation},status="2xx"}} 1.0' in text
        assert f'crossdock_requests_total{{{operation},status="4xx"}} 1.0' in text
        assert f"crossdock_received_bytes_total{{{operation}}} 5" in text
        assert "crossdock_log_records " in text
        revision = gateway.house.mesh.revision
        assert f'crossdock_policy_revision{{revision="{revision}"}} 1.0' in text
        assert (await to_thread(get, admin + "/-/ready"))[0] == 200
        assert (await to_thread(get, admin + "/anything"))[0] == 404

    asyncio.run(site.running(story))


def test_the_s3_door_shows_bare_health_and_no_metrics(site: Site) -> None:
    async def story(gateway: Running) -> None:
        url = gateway.doors["s3"].listen.url
        assert await to_thread(get, url + "/-/health") == (200, "")
        assert await to_thread(get, url + "/-/ready") == (200, "")
        assert (await to_thread(get, url + "/-/metrics"))[0] == 404

    asyncio.run(site.running(story))


def test_the_log_verifies_is_proved_and_is_exported(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        note = await to_thread(site.call, "audit", "checkpoint")
        site.write("kept", note.stdout)

    asyncio.run(site.running(story))
    report = site.ask("audit", "verify", "--checkpoint", str(site.folder / "kept"))
    assert report["whole"]
    proof, tree = str(site.folder / "proof"), str(site.folder / "tree")
    assert site.call("audit", "prove", f"orders/{KEY}", "--out", proof).exit_code == 0
    assert site.call("audit", "export", tree).exit_code == 0
    vkey = site.ask("audit", "checkpoint")["key"]
    fields = site.ask("audit", "verify", "--proof", proof, "--key", vkey)
    assert (fields["kind"], fields["key"], fields["party"]) == ("write", KEY, "acme")
    assert site.ask("audit", "verify", "--folder", tree, "--key", vkey)["whole"]
    assert site.call("audit", "prove", "99999").exit_code == 1


def test_a_proof_for_a_party_shows_what_it_may_learn_alone(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))

    asyncio.run(site.running(story))
    vkey = site.ask("audit", "checkpoint")["key"]
    proof = str(site.folder / "proof")
    site.call("audit", "prove", f"orders/{KEY}", "--party", "initech", "--out", proof)
    fields = site.ask("audit", "verify", "--proof", proof, "--key", vkey)
    assert fields["key"] == KEY
    assert "principal" not in fields
    assert not any("globex" in name for name in fields)


def test_a_log_that_was_cut_off_does_not_verify(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))

    asyncio.run(site.running(story))
    assert site.call("backup", str(site.folder / "old.db")).exit_code == 0
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
    note = site.call("audit", "checkpoint").stdout
    site.write("kept", note)
    for path in site.config.catalog.parent.glob("catalog.db*"):
        path.unlink()
    assert site.call("restore", str(site.folder / "old.db")).exit_code == 0
    result = site.call("audit", "verify", "--checkpoint", str(site.folder / "kept"))
    assert result.exit_code == 1
    assert "NOT WHOLE" in result.stdout


def test_a_backup_is_made_while_running_and_restores_everything(site: Site) -> None:
    backup = str(site.folder / "backup.db")
    secrets: list[tuple[str, str]] = []

    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        made = gateway.made[0]
        secrets.append((made.id, made.secret.reveal()))
        result = await to_thread(site.call, "backup", backup)
        assert result.exit_code == 0, result.output
        result = await to_thread(site.call, "restore", backup)
        assert result.exit_code == 2

    asyncio.run(site.running(story))
    assert site.call("restore", backup).exit_code == 2  # a catalog lies there
    for path in site.config.catalog.parent.glob("catalog.db*"):
        path.unlink()
    assert site.call("restore", backup).exit_code == 0

    async def again(gateway: Running) -> None:
        assert gateway.made == ()
        assert await to_thread(read, s3(gateway, *secrets[0])) == b"content"

    asyncio.run(site.running(again))


def test_commands_that_write_need_no_gateway(site: Site) -> None:
    made = site.ask("key", "create", "acme", "erp")

    async def story(gateway: Running) -> None:
        assert {c.principal.name for c in gateway.made} == {"auditor", "wms", "ledger"}
        await to_thread(put, s3(gateway, made["id"], made["secret"]))

    asyncio.run(site.running(story))
    assert site.call("key", "create", "acme", "nobody").exit_code == 1
    assert "has no principal nobody" in site.call("key", "create", "acme", "nobody").stderr


def test_a_parked_delivery_is_resumed_by_command(site: Site) -> None:
    blocker = site.folder / "globex/in" / KEY
    blocker.parent.mkdir(parents=True)
    blocker.write_text("not ours")

    async def state(wanted: str) -> bool:
        return bool(await to_thread(site.ask, "deliveries", "--state", wanted))

    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        await eventually(partial(state, "parked"))
        (row,) = await to_thread(site.ask, "deliveries", "--state", "parked")
        assert row["to"] == "globex"
        assert row["why"]
        assert (await health(gateway))["status"] == "degraded"
        assert blocker.read_text() == "not ours"
        blocker.unlink()
        done = await to_thread(site.ask, "deliveries", "retry", str(row["id"]))
        assert done == {"resumed": 1}
        await eventually(partial(state, "done"))

    asyncio.run(site.running(story))
    assert blocker.read_text() == "content"
    assert site.call("deliveries", "retyr").exit_code == 2
    assert "done" in site.call("deliveries").stdout


def test_what_the_gateway_keeps_is_its_owners_alone(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        await to_thread(site.call, "backup", str(site.folder / "backup.db"))
        kept = [*(site.folder / "data").iterdir(), site.folder / "backup.db"]
        assert {path.name for path in kept} >= {"catalog.db", "catalog.db-wal", "seal.key"}
        assert [path.name for path in kept if path.stat().st_mode & 0o077] == []

    asyncio.run(site.running(story))


# --- what keeps it from starting ---------------------------------------------------------------


def test_a_second_gateway_on_the_same_catalog_is_refused(site: Site) -> None:
    async def story(gateway: Running) -> None:
        with pytest.raises(CatalogInUse):
            await site.running(lambda other: asyncio.sleep(0))

    asyncio.run(site.running(story))


def test_a_lost_seal_key_is_never_made_anew(site: Site) -> None:
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
    (site.folder / "data/seal.key").unlink()
    with pytest.raises(StartRefused, match="is absent, but the catalog was sealed"):
        asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))


def test_another_seal_key_is_refused(site: Site) -> None:
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
    (site.folder / "data/seal.key").write_text("00" * 32)
    with pytest.raises(StartRefused, match="not the one of this catalog"):
        asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))


def test_an_address_in_use_is_refused_and_everything_closed_again(site: Site) -> None:
    async def story(gateway: Running) -> None:
        port = gateway.doors["s3"].listen.port
        other = Site(site.folder / "other")
        other.folder.mkdir()
        other.make()
        other.write("gateway.yaml", f"listen: {{s3: '127.0.0.1:{port}'}}\n")
        with pytest.raises(StartRefused, match=f"can't listen on 127.0.0.1:{port}"):
            await other.running(lambda gateway: asyncio.sleep(0))
        other.write("gateway.yaml", "listen: {s3: '127.0.0.1:0'}\n")
        await other.running(lambda gateway: asyncio.sleep(0))

    asyncio.run(site.running(story))
