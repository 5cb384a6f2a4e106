"""A walk over all keys: for what must see the versions of a key together. Its contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.catalog.values import Surveyed


@dataclass(frozen=True, slots=True)
class KeySpot:
    """A place in the walk: buckets and keys backwards, the versions of a key newest first."""

    bucket: str
    key: str
    number: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A version as this walk sees it. `replaced` are holders in whose view a newer null version
    has taken its place, so that it never heads it; `store` (party, name) is where its bytes begin,
    ("", "") where it has none."""

    each: Surveyed
    replaced: frozenset[str] = frozenset()
    store: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page. `seen` counts what was passed, wanted or not, versions that are gone included;
    `last` is where the next page goes on, None at the end."""

    versions: tuple[Kept, ...] = ()
    seen: int = 0
    last: KeySpot | None = None


Wanted = Callable[[str, str], bool]
"""Asked of bucket and key, once for each page that the key is on."""


class KeyWalks(Protocol):
    """What plans and costs need. Reads alone."""

    async def survey_keys(self, after: KeySpot | None, limit: int, wanted: Wanted) -> KeyPage:
        """A page over all versions that are kept, those of a key together. `limit` bounds those
        that are passed, and so the memory and time of a page: some microseconds for each, ten
        times that for those `wanted`. What is committed during a walk is met or not, as its key
        lies; each version at most once."""
        ...
