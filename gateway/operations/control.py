"""The control socket: how a command reaches the gateway that runs on the same state folder.

One JSON object a line over a unix socket that its owner alone may open. A request is
`{"do": NAME, "with": {…}}`; answers are any number of `{"progress": [done, total]}` and then one
`{"result": …}` or `{"error": TEXT}`, with `"bad": true` where the caller's own input is at fault.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.errors import BadInput, ConfigError, CrossdockError, StartRefused

SOCKET_NAME = "control.sock"
SOCKET_PATH_BYTES_MAX = 100
"""Unix sockets' names are short: 108 bytes on Linux, 104 elsewhere, with the ending NUL."""
LINE_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 16 * 1024 * 1024
CONNECTIONS_MAX = 16
REQUEST_SECONDS_MAX = 10.0
"""A caller that does not send its one line within this time is cut off."""

STOPPABLE = frozenset({"sftp.import"})
"""Commands that end when their caller hangs up or the gateway stops, to be gone on with later.
Every other one is done to its end."""

Progress = Callable[[int, int], None]
Action = Callable[[Mapping[str, Any], Progress], Awaitable[Any]]
"""Does one command. Its result is what JSON can hold; a CrossdockError reaches the caller."""

log = logging.getLogger(__name__)


class NotRunning(Exception):
    """No gateway listens on this state folder."""


class ControlServer:
    """Answers the commands named in `actions`, each connection one."""

    def __init__(self, state: Path, actions: Mapping[str, Action]) -> None:
        self._path = state / SOCKET_NAME
        self._actions = actions
        self._connections = 0
        self._stoppable: set[asyncio.Future[Any]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """The catalog's lock is already ours, so a socket that lies here is a dead gateway's."""
        _check_length(self._path)
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._answer, self._path, limit=LINE_BYTES_MAX
            )
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for doing in self._stoppable:
            doing.cancel()
        if self._stoppable:
            await asyncio.wait(self._stoppable)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(**message: object) -> None:
            writer.write(json.dumps(message).encode() + b"\n")

        def progress(done: int, total: int) -> None:
            loop.call_soon_threadsafe(lambda: send(progress=[done, total]))

        loop = asyncio.get_running_loop()
        self._connections += 1
        try:
            if self._connections > CONNECTIONS_MAX:
                send(error="the gateway is busy with other commands; try again")
                return
            line = await asyncio.wait_for(reader.readline(), REQUEST_SECONDS_MAX)
            send(result=await self._do(line, progress, reader))
        except (BadInput, ConfigError) as error:
            send(error=error.message, bad=True)
        except CrossdockError as error:
            send(error=error.message)
        except (ValueError, TimeoutError, ConnectionError) as error:
            send(error=f"not a command: {type(error).__name__}")
        except Exception:
            # The one place that keeps a fault in a command from ending silently in a task.
            log.exception("a command failed")
            send(error="the command failed; the gateway's log says why")
        finally:
            self._connections -= 1
            await _close(writer)

    async def _do(self, line: bytes, progress: Progress, reader: asyncio.StreamReader) -> Any:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError("not an object")
        name = str(request.get("do"))
        action = self._actions.get(name)
        if action is None:
            raise CrossdockError(f"the running gateway knows no command {request.get('do')!r}")
        doing = action(request.get("with") or {}, progress)
        return await (self._while_called(doing, reader) if name in STOPPABLE else doing)

    async def _while_called(self, action: Awaitable[Any], reader: asyncio.StreamReader) -> Any:
        doing, hung_up = asyncio.ensure_future(action), asyncio.ensure_future(reader.read(1))
        self._stoppable.add(doing)
        try:
            await asyncio.wait((doing, hung_up), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stoppable.discard(doing)
            hung_up.cancel()
            doing.cancel()
        await asyncio.wait((doing,))
        if doing.cancelled():
            raise CrossdockError("stopped; called again, it goes on where it was")
        return doing.result()


async def _close(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    except ConnectionError:
        log.debug("a command's caller hung up before its answer")


async def ask(
    state: Path, name: str, arguments: Mapping[str, Any], progress: Progress | None = None
) -> Any:
    """Has the running gateway do one command. NotRunning if there is none; CrossdockError with
    the gateway's own words if it can't, BadInput if the caller's input is at fault."""
    path = state / SOCKET_NAME
    _check_length(path)
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_BYTES_MAX)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NotRunning from error
    except PermissionError as error:
        raise CrossdockError(f"{path} belongs to another user") from error
    try:
        writer.write(json.dumps({"do": name, "with": dict(arguments)}).encode() + b"\n")
        async for line in reader:
            answer = json.loads(line)
            if "progress" in answer:
                if progress is not None:
                    progress(*answer["progress"])
                continue
            if "error" in answer:
                raise (BadInput if answer.get("bad") else CrossdockError)(answer["error"])
            return answer["result"]
        raise CrossdockError("the gateway ended before it answered")
    finally:
        await _close(writer)


def _check_length(path: Path) -> None:
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise StartRefused(
            f"the state folder's path is too long for a socket ({path}): give a shorter `state`"
        )
