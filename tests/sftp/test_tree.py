"""Paths: every key has one, and it leads back to the key."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import BadInput, KeyTooLong
from gateway.model import KEY_BYTES_MAX
from gateway.sftp.tree import NAMELESS, PATH_BYTES_MAX, Spot, Tree, named, normal, path_below, shown

PLAIN = Tree({})
MAPPED = Tree({"/outbox/globex": "orders/to-globex/", "/inbox": "orders/", "/inbox/late": "late/"})

KEYS = st.text(
    st.one_of(st.sampled_from("/.%25EF0\x00\x1f\x7fab"), st.characters(exclude_categories=["Cs"])),
    min_size=1,
    max_size=40,
).filter(lambda key: len(key.encode()) <= KEY_BYTES_MAX)


@given(KEYS)
@example("a//b")
@example("/a")
@example("a/")
@example("//")
@example("./..")
@example("%2F")
@example("a%2F")
@example("100%25")
@example("50% off")
def test_every_key_has_a_path_that_leads_back_to_it(key: str) -> None:
    path = f"/orders/{path_below(key)}"
    assert normal(path.encode()) == path, "no step of it is one up, or none at all"
    spot = PLAIN.spot(path)
    assert spot is not None
    assert (spot.bucket, spot.key) == ("orders", key)


@given(st.lists(KEYS, min_size=2, max_size=6, unique=True))
def test_no_two_keys_share_a_path(keys: list[str]) -> None:
    assert len({path_below(key) for key in keys}) == len(keys)


@given(st.text(min_size=1, max_size=30))
def test_a_name_is_refused_or_shown_as_it_was_given(name: str) -> None:
    if "/" in name or name in (".", ".."):
        return
    try:
        segment = named(name)
    except BadInput:
        return
    assert shown(segment) == name


@given(st.binary(max_size=60))
def test_no_path_leads_above_the_root(path: bytes) -> None:
    try:
        text = normal(path)
    except BadInput:
        return
    assert text.startswith("/")
    assert all(each not in (".", "..") for each in text.split("/"))
    assert "//" not in text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"", "/"),
        (b".", "/"),
        (b"/..", "/"),
        (b"/a/../../b", "/b"),
        (b"a//b/./c/", "/a/b/c"),
    ],
)
def test_paths_are_read_as_a_shell_does(path: bytes, text: str) -> None:
    assert normal(path) == text


@pytest.mark.parametrize("path", [b"/a\0b", b"/\xff", b"/" + b"a" * PATH_BYTES_MAX])
def test_what_is_no_path_is_refused(path: bytes) -> None:
    with pytest.raises(BadInput):
        normal(path)


@pytest.mark.parametrize(
    "name",
    [
        "a%20b",
        "100%25",
        "a%252Fb",
        "a%2Fb.csv",
        "%2Fx",
        "..%2E",
        "%2E.csv",
        "50% off",
        "%2e",
        "%2f",
        "a%2f",
        "%",
    ],
)
def test_names_that_clients_encode_stand_for_themselves(name: str) -> None:
    assert named(name) == name == shown(name)


def test_a_percent_sign_is_escaped_where_it_would_read_as_an_escape() -> None:
    pairs = {
        "%00": "%2500",
        "%2500": "%252500",
        "a%2F": "a%252F",
        "a%252F": "a%25252F",
        "\n": "%0A",
        "%\n": "%%0A",
    }
    assert {segment: shown(segment) for segment in pairs} == pairs
    assert {named(name): name for name in pairs.values()} == pairs


def test_dots_have_names_of_their_own() -> None:
    assert [named(name) for name in ("%2E", "%2E%2E", "%252E", "%252E%2E")] == [
        *(".", ".."),
        *("%2E", "%2E%2E"),
    ]


def test_a_key_may_have_as_many_bytes_as_in_s3() -> None:
    assert PLAIN.spot("/orders/" + "k" * KEY_BYTES_MAX) is not None
    with pytest.raises(KeyTooLong):
        PLAIN.spot("/orders/" + "k" * (KEY_BYTES_MAX + 1))


def test_a_folder_beside_a_file_of_its_name_has_a_name_of_its_own() -> None:
    beside = f"/orders/a{NAMELESS}"
    assert PLAIN.spot(beside) == Spot(beside, "orders", None, "a/")
    assert PLAIN.spot("/orders/a") == Spot("/orders/a", "orders", "a", "a/")
    assert PLAIN.spot(f"{beside}/b") == Spot(f"{beside}/b", "orders", "a/b", "a/b/")


def test_the_root_lists_buckets_or_what_is_mapped() -> None:
    assert PLAIN.spot("/") == Spot("/")
    assert PLAIN.below("/") == []
    assert MAPPED.below("/") == ["inbox", "outbox"]
    assert MAPPED.below("/outbox") == ["globex"]
    assert MAPPED.below("/inbox") == ["late"]
    assert MAPPED.spot("/outbox") == Spot("/outbox")
    assert MAPPED.spot("/orders") is None
    assert MAPPED.spot("/outbox/initech") is None


@pytest.mark.parametrize(
    ("path", "bucket", "key", "prefix"),
    [
        ("/outbox/globex", "orders", None, "to-globex/"),
        ("/outbox/globex/x", "orders", "to-globex/x", "to-globex/x/"),
        ("/inbox", "orders", None, ""),
        ("/inbox/a/b", "orders", "a/b", "a/b/"),
        ("/inbox/late/x", "late", "x", "x/"),
        ("/inbox/later", "orders", "later", "later/"),
    ],
)
def test_the_longest_mapped_folder_leads(
    path: str, bucket: str, key: str | None, prefix: str
) -> None:
    assert MAPPED.spot(path) == Spot(path, bucket, key, prefix)


def test_the_root_itself_may_be_mapped() -> None:
    tree = Tree({"/": "orders/invoices/"})
    assert tree.spot("/") == Spot("/", "orders", None, "invoices/")
    assert tree.spot("/x") == Spot("/x", "orders", "invoices/x", "invoices/x/")


SEGMENTS = st.sampled_from(
    [
        "",
        "orders",
        "vault",
        "late",
        "to-globex",
        "outbox",
        "inbox",
        "globex",
        "x",
        "..",
        ".",
        "%2E%2E",
        "%2F",
        "%2E",
        "x%2F",
    ]
)


@given(st.lists(SEGMENTS, max_size=8))
def test_no_path_leads_out_of_what_is_mapped(segments: list[str]) -> None:
    try:
        spot = MAPPED.spot(normal("/".join(segments).encode()))
    except BadInput:
        return
    if spot is None or not spot.bucket:
        return
    over = [each for each in MAPPED.folders if f"{spot.path}/".startswith(f"{each}/")]
    bucket, _, prefix = MAPPED.folders[max(over, key=len)].partition("/")
    assert spot.bucket == bucket
    for name in (spot.key, spot.prefix):
        assert name is None or name.startswith(prefix)
