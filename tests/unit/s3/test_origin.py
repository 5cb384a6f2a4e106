"""What a request was before its proxies: whom it came from, what its client signed for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.s3.address import parse_target
from gateway.s3.origin import Seen, origin

PROXY, STRANGER = "10.1.2.3", "192.0.2.1"
PROXIES = ["10.0.0.0/8", "fd00::/8"]
DOMAINS = ["s3.example.com"]
FORWARDED = {
    "host": "gateway:9000",
    "x-forwarded-host": "files.example.com:8443, inner",
    "x-forwarded-proto": "https, http",
    "x-forwarded-for": "198.51.100.7, 203.0.113.9, 10.9.9.9",
}


def see(
    peer: str = PROXY, headers: Mapping[str, str] = FORWARDED, url: str = "", tls: bool = False
) -> Seen:
    return origin("", url, PROXIES, DOMAINS).see(peer, headers, tls=tls)


def base(seen: Seen) -> str:
    return seen.base(parse_target("/", seen.host, DOMAINS))


def test_a_trusted_proxy_tells_what_its_client_sent() -> None:
    seen = see()
    assert (seen.host, seen.endpoint.host) == ("files.example.com:8443", "files.example.com:8443")
    assert seen.client == "203.0.113.9", "what stands before it anyone may have written"
    assert base(seen) == "https://files.example.com:8443"


@pytest.mark.parametrize("peer", [STRANGER, "", "unix:", "fe80::1"])
def test_what_anyone_else_forwards_counts_for_nothing(peer: str) -> None:
    seen = see(peer)
    assert (seen.host, seen.endpoint.host, seen.client) == ("gateway:9000", "", peer)
    assert base(seen) == "http://gateway:9000"


def test_without_a_list_nobody_is_trusted() -> None:
    seen = origin("", "", [], DOMAINS).see(PROXY, FORWARDED, tls=True)
    assert (seen.host, seen.endpoint.host, seen.client) == ("gateway:9000", "", PROXY)
    assert base(seen) == "https://gateway:9000"


def test_a_proxy_that_forwards_nothing_passes_the_host_on() -> None:
    seen = see(headers={"host": "files.example.com"})
    assert (seen.host, seen.endpoint.host, seen.client) == ("files.example.com", "", PROXY)


@pytest.mark.parametrize(
    ("url", "host", "prefix"),
    [
        ("https://files.example.com", "files.example.com", ""),
        ("https://files.example.com:443/", "files.example.com", ""),
        ("http://files.example.com:443", "files.example.com:443", ""),
        ("http://files.example.com:8080/s3/", "files.example.com:8080", "/s3"),
        ("https://[fd00::1]:8443", "[fd00::1]:8443", ""),
    ],
)
def test_an_external_url_beats_what_a_proxy_tells(url: str, host: str, prefix: str) -> None:
    seen = see(url=url)
    assert (seen.endpoint.host, seen.endpoint.prefix) == (host, prefix)
    assert base(seen) == url.rstrip("/")
    assert see(STRANGER, url=url).endpoint.host == "", "who comes past the proxies signs for us"
    alone = origin("", url, [], DOMAINS).see(STRANGER, FORWARDED, tls=False)
    assert (alone.endpoint.host, base(alone)) == (host, url.rstrip("/"))


@pytest.mark.parametrize(
    ("sent", "url", "signed"),
    [
        ("my.orders.s3.example.com", "https://s3.example.com", "my.orders.s3.example.com"),
        ("orders.s3.example.com:9000", "https://s3.example.com", "orders.s3.example.com"),
        ("orders.s3.example.com", "https://s3.example.com:8443", "orders.s3.example.com:8443"),
        ("orders.s3.example.com", "https://files.example.org", "orders.s3.example.com"),
        ("s3.example.com", "https://files.example.org", "files.example.org"),
    ],
)
def test_a_bucket_in_the_host_outlives_an_external_url(sent: str, url: str, signed: str) -> None:
    for headers in ({"host": sent}, {"host": "gateway", "x-forwarded-host": sent}):
        assert see(headers=headers, url=url).endpoint.host == signed


def test_the_base_of_a_virtual_hosted_request_names_no_bucket() -> None:
    seen = see(STRANGER, {"host": "my.orders.s3.example.com:9000"})
    assert base(seen) == "http://s3.example.com:9000"


@pytest.mark.parametrize("host", ["", "a b", "a/b", "é.example", "a:x", "<a>", "[::1", "a@b"])
def test_a_host_that_is_none_makes_no_base(host: str) -> None:
    assert see(STRANGER, {"host": host}).base(parse_target("/", "")) == ""


def test_an_odd_scheme_is_not_taken_over() -> None:
    seen = see(headers={"host": "a", "x-forwarded-proto": "javascript"}, tls=True)
    assert base(seen) == "https://a"
