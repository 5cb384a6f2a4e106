"""What a party's file says below `sftp:`: how the file jobs of its principals work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from gateway.habits import Habits, Settle
from gateway.policy.nodes import Path
from gateway.policy.schema import JobsEntry, PartyFile

SECTION = "sftp"


def jobs(found: PartyFile) -> Mapping[str, Habits]:
    """By principal, "*" for those that are not named."""
    return MappingProxyType({name: _habits(entry) for name, entry in found.sftp.items()})


def _habits(entry: JobsEntry) -> Habits:
    return Habits(
        folders=MappingProxyType(dict(entry.map)),
        upload_only=tuple(entry.upload_only),
        settle=Settle(entry.settle),
        temporary=tuple(entry.temporary),
        flags=tuple(entry.flags),
        quiet_s=entry.quiet,
    )


def alone(found: PartyFile) -> Iterator[tuple[Path, str]]:
    """What is wrong with it by itself."""
    for name, entry in found.sftp.items():
        at: Path = (SECTION, name)
        for i, folder in enumerate(entry.upload_only):
            if entry.map and not any(_within(folder, mapped) for mapped in entry.map):
                known = ", ".join(entry.map)
                text = f"`{folder}` lies in no folder of `map`; expected one of {known}, or below"
                yield (*at, "upload_only", i), text
        waits = {"quiet": entry.settle == "quiet", "flags": entry.settle == "flag-file"}
        for field, counts in waits.items():
            if field in entry.model_fields_set and not counts:
                settle = "quiet" if field == "quiet" else "flag-file"
                text = f"this has no effect without `settle: {settle}`"
                yield (*at, field), text


def _within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
