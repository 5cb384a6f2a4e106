"""`crossdock costs`: what lies where and what was moved, for each party and rule, in money."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import click

from gateway.cli import show
from gateway.cli.session import Session, command
from gateway.operations.costs import of_everything
from gateway.policy.costs import Cost

COLUMNS = (
    *("party", "rule", "versions", "stored once", "shared", "copies", "moved"),
    *("a month", "moving", "each whole read", "a month as copies"),
)


@click.command("costs")
@click.option("--party", default="", help="Of one party alone.")
@command
def costs_command(session: Session, party: str) -> None:
    """For each party and rule: the bytes that lie in their author's store once, those that are
    shared from there, those that are copied and moved from cloud to cloud, and what that costs by
    the `prices` of gateway.yaml."""
    config = session.config
    base = str(config.policies.resolve())
    with show.walk() as report:
        found = session.read(lambda rows: of_everything(rows, base, config.prices, report))
    found = tuple(each for each in found if party in ("", each.party))
    currency = config.prices.currency
    if session.as_json:
        show.as_json({"currency": currency, "costs": as_rows(found)})
        return
    if not config.prices.by:
        show.say("gateway.yaml states no prices: bytes alone are shown")
    show.table("Costs", columns(currency), [table_row(each) for each in found])


def columns(currency: str) -> tuple[str, ...]:
    return (*COLUMNS[:7], *(f"{each} {currency}".strip() for each in COLUMNS[7:]))


def table_row(cost: Cost, signs: str = "") -> tuple[str, ...]:
    """`signs` as in a format specification: "+" for differences."""
    sizes = (cost.once, cost.shared, cost.copies, cost.moved)
    sums = (cost.month, cost.moving, cost.reading, cost.copied)
    return (
        *(cost.party, cost.rule, f"{cost.versions:{signs},}"),
        *(_amount(size, signs) for size in sizes),
        *(f"{value:{signs},.2f}" if value else "" for value in sums),
    )


def _amount(size: int, signs: str) -> str:
    if not size:
        return ""
    sign = "-" if size < 0 else signs
    return sign + show.amount(abs(size))


def as_rows(found: Sequence[Cost]) -> list[dict[str, Any]]:
    return [
        {
            "party": each.party,
            "rule": each.rule,
            "versions": each.versions,
            "stored_once": each.once,
            "shared": each.shared,
            "copies": each.copies,
            "moved": each.moved,
            "month": _money(each.month),
            "moving": _money(each.moving),
            "each_whole_read": _money(each.reading),
            "month_as_copies": _money(each.copied),
        }
        for each in found
    ]


def _money(value: Decimal) -> float:
    return float(round(value, 6))
