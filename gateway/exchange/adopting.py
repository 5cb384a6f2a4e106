"""Adoption: objects that lie in a party's store already become versions, and not a byte moves.

Such a version's bytes are a place: the object stays its owner's, who may change it or take it away
behind the exchange's back. So it is read on the condition of the etag that it had when it was
adopted, and never serves as another version; it is never collected, and a copy of it within the
exchange is a real one. Adopting again picks up what has changed, as a newer version.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from gateway.catalog import Adopt, Shelf, Write
from gateway.errors import (
    CatalogUnavailable,
    CrossdockError,
    Denied,
    KeyTooLong,
    NotFound,
    PolicyMoved,
)
from gateway.exchange.floor import Floor, check_key
from gateway.exchange.objects import Objects
from gateway.exchange.publishing import DECISIONS_MAX, decided_event, grants_of, promises_of
from gateway.exchange.terms import Draft
from gateway.faults import fault
from gateway.model import RESERVED_PREFIX, Bucket, Caller, Extent, ObjectRef, Reason, Version
from gateway.stores import CanInspect, Natural

DOOR = "adopt"
"""The door that adopted versions came through; and their principal, where none is named."""

BATCH = 250
"""Objects of one transaction."""
TOGETHER = 32
"""Looks at once: each is a call of the store, or two."""

ADOPTED, KNOWN, COPIES, REFUSED, KEPT, GONE, FAILED = (
    "adopted",  # new versions
    "known",  # adopted before, and unchanged
    "copies",  # delivered ones, of this Crossdock or of another
    "refused",  # keys that the party may not write in that bucket
    "kept",  # another version of that name is there, or was deleted
    "gone",  # listed, and taken away before it was looked at
    "failed",  # the store could not tell
)
OUTCOMES = (ADOPTED, KNOWN, COPIES, REFUSED, KEPT, GONE, FAILED)

_S3_ETAG = re.compile(r"[0-9a-f]{32}(-\d{1,5})?")

Heard = Callable[[str, str, str], None]
"""Hears of what was left out, and why: the key in the store, the outcome, the reason."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What to adopt: objects of the shelf's store whose keys begin with `prefix`, each under its
    own key behind `under`. `run` is the moment at which it began: a later process that goes on with
    it looks at nothing twice."""

    shelf: Shelf
    caller: Caller
    run: int
    prefix: str = ""
    under: str = ""


@dataclass(frozen=True, slots=True)
class _Look:
    key: str
    outcome: str
    about: Natural | None = None
    why: str = ""


class Adopting:
    """For the operator alone: no door calls it. What a party may not write it can't adopt."""

    def __init__(self, floor: Floor, objects: Objects) -> None:
        self._floor = floor
        self._objects = objects

    async def count(self, this: Adoption) -> int:
        """How many objects there are to look at."""
        count = 0
        async with aclosing(self._keys(this)) as keys:
            async for _ in keys:
                count += 1
        return count

    async def run(
        self, this: Adoption, heard: Heard, progress: Callable[[int], None]
    ) -> Counter[str]:
        """Everything, in batches; each is one transaction, so that a run that was killed loses at
        most one. Raises NotFound where the party is no member of the bucket, and what keeps the
        store from listing or the catalog from committing."""
        bucket = await self._bucket(this)
        done: Counter[str] = Counter()
        batch: list[str] = []
        async with aclosing(self._keys(this)) as keys:
            async for key in keys:
                batch.append(key)
                if len(batch) == BATCH:
                    done.update(await self._batch(this, bucket, batch, heard))
                    progress(done.total())
                    batch = []
        done.update(await self._batch(this, bucket, batch, heard))
        progress(done.total())
        return done

    async def _keys(self, this: Adoption) -> AsyncGenerator[str, None]:
        store = self._floor.store(this.shelf.party, this.shelf.store)
        async for key in store.keys(this.prefix):
            if not key.startswith(RESERVED_PREFIX):
                yield key

    async def _bucket(self, this: Adoption) -> Bucket:
        name, party = this.shelf.bucket, this.shelf.party
        bucket = self._floor.mesh.buckets.get(name) or await self._floor.rows.bucket(name)
        if bucket is None or not self._floor.is_member(party, bucket):
            raise NotFound(f"there is no bucket {name} that {party} is a member of")
        return bucket

    async def _batch(
        self, this: Adoption, bucket: Bucket, keys: Sequence[str], heard: Heard
    ) -> Counter[str]:
        known = await self._floor.rows.adopted(this.shelf, keys)
        new = [key for key in keys if key not in known or known[key].run != this.run]
        looks: list[_Look] = []
        for start in range(0, len(new), TOGETHER):
            some = new[start : start + TOGETHER]
            looks += await asyncio.gather(*(self._look(this, bucket, key) for key in some))
        looks = [
            replace(look, outcome=KNOWN, about=None)
            if look.about and look.key in known and known[look.key].etag == look.about.etag
            else look
            for look in looks
        ]
        left = set(await self._commit(this, bucket, looks))
        done = Counter({KNOWN: len(keys) - len(new)})
        for look in looks:
            kept = look.key in left
            done[KEPT if kept else look.outcome] += 1
            if kept:
                heard(look.key, KEPT, "the bucket holds another version of that name")
            elif look.why:
                heard(look.key, look.outcome, look.why)
        return done

    async def _look(self, this: Adoption, bucket: Bucket, key: str) -> _Look:
        ref = ObjectRef(this.shelf.bucket, this.under + key)
        try:
            check_key(ref.key)
        except (KeyTooLong, Denied) as error:
            return _Look(key, REFUSED, why=error.message)
        reason = self._may_write(this, bucket, ref)
        if not reason.allowed:
            return _Look(key, REFUSED, why=reason.text)
        try:
            store = self._floor.store(this.shelf.party, this.shelf.store)
            about = await store.inspect(key) if isinstance(store, CanInspect) else None
        except CrossdockError as error:
            return _Look(key, FAILED, why=error.message)
        if about is None:
            return _Look(key, GONE, why="it was listed, and is not there")
        return _Look(key, COPIES) if about.ours else _Look(key, ADOPTED, about)

    async def _commit(
        self, this: Adoption, bucket: Bucket, looks: Sequence[_Look]
    ) -> Sequence[str]:
        """Returns the keys that were left out; decides again where policy moved meanwhile."""
        seen = [look.key for look in looks if look.outcome == KNOWN]
        found = [(look.key, look.about) for look in looks if look.about]
        versions = [(key, about, self._version(this, bucket, key, about)) for key, about in found]
        for _ in range(DECISIONS_MAX):
            revision = self._floor.mesh.revision
            made = [
                Adopt(key, about.etag, self._write(this, bucket, version))
                for key, about, version in versions
                if self._may_write(this, bucket, version.ref).allowed
            ]
            fault("adopt.before-commit")
            try:
                left = await self._floor.rows.adopt(this.shelf, this.run, made, seen)
            except PolicyMoved:
                await self._floor.next_mesh(revision)
                continue
            fault("adopt.after-commit")
            if any(each.write.promises for each in made):
                self._floor.means.nudge()
            return [*left, *({key for key, _, _ in versions} - {each.key for each in made})]
        raise CatalogUnavailable("policy changes too fast to commit under it")

    def _may_write(self, this: Adoption, bucket: Bucket, ref: ObjectRef) -> Reason:
        return self._floor.mesh.policy.may_write(this.caller.principal, ref, bucket)

    def _write(self, this: Adoption, bucket: Bucket, version: Version) -> Write:
        decision = self._floor.mesh.policy.decide(version.facts, bucket)
        return Write(
            version=version,
            revision=decision.revision,
            event=decided_event(self._floor, "write", "adopted", this.caller, version, decision),
            grants=grants_of(this.caller.party, decision),
            promises=promises_of(decision),
        )

    def _version(self, this: Adoption, bucket: Bucket, key: str, about: Natural) -> Version:
        """As old as its object. Without S3's own etag it has one that nobody takes for an MD5."""
        ref = ObjectRef(this.shelf.bucket, this.under + key)
        draft = Draft(about.headers, about.metadata, about.tags)
        made = self._objects.new_version(this.caller, ref, bucket, draft)
        place = Extent(this.shelf.party, this.shelf.store, key, 0, about.size, etag=about.etag)
        shown = about.shown_etag
        if not _S3_ETAG.fullmatch(shown):
            shown = hashlib.sha256(about.etag.encode()).hexdigest()[:32] + "-1"
        return replace(
            made,
            at=about.modified,
            size=about.size,
            etag=shown,
            extents=(place,),
        )
