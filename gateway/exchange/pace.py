"""How fast background work may go: at full speed while nobody asks, else in small bites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

QUIET_S = 0.5
"""So long after the last request the gateway counts as idle."""
REST_FACTOR = 8
"""While requests come, work takes at most a ninth of the time."""
REST_S_MAX = 0.25
IDLE_VERSIONS = 32
BUSY_VERSIONS = 8
"""Looked at between two turns of the event loop: some 3 ms of it, or less than one."""
CHANGE_S = 0.0003
"""What a changed version costs the catalog's writing thread, which others wait for too."""


class Pace:
    """`asked` counts the requests so far, `ticks` gives seconds that never go back; `versions` are
    looked at in one bite while requests come, and while none do."""

    def __init__(
        self,
        asked: Callable[[], int],
        ticks: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        versions: tuple[int, int] = (BUSY_VERSIONS, IDLE_VERSIONS),
    ) -> None:
        self._versions = versions
        self._asked = asked
        self._ticks = ticks
        self._sleep = sleep
        self._seen = asked()
        self._quiet_from = 0.0

    @property
    def busy(self) -> bool:
        now, asked = self._ticks(), self._asked()
        if asked != self._seen:
            self._seen, self._quiet_from = asked, now + QUIET_S
        return now < self._quiet_from

    @property
    def versions(self) -> int:
        return self._versions[0 if self.busy else 1]

    async def rest(self, worked_s: float, changed: int) -> None:
        """After a bite that took the event loop so long, and changed so many versions."""
        cost = worked_s + changed * CHANGE_S
        await self._sleep(min(REST_S_MAX, cost * REST_FACTOR) if self.busy else 0)
