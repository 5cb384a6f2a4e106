"""The matrix says what the rules give: no more, no less, and as policy decides."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Bucket, Facts, Mode
from gateway.policy.clauses import Accept, Send
from gateway.policy.matrix import Right, Row, matrix
from gateway.policy.mesh import Mesh
from gateway.policy.patterns import compiled

from . import naive, worlds
from .test_rules import OFFER, accepting, mesh, sends
from .worlds import MADE, PARTIES

SEEDS = st.integers(0, 2**32).map(random.Random)
CREATED = {MADE: Bucket(MADE, "acme", {"acme": ("**",)}, created=7)}


def told(subject: Mesh, party: str = "", bucket: str = "") -> list[tuple[str, ...]]:
    return [
        (r.party, " & ".join(r.keys), r.right.name, r.sender, r.mode.value if r.mode else "")
        for r in matrix(subject, {}, party=party, bucket=bucket)
    ]


def test_it_says_who_writes_and_who_receives_how() -> None:
    subject = mesh(acme=OFFER, globex=accepting("in/{key}"), initech=accepting())
    assert told(subject) == [
        ("acme", "invoices/**", "WRITE", "", ""),
        ("acme", "invoices/joint/**", "SEE", "globex", "own"),
        ("globex", "invoices/joint/**", "WRITE", "", ""),
        ("globex", "invoices/joint/**", "SEE", "acme", "own"),
        ("globex", "invoices/**", "RECEIVE", "acme", "copy"),
        ("initech", "invoices/**", "RECEIVE", "acme", "share"),
    ]
    (row,) = matrix(subject, {}, party="initech")
    assert (str(row.rule), str(row.accept)) == ("acme.yaml:3 (out)", "initech.yaml:3 (in)")
    assert told(subject, bucket="acme-lab") == []


def test_what_is_not_accepted_or_wholly_forbidden_is_not_in_it() -> None:
    assert told(mesh(acme=OFFER), "initech") == []
    forbids = "forbids:\n  - {bucket: orders, keys: ['invoices/**'], to: [initech]}\n"
    assert told(mesh(acme=OFFER + forbids, initech=accepting()), "initech") == []


def test_the_keys_are_those_that_both_sides_and_the_write_grant_have_in_common() -> None:
    offer = 'sends:\n  - {bucket: orders, keys: ["**"], to: {initech: share}}\n'
    takes = 'accepts:\n  - {from: [acme], keys: ["**/*.csv", "invoices/9", "inv*/9/**"]}\n'
    assert [keys for _, keys, *_ in told(mesh(acme=offer, initech=takes), "initech")] == [
        "**/*.csv & invoices/**",
        "invoices/9",
        "inv*/9/** & invoices/**",
    ]


def test_limits_are_told() -> None:
    offer = sends("initech: share", ", except: ['**/*.tmp', 'invoices/x'], when: {tags: {a: [b]}}")
    forbids = (
        "forbids:\n  - {id: small, when: {size: {max: 1}}, to: ['*']}\n"
        "  - {id: other, bucket: orders, keys: ['invoices/y/**'], to: [globex]}\n"
    )
    (row,) = matrix(mesh(acme=offer + forbids, initech=accepting()), {}, party="initech")
    assert row.limits == (
        "tag a is b",
        "not **/*.tmp",
        "not invoices/x",
        "unless forbidden by acme.yaml:5 (small)",
    )


def test_a_weaker_rule_counts_only_where_the_stronger_has_exceptions() -> None:
    both = "accepts:\n  - {id: a, from: [acme]}\n  - {id: b, from: [acme], into: '{bucket}/{key}'"
    rows = [r for r in told(mesh(acme=OFFER, globex=both + "}\n"), "globex") if r[2] == "RECEIVE"]
    assert [row[-1] for row in rows] == ["copy"]
    holed = mesh(acme=OFFER, globex=both + ", except: ['**/x']}\n")
    rows = [row for row in told(holed, "globex") if row[2] == "RECEIVE"]
    assert [row[-1] for row in rows] == ["copy", "share"]


def test_a_bucket_that_nobody_made_yet_belongs_to_who_sends_from_it() -> None:
    theirs = "sends:\n  - {bucket: acme-lab, keys: ['r/**'], to: {umbra: share}}\n"
    subject = mesh(acme=theirs, umbra="accepts:\n  - {from: [acme]}\n")
    assert told(subject, bucket="acme-lab") == [
        ("acme", "**", "WRITE", "", ""),
        ("umbra", "r/**", "RECEIVE", "acme", "share"),
    ]


@pytest.mark.parametrize("made", [CREATED])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(rnd=SEEDS)
def test_it_gives_each_file_what_policy_decides(
    made: dict[str, Bucket], rnd: random.Random
) -> None:
    plain = worlds.world(rnd)
    subject = worlds.mesh(plain)
    rows = matrix(subject, made)
    assert all(row.sure for row in rows)
    for _ in range(25):
        thing = worlds.thing(rnd)
        for party in PARTIES:
            writes = naive.writes(plain, party, thing.bucket, thing.key)
            stored = "store" in plain.topology["parties"][party]
            assert _may_write(rows, party, thing) is (writes and stored)
        if not naive.writes(plain, thing.author, thing.bucket, thing.key):
            continue
        found = _modes(subject, rows, worlds.facts(thing))
        assert found == naive.given(plain, thing)


def _may_write(rows: tuple[Row, ...], party: str, thing: naive.Thing) -> bool:
    return any(
        row.right is Right.WRITE
        and (row.party, row.bucket) == (party, thing.bucket)
        and _matches(row, thing.key)
        for row in rows
    )


def _matches(row: Row, key: str) -> bool:
    return all(compiled(text).matches(key) for text in row.keys)


def _modes(subject: Mesh, rows: tuple[Row, ...], facts: Facts) -> dict[str, str]:
    """What the rows say of one file: those of its key, where conditions and exceptions hold."""
    rules = subject.policy.rules
    send_of = {send.rule: send for sends in rules.sends.values() for send in sends}
    accept_of = {accept.rule: accept for accept in rules.accepts}
    best: dict[str, Mode] = {}
    for row in rows:
        here = (row.bucket, row.sender) == (facts.ref.bucket, facts.author)
        if not here or row.mode is None or not _matches(row, facts.ref.key):
            continue
        if row.right is Right.RECEIVE and row.accept:
            if not _fits(send_of[row.rule], accept_of[row.accept], facts):
                continue
            if any(
                forbid.names(row.party) and not any(forbid.unmet(facts))
                for forbid in rules.forbids.get(facts.author, ())
            ):
                continue
        known = best.get(row.party)
        if known is None or row.mode.strength > known.strength:
            best[row.party] = row.mode
    return {party: mode.value for party, mode in best.items()}


def _fits(send: Send, accept: Accept, facts: Facts) -> bool:
    return not any(send.unmet(facts)) and not any(accept.unmet(facts))
