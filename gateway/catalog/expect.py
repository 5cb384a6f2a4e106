"""Conditions of a change, as they are handed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expect:
    """Conditions judged inside the transaction, on the writer's view. Etags without quotes, `*`
    for any. A delete marker counts as absent. `blind` are versions that the writer holds a grant
    on but that the policy in force hides from it: they count as absent too."""

    if_match: tuple[str, ...] = ()
    if_none_match: tuple[str, ...] = ()
    blind: frozenset[str] = frozenset()
    if_size: int | None = None  # of deletes alone, as the next: bytes
    if_modified: int | None = None  # seconds since 1970

    def __bool__(self) -> bool:
        sized = self.if_size is not None or self.if_modified is not None
        return bool(self.if_match or self.if_none_match) or sized
