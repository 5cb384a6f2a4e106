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
