"""What is known of a key: its versions, who has each, and what of that a party may learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.catalog import Consumed, Story
from gateway.errors import NoSuchKey
from gateway.exchange.floor import Floor
from gateway.model import Bucket, Caller, Delivery, Grant, ObjectRef, Version


class History:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def of(self, caller: Caller, ref: ObjectRef) -> Sequence[Story]:
        """The versions of a key that the caller's party may see now, newest first.

        Of its own versions a party learns the grants and deliveries; of others' its own alone.
        An author sees S3's failure codes, not its partners' keys or error text; a recipient no
        rule of the author's. NoSuchKey where nothing is left to see, absent and hidden alike.
        """
        bucket = await self._floor.readable(caller, ref)
        stories = await self._floor.rows.story(ref)
        held = [s for s in stories if _holds(s, caller.party)]
        seen = [s for s in held if self._sees(s.version, caller.party, bucket)]
        if not seen:
            about = held[0].version if held else None
            raise self._floor.refused(caller, ref, NoSuchKey(key=ref.key), about)
        return [_cut(story, caller.party) for story in seen]

    def _sees(self, version: Version, party: str, bucket: Bucket) -> bool:
        return bool(self._floor.mesh.policy.sees(party, version.facts, bucket).allowed)


def _holds(story: Story, party: str) -> bool:
    return any(g.party == party and not g.closed for g in story.grants)


def _cut(story: Story, party: str) -> Story:
    author = story.version.author == party
    grant_for, delivery_for = (_own, _for_author) if author else (_ruleless, _for_recipient)
    return replace(
        story,
        version=story.version if author else _bare(story.version),
        grants=tuple(grant_for(g) for g in story.grants if author or g.party == party),
        deliveries=tuple(delivery_for(d) for d in story.deliveries if author or d.party == party),
        consumed=tuple(_mark(c, party) for c in story.consumed if author or c.party == party),
    )


def _mark(consumed: Consumed, party: str) -> Consumed:
    """An author learns that it was consumed, not what it is called since."""
    return consumed if consumed.party == party else replace(consumed, moved_to="")


def _own(grant: Grant) -> Grant:
    """The revision is of the whole folder: it would tell when other parties edit their files."""
    return replace(grant, revision="")


def _ruleless(grant: Grant) -> Grant:
    """The rule that decided stands in the author's file."""
    return replace(grant, rule="", revision="")


def _for_author(delivery: Delivery) -> Delivery:
    """What became of a copy once it was delivered is its owner's matter."""
    return replace(delivery, id=0, target="", store="", error="", checked=0, finding="")


def _for_recipient(delivery: Delivery) -> Delivery:
    """A delivery's id is a counter over all parties."""
    return replace(delivery, id=0, rule="")


def _bare(version: Version) -> Version:
    """Principals, places and sources of a version are its author's to know."""
    return replace(version, principal="", door="", invocation="", parent="", sources=(), extents=())
