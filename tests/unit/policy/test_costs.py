"""Bytes and money by party and rule."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.costs import (
    GIB,
    USES_MAX,
    ZERO,
    Cost,
    Kind,
    Price,
    Prices,
    StoreName,
    Usage,
    Use,
    apart,
    costs,
)
from gateway.policy.mesh import StoreSpec

HERE = StoreSpec("acme", "home", "s3", endpoint="https://one.example", region="eu")
NEAR = StoreSpec("globex", "home", "s3", endpoint="https://one.example", region="eu")
FAR = StoreSpec("initech", "home", "gcs")
STORES = {("acme", "home"): HERE, ("globex", "home"): NEAR, ("initech", "home"): FAR}
PRICES = Prices(
    "EUR",
    {
        "s3": Price(Decimal("0.02"), Decimal("0.09")),
        "gcs": Price(Decimal("0.03")),
        "globex/home": Price(Decimal("0.5"), Decimal("1")),
    },
)


def priced(usage: Usage) -> dict[tuple[str, str], Cost]:
    def store(name: StoreName) -> StoreSpec | None:
        return STORES.get(name)

    found = costs(usage, PRICES, store, lambda party: STORES.get((party, "home")))
    return {(each.party, each.rule): each for each in found}


def use(kind: Kind, party: str, *, copied: bool = False) -> Use:
    target = (party, "home") if copied else ("", "")
    return Use(kind, party, "acme.yaml (out)", ("acme", "home"), target)


def test_what_lies_in_the_authors_store_costs_once() -> None:
    usage = Usage()
    usage.add(use(Kind.OWN, "acme"), 10 * GIB)
    (cost,) = priced(usage).values()
    assert (cost.once, cost.shared, cost.copies, cost.moved) == (10 * GIB, 0, 0, 0)
    assert (cost.month, cost.moving) == (Decimal("0.2"), ZERO)


def test_a_copy_costs_where_it_lies_and_for_its_way_to_another_cloud() -> None:
    usage = Usage()
    for party in ("globex", "initech"):
        usage.add(use(Kind.COPY, party, copied=True), 10 * GIB)
    found = priced(usage)
    near, far = found["globex", "acme.yaml (out)"], found["initech", "acme.yaml (out)"]
    assert (near.copies, near.moved, near.month, near.moving) == (10 * GIB, 0, Decimal(5), ZERO)
    assert (far.copies, far.moved) == (10 * GIB, 10 * GIB)
    assert (far.month, far.moving) == (Decimal("0.3"), Decimal("0.9"))


def test_what_is_shared_costs_as_it_is_read_and_is_compared_with_a_copy() -> None:
    usage = Usage()
    for party in ("globex", "initech", "hooli"):
        usage.add(use(Kind.SHARED, party), 10 * GIB)
    found = priced(usage)
    near = found["globex", "acme.yaml (out)"]
    far = found["initech", "acme.yaml (out)"]
    none = found["hooli", "acme.yaml (out)"]
    assert (near.shared, near.month, near.reading, near.copied) == (
        10 * GIB,
        ZERO,
        ZERO,
        Decimal(5),
    )
    assert (far.reading, far.copied) == (Decimal("0.9"), Decimal("0.3"))
    assert (none.reading, none.copied) == (Decimal("0.9"), ZERO)


def test_a_copy_that_was_replaced_was_moved_and_lies_nowhere() -> None:
    usage = Usage()
    usage.add(use(Kind.REPLACED, "initech", copied=True), GIB)
    (cost,) = priced(usage).values()
    assert (cost.versions, cost.copies, cost.moved, cost.month) == (0, 0, GIB, ZERO)


def test_clouds_are_told_apart_by_kind_endpoint_and_region() -> None:
    assert not apart(HERE, NEAR)
    assert apart(HERE, FAR)
    assert apart(HERE, StoreSpec("a", "b", "s3", endpoint="https://one.example", region="us"))
    assert apart(None, HERE)
    assert apart(HERE, None)


KINDS = st.sampled_from(list(Kind))
USES = st.builds(
    lambda kind, party: use(kind, party, copied=kind in (Kind.COPY, Kind.REPLACED)),
    KINDS,
    st.sampled_from(["acme", "globex", "initech"]),
)


@given(st.lists(st.tuples(USES, st.integers(0, 2**40))))
def test_what_is_added_and_taken_away_again_leaves_nothing(
    uses: list[tuple[Use, int]],
) -> None:
    usage = Usage()
    for each, size in uses:
        usage.add(each, size)
    for each, size in uses:
        usage.add(each, size, -1)
    assert list(usage) == []


@given(st.lists(st.tuples(USES, st.integers(0, 2**40))))
def test_no_byte_is_lost_on_the_way_to_a_bill(uses: list[tuple[Use, int]]) -> None:
    usage = Usage()
    for each, size in uses:
        usage.add(each, size)
    found = priced(usage).values()
    for kind, name in ((Kind.OWN, "once"), (Kind.SHARED, "shared"), (Kind.COPY, "copies")):
        wanted = sum(size for each, size in uses if each.kind is kind)
        assert sum(getattr(cost, name) for cost in found) == wanted


def test_it_holds_so_many_uses_and_no_more() -> None:
    usage = Usage()
    for i in range(USES_MAX + 10):
        usage.add(Use(Kind.OWN, f"p{i}", "author", ("acme", "home")), 1)
    assert len(usage) == USES_MAX + 1
    assert sum(versions for _, versions, _ in usage) == USES_MAX + 10
