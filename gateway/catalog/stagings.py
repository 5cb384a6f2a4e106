"""What the exchange needs of the catalog to write files name by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.catalog.values import Staged
from gateway.model import Event, ObjectRef, Principal, Upload


class Stagings(Protocol):
    """Files that one principal is writing and alone sees, at most one under each name; and the
    folders of a party's own tree that nobody has written into."""

    async def stage(self, upload: Upload) -> None:
        """Begins a file; one that its principal was writing under that name makes way."""
        ...

    async def staged(self, principal: Principal, ref: ObjectRef) -> Staged | None: ...
    async def page_staged(
        self, principal: Principal, bucket: str, prefix: str, after: str, limit: int
    ) -> Sequence[Staged]:
        """By key."""
        ...

    async def move_staged(self, upload: str, ref: ObjectRef) -> None:
        """Another name; what its principal was writing there makes way. NoSuchUpload."""
        ...

    async def describe_staged(self, upload: str, metadata: Mapping[str, str]) -> None:
        """More metadata for the version to be. NoSuchUpload."""
        ...

    async def close_staged(self, upload: str, at: int) -> None:
        """Its writer is done with it; 0 where it goes on. NoSuchUpload."""
        ...

    async def every_staged(self, after: tuple[int, str], limit: int) -> Sequence[Staged]:
        """Those of all parties by moment of their beginning and id, behind such a pair."""
        ...

    async def make_folder(self, party: str, bucket: str, path: str, event: Event) -> bool:
        """False if it is there already."""
        ...

    async def drop_folder(self, party: str, bucket: str, path: str, event: Event) -> bool: ...
    async def show_time(self, party: str, version: str, modified: int) -> None:
        """When the party's own tree says that a version was modified, in seconds since 1970."""
        ...

    async def shown_times(self, party: str, versions: Sequence[str]) -> Mapping[str, int]:
        """By version, for those that were given one."""
        ...

    async def folders(
        self, party: str, bucket: str, prefix: str, after: str, limit: int
    ) -> Sequence[str]:
        """Those below a prefix, by path, behind one of them."""
        ...
