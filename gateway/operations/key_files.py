"""Files of keys that topology.yaml refers to: an edit of one is followed as one of a policy is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import CrossdockError
from gateway.policy.mesh import Mesh, secrets_of

INTERVAL_SECONDS = 0.5
FILE = "file:"

Signature = tuple[tuple[str, int, int, int], ...]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Has the keys read anew when one of their files changes, goes or comes. What is read while
    somebody is still writing it is read again once that is over."""

    folder: Path
    mesh: Callable[[], Mesh]
    changed: Callable[[], Awaitable[None]]
    interval: float = INTERVAL_SECONDS

    async def watch(self) -> None:
        """Until cancelled; a change is in force within 2 s."""
        before = await asyncio.to_thread(self._signature)
        taken: Signature | None = None  # what was read at the start may be older than this look
        while True:
            await asyncio.sleep(self.interval)
            now = await asyncio.to_thread(self._signature)
            if now == before and now != taken and await self._take():
                taken = now
            before = now

    async def _take(self) -> bool:
        try:
            await self.changed()
        except CrossdockError as error:
            log.warning("key files have to wait", extra={"problem": error.message})
            return False
        return True

    def _signature(self) -> Signature:
        references = {each.reference for each in secrets_of(self.mesh())}
        names = sorted(each.removeprefix(FILE) for each in references if each.startswith(FILE))
        return tuple(self._stat(name) for name in names)

    def _stat(self, name: str) -> tuple[str, int, int, int]:
        try:
            stat = (self.folder / name).stat()
        except OSError:  # that it can't be read is told where it is read
            return name, 0, 0, 0
        return name, stat.st_mtime_ns, stat.st_size, stat.st_ino
