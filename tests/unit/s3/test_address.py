"""A request target is read exactly once, and what can't be read is refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.address import Resource, Target, parse_target
from gateway.s3.errors import S3Error

DOMAINS = ("s3.example.com", "example.com")


def parse(raw: str, host: str = "localhost:9000") -> Target:
    return parse_target(raw, host, DOMAINS)


def code_of(raw: str, host: str = "localhost") -> str:
    with pytest.raises(S3Error) as caught:
        parse(raw, host)
    return caught.value.code


@pytest.mark.parametrize(
    ("raw", "bucket", "key"),
    [
        ("/", "", ""),
        ("/bucket", "bucket", ""),
        ("/bucket/", "bucket", ""),
        ("/bucket//", "bucket", "/"),
        ("/bucket/a//b/", "bucket", "a//b/"),
        ("/bucket/../x/.", "bucket", "../x/."),
        ("/bucket/a+b%20c%2Bd", "bucket", "a+b c+d"),
        ("/bucket/a%2Fb", "bucket", "a/b"),
        ("/bucket/%252F", "bucket", "%2F"),
        ("/bucket/%00%0A%23%3F", "bucket", "\0\n#?"),
        ("/bucket/%C3%A9", "bucket", "é"),
        ("/bucket/e%CC%81", "bucket", "e\u0301"),
        ("/bucket/é", "bucket", "é"),
        ("/b%75cket/k", "bucket", "k"),
    ],
)
def test_path_style(raw: str, bucket: str, key: str) -> None:
    target = parse(raw)
    assert (target.bucket, target.key) == (bucket, key)


@pytest.mark.parametrize(
    ("host", "raw", "bucket", "key"),
    [
        ("orders.s3.example.com", "/k", "orders", "k"),
        ("orders.s3.example.com:9000", "//k", "orders", "/k"),
        ("ORDERS.S3.example.com.", "/", "orders", ""),
        ("a.b.c.s3.example.com", "/x/y", "a.b.c", "x/y"),
        ("orders.example.com", "/k", "orders", "k"),
        ("orders.s3.example.com", "/-/health", "orders", "-/health"),
        ("s3.example.com", "/orders/k", "orders", "k"),
        ("127.0.0.1:9000", "/orders/k", "orders", "k"),
        ("[::1]:9000", "/orders/k", "orders", "k"),
        ("elsewhere.org", "/orders/k", "orders", "k"),
        ("evils3.example.org", "/orders/k", "orders", "k"),
        ("", "/orders/k", "orders", "k"),
    ],
)
def test_virtual_hosted_style(host: str, raw: str, bucket: str, key: str) -> None:
    target = parse(raw, host)
    assert (target.bucket, target.key) == (bucket, key)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("/bucket/%zz", "InvalidURI"),
        ("/bucket/%", "InvalidURI"),
        ("/bucket/%4", "InvalidURI"),
        ("/bucket/%FF", "InvalidURI"),
        ("/bucket/%C0%AF", "InvalidURI"),  # an overlong slash
        ("/bucket/%ED%A0%80", "InvalidURI"),  # a lone surrogate
        ("/bucket/\udcff", "InvalidURI"),
        ("/bucket/a#b", "InvalidURI"),
        ("/bucket?prefix=%FF", "InvalidURI"),
        ("/bucket?prefix=%q1", "InvalidURI"),
        ("http://evil/b/k", "InvalidURI"),
        ("*", "InvalidURI"),
        ("", "InvalidURI"),
        ("//bucket/key", "InvalidBucketName"),
        ("/bucket%2Fkey", "InvalidBucketName"),
        ("/-x/health", "InvalidBucketName"),
        ("/%2D/health", "InvalidBucketName"),
        ("/..", "InvalidBucketName"),
        ("/$extremelyunlikelytoexist$", "InvalidBucketName"),
        ("/Bucket", "InvalidBucketName"),
        ("/ab", "InvalidBucketName"),
        ("/" + "a" * 64, "InvalidBucketName"),
        ("/a..b", "InvalidBucketName"),
        ("/a.-b", "InvalidBucketName"),
        ("/a-.b", "InvalidBucketName"),
        ("/abc-", "InvalidBucketName"),
        ("/abc%0A", "InvalidBucketName"),
        ("/192.168.0.1", "InvalidBucketName"),
        ("/bucket/" + "k" * 1025, "KeyTooLongError"),
        ("/bucket/" + "%C3%A9" * 513, "KeyTooLongError"),
    ],
)
def test_what_can_not_be_read_is_refused(raw: str, code: str) -> None:
    assert code_of(raw) == code


def test_a_bad_name_left_of_our_domain_is_refused() -> None:
    assert code_of("/k", "a_b.s3.example.com") == "InvalidBucketName"


def test_a_key_may_have_1024_bytes() -> None:
    assert parse("/bucket/" + "%C3%A9" * 512).key == "é" * 512


@pytest.mark.parametrize("raw", ["/-", "/-/", "/-/health", "/-/api/v1/history?bucket=b"])
def test_our_own_paths_are_told_apart(raw: str) -> None:
    target = parse(raw)
    assert target.reserved == raw.partition("?")[0]
    assert target.resource is Resource.SERVICE


def test_the_query_follows_s3s_rules() -> None:
    query = parse("/bucket?a=1;b=2&c+d=e+f%2B&delete&x=&x=2&&=y").query
    assert query == {"a": "1;b=2", "c d": "e f+", "delete": "", "x": "", "": "y"}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_utf8_key_comes_back_as_it_was_sent(key: str) -> None:
    assert parse("/bucket/" + quote(key, safe="/")).key == key


def outcome(raw: str, host: str) -> str:
    try:
        parse_target(raw, host, DOMAINS)
    except S3Error as error:
        return error.code
    return "fine"


@given(st.text(st.characters(), max_size=60), st.text(max_size=20))
def test_no_target_makes_any_other_error(raw: str, host: str) -> None:
    assert outcome(f"/{raw}", host) in {"fine", "InvalidURI", "InvalidBucketName"}
