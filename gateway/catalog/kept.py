"""What is kept beside the objects: keys, the policies that were in force, and small values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from gateway.catalog.values import Applied, SealedKey
from gateway.model import Event


class Settings(Protocol):
    """Keys, and small values that must outlive a restart."""

    async def add_key(self, key: SealedKey, event: Event) -> None: ...
    async def keys(self) -> Sequence[SealedKey]: ...
    async def revoke_key(self, key_id: str, now: int, event: Event) -> bool: ...

    async def get(self, name: str) -> bytes | None: ...
    async def put(self, name: str, value: bytes) -> None: ...
    async def put_if_absent(self, name: str, value: bytes) -> bytes:
        """Stores the value unless there is one; returns the one that counts."""
        ...


class Policies(Protocol):
    """The policy in force, and every one that was, whole."""

    async def put_policy(
        self,
        revision: str,
        files: Mapping[str, str],
        event: Event,
        *,
        starting: Collection[str] = (),
    ) -> None:
        """Makes this set of files the policy in force; commits under another revision raise
        PolicyMoved from then on. Those of the rules `starting` that never were in force start with
        this commit."""
        ...

    async def policy(self) -> tuple[str, Mapping[str, str]] | None: ...
    async def policy_files(self, number: int) -> Mapping[str, str]:
        """The files of the policy that this commit put in force."""
        ...

    async def policies(self, before: int, limit: int) -> Sequence[Applied]:
        """Newest first, from below that commit."""
        ...

    async def policies_named(self, prefix: str, limit: int) -> Sequence[Applied]:
        """Those whose revision begins so, each as it was applied last, newest first."""
        ...

    async def policy_changes(self, name: str, limit: int) -> Sequence[tuple[Applied, str]]:
        """Those that changed that file, newest first, each with what it made of it: the SHA-256
        (hex) of the text, "" where the file went."""
        ...

    async def policy_followed(self, name: str) -> bool:
        """Whether all versions have been decided again since that file changed last, under
        whichever policy: what others change later does not show."""
        ...

    async def policy_text(self, name: str, digest: str) -> str | None:
        """What that file was once, by its SHA-256 (hex)."""
        ...

    async def rule_starts(self, rules: Collection[str]) -> Mapping[str, int]:
        """Of these rules (Send.identity), the commit that first brought each into force; those
        that never were are left out."""
        ...
