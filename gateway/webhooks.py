"""Sends to webhooks over HTTP: one POST, to exactly the URL that the operator wrote."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv6Address, ip_address
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.errors import WebhookFailed

CONNECT_SECONDS = 5.0
ATTEMPT_SECONDS = 10.0
"""From the connection to the answer's head; then the attempt failed."""

HEAD_BYTES_MAX = 8190
LOOKUPS_MAX = 4
"""Names of hosts that are looked up at once."""

MESSAGE_STATUSES = frozenset({400, 409, 411, 413, 415, 422, 431})
"""Refusals that speak of the one message; any other one speaks of the whole webhook."""


Lookup = Callable[[str, int, int], Sequence[tuple[Any, ...]]]
"""What `socket.getaddrinfo` answers for host, port and family; it may block."""


def look_up(host: str, port: int, family: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)


class Outward(AbstractResolver):
    """Names of hosts, but never to an address of this machine or its link: whoever owns a name
    could point it there later, at what was never meant to be reached from outside. An operator
    who means such an address writes it, or `localhost`, into the URL.

    Its threads are its own: a name server that does not answer holds up no store.
    """

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(LOOKUPS_MAX, "webhook-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._lookup, host, port, family)
        near = host == "localhost" or host.endswith(".localhost")
        allowed = [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=port,
                family=kind,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, _, _, address in found
            if near or not _inward(address[0])
        ]
        if not allowed:
            raise OSError(None, f"{host} has only addresses of this machine or its link")
        return allowed

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


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

    def __init__(self, version: str, lookup: Lookup = look_up) -> None:
        self._agent = f"crossdock/{version}"
        self._lookup = lookup

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # each webhook's own slots are the limit: none waits for another
                resolver=Outward(self._lookup),
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
