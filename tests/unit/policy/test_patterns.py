"""Key patterns: what they match, what they have in common, and what they cost at worst."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.patterns import Index, compiled, intersect, mistake, tokens

PIECES = st.sampled_from(["a", "b", "/", "*", "**", "**/", "a/", "."])
PATTERNS = st.lists(PIECES, min_size=1, max_size=6).map("".join).filter(lambda p: not mistake(p))
KEYS = st.text("ab/.", max_size=9)


def plainly(pattern: str, key: str) -> bool:
    """The meaning, one character at a time, by trying everything."""

    @cache
    def at(p: int, k: int) -> bool:
        rest = pattern[p:]
        if not rest:
            return k == len(key)
        if rest.startswith("**/") and (p == 0 or pattern[p - 1] == "/"):
            ends = [i + 1 for i in range(k, len(key)) if key[i] == "/"]
            return any(at(p + 3, end) for end in [k, *ends])
        if rest.startswith("**"):
            return any(at(p + 2, end) for end in range(k, len(key) + 1))
        if rest.startswith("*"):
            stop = key.find("/", k)
            stop = len(key) if stop < 0 else stop
            return any(at(p + 1, end) for end in range(k, stop + 1))
        return key[k : k + 1] == rest[0] and at(p + 1, k + 1)

    return at(0, 0)


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("invoices/**", "invoices/2026/07/1.csv", True),
        ("invoices/**", "invoices/", True),
        ("invoices/**", "invoices", False),
        ("invoices/*", "invoices/1.csv", True),
        ("invoices/*", "invoices/2026/1.csv", False),
        ("**/*.tmp", "x.tmp", True),
        ("**/*.tmp", "a/b/x.tmp", True),
        ("**/x", "ax", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False),
        ("a/*/b", "a//b", True),
        ("exact", "exact", True),
        ("exact", "exact/", False),
        ("a.b", "axb", False),
        ("[x]?{y}", "[x]?{y}", True),
        ("**", "", True),
        ("**", "line\nbreak", True),
        ("*.csv", "line\nbreak.csv", True),
        ("*.csv", "a.csv\n", False),
        ("naïve/**", "naïve/ü", True),
    ],
)
def test_a_pattern_matches_as_documented(pattern: str, key: str, matches: bool) -> None:
    assert compiled(pattern).matches(key) is matches


@settings(max_examples=600, deadline=None)
@given(PATTERNS, KEYS)
def test_matching_agrees_with_the_plain_meaning(pattern: str, key: str) -> None:
    assert compiled(pattern).matches(key) is plainly(pattern, key)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, PATTERNS, KEYS)
def test_patterns_that_match_one_key_intersect(one: str, other: str, key: str) -> None:
    if compiled(one).matches(key) and compiled(other).matches(key):
        assert intersect(tokens(one), tokens(other))


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("invoices/**", "asn/**", False),
        ("invoices/**", "**/*.csv", True),
        ("invoices/*.xml", "**/*.csv", False),
        ("a/*", "a/*/*", False),
        ("a/**/z", "a/z", True),
        ("**/x", "ax", False),
        ("*", "a/b", False),
        ("*a", "*b", False),
        ("**a", "b**", True),
        ("a", "a", True),
        ("a", "ab", False),
    ],
)
def test_patterns_intersect_only_where_some_key_matches_both(
    one: str, other: str, meet: bool
) -> None:
    assert intersect(tokens(one), tokens(other)) is meet
    assert intersect(tokens(other), tokens(one)) is meet


HOSTILE = [
    ("**a*b", "a" * 1024),
    ("*a" * 300 + "b", "a" * 1024),
    ("*a" * 300 + "*b*", "a" * 1024),
    ("**/*a*a*a*a*a*a*b", "a/" * 512),
    ("**/a/" * 100 + "b", "a/" * 512),
    ("**a*a*c**a*a*d", "a" * 1024),
    ("**a*a*a*a*a*a*a*ab", "a" * 1023),
    ("**/" * 300 + "b", "a/" * 512),
    ("a**" * 300 + "b", "a" * 1024),
    ("**a*a/**a*a/**a*a/b", "aa/" * 341),
]


@pytest.mark.parametrize(("pattern", "key"), HOSTILE)
def test_a_hostile_pattern_stays_cheap(pattern: str, key: str) -> None:
    subject = compiled(pattern)
    begun = time.process_time()
    for _ in range(3):
        assert not subject.matches(key)
    assert (time.process_time() - begun) / 3 < 0.1


@pytest.mark.parametrize("text", ["", "a***b", "x" * 1025, "ü" * 513, "nul\0"])
def test_a_pattern_that_means_nothing_is_a_mistake(text: str) -> None:
    assert mistake(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(PATTERNS, max_size=8), KEYS)
def test_an_index_finds_what_matches_and_nothing_else(patterns: list[str], key: str) -> None:
    index = Index([(compiled(p), i) for i, p in enumerate(patterns)])
    assert sorted(index.find(key)) == [i for i, p in enumerate(patterns) if plainly(p, key)]
