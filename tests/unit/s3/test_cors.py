"""A CORS configuration is judged as AWS documents it: the first rule that admits everything."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.cors import ASKED_HEADERS_MAX, Preflight, answer_headers, check
from gateway.s3.errors import S3Error

ORIGIN = "https://app.example.com"


def rule(
    origins: str = ORIGIN, methods: str = "GET", headers: str = "", **more: list[str]
) -> dict[str, list[str]]:
    found = {"AllowedOrigin": origins.split(), "AllowedMethod": methods.split(), **more}
    return {**found, "AllowedHeader": headers.split()} if headers else found


def kept(*rules: Mapping[str, Any]) -> str:
    return json.dumps({"CORSRule": rules})


def preflight(
    text: str, origin: str = ORIGIN, method: str = "GET", asked: str = ""
) -> Mapping[str, str] | None:
    headers = {"origin": origin, "access-control-request-method": method}
    if asked:
        headers["access-control-request-headers"] = asked
    try:
        return Preflight(headers).judge(text, "OBJECT")
    except S3Error:
        return None


@pytest.mark.parametrize(
    ("text", "told"), [("", "not enabled for this bucket"), (kept(rule("x")), "not allowed")]
)
def test_a_no_says_what_was_asked(text: str, told: str) -> None:
    headers = {"origin": ORIGIN, "access-control-request-method": "PUT"}
    with pytest.raises(S3Error, match=f"CORSResponse: .*{told}") as error:
        Preflight(headers).judge(text, "BUCKET")
    assert (error.value.status, error.value.code) == (403, "AccessForbidden")
    assert error.value.fields == {"Method": "PUT", "ResourceType": "BUCKET"}


@pytest.mark.parametrize(
    ("pattern", "origin", "fits"),
    [
        ("*", "anything", True),
        ("*suffix", "foo.suffix", True),
        ("*suffix", "suffix", True),
        ("*suffix", "foo.suffix.get", False),
        ("start*end", "startend", True),
        ("start*end", "start12end", True),
        ("start*end", "0start12end", False),
        ("start*rtx", "startx", False),  # the two ends may not share letters
        ("prefix*", "prefix.suffix", True),
        ("prefix*", "bla.prefix", False),
        (ORIGIN, ORIGIN, True),
        (ORIGIN, ORIGIN.upper(), False),
        (ORIGIN, f"{ORIGIN}:8080", False),
        ("http://a.example", "https://a.example", False),
        ("https://*.example.com", "https://x.y.example.com", True),
        ("a.c", "abc", False),
    ],
)
def test_origins(pattern: str, origin: str, fits: bool) -> None:
    assert (preflight(kept(rule(pattern)), origin) is not None) is fits
    assert bool(answer_headers(kept(rule(pattern)), "GET", {"origin": origin})) is fits


@given(st.text("ab*.", max_size=6).filter(lambda p: p.count("*") < 2), st.text("ab.", max_size=8))
def test_a_star_is_any_text(pattern: str, origin: str) -> None:
    expected = re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), origin) is not None
    found = answer_headers(kept(rule(f"x{pattern}")), "GET", {"origin": f"x{origin}"})
    assert bool(found) is expected


@pytest.mark.parametrize(
    ("patterns", "asked", "fits"),
    [
        ("", "", True),
        ("", "x-amz-date", False),
        ("*", "x-amz-date, Authorization,content-type", True),
        ("x-amz-*", "X-AMZ-Date", True),
        ("X-Amz-*", "x-amz-date", True),
        ("x-amz-*", "x-amz-date, authorization", False),
        ("x-amz-* authorization", "x-amz-date, authorization", True),
        ("*-meta-*", "x-amz-meta-a", False),
        ("*", "," * 9, True),
    ],
)
def test_asked_headers_must_all_be_admitted(patterns: str, asked: str, fits: bool) -> None:
    found = preflight(kept(rule(headers=patterns)), asked=asked)
    assert (found is not None) is fits


def test_what_a_yes_carries() -> None:
    text = kept(
        rule("https://*.example.com", "GET PUT", "*", ExposeHeader=["ETag", "x-amz-version-id"])
        | {"MaxAgeSeconds": ["600"]}
    )
    told = {
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "ETag, x-amz-version-id",
        "access-control-max-age": "600",
        "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    assert answer_headers(text, "PUT", {"origin": ORIGIN}) == told
    assert preflight(text, asked="X-Amz-Date,ETag") == {
        **told,
        "access-control-allow-headers": "x-amz-date, etag",
    }


def test_an_origin_that_is_admitted_as_everyone_sends_no_credentials() -> None:
    found = answer_headers(kept(rule("https://else.example *")), "GET", {"origin": ORIGIN})
    assert found["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in found


def test_the_first_rule_that_admits_all_of_it_counts() -> None:
    text = kept(rule(methods="PUT"), rule(methods="GET DELETE"), rule("*", "GET", "*"))
    assert answer_headers(text, "GET", {"origin": ORIGIN})["access-control-allow-methods"] == (
        "GET, DELETE"
    )
    with_header = preflight(text, asked="x-a")
    assert with_header is not None
    assert with_header["access-control-allow-origin"] == "*"
    assert preflight(text, method="PUT", asked="x-a") is None, "rules don't add up"


def test_without_an_origin_or_a_rule_an_answer_carries_nothing() -> None:
    assert not answer_headers(kept(rule("*")), "GET", {})
    assert not answer_headers("", "GET", {"origin": ORIGIN})
    assert not answer_headers(kept(rule("*")), "PUT", {"origin": ORIGIN})


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "Origin request header needed"),
        ({"access-control-request-method": "GET"}, "Origin request header needed"),
        ({"origin": ORIGIN}, "Access-Control-Request-Method: null"),
        ({"origin": ORIGIN, "access-control-request-method": "get"}, "-Method: get"),
        ({"origin": ORIGIN, "access-control-request-method": "PATCH"}, "-Method: PATCH"),
    ],
)
def test_a_preflight_must_say_what_it_asks(headers: Mapping[str, str], told: str) -> None:
    with pytest.raises(S3Error, match=told) as error:
        Preflight(headers)
    assert (error.value.status, error.value.code) == (400, "BadRequest")


def test_too_many_headers_are_asked_of_no_rule() -> None:
    """Anyone may send a preflight, so what one costs is bounded."""
    dear = [rule("*", "GET", " ".join(f"a{n}*" for n in range(100))) for _ in range(20)]
    names = [f"z{n}" for n in range(ASKED_HEADERS_MAX)]
    began = time.process_time()
    assert preflight(kept(*dear), asked=",".join(names)) is None
    assert time.process_time() - began < 0.5
    every = kept(rule("*", headers="*"))
    assert preflight(every, asked=",".join(names)) is not None
    assert preflight(every, asked=",".join([*names, "one-more"])) is None


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (rule(methods="GET OPTIONS"), "Unsupported method: OPTIONS"),
        (rule(methods="get"), "Unsupported method: get"),
        (rule("http://*.*.com"), r"AllowedOrigin .* more than one wildcard"),
        (rule(headers="x-*-*"), r"AllowedHeader .* more than one wildcard"),
        (rule(ExposeHeader=["*"]), "ExposeHeader"),
        (rule(ExposeHeader=["x-a\r\nset-cookie: a"]), "ExposeHeader"),
        (rule(ExposeHeader=[""]), "ExposeHeader"),
    ],
)
def test_configurations_that_can_not_be_judged(bad: Mapping[str, Any], told: str) -> None:
    check({"CORSRule": [rule(headers="*", ExposeHeader=["ETag"])]})
    with pytest.raises(S3Error, match=told) as error:
        check({"CORSRule": [rule(), bad]})
    assert error.value.code == "InvalidRequest"
