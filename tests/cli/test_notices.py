"""A whole gateway that tells a receiver, and the commands and figures beside it."""

import asyncio
import json
from asyncio import to_thread
from typing import Any

import pytest

from gateway.app import Running
from gateway.catalog import NoticeLane, NoticeOutcome
from gateway.operations.outside import Outside, open_catalog
from tests.cli.site import TOPOLOGY, Site, eventually, first, get
from tests.receiver import Receiver

SECRET = "the secret of globex's webhook"
WATCH = {
    "QueueConfigurations": [
        {
            "QueueArn": "arn:crossdock:sqs:us-east-1:globex:erp-feed",
            "Events": ["s3:ObjectCreated:*"],
        }
    ]
}


def hook(site: Site, url: str, secret: str = "env:FEED_SECRET") -> None:
    text = f"  globex:\n    webhooks: {{erp-feed: {{url: '{url}', secret: '{secret}'}}}}\n"
    site.write("policies/topology.yaml", TOPOLOGY.replace("  globex:\n", text))


async def watch(gateway: Running, *, test: bool) -> None:
    await to_thread(
        lambda: first(gateway, "globex").put_bucket_notification_configuration(
            Bucket="orders", NotificationConfiguration=WATCH, SkipDestinationValidation=not test
        )
    )


async def put(gateway: Running, key: str) -> None:
    client = first(gateway, "acme", "erp")
    await to_thread(lambda: client.put_object(Bucket="orders", Key=key, Body=b"x"))


async def health(gateway: Running) -> Any:
    _, text = await to_thread(get, gateway.doors["admin"].listen.url + "/-/health")
    return json.loads(text)


async def park(site: Site) -> None:
    """As after a day of failures."""
    outside = Outside()
    catalog = await open_catalog(site.config, outside)
    lane, now = NoticeLane("globex", "erp-feed"), outside.clock()
    (claim,) = await catalog.claim_notices(lane, 1, now + 3600 * 10**9, 10**9)
    await catalog.settle_notices([NoticeOutcome(claim.notice, parked=True, error="gone")])
    await catalog.close()


def test_a_file_that_arrives_is_told_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_SECRET", SECRET)

    async def story(gateway: Running) -> None:
        await watch(gateway, test=True)
        await put(gateway, "invoices/1")
        await to_thread(receiver.wait, 2)
        metrics = gateway.doors["admin"].listen.url + "/-/metrics"

        async def counted() -> bool:
            line = 'attempts_total{outcome="sent",party="globex",webhook="erp-feed"} 2.0'
            return line in (await to_thread(get, metrics))[1]

        await eventually(counted)
        assert (await health(gateway))["status"] == "ok"

    with Receiver() as receiver:
        hook(site, receiver.url)
        asyncio.run(site.running(story))
        assert [got.event for got in receiver.got] == ["s3:TestEvent", "ObjectCreated:Put"]
        assert all(got.signed_by(SECRET.encode()) for got in receiver.got)
    assert site.ask("notices") == []


def test_what_waits_is_shown_and_goes_with_the_next_start(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(site, "http://127.0.0.1:9/in")
    monkeypatch.setenv("FEED_SECRET", "")

    async def without_secret(gateway: Running) -> None:
        await watch(gateway, test=False)
        await put(gateway, "invoices/1")

        async def tried() -> bool:
            return bool((await to_thread(site.ask, "notices"))[0]["attempts"])

        await eventually(tried)
        told = await health(gateway)
        assert told["status"] == "degraded"
        assert told["webhooks"]["problems"] == [
            "webhook erp-feed of globex: the environment variable FEED_SECRET is not set, or is "
            "empty"
        ]
        (owed,) = told["notices"]
        assert (owed["party"], owed["webhook"]) == ("globex", "erp-feed")
        assert (owed["pending"], owed["parked"], owed["missed"]) == (1, 0, 0)

    asyncio.run(site.running(without_secret))
    (problem,) = site.ask("check", code=2)["problems"]
    assert "FEED_SECRET" in str(problem)
    (row,) = site.ask("notices", "--state", "pending", "--party", "globex")
    assert (row["to"], row["webhook"], row["event"]) == (
        "globex",
        "erp-feed",
        "s3:ObjectCreated:Put",
    )
    assert row["object"] == "orders/invoices/1"
    assert "FEED_SECRET" in row["why"]
    assert site.ask("notices", "--state", "parked") == []
    assert "erp-feed" in site.call("notices").stdout
    for words in (["retry"], ["retry", str(row["id"])]):
        assert site.ask("notices", *words) == {"resumed": 0}
        asyncio.run(park(site))
        assert site.ask("notices", "--state", "parked")[0]["why"] == "gone"
        assert site.ask("notices", *words) == {"resumed": 1}
    assert site.call("notices", "retyr").exit_code == 2
    monkeypatch.setenv("FEED_SECRET", SECRET)

    async def with_secret(gateway: Running) -> None:
        await to_thread(receiver.wait, 1)

    with Receiver() as receiver:
        hook(site, receiver.url)
        asyncio.run(site.running(with_secret))
        (got,) = receiver.got
        assert got.key == "invoices/1"
        assert got.headers["webhook-id"] == row["webhook_id"]
