"""Connections of the S3 door: aiohttp's, with our settings, and bounds on them that it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from gateway.s3.desk import Limits

HEADERS_MAX = 512
READ_BYTES = 256 * 1024
"""What a connection may hold of a body that nobody has taken yet: half of what is read ahead."""
LINES_OF_A_HEAD = 2
"""A head may be as long as so many of its longest lines: the request line, and all headers."""

LINGER_S = 10.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Unreadable = Callable[[web.BaseRequest], web.StreamResponse]


class _Connection(RequestHandler):
    """aiohttp's connection, but for what it says of bytes that it can't parse."""

    def __init__(self, listening: Listening, settings: Mapping[str, Any]) -> None:
        super().__init__(listening, loop=asyncio.get_running_loop(), **settings)
        self._listening = listening
        self._head_bytes = 0  # of a head that has not come to its end
        self._body: StreamReader = EMPTY_PAYLOAD  # of the newest request

    def data_received(self, data: bytes) -> None:
        requests, between = self._request_count, self._body.is_eof()
        super().data_received(data)
        if self._request_count != requests and self._messages:
            self._body = self._messages[-1][1]
            self._head_bytes = 0
        elif between:
            self._bound_head(len(data))
        # What is no chunk in the middle of a body aiohttp takes for a bad request behind it, and
        # lets the one that is being read wait for the rest.
        reading = self._current_request
        if reading is not None and self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            content = reading.content
            if not content.is_eof() and content.exception() is None:
                content.set_exception(web.RequestPayloadError("the body's framing is broken"))

    def _bound_head(self, received: int) -> None:
        """aiohttp bounds each line of a head and their number, whose product is megabytes: the
        whole is bounded here, as bytes that no request has come of yet."""
        self._head_bytes += received
        if self._head_bytes <= self._listening.head_bytes_max or self._force_close:
            return
        self._head_bytes = 0
        if self._messages or self._current_request is not None:
            self.force_close()  # in the middle of another answer there is no saying why
            return
        error = BadHttpMessage("the head is too long")
        self._messages.append((_ErrInfo(400, error, error.message), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

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
        self.head_bytes_max = LINES_OF_A_HEAD * limits.head_bytes_max
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
