"""How fast what lies at rest may be looked at: so many looks, and so many bytes, a second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

BUSY_FACTOR = 4


class Budget:
    """`ticks` gives seconds that never go back. What was spent is waited for before the next look:
    one that read much is followed by a long pause. While `busy`, each costs BUSY_FACTOR times as
    much. Several may spend at once."""

    def __init__(
        self,
        looks_s: float,
        bytes_s: float,
        ticks: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._look_cost = 1 / looks_s
        self._byte_cost = 1 / bytes_s
        self._ticks = ticks
        self._sleep = sleep
        self._busy = busy
        self._free_from = ticks()

    async def look(self) -> None:
        """Waits until one more look may begin."""
        now = self._ticks()
        begins = max(now, self._free_from)
        self._free_from = begins + self._look_cost * self._factor
        if begins > now:
            await self._sleep(begins - now)

    def read(self, count: int) -> None:
        """So many bytes were read: those who come later wait for that."""
        self._free_from += count * self._byte_cost * self._factor

    @property
    def _factor(self) -> int:
        return BUSY_FACTOR if self._busy() else 1
