"""Offers and requests, seen and answered by the parties themselves over the API."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Running
from tests.api.test_policy_file import STAFFED, Reply, ask
from tests.cli.site import ACME, Site, first

API = "/-/api/v1"
MORE = ACME + '  - {id: asn, bucket: orders, keys: ["invoices/asn/**"], to: {initech: copy}}\n'


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.make()
    made.write("policies/topology.yaml", STAFFED)
    return made


async def asking(gateway: Running, who: str, method: str, path: str, said: object = None) -> Reply:
    text = "" if said is None else json.dumps(said)
    return await asyncio.to_thread(ask, gateway, who, method, API + path, text)


def run(site: Site, story: Callable[[Running], Awaitable[None]]) -> None:
    asyncio.run(site.running(story))


def test_each_party_is_told_of_its_own_offers(site: Site) -> None:
    site.write("policies/acme.yaml", MORE)
    site.write("policies/initech.yaml", "party: initech\n")

    async def story(gateway: Running) -> None:
        for who in ("initech/staff", "initech/ledger"):
            answer = await asking(gateway, who, "GET", "/offers")
            assert [(o["from"], o["mode"], o["accepted_as"]) for o in answer.told] == [
                ("acme", "share", None),
                ("acme", "share", None),
            ]
            assert "acme.yaml" not in json.dumps(answer.told)
        own = await asking(gateway, "acme/erp", "GET", "/offers")
        assert [(o["to"], "accept_with" in o) for o in own.told] == [
            ("initech", False),
            ("initech", False),
        ]
        assert (await asking(gateway, "globex/staff", "GET", "/offers")).told == []
        assert (await asking(gateway, "acme/auditor", "GET", "/offers")).status == 403

    run(site, story)


def test_the_line_that_is_offered_accepts_it_when_it_is_pushed(site: Site) -> None:
    site.write("policies/initech.yaml", "party: initech\n")

    async def story(gateway: Running) -> None:
        (offer,) = (await asking(gateway, "initech/staff", "GET", "/offers")).told
        text = f"party: initech\naccepts:\n  {offer['accept_with']}\n"
        pushed = await asyncio.to_thread(
            ask, gateway, "initech/staff", "PUT", f"{API}/policy", text
        )
        assert pushed.status == 200
        assert (await asking(gateway, "initech/staff", "GET", "/offers")).told == []

    run(site, story)


def test_a_recall_is_asked_seen_and_answered(site: Site) -> None:
    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        await asyncio.to_thread(acme.put_object, Bucket="orders", Key="invoices/1", Body=b"x")
        copy = site.folder / "globex/in/invoices/1"
        async with asyncio.timeout(10):
            while not copy.exists():  # noqa: ASYNC110 - the courier's work
                await asyncio.sleep(0.05)
        wish = {"party": "globex", "bucket": "orders", "key": "invoices/1"}
        for who, status in (("globex/wms", 404), ("acme/auditor", 403)):
            assert (await asking(gateway, who, "POST", "/recall", wish)).status == status
        done = await asking(gateway, "acme/erp", "POST", "/recall", wish)
        assert (done.status, done.told["removals"]) == (200, 0)
        (seen,) = (await asking(gateway, "globex/wms", "GET", "/requests?open=true")).told
        assert (seen["id"], seen["key"], seen["why"]) == (
            done.told["request"],
            "invoices/1",
            "recall",
        )
        assert (await asking(gateway, "initech/ledger", "GET", "/requests")).told == []
        place = f"/requests?id={seen['id']}"
        assert (
            await asking(gateway, "initech/ledger", "PUT", place, {"answer": "yes"})
        ).status == 404
        assert (
            await asking(gateway, "globex/wms", "PUT", place, {"answer": "maybe"})
        ).status == 400
        answered = await asking(
            gateway, "globex/wms", "PUT", place, {"answer": "yes", "note": "ok"}
        )
        assert (answered.status, answered.told["answer"]) == (200, "yes")
        async with asyncio.timeout(10):
            while copy.exists():  # noqa: ASYNC110 - the courier's work
                await asyncio.sleep(0.05)
        again = await asking(gateway, "globex/wms", "PUT", place, {"answer": "no"})
        assert again.status == 404
        (mine,) = (await asking(gateway, "acme/erp", "GET", "/requests?own=true")).told
        assert (mine["party"], mine["answer"], mine["note"]) == ("globex", "yes", "ok")

    run(site, story)


def test_what_is_no_document_is_refused(site: Site) -> None:
    async def story(gateway: Running) -> None:
        documents: tuple[object, ...] = ([], {"party": 1}, {"who": "globex"}, {"party": "globex"})
        for said in documents:
            answer = await asking(gateway, "acme/erp", "POST", "/recall", said)
            assert (answer.status, answer.told["code"]) == (400, "BadInput")
        bad: Any = await asyncio.to_thread(
            ask, gateway, "acme/erp", "POST", f"{API}/recall", "no json"
        )
        assert bad.status == 400

    run(site, story)
