"""Remarks on rules: each kind by example, and by what policy decides with and without the rule."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Rule, Share
from gateway.policy.lints import (
    ADMITTED,
    COVERED,
    NEVER,
    NOT_ACCEPTED,
    NOT_SENT,
    UNCLEAR,
    Lint,
    lints,
)
from gateway.policy.mesh import Mesh
from gateway.policy.rules import Policy, Rules
from gateway.policy.witness import Questions
from tests.unit.policy import worlds
from tests.unit.policy.test_rules import mesh

ORDERS = "bucket: orders, keys: ['invoices/**']"
TAKES = "accepts:\n  - {id: in, from: [acme], bucket: orders, into: 'in/{key}'}\n"


def acme(*rules: str, forbids: Collection[str] = ()) -> str:
    text = "sends:\n" + "".join(f"  - {{id: s{i}, {r}}}\n" for i, r in enumerate(rules))
    return text + (("forbids:\n" + "".join(f"  - {{{r}}}\n" for r in forbids)) if forbids else "")


def found(subject: Mesh, kind: str) -> list[tuple[str, tuple[str, ...]]]:
    every = lints(subject, {}, dict.fromkeys(subject.policy.starting, 1), Questions())
    assert not [each for each in every if each.kind == UNCLEAR]
    return [(each.rule.id, each.parties) for each in every if each.kind == kind]


def test_it_names_those_whom_a_star_admits() -> None:
    subject = mesh(
        acme=acme(f"{ORDERS}, to: {{globex: copy, '*': share}}"),
        globex=TAKES,
        initech="accepts: [{id: any, from: ['*']}]\n",
    )
    rows = found(subject, ADMITTED)
    assert ("s0", ("initech",)) in rows
    assert ("any", ("acme",)) in rows


def test_it_names_the_consents_that_are_missing_on_either_side() -> None:
    subject = mesh(
        acme=acme(f"{ORDERS}, to: {{globex: copy, initech: share}}"),
        globex=TAKES,
        initech="accepts: [{id: theirs, from: [globex], bucket: orders}]\n",
    )
    assert found(subject, NOT_ACCEPTED) == [("s0", ("initech",))]
    assert found(subject, NOT_SENT) == [("theirs", ("globex",))]


def test_an_accept_of_anyone_whom_nobody_sends_to_is_named() -> None:
    subject = mesh(globex="accepts: [{id: any, from: ['*']}]\n")
    assert found(subject, NOT_SENT) == [("any", ("*",))]


def test_a_rule_whose_exceptions_leave_nothing_never_matches() -> None:
    subject = mesh(
        acme=acme("bucket: orders, keys: ['invoices/*'], except: ['**/*'], to: {globex: copy}")
    )
    assert found(subject, NEVER) == [("s0", ())]


def test_a_rule_that_is_forbidden_as_a_whole_never_matches() -> None:
    forbid = "keys: ['invoices/**'], to: [globex]"
    subject = mesh(
        acme=acme(f"{ORDERS}, to: {{globex: copy, initech: share}}", forbids=[forbid]),
        globex=TAKES,
    )
    assert found(subject, NEVER) == [("s0", ("globex",))]


@pytest.mark.parametrize(
    ("inner", "outer", "covered"),
    [
        ("to: {globex: share}", "to: {globex: copy}", True),
        ("to: {globex: copy}", "to: {globex: share}", False),
        ("to: {globex: copy}", "to: {'*': copy}", True),
        ("to: {'*': copy}", "to: {globex: copy}", False),
        ("to: {globex: copy}", "to: {globex: copy}, except: ['**/*.tmp']", False),
        (
            "to: {globex: copy}, except: ['**/*.tmp']",
            "to: {globex: copy}, except: ['**/x.tmp']",
            True,
        ),
        ("to: {globex: copy}, since: always", "to: {globex: copy}", False),
        ("to: {globex: copy}", "to: {globex: copy}, since: always", True),
        ("to: {globex: copy}, since: 2026-02-01", "to: {globex: copy}, since: 2026-01-01", True),
        ("to: {globex: copy}", "to: {globex: copy}, since: 2026-01-01", False),
        ("to: {globex: copy}, ack: all", "to: {globex: copy}", False),
        ("to: {globex: copy}", "to: {globex: copy}, ack: all", True),
        ("to: {globex: copy}, deadline: 5m", "to: {globex: copy}", False),
        ("to: {globex: copy}, deletes: follow", "to: {globex: copy}", False),
        (
            "to: {globex: copy}, when: {tags: {a: ['1']}, size: {max: 5}}",
            "to: {globex: copy}, when: {tags: {a: ['1', '2']}, size: {max: 9}}",
            True,
        ),
        (
            "to: {globex: copy}, when: {type: [text/csv]}",
            "to: {globex: copy}, when: {type: ['text/*']}",
            True,
        ),
        (
            "to: {globex: copy}, when: {type: ['text/*']}",
            "to: {globex: copy}, when: {type: [text/csv]}",
            False,
        ),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_covers_what(inner: str, outer: str, covered: bool, swapped: bool) -> None:
    rules = (outer, inner) if swapped else (inner, outer)
    subject = mesh(acme=acme(*(f"{ORDERS}, {rule}" for rule in rules)), globex=TAKES)
    name = "s1" if swapped else "s0"
    assert ((name, ()) in found(subject, COVERED)) is covered


def test_of_two_rules_that_say_the_same_the_later_one_is_named() -> None:
    rule = f"{ORDERS}, to: {{globex: copy}}"
    assert found(mesh(acme=acme(rule, rule), globex=TAKES), COVERED) == [("s1", ())]


def test_hostile_patterns_are_said_to_be_unclear() -> None:
    hostile = "invoices/**a" + "*b" * 60 + "*"
    other = "invoices/**b" + "*a" * 60 + "*"
    subject = mesh(
        acme=acme(
            f"bucket: orders, keys: ['{hostile}'], to: {{globex: copy}}",
            f"bucket: orders, keys: ['{other}'], to: {{globex: copy}}",
        )
    )
    every = lints(subject, {}, {}, Questions())
    assert {each.kind for each in every} >= {UNCLEAR} or not [
        each for each in every if each.kind == COVERED
    ]


def without(policy: Policy, gone: Collection[Rule]) -> Policy:
    rules = policy.rules
    return Policy(
        policy.revision,
        Rules(
            {p: tuple(s for s in each if s.rule not in gone) for p, each in rules.sends.items()},
            {p: tuple(f for f in each if f.rule not in gone) for p, each in rules.forbids.items()},
            tuple(accept for accept in rules.accepts if accept.rule not in gone),
        ),
        policy._grants,
        policy._stores,
        policy._creates,
    )


def given_by(share: Share) -> tuple[object, ...]:
    return (share.party, share.mode, share.store, share.target)


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_rules_that_are_covered_or_never_match_could_be_taken_out(seed: int) -> None:
    rnd = random.Random(seed)
    subject = worlds.mesh(worlds.world(rnd))
    made = worlds.bucket(subject, worlds.MADE)
    remarks = lints(subject, {worlds.MADE: made}, {}, Questions())
    assert not [each for each in remarks if each.kind == UNCLEAR]
    for kind in (COVERED, NEVER):
        less = without(subject.policy, superfluous(remarks, kind))
        for _ in range(60):
            thing = worlds.facts(worlds.thing(rnd))
            bucket = worlds.bucket(subject, thing.ref.bucket)
            if thing.author not in bucket.members:
                continue
            if not subject.policy.grants(bucket).may_write(thing.author, thing.ref.key):
                continue
            if kind == NEVER and bucket.created:
                continue  # whom any rule names is a member there
            before = subject.policy.decide(thing, bucket).shares
            assert [*map(given_by, before)] == [*map(given_by, less.decide(thing, bucket).shares)]


def superfluous(remarks: Collection[Lint], kind: str) -> set[Rule]:
    """A rule that is forbidden for one party may still serve another."""
    return {each.rule for each in remarks if each.kind == kind and not each.parties}
