"""Cases of `policy test`: read with their places, and judged as policy decides."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Mode
from gateway.policy.cases import cases, judged
from gateway.policy.mesh import Mesh

from . import naive
from .naive import Thing
from .test_rules import OFFER, accepting, mesh
from .worlds import PARTIES
from .worlds import mesh as mesh_of
from .worlds import thing as any_thing
from .worlds import world as any_world

SEEDS = st.integers(0, 2**32).map(random.Random)
STAYS = "forbids:\n  - {id: stays, when: {tags: {class: [pii]}}, to: ['*']}\n"


def rules() -> Mesh:
    return mesh(acme=OFFER + STAYS, globex=accepting("in/{key}"), initech=accepting())


def problems(*entries: str) -> list[str]:
    text = "cases:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)
    asked, wrong = cases("c.yaml", text, rules())
    assert not (asked and wrong) or len(asked) < len(entries)
    return [str(problem) for problem in wrong]


def wrong(entry: str) -> tuple[str, ...]:
    subject = rules()
    asked, bad = cases("c.yaml", f"cases:\n  - {{{entry}}}\n", subject)
    assert not bad
    (verdict,) = judged(subject, asked)
    return verdict.wrong


HERE = "bucket: orders, key: invoices/1.csv, author: acme"


@pytest.mark.parametrize(
    "entry",
    [
        f"party: globex, {HERE}, allow: yes, mode: copy, into: in/invoices/1.csv, rule: out",
        f"party: globex, {HERE}, allow: yes, rule: in",
        f"party: initech, {HERE}, allow: yes, mode: share",
        f"party: initech, {HERE}, tags: {{class: pii}}, allow: no, rule: stays",
        f"party: umbra, {HERE}, allow: no",
        f"party: acme, {HERE}, allow: yes, mode: own",
        "party: globex, bucket: orders, key: invoices/joint/1, author: acme, allow: yes, mode: own",
        "party: initech, bucket: orders, key: invoices/1.csv, allow: yes",
        "party: acme, bucket: orders, key: invoices/1.csv, verb: write, allow: yes",
        "party: globex, bucket: orders, key: invoices/1.csv, verb: write, allow: no",
        "party: acme, bucket: acme-lab, key: a, verb: write, allow: yes",
        "party: globex, bucket: acme-lab, key: a, verb: write, allow: no",
        "party: acme, bucket: acme-lab, key: a, allow: yes",
    ],
)
def test_what_holds_is_not_wrong(entry: str) -> None:
    assert wrong(entry) == ()


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (f"party: umbra, {HERE}, allow: yes", "expected yes, but no: umbra is not a member"),
        (f"party: globex, {HERE}, allow: no", "expected no, but yes: accepted by globex.yaml:3"),
        (f"party: globex, {HERE}, allow: yes, mode: share", "expected share, but copy"),
        (f"party: globex, {HERE}, allow: yes, into: x", "expected a copy at x, but in/invoices/1"),
        (f"party: initech, {HERE}, allow: yes, into: x", "expected a copy at x, but there is none"),
        (f"party: globex, {HERE}, allow: yes, rule: x", "expected x to decide, but it is out, in"),
        (f"party: umbra, {HERE}, allow: no, rule: x", "expected x to decide, but it is no rule"),
    ],
)
def test_what_does_not_hold_says_what_is_instead(entry: str, text: str) -> None:
    (found,) = wrong(entry)
    assert found.startswith(text)


@pytest.mark.parametrize(
    ("entry", "at", "text"),
    [
        (f"party: globx, {HERE}, allow: yes", "globx", "unknown party `globx`; did you mean"),
        ("party: acme, bucket: ordrs, key: a, allow: yes", "ordrs", "unknown bucket `ordrs`; did"),
        ("party: acme, bucket: orders, key: a, allow: maybe", "maybe", "expected yes or no"),
        ("party: acme, bucket: orders, key: a", "{party", "`allow` is missing"),
        (f"party: acme, {HERE}, allow: no, mode: own", "mode", "`mode` needs `allow: yes`"),
        ("party: acme, bucket: orders, key: a, allow: no", "a, allow", "no party may write this"),
        (
            "party: acme, bucket: orders, key: invoices/joint/a, allow: no",
            "invoices/",
            "acme and globex may write this key; expected an `author`",
        ),
        (
            "party: acme, bucket: orders, key: a, verb: write, allow: no, size: 5",
            "size",
            "`size` is no part of a write",
        ),
        (
            "party: acme, bucket: acme-lab, key: a, author: globex, allow: no",
            "globex",
            "globex may not create acme-lab",
        ),
        (f"party: acme, bucket: orders, key: {'ü' * 513}, allow: no", "ü", "a key of more than"),
        (f"party: acme, {HERE}, allow: yes, sise: 1", "sise", "unknown field `sise`; did you"),
    ],
)
def test_a_mistake_has_its_place(entry: str, at: str, text: str) -> None:
    column = f"  - {{{entry}}}".index(at) + 1
    (found,) = problems(entry)
    assert found.startswith(f"c.yaml:2:{column}: {text}")


def test_every_mistake_is_told_and_an_empty_file_is_one() -> None:
    assert len(problems("party: x1", f"party: nix, {HERE}, allow: yes")) > 1
    assert str(cases("c.yaml", "cases: []\n", rules())[1][0]).startswith("c.yaml:1:8: nothing")
    assert cases("c.yaml", "", rules())[1]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(SEEDS)
def test_cases_hold_exactly_if_the_plain_evaluator_says_so(rnd: random.Random) -> None:
    plain = any_world(rnd)
    subject = mesh_of(plain)
    things = [any_thing(rnd) for _ in range(10)]
    things = [t for t in things if t.bucket != "acme-made" or t.author == "acme"]
    asked = [(thing, party) for thing in things for party in PARTIES]
    text = json.dumps({"cases": [_entry(thing, party, "share") for thing, party in asked]})
    found, bad = cases("c.yaml", text, subject)
    assert not bad
    for (thing, party), verdict in zip(asked, judged(subject, found), strict=True):
        sees = naive.sees(plain, party, thing)
        mode = "own" if party == thing.author else naive.given(plain, thing).get(party)
        assert verdict.explanation.allowed is sees
        assert (not verdict.wrong) is (sees and mode == Mode.SHARE.value)


def _entry(thing: Thing, party: str, mode: str) -> dict[str, object]:
    return {
        "party": party,
        "bucket": thing.bucket,
        "key": thing.key,
        "author": thing.author,
        "size": thing.size,
        "type": thing.type,
        "metadata": thing.metadata,
        "tags": thing.tags,
        "allow": True,
        "mode": mode,
    }
