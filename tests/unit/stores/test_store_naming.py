"""Natural keys as names: reversible, never colliding, never where they must not be."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidArgument, KeyTooLong
from gateway.stores import marks, naming

SEGMENTS = st.sampled_from(
    ["", ".", "..", "a", "b", "%keys", ".crossdock", "%", "%2F", "\0", "\\", "a.", "s" * 256, "é"]
)
KEYS = st.one_of(
    st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
).filter(lambda key: 0 < len(key.encode()) <= 1024 and not key.startswith(".crossdock/"))


def places(key: str) -> set[naming.Path]:
    plain = naming.plain_path(key)
    return {naming.encoded_path(key)} | ({plain} if plain is not None else set())


@given(KEYS)
def test_every_place_tells_its_key(key: str) -> None:
    for path in places(key):
        assert naming.key_of(path) == key


@given(KEYS, KEYS)
def test_no_two_keys_share_a_place_and_no_file_is_an_encoded_folder(one: str, two: str) -> None:
    if one != two:
        assert not places(one) & places(two)
        first, second = naming.encoded_path(one), naming.encoded_path(two)
        assert second[: len(first)] != first


@given(KEYS)
def test_every_place_is_a_path_beneath_the_root_and_outside_of_our_own(key: str) -> None:
    for path in places(key):
        assert path[0] != b".crossdock"
        for name in path:
            assert name not in (b"", b".", b"..")
            assert len(name) <= 255
            assert not set(name) & set(b"/\0")


@given(KEYS)
def test_an_ordinary_key_is_its_own_path(key: str) -> None:
    plain = naming.plain_path(key)
    if plain is not None:
        assert b"/".join(plain) == key.encode()


@given(KEYS)
def test_an_azure_name_tells_its_key(key: str) -> None:
    try:
        name = naming.azure_name(key)
    except InvalidArgument:
        assert len(naming.escape(key)) > 1000
        return
    assert naming.key_of_azure(name) == key
    assert not name.startswith(".crossdock/")
    assert all(part not in ("", ".", "..") and part[-1] != "." for part in name.split("/"))


@given(KEYS, KEYS)
def test_no_two_keys_share_a_name_in_a_cloud(one: str, two: str) -> None:
    for name_of in (naming.azure_name, naming.gcs_name):
        with contextlib.suppress(InvalidArgument):  # too long to be one's name
            assert (name_of(one) == name_of(two)) == (one == two)


@given(KEYS)
def test_a_gcs_name_tells_its_key(key: str) -> None:
    try:
        name = naming.gcs_name(key)
    except InvalidArgument:
        assert len(naming.escape(key)) > 1000
        return
    assert naming.key_of_gcs(name) == key
    assert name not in (".", "..")
    assert not name.startswith((".crossdock/", ".well-known/acme-challenge/"))
    assert not set(name) & {"\n", "\r"}


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a/b.csv", (b"a", b"b.csv")),
        (".hidden", (b".hidden",)),
        ("%key/x", (b"%key", b"x")),
        ("a//b.csv", None),
        ("../up", None),
        ("a/", None),
        ("%keys/x", None),
        (".crossdock", None),
        ("nul\0", None),
    ],
)
def test_only_what_a_path_can_be_is_one(key: str, path: naming.Path | None) -> None:
    assert naming.plain_path(key) == path


def test_an_encoded_key_can_be_read_by_a_person() -> None:
    assert naming.encoded_path("a//b.csv") == (b"%keys", b"a%2F%2Fb%2Ecsv")


@pytest.mark.parametrize("path", [(b"%keys", b"a"), (b"%keys", b"%zz"), (b"\xff",), (b"%keys",)])
def test_a_path_that_is_not_of_our_making_has_no_key_of_another(path: naming.Path) -> None:
    key = naming.key_of(path)
    assert key is None or path in places(key)


@pytest.mark.parametrize("key", ["", ".crossdock/x", "\ud800"])
def test_a_key_that_can_not_be_is_refused(key: str) -> None:
    with pytest.raises(InvalidArgument):
        naming.natural(key)


def test_a_key_over_1024_bytes_is_refused() -> None:
    assert naming.natural("é" * 512)
    with pytest.raises(KeyTooLong):
        naming.natural("é" * 513)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_metadata_value_survives_and_is_plain_ascii(value: str) -> None:
    word = marks.worded(value)
    assert marks.unworded(word) == value
    assert word.isascii()
    assert word.isprintable()
    assert word == word.strip() != ""


@given(st.text(min_size=1).filter(lambda text: text.isascii()))
def test_a_metadata_name_survives_as_an_identifier(name: str) -> None:
    identifier = marks.identifier(name)
    assert identifier.isidentifier()
    assert marks.name_of(identifier) == name
    assert identifier == identifier.lower()
