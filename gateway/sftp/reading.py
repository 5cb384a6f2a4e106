"""A file that is open for reading: what comes next is fetched while the client takes what came."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing

from gateway.exchange import Reading

MIB = 1024**2
AHEAD_BYTES = 16 * MIB
"""What is held of a file beyond what the client has taken."""
AHEAD_BYTES_MIN = MIB
AHEAD_BYTES_ALL = 32 * MIB
"""What the files of one session share; each has the least of it at any rate."""
SKIP_BYTES_MAX = 1024**2
"""A read so little further on takes what comes; a longer way begins anew there."""


class Ahead:
    """How much a session fetches of each file before it is asked for: the less, the more files it
    reads at once."""

    def __init__(self) -> None:
        self.files = 0

    @property
    def each(self) -> int:
        return max(AHEAD_BYTES_MIN, min(AHEAD_BYTES, AHEAD_BYTES_ALL // max(1, self.files)))


class Download:
    """Bytes of one version, in order as a rule. Every read asks whether it may still be read."""

    def __init__(self, reading: Reading, ahead: Ahead) -> None:
        ahead.files += 1
        self._reading = reading
        self._ahead = ahead
        self._at = 0  # where the next byte that is held lies
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._changed = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._over: BaseException | None = None
        self._ended = False

    @property
    def size(self) -> int:
        return self._reading.version.size

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    @property
    def reading(self) -> Reading:
        return self._reading

    async def read(self, offset: int, length: int) -> bytes:
        """All that was asked for, or what there is up to the end. Raises what the store raises, and
        NoSuchKey once it was withdrawn."""
        await self._reading.ask()
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        await self._go_to(offset)
        pieces: list[bytes] = []
        while length:
            piece = await self._some(length)
            pieces.append(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _go_to(self, offset: int) -> None:
        ahead = offset - self._at
        if self._pump is None or not 0 <= ahead <= SKIP_BYTES_MAX:
            await self._stop()
            self._at, self._over, self._ended = offset, None, False
            self._pump = asyncio.create_task(self._fill(offset))
            return
        while ahead:
            ahead -= len(await self._some(ahead))

    async def _some(self, most: int) -> bytes:
        while not self._held:
            if self._over is not None:
                raise self._over
            if self._ended:
                raise EOFError("a version ended before its size")
            self._changed.clear()
            await self._changed.wait()
        piece = self._held.popleft()
        if len(piece) > most:
            self._held.appendleft(piece[most:])
            piece = piece[:most]
        self._at += len(piece)
        self._held_bytes -= len(piece)
        self._changed.set()
        return piece

    async def _fill(self, offset: int) -> None:
        try:
            async with aclosing(self._reading.open(offset, self.size - offset)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    self._held.append(chunk)
                    self._held_bytes += len(chunk)
                    self._changed.set()
                    while self._held_bytes >= self._ahead.each:
                        self._changed.clear()
                        await self._changed.wait()
            self._ended = True
        except Exception as error:  # noqa: BLE001 - told to whoever reads on
            self._over = error
        finally:
            self._changed.set()

    async def close(self) -> None:
        """Once."""
        self._ahead.files -= 1
        await self._stop()

    async def _stop(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait((self._pump,))
            self._pump = None
        self._held.clear()
        self._held_bytes = 0
