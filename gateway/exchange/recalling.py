"""Asking copies back, and answering: a recall is its own verb, whatever a delete does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.catalog import Asking, Ledger, Recall, Request
from gateway.errors import BadInput, Denied, NoSuchKey, NoSuchRequest
from gateway.exchange.floor import READERS, WRITERS, Floor, absent
from gateway.model import EMPTY, Bucket, Caller, Event, ObjectRef, Version
from gateway.policy.consent import recalls
from gateway.policy.mesh import Mesh

NOTE_CHARS_MAX = 1000
REQUESTS_MAX = 1000
"""Requests of one page."""


class Rows(Asking, Ledger, Protocol):
    """What a recall needs of the catalog."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a recall did: so many removals are promised, or a request stands open (its id).
    `reads`: whether the party may still read the version through the gateway."""

    version: str
    removals: int
    request: str
    reads: bool


class Recalling:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def recall(
        self, caller: Caller, ref: ObjectRef, party: str, *, version: str = ""
    ) -> Outcome:
        """Asks a party's copies of a version back, of the newest that the caller's party wrote
        unless one is named; deleted ones too. By its author alone: to all others there is nothing
        (NoSuchKey, NoSuchVersion). Grants stay as they are."""
        await self._floor.bucket(caller, ref.bucket)
        if caller.principal.may not in WRITERS:
            raise self._floor.refused(caller, ref, Denied("this principal may not ask copies back"))
        wrote = None
        if caller.principal.covers(ref.key):
            wrote = chosen(await _versions(self._floor.rows, ref, caller.party), version)
        if wrote is None:
            raise self._floor.refused(caller, ref, absent(ref, version))
        event = self._floor.event("request", caller, ref, version=wrote.id)
        done = await recall_from(
            *(self._floor.rows, self._floor.mesh, wrote, party, event), by=caller.party
        )
        self._floor.means.nudge()
        return done

    async def requests(
        self, caller: Caller, *, own: bool = False, open_only: bool = False, after: str = ""
    ) -> Sequence[Request]:
        """One page of what the caller's party was asked, or of what others were asked about its
        `own` versions, oldest first; the next page goes on `after` the last one's id."""
        if caller.principal.may not in READERS:
            raise self._floor.refused(caller, ObjectRef("", ""), Denied())
        found = await self._floor.rows.requests(
            party="" if own else caller.party,
            author=caller.party if own else "",
            open_only=open_only,
            after=after,
            limit=REQUESTS_MAX,
        )
        return [each for each in found if caller.principal.covers(each.ref.key)]

    async def answer(self, caller: Caller, request: str, *, yes: bool, note: str = "") -> Request:
        """Answers what the caller's party was asked; a yes promises the removals. NoSuchRequest
        where it was not asked that, or has answered."""
        if caller.principal.may not in WRITERS:
            raise self._floor.refused(caller, ObjectRef("", ""), Denied())
        party, floor = caller.party, self._floor
        asked = await floor.rows.request(request)
        if asked is None or asked.party != party or not caller.principal.covers(asked.ref.key):
            raise floor.refused(caller, ObjectRef("", ""), NoSuchRequest())

        def tell(found: Request) -> Event:
            return _told(floor.event("request", caller, found.ref), found, answer_of(yes))

        try:
            done = await answered(floor.rows, request, party, yes, note, tell)
        except NoSuchRequest as error:  # it is answered
            raise floor.refused(caller, ObjectRef("", ""), error) from None
        floor.means.nudge()
        return done


def chosen(versions: Sequence[Version], named: str) -> Version | None:
    """The version that is named, else the newest; of those given, newest first."""
    return next((each for each in versions if named in ("", each.id)), None)


async def _versions(rows: Ledger, ref: ObjectRef, author: str) -> Sequence[Version]:
    """What was ever written to a key by `author` (anybody, if ""), newest first, but for delete
    markers."""
    versions = [story.version for story in await rows.story(ref)]
    return [each for each in versions if not each.marker and author in ("", each.author)]


async def recall_from(
    rows: Rows, mesh: Mesh, version: Version, party: str, event: Event, *, by: str
) -> Outcome:
    """`event` is completed with what the party's own rules make of it. BadInput for a party that
    is not in the mesh, or for the version's own author."""
    if party not in mesh.parties:
        raise BadInput(f"topology.yaml names no party {party}")
    if party == version.author:
        raise BadInput(f"{party} wrote that version itself")
    rule = recalls(mesh.policy, party, version.facts)
    outcome = f"recalled from {party}" if rule else f"asked of {party}"
    told = _about(event, version.author, version.id, party, outcome)
    recall = Recall(version.ref, version.id, party, by, str(rule) if rule else "", told)
    done = await rows.recall(recall)
    bucket = mesh.buckets.get(version.ref.bucket) or await rows.bucket(version.ref.bucket)
    reads = bucket is not None and await _reads(rows, mesh, version, party, bucket)
    return Outcome(version.id, done.removals, done.request, reads)


async def recall_by_operator(
    rows: Rows, mesh: Mesh, ref: ObjectRef, party: str, named: str, at: int
) -> Outcome:
    """NoSuchKey where no such version was ever written."""
    version = chosen(await _versions(rows, ref, ""), named)
    if version is None:
        raise NoSuchKey(f"{ref} has no version {named or 'that is no delete marker'}")
    event = Event("request", at, door="command", bucket=ref.bucket, key=ref.key)
    return await recall_from(rows, mesh, version, party, event, by="")


async def answer_by_operator(rows: Asking, request: str, yes: bool, note: str, at: int) -> Request:
    """For the party that was asked. NoSuchRequest where none of that id is open."""

    def tell(found: Request) -> Event:
        event = Event("request", at, door="command", bucket=found.ref.bucket, key=found.ref.key)
        return _told(event, found, answer_of(yes))

    return await answered(rows, request, "", yes, note, tell)


def answer_of(yes: bool) -> str:
    return "yes" if yes else "no"


async def answered(
    rows: Asking,
    request: str,
    party: str,
    yes: bool,
    note: str,
    tell: Callable[[Request], Event],
) -> Request:
    if len(note) > NOTE_CHARS_MAX:
        raise BadInput(f"a note has at most {NOTE_CHARS_MAX} characters")
    done = await rows.answer(request, party, answer_of(yes), note, tell)
    if done is None:
        raise NoSuchRequest
    return done


def _told(event: Event, request: Request, answer: str) -> Event:
    outcome = f"answered {answer}"
    return _about(event, request.author, request.version, request.party, outcome)


def _about(event: Event, author: str, version: str, party: str, outcome: str) -> Event:
    """The author and the party that is asked can open it."""
    detail: Mapping[str, str] = event.detail or EMPTY
    return Event(
        *(event.kind, event.at, event.party, event.principal, event.door, event.request),
        *(event.bucket, event.key, version, outcome, event.rule, event.revision),
        recipients={party: outcome},
        detail={**detail, "author": author},
        readers=tuple(dict.fromkeys((author, party))),
    )


async def _reads(rows: Ledger, mesh: Mesh, version: Version, party: str, bucket: Bucket) -> bool:
    held = any(grant.party == party for grant in await rows.grants_of(version.number))
    return held and bool(mesh.policy.sees(party, version.facts, bucket).allowed)
