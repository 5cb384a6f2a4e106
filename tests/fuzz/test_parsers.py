"""Whatever a client sends to a parser, it gets an answer, in a moment.

`python -m tests.fuzz [TARGET…]` goes on for as long as one likes, and keeps what it finds.
"""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import seeds
from tests.fuzz.hunt import SLOW_S, hunt
from tests.fuzz.mutations import mutated, pumped
from tests.fuzz.targets import TARGETS

EXAMPLES = 150
PUMPS = 60
SOAK_S = 300.0


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_old_findings_are_answered(target: str) -> None:
    for data in seeds(target):
        began = time.process_time()
        TARGETS[target].run(data)
        assert time.process_time() - began < SLOW_S


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_input_is_answered(target: str) -> None:
    known = seeds(target)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False), st.just(known))
    def answered(random: Random, known: list[bytes]) -> None:
        TARGETS[target].run(mutated(known, random))

    answered()


@pytest.mark.parametrize("target", TARGETS)
def test_one_thing_over_and_over_takes_no_time(target: str) -> None:
    random, known = Random(target), seeds(target)
    for _ in range(PUMPS):
        data = pumped(known, random)
        began = time.process_time()
        TARGETS[target].run(data)
        assert time.process_time() - began < SLOW_S, data[:200]


@pytest.mark.parametrize("target", TARGETS)
def test_bytes_of_no_meaning_are_answered(target: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.binary(max_size=300))
    def answered(data: bytes) -> None:
        TARGETS[target].run(data)

    answered()


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S * 2)
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_is_found_that_is_not_answered(target: str) -> None:
    assert hunt(target, SOAK_S, Random()) is None
