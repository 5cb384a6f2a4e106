"""`policy apply`, `history` and `diff`, with a gateway running and without."""

import asyncio
import json
from typing import Any

import pytest

from gateway.app import Running
from gateway.audit.records import decode
from tests.cli.site import ACME, GATEWAY, GLOBEX, Site, first

NARROW = ACME.replace('"invoices/**"]', '"invoices/2026/**"]')
ALONE = "party: acme\n"


@pytest.fixture
def drafts(site: Site) -> Site:
    site.write("gateway.yaml", GATEWAY + "apply: command\n")
    return site


def applied(site: Site, *words: str) -> Any:
    return site.ask("policy", "apply", *words)


async def called(site: Site, *words: str) -> Any:
    return await asyncio.to_thread(site.call, *words)


def sees(gateway: Running) -> list[str]:
    listed = first(gateway, "initech").list_objects_v2(Bucket="orders")
    return [each["Key"] for each in listed.get("Contents", ())]


def test_a_draft_comes_into_force_when_it_is_applied(drafts: Site) -> None:
    async def story(gateway: Running) -> None:
        erp = first(gateway, "acme", "erp")
        await asyncio.to_thread(erp.put_object, Bucket="orders", Key="invoices/1", Body=b"x")
        drafts.write("policies/acme.yaml", ALONE)
        await asyncio.sleep(1.5)
        assert await asyncio.to_thread(sees, gateway) == ["invoices/1"]
        result = await called(drafts, "policy", "apply", "--wait")
        assert result.exit_code == 0, result.output
        assert "changed: acme.yaml" in result.stdout
        assert await asyncio.to_thread(sees, gateway) == []
        again = await called(drafts, "policy", "apply")
        assert "in force already" in again.stdout

    asyncio.run(drafts.running(story))


def test_who_applied_it_is_kept_and_is_on_the_log(drafts: Site, monkeypatch: Any) -> None:
    monkeypatch.setenv("LOGNAME", "olga")

    async def story(gateway: Running) -> None:
        drafts.write("policies/acme.yaml", ALONE)
        await called(drafts, "policy", "apply")
        told = await asyncio.to_thread(drafts.ask, "policy", "history")
        assert told[0]["changed"] == ["acme.yaml"]
        assert (told[0]["principal"], told[0]["door"], told[1]["door"]) == (
            "olga",
            "command",
            "folder",
        )
        assert told[0]["revision"] == gateway.house.mesh.revision
        records = await gateway.house.catalog.records(0, 100)
        found = [decode(record.openings) for record in records]
        fields = ("kind", "door", "principal")
        assert ["policy", "command", "olga"] in [[e.value(f) for f in fields] for e in found]

    asyncio.run(drafts.running(story))
    table = drafts.call("policy", "history").stdout
    assert "olga (command)" in table
    assert "the folder, followed" in table


def test_without_a_gateway_the_next_start_has_it(drafts: Site) -> None:
    asyncio.run(drafts.running(_nothing))
    drafts.write("policies/acme.yaml", ALONE)
    told = applied(drafts)
    assert told["applied"]
    refused = drafts.call("policy", "apply", "--wait")
    assert refused.exit_code == 1
    assert "no gateway is running" in refused.stderr

    async def story(gateway: Running) -> None:
        assert gateway.house.mesh.revision == told["revision"]

    asyncio.run(drafts.running(story))


async def _nothing(_: Running) -> None:
    return None


def test_a_mistake_exits_2_with_its_place_and_changes_nothing(drafts: Site) -> None:
    async def story(gateway: Running) -> None:
        before = gateway.house.mesh.revision
        drafts.write("policies/acme.yaml", ALONE)
        drafts.write("policies/globex.yaml", GLOBEX.replace("accepts", "acepts"))
        result = await called(drafts, "policy", "apply")
        assert result.exit_code == 2
        assert "policies/globex.yaml:3:1: " in result.stderr
        assert "did you mean `accepts`?" in result.stderr
        assert gateway.house.mesh.revision == before

    asyncio.run(drafts.running(story))


def test_a_secret_that_the_gateway_lacks_exits_2(drafts: Site) -> None:
    topology = (drafts.folder / "policies/topology.yaml").read_text()
    key = "{name: wms, access_key: {id: WMS, secret: 'env:NO_SUCH_SECRET'}}"

    async def story(gateway: Running) -> None:
        drafts.write("policies/topology.yaml", topology.replace("{name: wms}", key))
        result = await called(drafts, "policy", "apply")
        assert result.exit_code == 2
        assert "topology.yaml:8:" in result.stderr
        assert "NO_SUCH_SECRET is not set" in result.stderr

    asyncio.run(drafts.running(story))


def test_a_stale_plan_exits_1(drafts: Site) -> None:
    asyncio.run(drafts.running(_nothing))
    drafts.write("policies/acme.yaml", ALONE)
    result = drafts.call("policy", "apply", "--expect", "0123456789abcdef")
    assert result.exit_code == 1
    assert "the plan 0123456789abcdef is stale" in result.stderr
    plan = result.stderr.split("made now is ")[1].split(";")[0]
    assert applied(drafts, "--expect", plan)["plan"] == plan


@pytest.mark.parametrize("mode", ["watch", "command"])
def test_going_back_is_one_command_and_holds(site: Site, mode: str) -> None:
    site.write("gateway.yaml", GATEWAY + f"apply: {mode}\n")

    async def story(gateway: Running) -> None:
        first_one = gateway.house.mesh.revision
        for text in (NARROW, ALONE):
            site.write("policies/acme.yaml", text)
            await called(site, "policy", "apply")
        result = await called(site, "policy", "apply", "--revision", first_one[:8])
        assert result.exit_code == 0, result.stderr
        assert gateway.house.mesh.revision == first_one
        assert (site.folder / "policies/acme.yaml").read_text() == ACME
        await asyncio.sleep(1.5)
        assert gateway.house.mesh.revision == first_one
        told = await asyncio.to_thread(site.ask, "policy", "history")
        assert len(told) == 4

    asyncio.run(site.running(story))


def test_going_back_leaves_alone_what_somebody_works_on(drafts: Site) -> None:
    asyncio.run(drafts.running(_nothing))
    was = drafts.ask("policy", "history")[0]["revision"]
    drafts.write("policies/acme.yaml", NARROW)
    applied(drafts)
    drafts.write("policies/acme.yaml", ALONE)
    result = drafts.call("policy", "apply", "--revision", was)
    assert result.exit_code == 1
    assert "somebody is at work on acme.yaml" in result.stderr
    assert (drafts.folder / "policies/acme.yaml").read_text() == ALONE


def test_a_revision_is_named_by_its_beginning(drafts: Site) -> None:
    asyncio.run(drafts.running(_nothing))
    for words, code, text in (
        (("abc",), 2, "at least 4"),
        (("zzzz",), 1, "no policy that was in force"),
    ):
        for command in (("policy", "diff", *words), ("policy", "apply", "--revision", *words)):
            result = drafts.call(*command)
            assert result.exit_code == code, result.output
            assert text in result.stderr


def test_diff_shows_what_changed(drafts: Site) -> None:
    asyncio.run(drafts.running(_nothing))
    was = drafts.ask("policy", "history")[0]["revision"][:12]
    drafts.write("policies/acme.yaml", NARROW)
    (drafts.folder / "policies/globex.yaml").unlink()
    applied(drafts)
    shown = drafts.call("policy", "diff", was).stdout
    assert "--- a/acme.yaml\n+++ b/acme.yaml\n" in shown
    assert '-  - {id: invoices, bucket: orders, keys: ["invoices/**"]' in shown
    assert '+  - {id: invoices, bucket: orders, keys: ["invoices/2026/**"]' in shown
    assert "--- a/globex.yaml" in shown
    told = drafts.ask("policy", "diff", was)
    assert [(each["file"], each["after"]) for each in told] == [
        ("acme.yaml", NARROW),
        ("globex.yaml", None),
    ]
    now = drafts.ask("policy", "history")[0]["revision"]
    assert drafts.ask("policy", "diff", now, was)[1]["after"] == GLOBEX
    assert json.loads(drafts.call("policy", "diff", now, "--json").stdout) == []
