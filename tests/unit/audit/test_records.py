"""Records: what an open entry shows (nothing), what openings prove, and what erasure leaves."""

import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import merkle, records
from gateway.audit.records import FIELDS, differing, entry_size, erase, seal, verify_opening
from gateway.errors import InvalidArgument, LogDamaged
from gateway.model import Event

EVENT = Event(
    kind="write",
    at=1_800_000_000_000_000_000,
    party="acme",
    principal="erp",
    door="s3",
    request="REQ1",
    bucket="orders",
    key="invoices/1.csv",
    version="v1",
    outcome="stored",
    rule="policies/acme.yaml:3 (invoices)",
    revision="rev1",
    recipients={"globex": "copy policies/acme.yaml:3 (invoices)", "initech": "share"},
    detail={"size": "17"},
    readers=("acme", "globex", "initech"),
)

texts = st.text(max_size=20)
events = st.builds(
    Event,
    kind=st.sampled_from(["write", "read", "refusal"]),
    at=st.integers(0, 2**62),
    party=texts,
    principal=texts,
    key=st.text(st.characters(), max_size=20),
    recipients=st.dictionaries(texts, st.sampled_from(["", "copy", "share"]), max_size=20),
    detail=st.dictionaries(texts, texts, max_size=5),
    readers=st.lists(st.sampled_from(["acme", "globex"])).map(tuple),
)


def source(seed: bytes) -> Callable[[int], bytes]:
    """Salts that a test can repeat; a fresh stream each time it is called."""
    state = [seed]

    def salts(count: int) -> bytes:
        state[0] = merkle.leaf_hash(state[0])
        return (state[0] * (count // 32 + 1))[:count]

    return salts


@given(events)
@settings(deadline=None)
def test_every_field_opens_by_one_hash_of_salt_name_and_value(event: Event) -> None:
    sealed = seal(event, 5, os.urandom)
    opened = records.decode(sealed.openings)
    assert differing(sealed.entry, opened) is None
    assert len(opened.fields) == len(FIELDS) + len(event.recipients) + len(event.detail)
    for item in opened.fields:
        assert item.value is not None
        message = item.salt + item.field.encode() + b"\x00" + item.value.encode()
        assert records.commit(item.field, item.salt, item.value) == sha256(message).digest()
        assert verify_opening(sealed.entry, item.field, item.salt, item.value)
        assert not verify_opening(sealed.entry, item.field, item.salt, item.value + "x")
        assert not verify_opening(sealed.entry, item.field, bytes(16), item.value)
        assert not verify_opening(sealed.entry, item.field + "x", item.salt, item.value)


def test_the_values_are_the_events_own() -> None:
    opened = records.decode(seal(EVENT, 9, os.urandom).openings)
    assert {item.field: item.value for item in opened.fields} == {
        "number": "9",
        "kind": "write",
        "at": "1800000000000000000",
        "party": "acme",
        "principal": "erp",
        "door": "s3",
        "request": "REQ1",
        "bucket": "orders",
        "key": "invoices/1.csv",
        "version": "v1",
        "outcome": "stored",
        "rule": "policies/acme.yaml:3 (invoices)",
        "revision": "rev1",
        "readers": "acme,globex,initech",
        "to/globex": "copy",
        "by/globex": "policies/acme.yaml:3 (invoices)",
        "to/initech": "share",
        "detail/size": "17",
    }


def test_no_salt_serves_twice() -> None:
    opened = records.decode(seal(EVENT, 9, os.urandom).openings)
    salts = {item.salt for item in opened.fields} | {opened.pad}
    assert len(salts) == len(opened.fields) + 1


def test_an_open_entry_shows_neither_names_nor_values_nor_how_many_recipients() -> None:
    few = seal(replace(EVENT, recipients={}, detail={}), 1, os.urandom).entry
    some = seal(EVENT, 1, os.urandom).entry
    many = seal(replace(EVENT, recipients={f"p{n}": "copy" for n in range(9)}), 1, os.urandom)
    assert len(few) == len(some) == entry_size(0) == 705
    assert len(many.entry) == entry_size(10) == 705 + 8 * 32
    for word in (b"globex", b"acme", b"copy", b"orders", b"to/"):
        assert word not in some


def test_the_place_of_a_recipient_says_nothing() -> None:
    entry = seal(EVENT, 1, os.urandom).entry
    places = [entry[at : at + 32] for at in range(1 + 32 * len(FIELDS), len(entry), 32)]
    assert places == sorted(places)


def test_equal_values_do_not_look_equal() -> None:
    one, two = (seal(EVENT, 1, os.urandom).entry for _ in range(2))
    shared = {one[at : at + 32] for at in range(1, len(one), 32)} & {
        two[at : at + 32] for at in range(1, len(two), 32)
    }
    assert not shared


def test_the_largest_event_fits_and_a_larger_one_is_refused() -> None:
    crowd = {f"p{n}": "share" for n in range(records.EXTRAS_MAX - 1)}
    assert len(seal(replace(EVENT, recipients=crowd), 1, os.urandom).entry) <= 65_535
    with pytest.raises(InvalidArgument):
        seal(replace(EVENT, recipients={**crowd, "one": "more"}), 1, os.urandom)


def test_a_name_that_is_no_unicode_is_sealed_too() -> None:
    sealed = seal(replace(EVENT, key="a\udcff"), 1, os.urandom)
    assert records.decode(sealed.openings).value("key") == "a\udcff"
    assert differing(sealed.entry, records.decode(sealed.openings)) is None


# --- erasure ---


def test_erasing_takes_value_and_salt_and_leaves_the_rest_provable() -> None:
    sealed = seal(EVENT, 1, os.urandom)
    before = {item.field: item for item in records.decode(sealed.openings).fields}
    left = erase(sealed.openings, ["key", "principal", "to/globex", "nothing/of/that/name"])
    opened = records.decode(left)
    for gone in ("key", "principal"):
        assert before[gone].salt not in left
        assert (before[gone].value or "").encode() not in left
    assert before["to/globex"].salt not in left
    erased = {item.field for item in opened.fields if item.value is None}
    assert erased == {"key", "principal", "to/globex"}
    assert differing(sealed.entry, opened) is None
    assert verify_opening(sealed.entry, "bucket", before["bucket"].salt, "orders")
    assert erase(left, ["key"]) == left


@pytest.mark.parametrize("field", sorted(records.PERMANENT))
def test_what_order_and_access_rest_on_is_never_erased(field: str) -> None:
    with pytest.raises(InvalidArgument):
        erase(seal(EVENT, 1, os.urandom).openings, [field])


# --- damage ---


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_flipped_bit_of_the_openings_is_found(data: st.DataObject) -> None:
    sealed = seal(replace(EVENT, key="\u00e9\u4e00/1"), 1, source(b"seed"))
    place = data.draw(st.integers(0, len(sealed.openings) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    spoilt = bytearray(sealed.openings)
    spoilt[place] ^= bit
    try:
        opened = records.decode(bytes(spoilt))
    except LogDamaged:
        return
    assert differing(sealed.entry, opened) is not None


@given(st.binary(max_size=80))
def test_other_bytes_are_no_openings(data: bytes) -> None:
    with pytest.raises(LogDamaged):
        records.decode(data)


def test_a_recipient_taken_out_of_the_openings_is_missed() -> None:
    sealed = seal(EVENT, 1, os.urandom)
    opened = records.decode(sealed.openings)
    fewer = tuple(item for item in opened.fields if item.field != "to/globex")
    assert differing(sealed.entry, replace(opened, fields=fewer)) == "padding"
    twice = (*opened.fields, opened.fields[-1])
    assert differing(sealed.entry, replace(opened, fields=twice)) == "detail/size"


def test_a_place_that_nothing_explains_is_missed() -> None:
    sealed = seal(EVENT, 1, os.urandom)
    longer = sealed.entry + os.urandom(8 * 32)
    assert differing(longer, records.decode(sealed.openings)) == "padding"


def test_an_entry_of_another_layout_proves_nothing() -> None:
    sealed = seal(EVENT, 1, os.urandom)
    item = records.decode(sealed.openings).fields[0]
    for entry in (b"", sealed.entry[:-1], sealed.entry + bytes(32), b"\x02" + sealed.entry[1:]):
        assert not verify_opening(entry, item.field, item.salt, item.value or "")


def test_a_padding_place_opens_to_no_field() -> None:
    sealed = seal(replace(EVENT, recipients={}, detail={}), 1, os.urandom)
    pad = records.decode(sealed.openings).pad
    assert not verify_opening(sealed.entry, "to/globex", pad, "copy")


# --- batches ---


def test_a_batch_is_one_record_whatever_its_size() -> None:
    reads = [replace(EVENT, kind="read", request=f"R{n}", recipients={}) for n in range(5)]
    batch = records.batch_of(7, [records.seal_read(r, os.urandom) for r in reads], os.urandom)
    record = seal(batch.record, 3, os.urandom)
    opened = records.decode(record.openings)
    events = [records.unpack(item) for item in batch.events]
    assert len(record.entry) == entry_size(0)
    assert (opened.value("kind"), opened.value("at"), opened.value("number")) == ("reads", "7", "3")
    assert opened.value("detail/events") == "5"
    leaves = records.batch_leaves(
        [item.entry for item in events], bytes.fromhex(opened.value("detail/pad"))
    )
    assert len(leaves) == 8
    assert merkle.root_of(leaves).hex() == opened.value("detail/root")
    assert [records.decode(item.openings).value("request") for item in events] == [
        "R0",
        "R1",
        "R2",
        "R3",
        "R4",
    ]


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        records.batch_of(7, (), os.urandom)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x05abc", b"\xff\xff"])
def test_a_stored_read_that_is_cut_short_is_damage(data: bytes) -> None:
    with pytest.raises(LogDamaged):
        records.unpack(data)
