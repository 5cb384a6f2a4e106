"""What lifecycle rules make due, as a table and as laws; no clock, no catalog."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lifecycle import (
    Act,
    Due,
    Rule,
    Standing,
    When,
    abortion,
    day_after,
    due,
    expiry,
    newer_max,
    prefixes,
    rules_from,
    text_of,
    turn,
    upload_days,
)
from gateway.locks import COMPLIANCE, DAY_NS, GOVERNANCE, ON, Lock

HOUR = 3600 * 10**9
T0 = 20_000 * DAY_NS + 10 * HOUR  # ten in the morning
FAR = T0 + 1000 * DAY_NS
CURRENT = Standing(1, "v1", "in/a", T0, 10, tags={"t": "1"})
OLD = replace(CURRENT, since=T0, alone=False)
MARKER = Standing(2, "m", "in/a", T0, marker=True, tags={"t": "1"}, size=10)

DAYS = Rule("days", days=3)


def hidden(rule: str) -> Due:
    return Due(Act.HIDE, rule)


def removed(rule: str) -> Due:
    return Due(Act.REMOVE, rule)


# --- when --------------------------------------------------------------------------------------


def test_days_end_at_the_next_midnight() -> None:
    midnight = T0 - 10 * HOUR + 4 * DAY_NS
    assert expiry([DAYS], "k", 1, {}, T0) == When(midnight, "days")
    assert due([DAYS], CURRENT, midnight - 1) is None
    assert due([DAYS], CURRENT, midnight) == hidden("days")


def test_a_day_made_short_has_no_midnight() -> None:
    assert day_after(7, 3, 10) == 37
    assert due([DAYS], CURRENT, T0 + 29, 10) is None
    assert due([DAYS], CURRENT, T0 + 30, 10) == hidden("days")


@given(st.integers(0, 10**19), st.integers(1, 10**6))
def test_a_rule_of_days_waits_for_all_of_them_and_for_no_further_day(at: int, days: int) -> None:
    end = day_after(at, days)
    assert end % DAY_NS == 0
    assert 0 <= end - at - days * DAY_NS < DAY_NS


@given(st.integers(0, 10**19), st.integers(0, 10**16), st.integers(1, 50))
def test_nothing_becomes_due_between_two_turns(at: int, later: int, days: int) -> None:
    rules = [Rule("r", days=days, noncurrent_days=days, upload_days=days)]
    one, other = at + days * DAY_NS, at + days * DAY_NS + later
    if turn(one, DAY_NS) == turn(other, DAY_NS):
        for standing in (replace(CURRENT, at=at), replace(OLD, since=at + 1)):
            assert due(rules, standing, one) == due(rules, standing, other)


# --- which rule is about what ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "covered"),
    [
        (Rule("r"), True),
        (Rule("r", prefix=""), True),
        (Rule("r", prefix="in/"), True),
        (Rule("r", prefix="in/a"), True),
        (Rule("r", prefix="out/"), False),
        (Rule("r", prefix="in/ab"), False),
        (Rule("r", enabled=False), False),
        (Rule("r", larger=9), True),
        (Rule("r", larger=10), False),
        (Rule("r", smaller=11), True),
        (Rule("r", smaller=10), False),
        (Rule("r", larger=9, smaller=11), True),
        (Rule("r", tags=(("t", "1"),)), True),
        (Rule("r", tags=(("t", "2"),)), False),
        (Rule("r", tags=(("t", "1"), ("u", "1"))), False),
        (Rule("r", prefix="in/", tags=(("t", "1"),), larger=1), True),
        (Rule("r", prefix="out/", tags=(("t", "1"),), larger=1), False),
    ],
)
def test_all_conditions_of_a_filter_must_hold(rule: Rule, covered: bool) -> None:
    expiring = replace(rule, days=1, noncurrent_days=1)
    assert (due([expiring], CURRENT, FAR) == hidden("r")) is covered
    assert (due([expiring], OLD, FAR) == removed("r")) is covered
    assert (expiry([expiring], "in/a", 10, {"t": "1"}, T0) is not None) is covered


def test_the_earliest_rule_counts_and_of_equal_ones_the_first() -> None:
    rules = [Rule("late", days=9), Rule("one", days=3), Rule("two", days=3)]
    assert due(rules, CURRENT, FAR) == hidden("one")
    assert due([Rule("date", date=T0), *rules], CURRENT, T0) == hidden("date")
    later = [Rule("date", date=FAR + DAY_NS), *rules]
    assert expiry(later, "k", 1, {}, T0) == When(day_after(T0, 3), "one")


def test_a_date_is_for_what_is_written_after_it_too() -> None:
    rule = Rule("date", date=T0)
    assert due([rule], CURRENT, T0 - 1) is None
    assert due([rule], replace(CURRENT, at=T0 + DAY_NS), T0 + DAY_NS) == hidden("date")


# --- what becomes of a version -----------------------------------------------------------------

NONCURRENT = Rule("old", noncurrent_days=3)
LONE = Rule("lone", lone_markers=True)


@pytest.mark.parametrize(
    ("rules", "standing", "expected"),
    [
        # a current version expires by its own rules alone
        ([NONCURRENT, LONE], CURRENT, None),
        ([Rule("u", upload_days=1)], CURRENT, None),
        # what is no longer current is counted from when it ceased to be
        ([DAYS], OLD, None),
        ([NONCURRENT], OLD, removed("old")),
        ([NONCURRENT], replace(OLD, since=FAR), None),
        ([NONCURRENT], replace(OLD, at=0, since=FAR), None),
        ([NONCURRENT], replace(OLD, marker=True), removed("old")),
        # as many newer ones stay as the rule says
        ([replace(NONCURRENT, newer=2)], replace(OLD, newer=1), None),
        ([replace(NONCURRENT, newer=2)], replace(OLD, newer=2), removed("old")),
        # a marker goes where it hides nothing: at once, or as old as its object was to be
        ([LONE], MARKER, removed("lone")),
        ([LONE], replace(MARKER, alone=False), None),
        ([DAYS], MARKER, removed("days")),
        ([DAYS], replace(MARKER, alone=False), None),
        ([DAYS], replace(MARKER, at=FAR), None),
        ([Rule("no", lone_markers=False)], MARKER, None),
        ([NONCURRENT], MARKER, None),
        # a marker has no tags and no bytes, whatever it hides
        ([replace(DAYS, tags=(("t", "1"),))], MARKER, None),
        ([replace(DAYS, larger=5)], MARKER, None),
        ([replace(DAYS, smaller=1)], MARKER, removed("days")),
        ([replace(NONCURRENT, tags=(("t", "1"),))], replace(OLD, marker=True), None),
        # a lock beats every rule, but a marker may hide what it keeps
        ([NONCURRENT], replace(OLD, lock=Lock(hold=ON)), None),
        ([NONCURRENT], replace(OLD, lock=Lock(GOVERNANCE, FAR + 1)), None),
        ([NONCURRENT], replace(OLD, lock=Lock(COMPLIANCE, FAR + 1)), None),
        ([NONCURRENT], replace(OLD, lock=Lock(COMPLIANCE, FAR)), removed("old")),
        ([DAYS], replace(CURRENT, lock=Lock(hold=ON)), hidden("days")),
        # a copy on its way is waited for
        ([DAYS], replace(CURRENT, awaited=True), None),
        ([NONCURRENT], replace(OLD, awaited=True), None),
        ([], CURRENT, None),
    ],
)
def test_what_is_due(rules: list[Rule], standing: Standing, expected: Due | None) -> None:
    assert due(rules, standing, FAR) == expected


def test_an_upload_is_aborted_by_its_key_and_age() -> None:
    rules = [Rule("slow", upload_days=5), Rule("in", prefix="in/", upload_days=1)]
    assert abortion(rules, "in/a", T0) == When(day_after(T0, 1), "in")
    assert abortion(rules, "out", T0) == When(day_after(T0, 5), "slow")
    assert abortion(rules[1:], "out", T0) is None
    assert abortion([replace(rules[0], enabled=False)], "out", T0) is None


# --- laws --------------------------------------------------------------------------------------

NAMES = st.sampled_from(["", "in/", "in/a", "in/b", "out/"])
TAGS = st.dictionaries(st.sampled_from("tu"), st.sampled_from("12"), max_size=2)
SIZES = st.one_of(st.none(), st.integers(0, 20))
RULES = st.builds(
    Rule,
    id=st.text(min_size=1, max_size=3),
    enabled=st.booleans(),
    prefix=st.one_of(st.none(), NAMES),
    bare=st.booleans(),
    tags=TAGS.map(lambda tags: tuple(tags.items())),
    larger=SIZES,
    smaller=SIZES,
    days=st.integers(0, 5),
    date=st.one_of(st.none(), st.integers(0, 10).map(lambda n: n * DAY_NS)),
    lone_markers=st.one_of(st.none(), st.booleans()),
    noncurrent_days=st.integers(0, 5),
    newer=st.integers(0, 3),
    upload_days=st.integers(0, 5),
)
STANDINGS = st.builds(
    Standing,
    number=st.just(1),
    id=st.just("v"),
    key=NAMES,
    at=st.integers(0, 10 * DAY_NS),
    size=st.integers(0, 20),
    marker=st.booleans(),
    tags=TAGS,
    lock=st.one_of(st.none(), st.builds(Lock, st.just(GOVERNANCE), st.integers(0, 20 * DAY_NS))),
    since=st.one_of(st.just(0), st.integers(1, 10 * DAY_NS)),
    newer=st.integers(0, 3),
    alone=st.booleans(),
    awaited=st.booleans(),
)
MOMENTS = st.integers(0, 20 * DAY_NS)


@given(st.lists(RULES, max_size=4))
def test_rules_come_back_from_their_text(rules: list[Rule]) -> None:
    assert rules_from(text_of(rules)) == tuple(rules)


@given(st.lists(RULES, max_size=4), STANDINGS, MOMENTS)
def test_a_decision_rests_on_one_enabled_rule_about_the_key(
    rules: list[Rule], standing: Standing, now: int
) -> None:
    found = due(rules, standing, now)
    alone = [due([rule], standing, now) for rule in rules]
    assert (found is None) == all(each is None for each in alone)
    assert found in alone or found is None
    for rule, each in zip(rules, alone, strict=True):
        if each is not None:
            assert rule.enabled
            assert standing.key.startswith(rule.prefix or "")


@given(st.lists(RULES, max_size=4), STANDINGS, MOMENTS, st.integers(0, 5 * DAY_NS))
def test_what_is_due_stays_due(rules: list[Rule], standing: Standing, now: int, later: int) -> None:
    if due(rules, standing, now):
        assert due(rules, standing, now + later)


@given(st.lists(RULES, max_size=4), STANDINGS, MOMENTS)
def test_only_what_is_current_is_hidden_and_only_what_is_not_is_removed(
    rules: list[Rule], standing: Standing, now: int
) -> None:
    found = due(rules, standing, now)
    if found:
        current = not standing.since and not standing.marker
        assert found.act is (Act.HIDE if current else Act.REMOVE)
        assert current or standing.since or standing.alone
        assert not standing.awaited


@given(st.lists(RULES, max_size=6), NAMES)
def test_the_prefixes_looked_below_cover_every_rule_once(rules: list[Rule], key: str) -> None:
    below = prefixes(rules)
    covering = [prefix for prefix in below if key.startswith(prefix)]
    assert len(covering) <= 1
    if any(rule.enabled and key.startswith(rule.prefix or "") for rule in rules):
        assert covering


def test_how_far_has_to_be_looked() -> None:
    rules = [Rule("a", newer=4, upload_days=7), Rule("b", newer=9, enabled=False), Rule("c")]
    assert (newer_max(rules), upload_days(rules)) == (4, 7)
    assert (newer_max([]), upload_days([])) == (0, 0)
    assert prefixes([Rule("a", prefix="x/"), Rule("b", enabled=False)]) == ["x/"]
