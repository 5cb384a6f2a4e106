"""What a party is told of offers to it depends on sender, bucket, keys and mode alone."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Bucket, Rule
from gateway.policy.offers import Offer, outstanding

from .naive import World
from .worlds import MADE, PARTIES, accept, mesh, world

SEEDS = st.integers(0, 2**32).map(random.Random)
CREATED = {MADE: Bucket(MADE, "acme", {"acme": ("**",)}, created=7)}
isolated = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


NOBODYS = Rule("", "", 0)


def offered(plain: World, party: str) -> list[Offer]:
    """All but the rule, which is never shown to who is offered something."""
    found = outstanding(mesh(plain), CREATED, party)
    return [replace(offer, rule=NOBODYS) for offer in found if offer.party == party]


def changed(rnd: random.Random, plain: World, party: str) -> World:
    """The other parties edit what is none of its business: their conditions, the names and terms
    of their rules, whom else they name, what they accept and keep from others."""
    files = copy.deepcopy(plain.files)
    for name, file in files.items():
        if name == party:
            continue
        others = [each for each in PARTIES if each not in (name, party)]
        file["accepts"] = [accept(rnd, name) for _ in range(2)]
        file["forbids"] = [
            {"when": {"tags": {"kept": ["here"]}}, "to": [party, rnd.choice(others)]}
        ]
        file["sends"] = [_changed(rnd, send, party) for send in file["sends"]]
        for i, rule in enumerate([*file["sends"], *file["forbids"], *file["accepts"]]):
            rule["id"] = f"other{i}"
    return World(plain.topology, files, plain.made)


def _changed(rnd: random.Random, send: dict[str, Any], party: str) -> dict[str, Any]:
    send = {**send, "since": rnd.choice(["always", "now", "2026-01-31"]), "deadline": "15m"}
    send["when"] = rnd.choice([{}, {"tags": {"final": ["yes"]}}, {"size": {"max": 5}}])
    if send.get("to", {}).keys() - {party, "*"}:
        kept = {name: mode for name, mode in send["to"].items() if name in (party, "*")}
        send["to"] = kept or send["to"]
    return send


@isolated
@given(SEEDS)
def test_what_else_others_say_changes_nothing(rnd: random.Random) -> None:
    plain = world(rnd)
    for file in plain.files.values():
        file["forbids"] = []
    party = rnd.choice(PARTIES)
    assert offered(changed(rnd, plain, party), party) == offered(plain, party)


@isolated
@given(SEEDS)
def test_one_partys_offers_are_those_of_all_that_are_from_or_to_it(rnd: random.Random) -> None:
    subject = mesh(world(rnd))
    every = list(outstanding(subject, CREATED))
    for party in PARTIES:
        own = [offer for offer in every if party in (offer.author, offer.party)]
        assert list(outstanding(subject, CREATED, party)) == own
