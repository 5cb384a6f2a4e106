"""The admin door: health in detail and metrics, for the operator's own network."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

Health = Callable[[], Awaitable[Mapping[str, Any]]]
Metrics = Callable[[], Awaitable[bytes]]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class AdminDoor:
    """Answers GET on `/-/health`, `/-/ready` and `/-/metrics`, and nothing else. It asks for no
    key: bind it where only the operator's machines can reach it."""

    def __init__(self, health: Health, metrics: Metrics, ready: Callable[[], bool]) -> None:
        self._health = health
        self._metrics = metrics
        self._ready = ready

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        if request.path == "/-/health":
            health = await self._health()
            return web.Response(
                status=200 if self._ready() else 503,
                text=json.dumps(health, indent=2) + "\n",
                content_type="application/json",
            )
        if request.path == "/-/ready":
            return web.Response(status=200 if self._ready() else 503)
        if request.path == "/-/metrics":
            return web.Response(body=await self._metrics(), headers={"Content-Type": METRICS_TYPE})
        return web.Response(status=404)
