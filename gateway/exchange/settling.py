"""Files that were staged and left: some become versions once they rest, all go in the end."""

from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.catalog import Expect, Staged
from gateway.errors import CrossdockError
from gateway.exchange.floor import Floor
from gateway.exchange.staging import Staging
from gateway.faults import fault
from gateway.habits import Habits, Settle, is_temporary
from gateway.model import Caller, Principal

PAGE = 500
S_NS = 10**9
ANY = Expect()

log = logging.getLogger(__name__)

HabitsOf = Callable[[Principal], Habits]


class Settling:
    """For the worker alone: nobody asks for it, and it acts as whoever wrote the file."""

    def __init__(self, floor: Floor, staging: Staging, resume_s: int) -> None:
        self._floor = floor
        self._staging = staging
        self._resume_ns = resume_s * S_NS

    async def round(self, habits_of: HabitsOf, door: str) -> int:
        """Looks at every staged file once: one that was closed and is to be published when it
        rests is, and one that nobody has touched for the time in which an upload can be resumed
        is let go. Returns how many became versions."""
        after, published = (0, ""), 0
        while True:
            page = await self._floor.rows.every_staged(after, PAGE)
            for staged in page:
                published += await self._look(staged, habits_of, door)
            if len(page) < PAGE:
                return published
            after = (page[-1].upload.begun, page[-1].upload.id)

    async def _look(self, staged: Staged, habits_of: HabitsOf, door: str) -> bool:
        now = self._floor.means.clock()
        if staged.touched + self._resume_ns <= now:
            await self._let_go(Caller(staged.upload.principal, door, staged.upload.id), staged)
            return False
        principal = self._principal(staged)
        if principal is None:
            return False
        habits, caller = habits_of(principal), Caller(principal, door, staged.upload.id)
        rests = staged.closed and staged.touched + habits.quiet_s * S_NS <= now
        key = staged.upload.ref.key
        if habits.settle is not Settle.QUIET or not rests or is_temporary(habits, key):
            return False
        try:
            await self._staging.publish(caller, staged, staged.upload.ref, ANY)
        except CrossdockError as error:  # it stays staged, and its turn comes again
            log.warning("a file that rests can't be published", extra={"error": error.message})
            return False
        return True

    def _principal(self, staged: Staged) -> Principal | None:
        """As the mesh has it now; of one that left it nothing is published."""
        kept = staged.upload.principal
        party = self._floor.mesh.parties.get(kept.party)
        spec = party.principals.get(kept.name) if party else None
        return spec.principal if spec else None

    async def _let_go(self, caller: Caller, staged: Staged) -> None:
        ref = staged.upload.ref
        event = self._floor.event("upload", caller, ref, outcome="expired", readers=(caller.party,))
        await self._floor.rows.abort(staged.upload.id)
        fault("exchange.let-go")
        self._floor.means.observe(event)
