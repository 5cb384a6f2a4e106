"""What an attempt's end means for its row and for the log: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.catalog import Claim, Lane, Outcome
from gateway.courier.backoff import OCCUPIED, Draw, delay, expired
from gateway.courier.delivery import Result
from gateway.model import Delivery, DeliveryKind, DeliveryState, Event


@dataclass(frozen=True, slots=True)
class Ended:
    """One settled attempt, for whoever counts. Times in nanoseconds; `lag` counts from the
    promise; `bytes` are those of a copy that is now there."""

    lane: Lane
    kind: DeliveryKind
    state: DeliveryState
    code: str
    bytes: int
    attempts: int
    lag: int
    took: int
    late: bool = False  # verified, after its deadline


Observe = Callable[[Ended], None]


def outcome(claim: Claim, result: Result, now: int, draw: Draw) -> Outcome:
    """A failure is tried again later, or parked: at once where trying again can't help, and in
    any case a day after the promise."""
    verdict = result.verdict
    if verdict is None:
        return Outcome(result.state, receipt=result.receipt)
    if verdict.park or expired(claim.delivery.promised, now):
        return Outcome(DeliveryState.PARKED, code=verdict.code, error=result.error)
    wait = delay(claim.delivery.attempts, draw, slow=result.slow, wanted=result.retry_after)
    return Outcome(DeliveryState.PENDING, now + wait, verdict.code, result.error)


def event(claim: Claim, ended: Outcome, now: int, revision: str) -> Event | None:
    """The record of an end, None while it goes on. Author and recipient can both open it, so it
    holds S3's code but neither the target's key, store and etag nor any error text."""
    if ended.state is DeliveryState.PENDING:
        return None
    delivery = claim.delivery
    word = "occupied" if ended.code == OCCUPIED.code else ended.state.value
    detail = {"kind": delivery.kind.value, "attempts": str(delivery.attempts + 1)}
    if ended.code:
        detail["code"] = ended.code
    if delivery.deadline and ended.state is DeliveryState.DONE:
        detail["deadline"] = "missed" if late(delivery, now) else "kept"
    if ended.receipt is not None:
        detail |= {"size": str(ended.receipt.size), "sha256": ended.receipt.sha256}
    return _told(delivery, word, detail, now, revision)


def observed(claim: Claim, ended: Outcome, now: int, began: int) -> Ended:
    delivery = claim.delivery
    return Ended(
        Lane(delivery.party, delivery.store),
        delivery.kind,
        ended.state,
        ended.code,
        ended.receipt.size if ended.receipt and delivery.kind is DeliveryKind.COPY else 0,
        delivery.attempts + 1,
        now - delivery.promised,
        now - began,
        ended.state is DeliveryState.DONE and late(delivery, now),
    )


def late(delivery: Delivery, now: int) -> bool:
    return 0 < delivery.deadline <= now


def missed(delivery: Delivery, now: int, revision: str) -> Event:
    """The record that a copy was not there by its deadline: S3's OperationMissedThreshold."""
    detail = {"kind": delivery.kind.value, "deadline": "missed"}
    return _told(delivery, "late", detail, now, revision)


def _told(
    delivery: Delivery, word: str, detail: Mapping[str, str], now: int, revision: str
) -> Event:
    """Both the author and the recipient can open it."""
    return Event(
        "delivery",
        now,
        party=delivery.author,
        bucket=delivery.ref.bucket,
        key=delivery.ref.key,
        version=delivery.version,
        outcome=word,
        rule=delivery.rule,
        revision=revision,
        recipients=MappingProxyType({delivery.party: word}),
        detail=MappingProxyType(detail),
        readers=tuple(sorted({delivery.author, delivery.party})),
    )
