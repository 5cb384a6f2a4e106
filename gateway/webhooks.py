"""Sends to webhooks over HTTP: one POST, to exactly the URL that the operator wrote."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from gateway.errors import WebhookFailed

CONNECT_SECONDS = 5.0
ATTEMPT_SECONDS = 10.0
"""From the connection to the answer's head; then the attempt failed."""

HEAD_BYTES_MAX = 8190

MESSAGE_STATUSES = frozenset({400, 409, 411, 413, 415, 422, 431})
"""Refusals that speak of the one message; any other one speaks of the whole webhook."""


class Outward(AbstractResolver):
    """Names of hosts, but never to an address of this machine or its link: whoever owns a name
    could point it there later, at what was never meant to be reached from outside. An operator
    who means such an address writes it, or `localhost`, into the URL."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if host == "localhost" or host.endswith(".localhost"):
            return found
        allowed = [each for each in found if not _inward(each["host"])]
        if found and not allowed:
            raise OSError(None, f"{host} has only addresses of this machine or its link")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


def _inward(text: str) -> bool:
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    )


class HttpSender:
    """Belongs to the event loop in which it is entered. No proxy, no cookie, no redirect: what a
    receiver answers can't lead anywhere else. The body of its answer is not read."""

    def __init__(self, version: str) -> None:
        self._agent = f"crossdock/{version}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # each webhook's own slots are the limit: none waits for another
                resolver=Outward(ThreadedResolver()),
            ),
            timeout=aiohttp.ClientTimeout(
                total=ATTEMPT_SECONDS, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": self._agent},
            max_line_size=HEAD_BYTES_MAX,
            max_field_size=HEAD_BYTES_MAX,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Returns once a 2xx came; WebhookFailed for anything else."""
        try:
            async with self._session.post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answer:
                status, wanted = answer.status, answer.headers.get("retry-after", "")
        except TimeoutError as error:
            text = f"no answer within {ATTEMPT_SECONDS:.0f} seconds"
            raise WebhookFailed(text, lane=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise WebhookFailed(f"{type(error).__name__}: {error}", lane=True) from error
        if status // 100 != 2:
            raise WebhookFailed(
                f"answered {status}",
                lane=status not in MESSAGE_STATUSES,
                retry_after=int(wanted[:6]) if wanted.isascii() and wanted.isdecimal() else 0,
            )
