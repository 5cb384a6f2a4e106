"""`recall` and `requests` of a whole gateway, running and not."""

import asyncio
from asyncio import to_thread
from pathlib import Path
from typing import Any

from gateway.app import Running
from tests.cli.site import Site, eventually, first

KEY = "invoices/a"


def put(client: Any) -> None:
    client.put_object(Bucket="orders", Key=KEY, Body=b"content")


def copy_of(site: Site) -> Path:
    return site.folder / "globex" / "in" / KEY


async def there(site: Site, expected: bool) -> None:
    async def so() -> bool:
        return copy_of(site).exists() is expected

    await eventually(so)


def test_a_copy_is_asked_for_and_given_back(site: Site) -> None:
    async def story(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        await there(site, True)
        done = await to_thread(site.ask, "recall", "globex", f"orders/{KEY}")
        assert (done["removals"], done["reads"]) == (0, True)
        assert done["request"]
        (request,) = await to_thread(site.ask, "requests", "--party", "globex", "--open")
        assert (request["id"], request["by"], request["why"]) == (
            done["request"],
            "the operator",
            "recall",
        )
        assert await to_thread(site.ask, "requests", "--party", "acme") == []
        said = ("requests", "answer", done["request"], "yes", "--note", "done with it")
        assert (await to_thread(site.ask, *said))["answer"] == "yes"
        await there(site, False)

        async def recalled() -> bool:
            holders = (await to_thread(site.ask, "who-has", f"orders/{KEY}"))["holders"]
            return any("recalled" in each["copy"] for each in holders)

        await eventually(recalled)
        assert await to_thread(site.ask, "requests", "--open") == []
        (answered,) = await to_thread(site.ask, "requests")
        assert (answered["answer"], answered["note"]) == ("yes", "done with it")

    asyncio.run(site.running(story))


def test_without_a_gateway_it_is_recorded_and_kept_by_the_next_one(site: Site) -> None:
    async def writes(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        await there(site, True)

    async def removes(gateway: Running) -> None:
        await there(site, False)

    asyncio.run(site.running(writes))
    assert "is asked, request" in site.call("recall", "globex", f"orders/{KEY}").stdout
    (request,) = site.ask("requests")
    assert "promised" in site.call("requests", "answer", request["id"], "yes").stdout
    asyncio.run(site.running(removes))


def test_what_can_not_be_asked_is_said(site: Site) -> None:
    async def writes(gateway: Running) -> None:
        await to_thread(put, first(gateway, "acme", "erp"))
        await there(site, True)

    asyncio.run(site.running(writes))
    assert site.call("recall", "globex", "orders/absent").exit_code == 1
    assert site.call("recall", "nobody", f"orders/{KEY}").exit_code == 2
    assert site.call("recall", "globex", f"orders/{KEY}", "--version", "nix").exit_code == 1
    assert site.call("requests", "answer", "nix", "yes").exit_code == 1
    assert site.call("requests", "answer", "nix").exit_code == 2
