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

    async def stale_staged(self, before: int, limit: int) -> Sequence[Staged]:
        """Those of all parties that began before that moment, the oldest first."""
        ...

    async def make_folder(self, party: str, bucket: str, path: str, event: Event) -> bool:
        """False if it is there already."""
        ...

    async def drop_folder(self, party: str, bucket: str, path: str, event: Event) -> bool: ...
    async def folders(self, party: str, bucket: str, prefix: str, limit: int) -> Sequence[str]: ...
