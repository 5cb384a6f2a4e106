"""Connections of the S3 door: aiohttp's, with our settings, and bounds on them that it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from gateway.s3.desk import Limits

HEADERS_MAX = 512
READ_BYTES = 256 * 1024
"""What a connection may hold of a body that nobody has taken yet: half of what is read ahead."""
LINGER_S = 10.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Unreadable = Callable[[web.BaseRequest], web.StreamResponse]


class _Connection(RequestHandler):
    """aiohttp's connection, but for what it says of bytes that it can't parse."""

    def __init__(self, listening: Listening, settings: Mapping[str, Any]) -> None:
        super().__init__(listening, loop=asyncio.get_running_loop(), **settings)
        self._listening = listening

    def data_received(self, data: bytes) -> None:
        """What is no chunk in the middle of a body aiohttp takes for a bad request behind it, and
        lets the one that is being read wait for the rest."""
        super().data_received(data)
        reading = self._current_request
        if reading is not None and self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            content = reading.content
            if not content.is_eof() and content.exception() is None:
                content.set_exception(web.RequestPayloadError("the body's framing is broken"))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        return self._listening.unreadable(request)


class Listening(web.Server):
    """aiohttp's server with our settings, and bounds on connections that it lacks. `unreadable`
    answers what can't be parsed: aiohttp's own answer would echo it, and name versions."""

    def __init__(self, handler: Handler, unreadable: Unreadable, limits: Limits) -> None:
        super().__init__(self._first)
        self._settings = {
            "auto_decompress": False,  # a gzip body is stored as it came
            "max_line_size": limits.head_bytes_max,
            "max_field_size": limits.head_bytes_max,
            "max_headers": HEADERS_MAX,
            "keepalive_timeout": limits.idle_s,
            "lingering_time": LINGER_S,
            "read_bufsize": READ_BYTES,
            "access_log": None,
        }
        self.unreadable = unreadable
        self._handler = handler
        self._limits = limits
        self._silent: dict[RequestHandler, asyncio.TimerHandle] = {}

    def __call__(self) -> RequestHandler:
        return _Connection(self, self._settings)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > self._limits.connections_max:
            transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(self._limits.head_s, handler.force_close)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._spoke(handler)
        super().connection_lost(handler, exc)

    async def _first(self, raw: web.BaseRequest) -> web.StreamResponse:
        self._spoke(raw.protocol)
        return await self._handler(raw)

    def _spoke(self, handler: RequestHandler) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()
