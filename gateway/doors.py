"""Listening sockets: opened, bounded, and closed so that running requests finish first."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from gateway.config import Listen
from gateway.errors import StartRefused

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Door:
    """One protocol on one address; `listen.port` is the one that it got."""

    listen: Listen
    runner: web.ServerRunner

    async def close(self) -> None:
        """Takes no new connection; running requests get the time that the runner was given."""
        await self.runner.cleanup()


async def open_door(server: web.Server, listen: Listen, *, stop_seconds: float) -> Door:
    """StartRefused where the address can't be had, or the certificate can't be used."""
    runner = web.ServerRunner(server, shutdown_timeout=stop_seconds, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, listen.host, listen.port, ssl_context=_tls(listen))
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise StartRefused(f"can't listen on {listen.host}:{listen.port}: {error}") from error
    port = runner.addresses[0][1]
    return Door(Listen(listen.host, port, listen.cert, listen.key), runner)


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
