"""`crossdock costs`: bytes and money by party and rule; and what a plan says of them."""

import asyncio
from typing import Any

import pytest

from gateway.app import Running
from gateway.config import read
from gateway.errors import DocumentErrors
from tests.cli.site import ACME, GATEWAY, GLOBEX, Site, eventually, first

PRICES = """
prices:
  currency: EUR
  stores:
    file: {storage: 1024}
    acme/home: {storage: 1048576, egress: 7}
"""
MIB = 1024**2


def rows(answer: Any) -> dict[tuple[str, str], Any]:
    return {(row["party"], row["rule"]): row for row in answer["costs"]}


def lived(site: Site) -> None:
    """One MiB that acme put, of which globex has a copy, and initech sees a share."""

    async def story(gateway: Running) -> None:
        client = first(gateway, "acme", "erp")
        await asyncio.to_thread(
            client.put_object, Bucket="orders", Key="invoices/1", Body=b"x" * MIB
        )

        async def copied() -> bool:
            return (site.folder / "globex/in/invoices/1").exists()

        await eventually(copied)

    asyncio.run(site.running(story))


def test_each_party_and_rule_has_its_bytes_and_its_price(site: Site) -> None:
    site.write("gateway.yaml", GATEWAY + PRICES)
    lived(site)
    answer = site.ask("costs")
    assert answer["currency"] == "EUR"
    found = rows(answer)
    own = found["acme", "author"]
    assert (own["stored_once"], own["month"]) == (MIB, 1024.0)
    copy = found["globex", "acme.yaml (invoices)"]
    assert (copy["copies"], copy["moved"], copy["month"]) == (MIB, 0, 1.0)
    share = found["initech", "acme.yaml (invoices)"]
    assert (share["shared"], share["month"], share["month_as_copies"]) == (MIB, 0.0, 0.0)
    assert share["each_whole_read"] == pytest.approx(7 / 1024, abs=1e-6)
    assert set(rows(site.ask("costs", "--party", "globex"))) == {("globex", "acme.yaml (invoices)")}
    result = site.call("costs")
    assert "a month EUR" in result.stdout
    assert "1.0 MiB" in result.stdout


def test_without_prices_it_shows_bytes(site: Site) -> None:
    lived(site)
    result = site.call("costs")
    assert result.exit_code == 0
    assert "no prices" in result.stdout
    assert "1.0 MiB" in result.stdout


def test_a_plan_shows_by_how_much_they_would_differ(site: Site) -> None:
    site.write("gateway.yaml", GATEWAY + PRICES)
    site.write("policies/globex.yaml", GLOBEX.replace(', into: "in/{key}"', ""))
    site.write("policies/acme.yaml", ACME.replace("}\n", ", since: always}\n"))

    async def story(gateway: Running) -> None:
        client = first(gateway, "acme", "erp")
        await asyncio.to_thread(
            client.put_object, Bucket="orders", Key="invoices/1", Body=b"x" * MIB
        )

    asyncio.run(site.running(story))
    site.write("policies/globex.yaml", GLOBEX)
    answer = site.ask("policy", "plan", code=3)
    (row,) = answer["costs"]
    assert (row["party"], row["shared"], row["copies"], row["month"]) == ("globex", -MIB, MIB, 1.0)
    result = site.call("policy", "plan")
    assert "By how much costs would differ" in result.stdout
    assert "+1.0 MiB" in result.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("  stores: {s4: {storage: 1}}\n", "`s4` is no store; expected file, s3"),
        ("  stores: {s3: {storage: cheap}}\n", "`cheap` is no price; expected a number"),
        ("  stores: {s3: {storage: -1}}\n", "`-1` is no price"),
        ("  stores: {acme/home/x: {storage: 1}}\n", "`acme/home/x` is no store"),
    ],
)
def test_a_mistake_in_a_price_is_told_with_its_place(site: Site, text: str, says: str) -> None:
    site.write("gateway.yaml", f"{GATEWAY}prices:\n{text}")
    with pytest.raises(DocumentErrors) as raised:
        read(site.folder / "gateway.yaml")
    assert says in raised.value.message
    assert "gateway.yaml:5:" in raised.value.message
