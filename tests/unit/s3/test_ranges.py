"""Range headers, part numbers and page sizes as S3 reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CrossdockError, InvalidRange
from gateway.s3.errors import render
from gateway.s3.ranges import (
    content_range,
    parse_copy_range,
    parse_count,
    parse_part_number,
    parse_range,
)


def code_of(error: CrossdockError) -> str:
    return render(error).code


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=0-9", (0, 9)),
        ("bytes=0-99999", (0, 9)),
        ("bytes=9-", (9, 9)),
        ("bytes=3-5", (3, 5)),
        ("bytes=-3", (7, 9)),
        ("bytes=-99", (0, 9)),
        ("Bytes=0-1", (0, 1)),
        ("bytes=0-" + "9" * 25, (0, 9)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=a-b", None),
        ("bytes=0-1,3-4", None),
        ("bytes=0x1-5", None),
        ("bytes=+1-5", None),
        ("bytes=\uff11-5", None),
        ("lines=0-1", None),
        ("0-1", None),
        ("", None),
        ("bytes=0-" + "9" * 5000, None),
    ],
)
def test_ranges_of_ten_bytes(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=10-", 10),
        ("bytes=10-20", 10),
        ("bytes=-0", 10),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-5", 0),
    ],
)
def test_ranges_without_a_byte_in_them(header: str, size: int) -> None:
    with pytest.raises(InvalidRange) as caught:
        parse_range(header, size)
    got = render(caught.value)
    assert got.headers["content-range"] == f"bytes */{size}"
    assert got.fields == {"RangeRequested": header, "ActualObjectSize": str(size)}


RANGES = st.from_regex(re.compile(r"(bytes=)?[0-9]{0,3}-?[0-9]{0,3}"), fullmatch=True)


@given(st.one_of(st.text(max_size=30), RANGES), st.integers(0, 100))
def test_a_range_lies_within_the_object_or_is_none(header: str, size: int) -> None:
    try:
        found = parse_range(header, size)
    except InvalidRange:
        return
    assert found is None or 0 <= found[0] <= found[1] < size


def test_content_range_counts_inclusively() -> None:
    assert content_range(3, 5, 10) == "bytes 3-5/10"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("bytes=0-", "InvalidArgument"),
        ("bytes=-3", "InvalidArgument"),
        ("bytes=5-4", "InvalidArgument"),
        ("0-4", "InvalidArgument"),
        ("bytes=0-4,6-7", "InvalidArgument"),
        ("bytes=0-10", "InvalidRange"),
        ("bytes=10-11", "InvalidRange"),
    ],
)
def test_a_copy_range_must_lie_inside_the_source(header: str, code: str) -> None:
    with pytest.raises(CrossdockError) as caught:
        parse_copy_range(header, 10)
    assert code_of(caught.value) == code


def test_a_copy_range_inside_the_source() -> None:
    assert parse_copy_range("bytes=0-9", 10) == (0, 9)


@pytest.mark.parametrize("text", ["0", "10001", "-1", "x", "", "1.0", "¹"])
def test_part_numbers_out_of_range(text: str) -> None:
    with pytest.raises(CrossdockError) as caught:
        parse_part_number(text)
    assert code_of(caught.value) == "InvalidArgument"


def test_part_numbers_and_page_sizes() -> None:
    assert [parse_part_number(text) for text in ("1", "10000")] == [1, 10000]
    assert [parse_count("max-keys", text, 1000) for text in ("0", "7", "2000")] == [0, 7, 1000]


@pytest.mark.parametrize("text", ["", "x", "-1", "1e3", "9" * 11])
def test_page_sizes_that_are_no_numbers(text: str) -> None:
    with pytest.raises(CrossdockError) as caught:
        parse_count("max-keys", text, 1000)
    assert code_of(caught.value) == "InvalidArgument"
