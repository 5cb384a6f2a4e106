"""A running gateway applies lifecycle rules by itself, as often as gateway.yaml says."""

import asyncio
from asyncio import to_thread

from gateway.app import Running
from tests.cli.site import GATEWAY, TOPOLOGY, Site, eventually, first, refused

RULES = {
    "Rules": [{"ID": "r", "Filter": {}, "Status": "Enabled", "Expiration": {"Days": 1}}],
}
CREATING = TOPOLOGY.replace("path: ../acme}", 'path: ../acme}\n    create_buckets: ["acme-*"]')
WAIT_S = 20


def test_rules_are_applied_while_the_gateway_runs(site: Site) -> None:
    site.write("gateway.yaml", GATEWAY + "lifecycle: {day: 1s, every: 1s}\n")
    site.write("policies/topology.yaml", CREATING)

    async def story(gateway: Running) -> None:
        client = first(gateway, "acme", "erp")
        name = {"Bucket": "acme-aging", "Key": "k"}
        await to_thread(client.create_bucket, Bucket="acme-aging")
        await to_thread(client.put_object, **name, Body=b"x")
        await to_thread(
            client.put_bucket_lifecycle_configuration,
            Bucket="acme-aging",
            LifecycleConfiguration=RULES,
        )

        async def gone() -> bool:
            return await to_thread(refused, lambda: client.head_object(**name)) == "404"

        await eventually(gone, WAIT_S)

    asyncio.run(site.running(story))
