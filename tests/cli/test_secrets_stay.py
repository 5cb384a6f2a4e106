"""A canary: no secret and no signature gets into a log line, a metric, health or the catalog."""

import asyncio
import io
import json
import logging
from asyncio import to_thread
from collections.abc import Iterator
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.app import Running
from gateway.telemetry import log_to
from tests.cli.site import TOPOLOGY, Site, eventually, first, get, refused, s3
from tests.receiver import Receiver

CANARY = "c4n4ry-s3cret-of-acme"
KEY = "invoices/1.csv"


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """Everything that is logged, down to the last detail of every library."""
    stream = io.StringIO()
    undo = log_to(stream, "debug")
    quiet = [logging.getLogger(name) for name in ("botocore", "boto3", "urllib3", "s3transfer")]
    for logger in quiet:  # the test's own client, which is not ours to judge
        logger.setLevel(logging.ERROR)
    yield stream
    for logger in quiet:
        logger.setLevel(logging.NOTSET)
    undo()


def test_no_secret_leaves_the_gateway(
    site: Site, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERP_SECRET", CANARY)
    key = "{name: erp, access_key: {id: ACMEERP, secret: 'env:ERP_SECRET'}}"
    site.write("policies/topology.yaml", TOPOLOGY.replace("{name: erp}", key))
    secrets = [CANARY]
    shown: list[str] = []

    async def story(gateway: Running) -> None:
        secrets.extend(made.secret.reveal() for made in gateway.made)
        made = await to_thread(site.ask, "key", "create", "acme", "auditor")
        secrets.append(made["secret"])
        erp = s3(gateway, "ACMEERP", CANARY)
        await to_thread(partial(erp.put_object, Bucket="orders", Key=KEY, Body=b"x"))
        url = erp.generate_presigned_url("get_object", {"Bucket": "orders", "Key": KEY})
        secrets.extend(parse_qs(urlsplit(url).query)["X-Amz-Signature"])
        assert (await to_thread(get, url))[0] == 200
        assert (await to_thread(get, url.replace(KEY, "other")))[0] == 403
        stranger = s3(gateway, "ACMEERP", "c4n4ry-wrong")
        assert await to_thread(refused, stranger.list_buckets) == "SignatureDoesNotMatch"
        await to_thread(refused, partial(first(gateway, "initech").delete_bucket, Bucket="orders"))
        admin = gateway.doors["admin"].listen.url
        for path in ("health", "metrics"):
            shown.append((await to_thread(get, f"{admin}/-/{path}"))[1])

    asyncio.run(site.running(story))
    shown.append(json.dumps(site.ask("key", "list")))
    shown.append(site.call("check").output)
    at_rest = b"".join(path.read_bytes() for path in site.config.catalog.parent.glob("catalog*"))
    text = said.getvalue() + "".join(shown)
    assert len(text) > 1000
    for secret in secrets:
        assert secret not in text
        assert secret.encode() not in at_rest


def test_no_secret_of_a_webhook_leaves_the_gateway(
    site: Site, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", CANARY)
    shown: list[str] = []
    watch = {
        "QueueConfigurations": [
            {"QueueArn": f"arn:crossdock:sqs::acme:{name}", "Events": [f"s3:Object{event}:*"]}
            for name, event in (("well", "Created"), ("dead", "Removed"))
        ]
    }

    async def story(gateway: Running) -> None:
        erp = first(gateway, "acme", "erp")
        await to_thread(
            lambda: erp.put_bucket_notification_configuration(
                Bucket="orders", NotificationConfiguration=watch, SkipDestinationValidation=True
            )
        )
        await to_thread(partial(erp.put_object, Bucket="orders", Key=KEY, Body=b"x"))
        await to_thread(partial(erp.delete_object, Bucket="orders", Key=KEY))
        await to_thread(receiver.wait, 1)

        async def failed() -> bool:
            return "Cannot connect" in json.dumps(await to_thread(site.ask, "notices"))

        await eventually(failed)
        shown.append(json.dumps(await to_thread(site.ask, "notices")))
        admin = gateway.doors["admin"].listen.url
        for path in ("health", "metrics"):
            shown.append((await to_thread(get, f"{admin}/-/{path}"))[1])

    with Receiver() as receiver:
        hooks = "".join(
            f"{name}: {{url: '{url}', secret: 'env:HOOK_SECRET'}}, "
            for name, url in (("well", receiver.url), ("dead", "http://127.0.0.1:9/"))
        )
        text = f"  acme:\n    webhooks: {{{hooks}}}\n"
        site.write("policies/topology.yaml", TOPOLOGY.replace("  acme:\n", text, 1))
        asyncio.run(site.running(story))
        (got,) = receiver.got
        assert got.signed_by(CANARY.encode())
        shown.append(f"{got.headers} {got.body!r}")
    at_rest = b"".join(path.read_bytes() for path in site.config.catalog.parent.glob("catalog*"))
    assert CANARY not in said.getvalue() + "".join(shown)
    assert CANARY.encode() not in at_rest
