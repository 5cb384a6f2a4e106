"""`policy matrix`: the table for people, its rows for programs, and its two narrowings."""

import asyncio

from gateway.app import Running
from tests.cli.site import ACME, Site, first


def test_rows_name_both_rules(site: Site) -> None:
    rows = site.ask("policy", "matrix", "--party", "globex")
    assert rows == [
        {
            "bucket": "orders",
            "party": "globex",
            "keys": ["invoices/**"],
            "right": "receive",
            "from": "acme",
            "mode": "copy",
            "rule": "acme.yaml:4 (invoices)",
            "accepted_by": "globex.yaml:3 (from-acme)",
            "limits": [],
            "sure": True,
        }
    ]


def test_the_table_is_for_people(site: Site) -> None:
    shown = site.call("policy", "matrix").stdout
    for text in ("invoices/**", "write", "receive: copy", "receive: share", "acme.yaml:4"):
        assert text in shown


def test_a_bucket_made_through_the_door_is_in_it(site: Site) -> None:
    topology = (site.folder / "policies/topology.yaml").read_text()
    able = "path: ../acme}\n    create_buckets: ['acme-*']"
    site.write("policies/topology.yaml", topology.replace("path: ../acme}", able))
    site.write("policies/acme.yaml", ACME)

    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        await asyncio.to_thread(acme.create_bucket, Bucket="acme-made")

    asyncio.run(site.running(story))
    (row,) = site.ask("policy", "matrix", "--bucket", "acme-made")
    assert (row["party"], row["right"], row["keys"]) == ("acme", "write", ["**"])


def test_what_is_not_there_is_said(site: Site) -> None:
    assert site.call("policy", "matrix", "--party", "nobody").exit_code == 2
    assert site.call("policy", "matrix", "--bucket", "nix-bucket").exit_code == 1
