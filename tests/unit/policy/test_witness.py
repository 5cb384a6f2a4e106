"""Whether patterns leave a key over: compared with trying every short key."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.policy.patterns import compiled
from gateway.policy.witness import Questions, witness
from tests.unit.policy.test_patterns import PATTERNS, plainly

LISTS = st.lists(PATTERNS, min_size=1, max_size=2)
SHORT = ["".join(chars) for n in range(1, 6) for chars in itertools.product("ab/.", repeat=n)]


def fits(within: list[list[str]], without: list[str], key: str) -> bool:
    inside = all(any(plainly(text, key) for text in texts) for texts in within)
    return inside and not any(plainly(text, key) for text in without)


@given(st.lists(LISTS, min_size=1, max_size=2), st.lists(PATTERNS, max_size=3))
@example([["**"]], ["*", "*/**"])
@example([["**/a"]], ["a", "*/**/a"])
@settings(max_examples=300, deadline=None)
def test_it_finds_a_key_where_there_is_one_and_none_where_there_is_none(
    within: list[list[str]], without: list[str]
) -> None:
    found = witness(within, without)
    assert found.sure
    if found.key:
        assert fits(within, without, found.key)
    shorter = [key for key in SHORT if not found.key or len(key) < len(found.key)]
    assert not any(fits(within, without, key) for key in shorter)


@pytest.mark.parametrize(
    ("inner", "outer", "contained"),
    [
        (["invoices/2026/**"], ["invoices/**"], True),
        (["invoices/**"], ["invoices/2026/**"], False),
        (["a/*.csv", "b/*.csv"], ["*/*.csv"], True),
        (["**"], ["*", "**/*"], True),
        (["**/x"], ["*x", "**/*"], True),
        (["a/**/b"], ["a/**b"], True),
        (["a/**b"], ["a/**/b"], False),
        (["ä/*"], ["**/*"], True),
    ],
)
def test_containment_of_patterns(inner: list[str], outer: list[str], contained: bool) -> None:
    found = witness([inner], outer)
    assert found.absent is contained
    if not contained:
        assert any(compiled(text).matches(found.key) for text in inner)
        assert not any(compiled(text).matches(found.key) for text in outer)


def test_what_would_take_too_long_is_not_told() -> None:
    hostile = ["**a" + "*b" * 40 + "*", "**b" + "*a" * 40 + "*"]
    found = witness([hostile, ["**c*"]], ["**a**b**" * 8], steps=2_000)
    assert (found.key, found.sure, found.absent) == ("", False, False)
    assert found.steps == 2_000


def test_long_literals_are_no_trouble() -> None:
    long = "x" * 1000
    assert witness([[f"{long}/**"]], [f"{long}/**"]).absent
    assert witness([[f"{long}/**"]], [f"{long}/a**"]).key == f"{long}/"
    every = "".join(map(chr, range(0x21, 0x7F))).replace("*", "").replace("/", "")
    assert witness([[f"{char}**" for char in every]], [f"{char}**" for char in every]).absent


def test_questions_are_asked_once_and_bounded_together() -> None:
    ask = Questions(steps=100)
    first = ask([["a/**"]], ["b/**"])
    assert (first.key[:2], ask([["a/**"]], ["b/**"])) == ("a/", first)
    for n in range(100):
        ask([[f"{n}/**"]], [f"{n}/**"])
    assert not ask([["c/**"]], ["d/**"]).sure
    assert ask([["a/**"]], ["b/**"]) == first
