"""What sidecars say, and what they make of a file."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ChangedInStore, Occupied, StoreUnavailable
from gateway.stores import sidecars
from gateway.stores.sidecars import Lying
from tests.contract.store_suite import parcel

TEXT = st.text(max_size=20)
PARCELS = st.builds(
    lambda data, version, number, tags: parcel(data, version, number, tags=tags),
    st.binary(max_size=20),
    TEXT,
    st.integers(0, 2**40),
    st.dictionaries(TEXT, TEXT, max_size=3),
)
ENTRIES = st.lists(st.tuples(TEXT, PARCELS), max_size=3)


@given(TEXT, TEXT, ENTRIES)
def test_what_is_noted_is_read_for_its_own_key_alone(
    key: str, other: str, entries: list[sidecars.Entry]
) -> None:
    text = sidecars.dump(key, entries)
    assert sidecars.load(key, text) == entries
    assert other == key or sidecars.load(other, text) == []


@given(st.binary(max_size=60))
def test_what_is_damaged_says_nothing(text: bytes) -> None:
    assert sidecars.load("key", text) == []


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'"x"', b'{"at": "key"}'])
def test_what_is_another_document_says_nothing(text: bytes) -> None:
    assert sidecars.load("key", text) == []


THERE = Lying((b"x",), 4, "noted", 0, regular=True)
OURS = THERE.as_ours(parcel(b"data"), "-mark")


def test_only_our_own_unaltered_copy_gives_way_to_its_etag() -> None:
    sidecars.check_free(None, None)
    sidecars.check_free(OURS, "noted-mark")
    with pytest.raises(StoreUnavailable):
        sidecars.check_free(None, "noted-mark")
    altered = THERE.as_altered([("older", parcel(b"data"))])
    for there, replace in ((OURS, None), (OURS, "noted"), (THERE, "noted"), (altered, "noted")):
        with pytest.raises(Occupied):
            sidecars.check_free(there, replace)


def test_only_our_own_unaltered_copy_is_retagged() -> None:
    ((etag, told),) = sidecars.retagged(OURS, {"a": "b"}, "noted-mark")
    assert (etag, told) == ("noted", dataclasses.replace(parcel(b"data"), tags={"a": "b"}))
    for there, etag in ((OURS, "noted"), (THERE, "noted")):
        with pytest.raises(ChangedInStore):
            sidecars.retagged(there, {}, etag)
