"""What lies where, and by which rule: added up over all versions, for the view of costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from gateway.catalog import Kept, KeyWalks, Surveys
from gateway.exchange.redeciding import ruling
from gateway.model import Delivery, DeliveryKind, Grant, Share
from gateway.policy.costs import Kind, Usage, Use

PAGE_VERSIONS = 1000


class Rows(Surveys, KeyWalks, Protocol):
    """What is read."""


async def usage(rows: Rows, report: Callable[[int, int], None]) -> Usage:
    """Of everything that is kept, in bounded memory; `report` as in Planning."""
    found = Usage()
    total = await rows.version_count()
    seen, at = 0, None
    report(0, total)
    while True:
        page = await rows.survey_keys(at, PAGE_VERSIONS, _every)
        for kept in page.versions:
            count(found, kept, kept.each.grants, kept.each.deliveries)
        if page.last is None:
            report(total, total)
            return found
        seen, at = seen + page.seen, page.last
        report(min(seen, total), total)
        await asyncio.sleep(0)


def _every(bucket: str, key: str) -> bool:
    return True


def count(
    found: Usage,
    kept: Kept,
    grants: Iterable[Grant],
    deliveries: Iterable[Delivery],
    promised: Iterable[Share] = (),
    sign: int = 1,
) -> None:
    """One version. `promised` are copies beside those of `deliveries`, which are open or done."""
    if not kept.each.marker:
        for use in _uses(kept, grants, deliveries, promised):
            found.add(use, kept.each.facts.size, sign)


def _uses(
    kept: Kept, grants: Iterable[Grant], deliveries: Iterable[Delivery], promised: Iterable[Share]
) -> Iterator[Use]:
    copied = set[str]()
    for copy in deliveries:
        if copy.kind is DeliveryKind.COPY:
            kind = Kind.REPLACED if replaced(copy) else Kind.COPY
            copied.update({copy.party} if kind is Kind.COPY else ())
            target = (copy.party, copy.store)
            yield Use(kind, copy.party, ruling(copy.rule), kept.store, target)
    for share in promised:
        copied.add(share.party)
        target = (share.party, share.store)
        yield Use(Kind.COPY, share.party, ruling(str(share.rule)), kept.store, target)
    for grant in grants:
        if grant.party == kept.each.author:
            yield Use(Kind.OWN, grant.party, ruling(grant.rule), kept.store)
        elif grant.party not in copied:
            yield Use(Kind.SHARED, grant.party, ruling(grant.rule), kept.store)


def replaced(copy: Delivery) -> bool:
    """A newer copy has its target key."""
    return copy.receipt is not None and copy.receipt.replaced
