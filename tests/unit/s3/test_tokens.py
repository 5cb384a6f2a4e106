"""Continuation tokens come back whole, and no other text is taken for one."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.errors import S3Error
from gateway.s3.tokens import MAC_BYTES, open_token, seal_token

SECRET = b"s" * 32
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)


def refused(token: str, context: str = "acme\norders", secret: bytes = SECRET) -> bool:
    with pytest.raises(S3Error) as caught:
        open_token(secret, context, token)
    return caught.value.code == "InvalidArgument"


@given(KEYS, KEYS)
def test_a_token_comes_back_whole(context: str, position: str) -> None:
    token = seal_token(SECRET, context, position)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert open_token(SECRET, context, token) == position


def test_an_empty_token_is_the_start() -> None:
    assert open_token(SECRET, "acme\norders", "") == ""


def test_the_longest_key_fits() -> None:
    assert open_token(SECRET, "c", seal_token(SECRET, "c", "é" * 512)) == "é" * 512


def test_a_token_of_another_bucket_party_or_gateway_is_garbage() -> None:
    token = seal_token(SECRET, "acme\norders", "k")
    assert refused(token, "globex\norders")
    assert refused(token, "acme\nother")
    assert refused(token, secret=b"t" * 32)


def test_context_and_position_do_not_run_together() -> None:
    raw = urlsafe_b64decode(seal_token(SECRET, "acme\norders", "-old/k") + "==")
    mac, position = raw[:MAC_BYTES], raw[MAC_BYTES:]
    moved = urlsafe_b64encode(mac + position.removeprefix(b"-old")).decode().rstrip("=")
    assert refused(moved, "acme\norders-old")


@given(st.text(min_size=1, max_size=80))
def test_any_other_text_is_garbage(token: str) -> None:
    assert refused(token)


@given(st.integers(0, 200), st.sampled_from("ABab01_-"))
def test_a_changed_token_is_garbage(at: int, char: str) -> None:
    token = seal_token(SECRET, "acme\norders", "invoices/2026/1")
    at %= len(token) - 1  # the last character holds padding bits that count for nothing
    changed = token[:at] + char + token[at + 1 :]
    assert changed == token or refused(changed)


def test_a_very_long_token_is_garbage() -> None:
    assert refused("A" * 5000)
