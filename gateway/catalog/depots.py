"""What the catalog keeps of sFTP depots that are imported: which state of each file was taken."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Imported:
    """A file as it was when it was taken over. `version` is what it became last, "" if nothing yet.
    With an `upload` that state is not a version yet: it is being written as that staged file."""

    mtime: int  # seconds since 1970, as the depot tells it
    size: int
    version: str = ""
    upload: str = ""


class Depots(Protocol):
    """What an import needs. A source is a depot's folder and where its files go."""

    async def imported(self, source: str, paths: Collection[str]) -> Mapping[str, Imported]:
        """What is known of these files; those never seen are left out."""
        ...

    async def note_imported(self, source: str, files: Mapping[str, Imported]) -> None:
        """ONE transaction. What was known of these files is replaced."""
        ...
