"""What the catalog keeps of sFTP depots that are imported: which state of each file was taken."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose import it is, and of what. `source` stands for all that tells one import from another:
    the depot's folder, where its files go, the party."""

    party: str
    source: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A file as it was when it was taken over. `version` is what it became last, "" if nothing yet.
    With an `upload` that state is not a version yet: it is being written as that staged file."""

    mtime: int  # seconds since 1970, as the depot tells it
    size: int
    version: str = ""
    upload: str = ""


class Depots(Protocol):
    """What an import needs."""

    async def imported(self, origin: Origin, paths: Collection[str]) -> Mapping[str, Imported]:
        """What is known of these files; those never seen are left out."""
        ...

    async def note_imported(self, origin: Origin, files: Mapping[str, Imported]) -> None:
        """ONE transaction. What was known of these files is replaced; and where one is a version,
        the party's own tree shows from then on when it was modified there (Stagings.show_time)."""
        ...
