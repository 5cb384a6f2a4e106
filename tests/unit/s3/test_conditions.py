"""Conditions on reads are judged in RFC 9110's order; dates are read in all their forms."""

from __future__ import annotations

import pytest

from gateway.errors import NotModified, PreconditionFailed
from gateway.model import ObjectRef, Version
from gateway.s3.conditions import check_copy_source, check_read, etags
from gateway.s3.dates import (
    amz_date,
    http_date,
    iso_date,
    parse_amz_date,
    parse_http_date,
    parse_iso_date,
)

AT = 1369353600
NOW = AT + 3600
VERSION = Version("v1", ObjectRef("b", "k"), "acme", "erp", "s3", AT * 10**9 + 5, etag="abc")
SAME, BEFORE, AFTER = http_date(AT), http_date(AT - 1), http_date(AT + 1)
FUTURE = http_date(NOW + 1)


def outcome(headers: dict[str, str]) -> int:
    try:
        check_read(headers, VERSION, NOW)
    except PreconditionFailed:
        return 412
    except NotModified as error:
        return 304 if error.details["version"] is VERSION else 0
    return 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-match": '"abc"'}, 200),
        ({"if-match": "abc"}, 200),
        ({"if-match": '"x", "abc"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"x"'}, 412),
        ({"if-match": 'W/"abc"'}, 412),
        ({"if-match": ""}, 412),
        ({"if-unmodified-since": SAME}, 200),
        ({"if-unmodified-since": BEFORE}, 412),
        ({"if-unmodified-since": "rubbish"}, 200),
        ({"if-match": '"abc"', "if-unmodified-since": BEFORE}, 200),
        ({"if-match": '"x"', "if-unmodified-since": AFTER}, 412),
        ({"if-none-match": '"abc"'}, 304),
        ({"if-none-match": 'W/"abc"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, 200),
        ({"if-modified-since": SAME}, 304),
        ({"if-modified-since": AFTER}, 304),
        ({"if-modified-since": BEFORE}, 200),
        ({"if-modified-since": FUTURE}, 200),
        ({"if-modified-since": "rubbish"}, 200),
        ({"if-none-match": '"x"', "if-modified-since": AFTER}, 200),
        ({"if-none-match": '"abc"', "if-modified-since": BEFORE}, 304),
        ({"if-match": '"x"', "if-none-match": '"abc"'}, 412),
        ({"if-match": '"abc"', "if-none-match": '"abc"'}, 304),
    ],
)
def test_conditions_of_a_read(headers: dict[str, str], status: int) -> None:
    assert outcome(headers) == status


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("if-match", '"abc"', True),
        ("if-match", '"x"', False),
        ("if-none-match", '"abc"', False),
        ("if-none-match", '"x"', True),
        ("if-modified-since", AFTER, False),
        ("if-modified-since", BEFORE, True),
        ("if-unmodified-since", BEFORE, False),
    ],
)
def test_conditions_of_a_copy_source_fail_with_412_alone(
    name: str, value: str, passes: bool
) -> None:
    headers = {f"x-amz-copy-source-{name}": value}
    if passes:
        check_copy_source(headers, VERSION, NOW)
    else:
        with pytest.raises(PreconditionFailed):
            check_copy_source(headers, VERSION, NOW)


def test_a_copy_source_does_not_see_the_plain_conditions() -> None:
    check_copy_source({"if-match": '"x"'}, VERSION, NOW)


def test_entity_tags_for_a_write() -> None:
    assert etags("*") == ("*",)
    assert etags('"a", b ,W/"c",,') == ("a", "b", "W/c")
    assert etags("") == ()


def test_the_same_second_in_every_spelling() -> None:
    assert http_date(AT) == "Fri, 24 May 2013 00:00:00 GMT"
    assert iso_date(AT) == "2013-05-24T00:00:00.000Z"
    assert amz_date(AT) == "20130524T000000Z"
    assert parse_http_date(http_date(AT)) == AT
    assert parse_iso_date(iso_date(AT)) == AT
    assert parse_amz_date(amz_date(AT)) == AT


@pytest.mark.parametrize(
    "text", ["Friday, 24-May-13 00:00:00 GMT", "Fri May 24 00:00:00 2013", "24 May 2013 00:00:00"]
)
def test_old_http_dates(text: str) -> None:
    assert parse_http_date(text) == AT


@pytest.mark.parametrize(
    "text",
    ["", "x", "20130524", "2013-05-24T00:00:00Z", "20130524T000060Z", "\uff12\uff10130524T000000Z"],
)
def test_what_is_no_amz_date(text: str) -> None:
    assert parse_amz_date(text) is None


@pytest.mark.parametrize(
    "text", ["", "x", "Fri, 99 May 2013 00:00:00 GMT", "0", "\0", "1 1 1 1",
             "31 Dec 9999 23:59:59 -1200", "1 Jan 1969 00:00:00"],
)  # fmt: skip
def test_what_is_no_http_date(text: str) -> None:
    assert parse_http_date(text) is None
