"""`crossdock policy plan`: beside a running gateway and without one, and with what exit code."""

import asyncio
import os
import shutil
from typing import Any

from gateway.app import Running
from tests.cli.site import ACME, GATEWAY, GLOBEX, TOPOLOGY, Site, first

OPEN = ACME.replace("initech: share}", "initech: share}, since: always")


def put(gateway: Running, *keys: str) -> None:
    client = first(gateway, "acme", "erp")
    for key in keys:
        client.put_object(Bucket="orders", Key=key, Body=b"12345")


def lived(site: Site, *keys: str) -> None:
    """A gateway was there, and took files."""

    async def story(gateway: Running) -> None:
        await asyncio.to_thread(put, gateway, *keys)

    asyncio.run(site.running(story))


def effects(answer: Any) -> list[tuple[str, str, int, int]]:
    rows = answer["effects"]
    return [(row["party"], row["effect"], row["versions"], row["bytes"]) for row in rows]


def test_a_folder_that_is_in_force_is_no_change(site: Site) -> None:
    lived(site, "invoices/1")
    answer = site.ask("policy", "plan")
    assert not answer["change"]
    assert answer["effects"] == []
    assert answer["in_force"] == answer["proposed"]
    assert "No change" in site.call("policy", "plan").stdout


def test_an_edit_is_told_with_what_it_does_to_the_files_that_are_there(site: Site) -> None:
    lived(site, "invoices/1", "invoices/2", "invoices/2")
    site.write("policies/globex.yaml", "party: globex\n")
    answer = site.ask("policy", "plan", code=3)
    assert answer["change"]
    assert answer["files"] == {"globex.yaml": "changed"}
    assert ("globex", "no longer readable", 3, 15) in effects(answer)
    (row,) = [each for each in answer["effects"] if each["effect"] == "no longer readable"]
    assert (row["files"], row["rule"], row["how"]) == (2, "acme.yaml (invoices)", "copy")
    assert row["samples"] == ["orders/invoices/1", "orders/invoices/2"]
    (remark,) = [each for each in answer["remarks"] if each["kind"] == "not accepted"]
    assert (remark["rule"], remark["parties"], remark["new"]) == ("invoices", ["globex"], True)
    result = site.call("policy", "plan")
    assert result.exit_code == 3
    assert "no longer readable" in result.stdout
    assert answer["plan"] in result.stdout


def test_it_is_the_same_beside_a_running_gateway(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await asyncio.to_thread(put, gateway, "invoices/1")
        draft = site.folder / "draft"
        await asyncio.to_thread(shutil.copytree, site.folder / "policies", draft)
        site.write("draft/initech.yaml", "party: initech\n")
        words = ("policy", "plan", str(draft))
        answer = await asyncio.to_thread(lambda: site.ask(*words, code=3))
        assert effects(answer) == [("initech", "no longer readable", 1, 5)]
        assert not (await asyncio.to_thread(lambda: site.ask("policy", "plan")))["change"]

    asyncio.run(site.running(story))


def test_paths_in_another_folder_count_from_the_configured_one(site: Site) -> None:
    lived(site, "invoices/1")
    (site.folder / "deep").mkdir()
    shutil.copytree(site.folder / "policies", site.folder / "deep/er")
    assert not site.ask("policy", "plan", str(site.folder / "deep/er"))["change"]


def test_copies_that_an_edit_asks_for_are_counted(site: Site) -> None:
    site.write("policies/globex.yaml", GLOBEX.replace(', into: "in/{key}"', ""))
    lived(site, "invoices/1", "invoices/1")
    site.write("policies/globex.yaml", GLOBEX)
    site.write("policies/acme.yaml", OPEN)
    answer = site.ask("policy", "plan", code=3)
    assert ("globex", "in another mode", 2, 10) in effects(answer)
    assert ("globex", "copies to be made", 1, 5) in effects(answer)
    (row,) = [each for each in answer["effects"] if each["effect"] == "copies to be made"]
    assert (row["how"], row["egress"]) == ("acme/home to globex/home", 0)
    assert answer["changes"] == 2


def test_a_mistake_is_told_with_its_place_and_exits_2(site: Site) -> None:
    lived(site)
    (site.folder / "draft").mkdir()
    site.write("draft/topology.yaml", TOPOLOGY)
    site.write("draft/acme.yaml", ACME.replace("keys", "keyz"))
    result = site.call("policy", "plan", str(site.folder / "draft"))
    assert result.exit_code == 2
    place = os.path.relpath(site.folder / "draft/acme.yaml")
    assert f"{place}:4:36: unknown field `keyz`; did you mean `keys`?" in result.stderr


def test_a_folder_that_is_not_there_exits_2(site: Site) -> None:
    assert site.call("policy", "plan", str(site.folder / "nowhere")).exit_code == 2


def test_without_a_catalog_there_is_nothing_to_compare_with(site: Site) -> None:
    result = site.call("policy", "plan")
    assert result.exit_code == 2
    assert "start the gateway once" in result.stderr


def test_remarks_that_were_there_before_are_shown_when_asked_for(site: Site) -> None:
    site.write("policies/initech.yaml", "party: initech\n")
    lived(site)
    result = site.call("policy", "plan")
    assert "remarks that were there before: 1" in result.stdout
    assert "not accepted" not in result.stdout
    assert "not accepted" in site.call("policy", "plan", "--all").stdout


def test_what_was_planned_can_be_applied_and_nothing_else(site: Site) -> None:
    site.write("gateway.yaml", f"{GATEWAY}apply: command\n")
    lived(site, "invoices/1")
    site.write("policies/initech.yaml", "party: initech\n")
    plan = site.ask("policy", "plan", code=3)["plan"]
    site.write("policies/globex.yaml", "party: globex\n")
    assert site.call("policy", "apply", "--expect", plan).exit_code == 1
    plan = site.ask("policy", "plan", code=3)["plan"]
    assert site.call("policy", "apply", "--expect", plan).exit_code == 0
    assert not site.ask("policy", "plan")["change"]
