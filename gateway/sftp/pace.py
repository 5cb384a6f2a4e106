"""How fast one session may go: bytes a second, both ways together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

BURST_SECONDS = 1.0
"""What a session that was slower may catch up."""


class Pace:
    """`rate` is in bytes a second; 0: as fast as it can."""

    def __init__(
        self, rate: int, ticks: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._rate = rate
        self._ticks = ticks
        self._sleep = sleep
        self._paid_until = ticks()

    @property
    def free(self) -> bool:
        return not self._rate

    async def spent(self, count: int) -> None:
        """Waits until these bytes were due."""
        if not self._rate:
            return
        now = self._ticks()
        self._paid_until = max(self._paid_until, now - BURST_SECONDS) + count / self._rate
        if self._paid_until > now:
            await self._sleep(self._paid_until - now)
