"""The one way in which a version comes to be: decide, commit, decide again if policy moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.catalog import Expect, Promise, Retag, Write
from gateway.errors import CatalogUnavailable, PolicyMoved
from gateway.exchange.floor import Floor
from gateway.faults import fault
from gateway.model import (
    Bucket,
    Caller,
    Decision,
    Delivery,
    DeliveryKind,
    Event,
    Grant,
    Mode,
    ObjectRef,
    Share,
    Version,
)

DECISIONS_MAX = 8
"""Policy edits that one commit survives before the client is told to come back."""

OWN_RULE = "author"


@dataclass(frozen=True, slots=True)
class Publication:
    """A version that is ready, with all that the commit must judge."""

    version: Version
    expect: Expect = field(default_factory=Expect)
    upload: str = ""
    parts: tuple[tuple[int, str], ...] = ()
    wait: bool = False  # for every copy, before it is acknowledged


async def commit_version(
    floor: Floor, caller: Caller, bucket: Bucket, ready: Publication
) -> tuple[Version, Decision]:
    """Commits the version with its grants, promises and record; returns it as committed, and what
    was decided.

    Raises PreconditionFailed and the like from the commit, Denied if an edit of the policy has
    taken the right to write away meanwhile.
    """
    ref = ready.version.ref
    expect = await floor.judged_on_view(caller, ref, bucket, ready.expect)
    ready = replace(ready, expect=expect)
    decision = Decision("")

    def change() -> Write:
        nonlocal decision
        made, decision = written(floor, caller, bucket, ready)
        fault("exchange.before-commit")
        return made

    committed = await commit_decided(floor, caller, ref, bucket, change)
    fault("exchange.after-commit")
    return committed, decision


def written(
    floor: Floor, caller: Caller, bucket: Bucket, ready: Publication
) -> tuple[Write, Decision]:
    """What is to be committed, as the policy in force decides now."""
    decision = floor.mesh.policy.decide(ready.version.facts, bucket)
    change = Write(
        version=ready.version,
        revision=decision.revision,
        event=decided_event(floor, "write", "stored", caller, ready.version, decision),
        grants=grants_of(caller.party, decision),
        promises=promises_of(decision),
        expect=ready.expect,
        upload=ready.upload,
        parts=ready.parts,
    )
    return change, decision


async def commit_decided(
    floor: Floor, caller: Caller, ref: ObjectRef, bucket: Bucket, make: Callable[[], Write | Retag]
) -> Version:
    """Commits what `make` decides under the policy in force, and decides again where that moved
    meanwhile; wakes the courier if it was given something to do."""
    for _ in range(DECISIONS_MAX):
        change = make()
        try:
            committed = await floor.rows.commit(change)
        except PolicyMoved:
            await floor.next_mesh(change.revision)
            floor.ask_write(caller, ref, bucket)
            continue
        if change.promises or (isinstance(change, Write) and change.removals):
            floor.means.nudge()
        return committed
    raise CatalogUnavailable("policy changes too fast to commit under it")


def decided_event(
    floor: Floor, kind: str, outcome: str, caller: Caller, version: Version, decision: Decision
) -> Event:
    """A change and what was decided for each recipient; all of them may open their part."""
    return floor.event(
        kind,
        caller,
        version.ref,
        version=version.id,
        outcome=outcome,
        recipients={s.party: f"{s.mode.value} {s.rule}" for s in decision.shares},
        readers=(caller.party, *(s.party for s in decision.shares)),
    )


def grants_of(author: str, decision: Decision) -> tuple[Grant, ...]:
    own = Grant(author, Mode.OWN, OWN_RULE, decision.revision)
    return (own, *(_grant(share, decision.revision) for share in decision.shares))


def _grant(share: Share, revision: str) -> Grant:
    return Grant(share.party, share.mode, str(share.rule), revision)


def promises_of(decision: Decision) -> tuple[Promise, ...]:
    return tuple(promise_of(s) for s in decision.shares if s.copied)


def promise_of(share: Share, kind: DeliveryKind = DeliveryKind.COPY) -> Promise:
    return Promise(
        *(share.party, share.store, share.target, str(share.rule), kind),
        *(share.deadline, share.lone),
    )


def retag_promises(decision: Decision, made: Sequence[Delivery]) -> tuple[Promise, ...]:
    """New tags travel to the copies that were made; copies that the new tags call for are made."""
    places = {(d.party, d.store, d.target) for d in made if d.kind is DeliveryKind.COPY}
    return tuple(
        promise_of(
            s,
            DeliveryKind.TAGS if (s.party, s.store, s.target) in places else DeliveryKind.COPY,
        )
        for s in decision.shares
        if s.copied
    )
