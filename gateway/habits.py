"""How a principal's file jobs work: what its party's file says below `sftp:`."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.events import EMPTY

TEMPORARY = (
    *("*.tmp", "*.part", "*.partial", "*.filepart", ".*", "*.ocTransferId*.part"),
    *("tmp/", "temp/"),
)
"""Names of files that are not yet what they will be called: a pattern for the last segment of a
path, or with a slash at its end the name of a folder somewhere on the way."""
FLAGS = ("*.done", "*.ok", "*.ctl")
"""Flag files: `x.done` says that `x` is complete."""
QUIET_SECONDS = 30


class Settle(enum.Enum):
    """When a file that was written becomes a version. A temporary name never is one."""

    CLOSE = "close"  # when it is closed, or gets a name that is not temporary
    RENAME = "rename"  # when it gets another name, and that is not temporary
    FLAG_FILE = "flag-file"  # when its flag file is closed beside it
    QUIET = "quiet"  # when it has not been written to for a while


@dataclass(frozen=True, slots=True)
class Habits:
    """`folders` maps paths ("/outbox/globex") to what lies there ("orders/to-globex/": a bucket
    and a literal key prefix); without any the root lists the party's buckets. In the folders of
    `upload_only` (paths, too) nothing can be read or listed but one's own unfinished files."""

    folders: Mapping[str, str] = EMPTY
    upload_only: tuple[str, ...] = ()
    settle: Settle = Settle.CLOSE
    temporary: tuple[str, ...] = TEMPORARY
    flags: tuple[str, ...] = FLAGS
    quiet_s: int = QUIET_SECONDS


USUAL = Habits()


def is_temporary(habits: Habits, key: str) -> bool:
    """Whether a key is only what a file is called while it is written."""
    *folders, name = key.split("/")
    for pattern in habits.temporary:
        if pattern.endswith("/"):
            if any(fnmatchcase(folder, pattern[:-1]) for folder in folders):
                return True
        elif fnmatchcase(name, pattern):
            return True
    return False


def stays(habits: Habits, key: str) -> bool:
    """Whether a file that gets this name is not a version yet."""
    waits = habits.settle in (Settle.FLAG_FILE, Settle.QUIET)
    return waits or is_temporary(habits, key)


def flagged(habits: Habits, key: str) -> str:
    """The key of which this one is the flag file; "" where it is none."""
    if habits.settle is not Settle.FLAG_FILE:
        return ""
    for pattern in habits.flags:
        suffix = pattern.removeprefix("*")
        if key.endswith(suffix) and not key.removesuffix(suffix).endswith(("/", suffix)):
            return key.removesuffix(suffix)
    return ""


def flags_of(habits: Habits, key: str) -> tuple[str, ...]:
    """The keys of flag files that would say that this one is complete."""
    if habits.settle is not Settle.FLAG_FILE:
        return ()
    return tuple(key + pattern.removeprefix("*") for pattern in habits.flags)
