"""What is known of a key: its versions, who has each, and what of that a party may learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.catalog import Story
from gateway.exchange.floor import Floor
from gateway.model import Bucket, Caller, Delivery, ObjectRef, Version


class History:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def of(self, caller: Caller, ref: ObjectRef) -> Sequence[Story]:
        """The versions of a key that the caller's party may see now, newest first.

        Of its own versions a party learns the grants and deliveries; of others' its own alone.
        An author sees S3's failure codes, not its partners' keys or error text.
        """
        bucket = await self._floor.readable(caller, ref)
        stories = await self._floor.rows.story(ref)
        return [_cut(s, caller.party) for s in stories if self._visible(s, caller.party, bucket)]

    def _visible(self, story: Story, party: str, bucket: Bucket) -> bool:
        if not any(g.party == party and not g.closed for g in story.grants):
            return False
        facts = story.version.facts
        return bool(self._floor.mesh.policy.sees(party, facts, bucket).allowed)


def _cut(story: Story, party: str) -> Story:
    if story.version.author == party:
        deliveries = tuple(_for_author(d) for d in story.deliveries)
        return replace(story, deliveries=deliveries)
    return replace(
        story,
        version=_for_recipient(story.version),
        grants=tuple(g for g in story.grants if g.party == party),
        deliveries=tuple(d for d in story.deliveries if d.party == party),
    )


def _for_author(delivery: Delivery) -> Delivery:
    return replace(delivery, target="", store="", error="")


def _for_recipient(version: Version) -> Version:
    """Principals, places and sources of a version are its author's to know."""
    return replace(version, principal="", door="", invocation="", parent="", sources=(), extents=())
