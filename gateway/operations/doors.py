"""Listening sockets: opened, secured, and closed so that running requests finish first."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from aiohttp import web

from gateway.config import Listen
from gateway.errors import StartRefused
from gateway.operations.gate import connections
from gateway.s3.desk import Limits
from gateway.sections import LimitsEntry

Start = Callable[[str, int, ssl.SSLContext | None], Awaitable[int]]
"""Listens on host and port, and returns the port that it got."""
Stop = Callable[[], Awaitable[None]]

ADMIN_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Door:
    """One protocol on one address; `listen.port` is the one that it got."""

    listen: Listen
    close: Stop


def limits_of(entry: LimitsEntry) -> Limits:
    """What gateway.yaml says, in the S3 door's words."""
    return Limits(
        body_bytes_max=entry.body,
        head_bytes_max=entry.header,
        document_bytes_max=entry.xml,
        requests_max=entry.requests,
        party_requests_max=entry.party,
        connections_max=connections(entry.connections),
        parts_max=entry.parts,
        head_s=entry.head,
        stall_s=entry.stall,
        idle_s=entry.idle,
    )


async def open_door(start: Start, stop: Stop, listen: Listen) -> Door:
    """StartRefused where the address can't be had, or the certificate can't be used."""
    context = _tls(listen)
    try:
        port = await start(listen.host, listen.port, context)
    except OSError as error:
        raise StartRefused(f"can't listen on {listen.host}:{listen.port}: {error}") from error
    return Door(replace(listen, port=port), stop)


class SmallServer:
    """Listens for a handler that answers at once and has nothing to finish."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        self._runner = web.ServerRunner(
            web.Server(handler, access_log=None),
            shutdown_timeout=ADMIN_STOP_SECONDS,
            handle_signals=False,
        )

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=context).start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self) -> None:
        await self._runner.cleanup()


def _tls(listen: Listen) -> ssl.SSLContext | None:
    if listen.cert is None or listen.key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listen.cert, listen.key)
    except (OSError, ssl.SSLError) as error:
        raise StartRefused(f"the certificate {listen.cert} can't be used: {error}") from error
    return context
