"""Listings of one party's view: keys, versions, uploads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.catalog import Page, Query, Sees
from gateway.errors import Denied
from gateway.exchange.floor import READERS, WRITERS, Floor
from gateway.model import Bucket, Caller, Facts, ObjectRef, Upload

PAGE_KEYS_MAX = 1000
"""Keys of one page (AWS: ListObjectsV2)."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a bucket is asked for; see catalog.Query for the meaning of each field."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    after_version: str = ""
    limit: int = PAGE_KEYS_MAX
    as_of: int | None = None


class Listing:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def keys(self, caller: Caller, bucket: str, span: Span) -> Page:
        """One page of the live keys that the caller may see."""
        found = await self._listable(caller, bucket)
        query = self._query(caller, bucket, span)
        return await self._floor.rows.page(query, self._sees(caller, found))

    async def versions(self, caller: Caller, bucket: str, span: Span) -> tuple[Bucket, Page]:
        """One page of versions and delete markers, newest first within a key."""
        found = await self._listable(caller, bucket)
        query = self._query(caller, bucket, span)
        return found, await self._floor.rows.page_versions(query, self._sees(caller, found))

    async def uploads(
        self, caller: Caller, bucket: str, span: Span
    ) -> tuple[Sequence[Upload], Sequence[str], bool]:
        """The party's own open uploads, cut to what the principal covers; common prefixes; and
        whether there are more."""
        await self._floor.bucket(caller, bucket)
        if caller.principal.may not in WRITERS:
            raise self._floor.refused(caller, ObjectRef(bucket, ""), Denied())
        return await self._floor.rows.page_uploads(
            bucket,
            caller.party,
            prefix=span.prefix,
            delimiter=span.delimiter,
            after=span.after,
            after_upload=span.after_version,
            within=caller.principal.keys,
            limit=span.limit,
        )

    async def _listable(self, caller: Caller, name: str) -> Bucket:
        bucket = await self._floor.bucket(caller, name)
        ref = ObjectRef(name, "")
        if caller.principal.may not in READERS:
            raise self._floor.refused(caller, ref, Denied())
        self._floor.means.observe(
            self._floor.event("list", caller, ref, outcome="served", readers=(caller.party,))
        )
        return bucket

    def _query(self, caller: Caller, bucket: str, span: Span) -> Query:
        return Query(
            party=caller.party,
            bucket=bucket,
            revision=self._floor.mesh.revision,
            prefix=span.prefix,
            delimiter=span.delimiter,
            after=span.after,
            after_version=span.after_version,
            limit=min(span.limit, PAGE_KEYS_MAX),
            within=caller.principal.keys,
            as_of=span.as_of,
            settled=self._floor.settled,
        )

    def _sees(self, caller: Caller, bucket: Bucket) -> Sees:
        policy, party = self._floor.mesh.policy, caller.party

        def sees(facts: Facts) -> bool:
            return bool(policy.sees(party, facts, bucket).allowed)

        return sees
