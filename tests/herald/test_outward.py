"""Names that lead back to this machine are not followed there."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import WebhookFailed
from gateway.webhooks import HttpSender, Outward
from tests.certificates import certificate
from tests.receiver import Receiver

NAMES: Mapping[str, tuple[str, ...]] = {
    "hooks.example.com": ("203.0.113.7", "2001:db8::7"),
    "intranet.example.com": ("10.1.2.3", "192.168.1.1", "fd00::1"),
    "turned.example.com": ("127.0.0.1", "::1", "169.254.169.254", "fe80::1%eth0"),
    "mapped.example.com": ("::ffff:127.0.0.1", "::ffff:169.254.169.254", "0.0.0.0", "::"),
    "half.example.com": ("127.0.0.1", "203.0.113.7", "224.0.0.1"),
    "localhost": ("127.0.0.1", "::1"),
    "x.localhost": ("127.0.0.1",),
}


def names(host: str, port: int, family: int) -> list[tuple[Any, ...]]:
    return [(socket.AF_INET, 1, 6, "", (each, port)) for each in NAMES[host]]


def resolved(host: str) -> tuple[str, ...]:
    found = asyncio.run(Outward(names).resolve(host, 80))
    return tuple(each["host"] for each in found)


@pytest.mark.parametrize(
    "host", ["hooks.example.com", "intranet.example.com", "localhost", "x.localhost"]
)
def test_public_private_and_plainly_local_names_are_followed(host: str) -> None:
    assert resolved(host) == NAMES[host]


@pytest.mark.parametrize("host", ["turned.example.com", "mapped.example.com"])
def test_a_name_that_turned_to_this_machine_or_its_link_is_not(host: str) -> None:
    with pytest.raises(OSError, match="only addresses of this machine"):
        resolved(host)


def test_of_a_mixed_answer_what_leads_outward_is_left() -> None:
    assert resolved("half.example.com") == ("203.0.113.7",)


def test_the_sender_asks_names_through_it() -> None:
    async def story(url: str) -> None:
        async with HttpSender("test", names) as sender:
            await sender.post(url.replace("127.0.0.1", "localhost"), {}, b"{}")
            with pytest.raises(WebhookFailed, match="only addresses of this machine"):
                await sender.post(url.replace("127.0.0.1", "turned.example.com"), {}, b"{}")

    with Receiver() as receiver:
        asyncio.run(story(receiver.url))
        assert len(receiver.got) == 1


def test_proxies_and_credentials_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)

        async def story() -> None:
            async with HttpSender("1.2") as sender:
                await sender.post(f"{receiver.url}?a=%2F&b=c", {"webhook-id": "x"}, b"{}")

        asyncio.run(story())
        assert proxy.got == []
        (got,) = receiver.got
        assert got.path == "/in?a=%2F&b=c"
        assert got.headers["user-agent"] == "crossdock/1.2"
        assert "authorization" not in got.headers


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async def story(url: str) -> None:
        async with HttpSender("test") as sender:
            with pytest.raises(WebhookFailed, match="CERTIFICATE_VERIFY_FAILED") as error:
                await sender.post(url, {}, b"{}")
            assert error.value.details["lane"]

    with Receiver(certificate=certificate(tmp_path)) as receiver:
        asyncio.run(story(receiver.url))
        assert receiver.got == []


def test_a_name_server_that_hangs_costs_the_attempt_its_time_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.webhooks.ATTEMPT_SECONDS", 0.5)
    let_go = threading.Event()

    def hanging(*_: object) -> list[tuple[Any, ...]]:
        let_go.wait(20)
        return []

    async def story() -> None:
        async with HttpSender("test", hanging) as sender:
            with pytest.raises(WebhookFailed, match="no answer within"):
                await sender.post("http://hooks.example.com/", {}, b"{}")

    try:
        asyncio.run(asyncio.wait_for(story(), 10))
    finally:
        let_go.set()
