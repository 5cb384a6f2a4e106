"""Configurations as values: overlaps are those that a key could show, and texts come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.notifications import (
    EVENTS,
    Watch,
    overlapping,
    text_of,
    watchers_from,
    watches_from,
)

PIECES = st.none() | st.text("ab/", max_size=4)
WATCHES = st.builds(
    Watch,
    id=st.text(max_size=5),
    kind=st.sampled_from(["queue", "topic"]),
    webhook=st.sampled_from(["feed", "other"]),
    events=st.lists(st.sampled_from(sorted(EVENTS)), min_size=1, max_size=3).map(tuple),
    prefix=PIECES,
    suffix=PIECES,
)


@given(WATCHES, WATCHES)
def test_an_overlap_has_a_key_that_shows_it(one: Watch, other: Watch) -> None:
    if overlapping([one, other]):
        prefix = max(one.prefix or "", other.prefix or "", key=len)
        suffix = max(one.suffix or "", other.suffix or "", key=len)
        assert one.means & other.means
        assert one.covers(prefix + suffix)
        assert other.covers(prefix + suffix)


@given(WATCHES, WATCHES, st.text("ab/", max_size=8))
def test_no_key_is_covered_twice_without_an_overlap(one: Watch, other: Watch, key: str) -> None:
    if one.means & other.means and one.covers(key) and other.covers(key):
        assert overlapping([one, other]) == (one, other)


@given(st.lists(WATCHES, max_size=4))
def test_texts_come_back(watches: list[Watch]) -> None:
    assert watches_from(text_of(watches)) == tuple(watches)


@given(st.lists(WATCHES, min_size=1, max_size=3))
def test_watchers_are_found_by_bucket_and_event(watches: list[Watch]) -> None:
    found = watchers_from([("b", "acme", text_of(watches))])
    assert found.keys() == {"b"}
    for event in EVENTS:
        told = [watch for _, watch in found["b"].get(event, ())]
        assert told == [watch for watch in watches if event in watch.means]


def test_a_wildcard_means_its_family() -> None:
    assert EVENTS["s3:ObjectRemoved:*"] == {
        "s3:ObjectRemoved:Delete",
        "s3:ObjectRemoved:DeleteMarkerCreated",
    }
    assert all(each in EVENTS for meant in EVENTS.values() for each in meant)
