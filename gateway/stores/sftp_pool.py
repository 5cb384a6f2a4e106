"""Connections to one sFTP server: few, shared, and none but to a server whose key is known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, ParamSpec, TypeVar

import asyncssh

from gateway.errors import CrossdockError, StoreRefused, StoreUnavailable
from gateway.stores.sftp_dial import CONNECT_SECONDS, Where, dial
from gateway.stores.sftp_errors import FAILURES, breaks, told

LINES_MAX = 4
"""Connections at once; a partner's server often allows no more than ten."""

LINE_SHARED_FROM = 4
"""Who already so many share a connection opens another one."""

LINE_USERS_MAX = 64
LINE_WAIT_SECONDS = 30.0
REQUEST_SECONDS = 120.0
IDLE_SECONDS = 60.0
"""A connection that nobody uses is closed after this."""

P = ParamSpec("P")
T = TypeVar("T")


class Line:
    """One connection, which its users share: the server answers each in its turn."""

    def __init__(self, connection: asyncssh.SSHClientConnection, sftp: asyncssh.SFTPClient) -> None:
        self.sftp = sftp
        self.users = 0
        self.resting: asyncio.TimerHandle | None = None
        self._connection = connection
        self._broken = False
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def works(self) -> bool:
        return not self._broken and not self._connection.is_closed()

    async def ask(self, verb: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """The server's answer. StoreUnavailable without one in time: then the connection is
        given up, for what has not been answered would come between."""
        return await self.ask_for(REQUEST_SECONDS, verb, *args, **kwargs)

    async def ask_for(
        self, seconds: float, verb: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await verb(*args, **kwargs)
        except TimeoutError as error:
            self.drop()
            raise StoreUnavailable("The sFTP server does not answer in time.") from error
        except FAILURES as error:
            if breaks(error):
                self.drop()
            raise told(error) from error

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """What nobody waits for, such as the end of a file that was read: it is sent at once, and
        answered before anything that is sent after it."""
        leaving = asyncio.create_task(work)
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    def drop(self) -> None:
        """Whoever still waits for an answer on it is told at once."""
        self._broken = True
        self._connection.abort()

    async def close(self) -> None:
        if self.resting is not None:
            self.resting.cancel()
        self._broken = True
        self.sftp.exit()
        self._connection.close()
        await asyncio.gather(self._connection.wait_closed(), *self._leaving)


class Pool:
    """Lends connections. Those that broke are replaced by whoever asks next."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._kinds = where.pins.kinds
        self._lines: list[Line] = []
        self._most = LINES_MAX
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """StoreUnavailable where none can be had in time, StoreRefused where the server lets
        nobody in with our credentials, or is not the one that it should be."""
        line = await self._take()
        try:
            yield line
        finally:
            line.users -= 1
            self._freed.set()
            if not line.users:
                self._rest(line)

    async def aclose(self) -> None:
        lines, self._lines = self._lines, []
        await asyncio.gather(*(line.close() for line in lines), *self._closing)

    async def _take(self) -> Line:
        try:
            async with asyncio.timeout(LINE_WAIT_SECONDS), self._turn:
                while True:
                    self._freed.clear()
                    line = await self._best()
                    if line.users < LINE_USERS_MAX:
                        break
                    await self._freed.wait()
        except TimeoutError:
            raise StoreUnavailable("No connection to the sFTP server is free in time.") from None
        line.users += 1
        if line.resting is not None:
            line.resting.cancel()
        return line

    async def _best(self) -> Line:
        """The connection with the fewest users, or a new one. A server that grants no further
        one is not asked again before the last is gone."""
        self._lines = [line for line in self._lines if line.works]
        if not self._lines:
            self._most = LINES_MAX
        best = min(self._lines, key=lambda line: line.users, default=None)
        if best is not None and (best.users < LINE_SHARED_FROM or len(self._lines) >= self._most):
            return best
        try:
            new = await self._connect()
        except CrossdockError:
            if best is None:
                raise
            self._most = len(self._lines)
            return best
        self._lines.append(new)
        return new

    def _rest(self, line: Line) -> None:
        def close() -> None:
            if not line.users and line in self._lines:
                self._lines.remove(line)
                closing = asyncio.ensure_future(line.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

        line.resting = asyncio.get_running_loop().call_later(IDLE_SECONDS, close)

    async def _connect(self) -> Line:
        """A server has keys of several kinds, and shows the first that it has of those that it is
        asked for. So a kind of which it shows another key than the pinned one is not asked for
        again, until no kind is left."""
        kinds = self._kinds
        another: StoreRefused | None = None
        while kinds:
            shown: list[asyncssh.SSHKey] = []
            try:
                line = await self._opened([name for kind in kinds for name in kind], shown)
            except CrossdockError as error:
                if not isinstance(error.__cause__, asyncssh.HostKeyNotVerifiable):
                    raise another or error from error.__cause__
                another = another or StoreRefused(error.message)
                left = tuple(kind for kind in kinds if not _is_of(kind, shown))
                kinds = left if left != kinds else ()
            else:
                self._kinds = (*kinds, *(kind for kind in self._kinds if kind not in kinds))
                return line
        raise another or StoreRefused("No host key is pinned.")

    async def _opened(self, kinds: Sequence[str], shown: list[asyncssh.SSHKey]) -> Line:
        where = self._where
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await dial(where, kinds, shown)
                try:
                    return Line(connection, await connection.start_sftp_client())
                except BaseException:
                    connection.abort()
                    raise
        except TimeoutError as error:
            raise StoreUnavailable("The sFTP server does not answer in time.") from error
        except asyncssh.HostKeyNotVerifiable as error:
            raise StoreRefused(
                f"The sFTP server shows the host key {_named(shown)}, which is not the one that is"
                " pinned: it is another server, or it has a new key."
            ) from error
        except asyncssh.PermissionDenied as error:
            text = f"The sFTP server does not let {where.user} in with the credentials given."
            raise StoreRefused(text) from error
        except FAILURES as error:
            raise told(error) from error


def _is_of(kind: Sequence[str], shown: Sequence[asyncssh.SSHKey]) -> bool:
    return any(key.get_algorithm() in kind for key in shown)


def _named(shown: Sequence[asyncssh.SSHKey]) -> str:
    return ", ".join(key.get_fingerprint() for key in shown)
