"""Repair and scrub: copies are held against their receipts, and sent again where they should be.

The recipient owns its copy. What it changed, or put in the copy's place, is noted and left alone.
What is gone may have been taken on purpose, by a job that moves files out of the folder they come
to: it is sent again only where that was asked for. What nobody wrote (bytes that rot, an older copy
that was put back) is sent again in any case. All of it only where policy still promises the copy,
and its version is the party's current one.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.catalog import Checks, Claim, CopyCheck, Finding, KeptCopy, Promise, Spot
from gateway.courier.budget import Budget
from gateway.courier.checking import Look, look_at_copy
from gateway.courier.delivery import Decide, InboxOf, promised
from gateway.errors import CrossdockError
from gateway.faults import fault
from gateway.model import Event

PAGE = 64
"""Copies looked for, and noted, in one go."""
TOGETHER = 8
"""Looks at once: most of the time of one is a wait for a store."""

FAILURES_MAX = 5
"""Looks that a store may leave unanswered in one round; its other copies wait for the next one."""

COPY_KIND = MappingProxyType({"kind": "copy"})

log = logging.getLogger(__name__)


class Again(enum.Enum):
    """Which copies are sent again."""

    NOTHING = "nothing"
    WRONG = "wrong"  # what nobody wrote
    MISSING = "missing"  # that, and what is gone

    def covers(self, finding: Finding) -> bool:
        wrong = finding in (Finding.DAMAGED, Finding.OLDER)
        if self is Again.MISSING:
            return wrong or finding is Finding.MISSING
        return wrong and self is Again.WRONG


@dataclass(frozen=True, slots=True)
class Round:
    """What is to be checked: copies last checked `before` a moment, of one party or bucket or of
    all. `whole` tells for (party, store) whether bytes are read back though the etag is the
    receipt's."""

    before: int
    again: Again
    whole: Callable[[str, str], bool]
    party: str = ""
    bucket: str = ""


@dataclass(slots=True)
class Tally:
    """What a round has come to. `unreachable` copies could not be looked at."""

    checked: int = 0
    bytes: int = 0
    sent_again: int = 0
    unreachable: int = 0
    found: Counter[Finding] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def gave_up(self, party: str, store: str) -> bool:
        return self.failures[party, store] >= FAILURES_MAX

    def shown(self) -> dict[str, object]:
        return {
            "checked": self.checked,
            "bytes": self.bytes,
            "sent_again": self.sent_again,
            "unreachable": self.unreachable,
            "found": {
                finding.value: count for finding, count in sorted(self.found.items(), key=_name)
            },
        }


def _name(found: tuple[Finding, int]) -> str:
    return found[0].value


Found = Callable[[Claim, Finding, bool], None]
"""Hears of each copy that is not as it should be, and whether it is to be sent again."""


@dataclass(frozen=True, slots=True)
class Scrub:
    """Holds nothing between two pages but what its caller keeps: the catalog knows what is next."""

    rows: Checks
    decide: Decide
    inbox_of: InboxOf
    clock: Callable[[], int]
    revision: Callable[[], str]
    nudge: Callable[[], None]

    async def page(
        self,
        this: Round,
        after: Spot,
        budget: Budget,
        tally: Tally,
        heard: Found = lambda *_: None,
    ) -> Spot | None:
        """Checks the next copies, adds to the tally, and tells where to go on; None at the end.
        A store that does not answer leaves its copies as they were."""
        copies, spot = await self.rows.kept_copies(
            this.before, after, PAGE, party=this.party, bucket=this.bucket
        )
        checks: list[CopyCheck] = []
        for start in range(0, len(copies), TOGETHER):
            some = copies[start : start + TOGETHER]
            looks = await asyncio.gather(*(self._look(each, this, budget, tally) for each in some))
            for kept, look in zip(some, looks, strict=True):
                if look is not None:
                    checks.append(await self._judged(kept, look, this, heard))
        if checks:
            fault("scrub.before-note")
            sent = await self.rows.note_checks(checks)
            fault("scrub.after-note")
            tally.sent_again += sent
            if sent:
                self.nudge()
        return spot

    async def _look(self, kept: KeptCopy, this: Round, budget: Budget, tally: Tally) -> Look | None:
        """None where the store can't tell now."""
        party, store = kept.claim.delivery.party, kept.claim.delivery.store
        inbox = self.inbox_of(party, store)
        if inbox is None or tally.gave_up(party, store):
            tally.unreachable += 1
            return None
        await budget.look()
        try:
            look = await look_at_copy(kept.claim, inbox, whole=this.whole(party, store))
        except CrossdockError as error:
            tally.unreachable += 1
            tally.failures[party, store] += 1
            problem = {"party": party, "store": store, "problem": error.message}
            log.info("a copy can't be checked now", extra=problem)
            return None
        look = look or Look(Finding.WELL)  # a newer copy is there, whose receipt is on its way
        budget.read(look.read)
        tally.checked += 1
        tally.bytes += look.read
        if look.finding is not Finding.WELL:
            tally.found[look.finding] += 1
        return look

    async def _judged(self, kept: KeptCopy, look: Look, this: Round, heard: Found) -> CopyCheck:
        """What is to be noted. Damaged bytes that are to be sent again are taken away once that is
        written down: an attempt overwrites nothing but what is unaltered."""
        claim, finding = kept.claim, look.finding
        delivery = claim.delivery
        again = self._again(kept, finding, this.again)
        event = self._event(claim, finding)
        check = CopyCheck(delivery.id, self.clock(), finding, look.receipt, again, event)
        if finding is Finding.WELL:
            return check
        heard(claim, finding, again is not None)
        inbox = self.inbox_of(delivery.party, delivery.store)
        if again is None or not look.etag or inbox is None:
            return check
        await self.rows.note_checks([replace(check, again=None)])
        fault("scrub.damage-noted")
        try:
            await inbox.remove_copy(delivery.target, if_match=look.etag)
        except CrossdockError as error:  # its owner was faster, or the store is not well: next time
            log.info("a damaged copy stays", extra={"problem": error.message})
            return replace(check, again=None)
        fault("scrub.damage-removed")
        return check

    def _again(self, kept: KeptCopy, finding: Finding, wanted: Again) -> Promise | None:
        """The promise of this copy, as policy would make it now; None where it would not."""
        claim = kept.claim
        if not wanted.covers(finding) or claim.held is None:
            return None
        share = self.decide(claim)
        if share is None or not promised(claim.delivery, share):
            return None
        if not (kept.current or share.lone):
            return None
        return Promise(share.party, share.store, share.target, str(share.rule))

    def _event(self, claim: Claim, finding: Finding) -> Event:
        """The recipient's alone: what it does with its copy is not its author's to know."""
        delivery = claim.delivery
        return Event(
            "check",
            self.clock(),
            party=delivery.party,
            bucket=delivery.ref.bucket,
            key=delivery.ref.key,
            version=delivery.version,
            outcome=finding.value or "well",
            revision=self.revision(),
            detail=COPY_KIND,
            readers=(delivery.party,),
        )
