"""Edits of the policy, from the folder to the files that are there already."""

import asyncio
import json
from pathlib import Path
from typing import Any

from gateway.app import Running
from tests.cli.site import ACME, Site, eventually, first, get

SHARED = ACME.replace("globex: copy, initech: share", "initech: share")
BACK = SHARED.replace("}\n", ", since: always}\n")


def keys_of(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket="orders").get("Contents", ())]


def admin(gateway: Running, path: str) -> str:
    return get(f"{gateway.doors['admin'].listen.url}{path}")[1]


def test_old_files_follow_an_edit_and_the_gateway_says_how_far_it_is(site: Site) -> None:
    site.write("policies/acme.yaml", "party: acme\n")

    async def story(gateway: Running) -> None:
        acme, initech = first(gateway, "acme", "erp"), first(gateway, "initech")
        await asyncio.to_thread(
            acme.put_object, Bucket="orders", Key="invoices/1", Body=b"written before"
        )
        assert await asyncio.to_thread(keys_of, initech) == []
        site.write("policies/acme.yaml", BACK)

        async def opened() -> bool:
            return await asyncio.to_thread(keys_of, initech) == ["invoices/1"]

        await eventually(opened)

        async def done() -> bool:
            result = await asyncio.to_thread(site.call, "policy", "status", "--json")
            told = json.loads(result.stdout)
            return result.exit_code == 0 and told["revision"] == gateway.house.mesh.revision

        await eventually(done)
        health = json.loads(await asyncio.to_thread(admin, gateway, "/-/health"))
        assert health["convergence"] == {
            "revision": gateway.house.mesh.revision,
            "done": True,
            "versions_decided": 1,
            "versions": 1,
            "seconds_left": 0.0,
        }
        metrics = await asyncio.to_thread(admin, gateway, "/-/metrics")
        assert 'crossdock_convergence_versions{what="decided"} 1.0' in metrics
        assert "crossdock_convergence_left_seconds 0.0" in metrics

    asyncio.run(site.running(story))
    assert "all follow it" in site.call("policy", "status").stdout


def test_without_a_gateway_the_catalog_tells_how_far_it_came(site: Site, tmp_path: Path) -> None:
    assert site.call("policy", "status").exit_code == 2  # there is no catalog yet

    async def story(gateway: Running) -> None:
        return None

    asyncio.run(site.running(story))
    told = site.ask("policy", "status")
    assert (told["done"], told["versions"]) == (True, 0)


def test_a_file_that_is_there_is_explained_as_it_is(site: Site) -> None:
    secret = ACME + "forbids:\n  - {id: pii, when: {metadata: {class: [pii]}}, to: [initech]}\n"
    site.write("policies/acme.yaml", secret)

    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        for key, kind in (("1", "pii"), ("2", "open")):
            await asyncio.to_thread(
                acme.put_object,
                Bucket="orders",
                Key=f"invoices/{key}",
                Body=b"x",
                Metadata={"class": kind},
            )

    asyncio.run(site.running(story))
    (held,) = site.ask("policy", "explain", "globex", "read", "orders/invoices/1")
    assert (held["allowed"], held["now"]["held"]) == (True, "copy")
    assert held["now"]["by"].startswith("acme.yaml:4")
    assert [each["target"] for each in held["now"]["copies"]] == ["in/invoices/1"]
    (kept,) = site.ask("policy", "explain", "initech", "read", "orders/invoices/1", code=1)
    assert "forbidden by acme.yaml:6 (pii)" in kept["why"]
    assert kept["now"]["held"] == ""
    (nearly,) = site.ask("policy", "explain", "initech", "read", "orders/invoices/2")
    why = [rule["why"] for rule in nearly["rules"] if rule["near"]]
    assert why == ["metadata class is open, not pii"]
    (otherwise,) = site.ask(
        "policy", "explain", "initech", "read", "orders/invoices/2", "--metadata", "class=pii",
        code=1,
    )  # fmt: skip
    assert otherwise["now"] is None
    shown = site.call("policy", "explain", "globex", "read", "orders/invoices/1").stdout
    assert "globex holds it as copy since 20" in shown
    assert "its copy in/invoices/1:" in shown
    assert (
        site.call(
            "policy", "explain", "globex", "read", "orders/invoices/1", "--version", "none"
        ).exit_code
        == 1
    )


def test_a_bucket_made_through_the_door_is_explained_too(site: Site) -> None:
    topology = (site.folder / "policies/topology.yaml").read_text()
    site.write(
        "policies/topology.yaml",
        topology.replace("path: ../acme}", "path: ../acme}\n    create_buckets: ['acme-*']"),
    )
    sends = "  - {id: own, bucket: acme-made, keys: ['**'], to: {initech: share}}\n"
    site.write("policies/acme.yaml", ACME + sends)
    site.write("policies/initech.yaml", "party: initech\naccepts: [{from: [acme]}]\n")

    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        await asyncio.to_thread(acme.create_bucket, Bucket="acme-made")

    asyncio.run(site.running(story))
    (told,) = site.ask("policy", "explain", "initech", "read", "acme-made/k")
    assert (told["allowed"], told["mode"]) == (True, "share")


def test_a_version_older_than_a_rule_that_reaches_from_now_on_is_nearly_sent(site: Site) -> None:
    site.write("policies/acme.yaml", "party: acme\n")

    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        await asyncio.to_thread(acme.put_object, Bucket="orders", Key="invoices/1", Body=b"x")

    asyncio.run(site.running(story))
    site.write("policies/acme.yaml", ACME)
    (told,) = site.ask("policy", "explain", "initech", "read", "orders/invoices/1", code=1)
    assert (told["allowed"], told["why"]) == (False, "no rule reaches back to it (see `since`)")
    near = [rule["why"] for rule in told["rules"] if rule["near"]]
    assert near == ["the version is older than its `since`"]
