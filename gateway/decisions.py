"""What policy answers: who gets a version, how, and by which rule."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from types import MappingProxyType


class Mode(enum.Enum):
    """How a party holds a version, weakest first."""

    SHARE = "share"
    COPY_ON_READ = "copy-on-read"
    COPY = "copy"
    OWN = "own"  # its author, and its co-authors

    @property
    def strength(self) -> int:
        return _STRENGTH[self]


_STRENGTH = MappingProxyType({Mode.SHARE: 0, Mode.COPY_ON_READ: 1, Mode.COPY: 2, Mode.OWN: 3})


@dataclass(frozen=True, slots=True)
class Rule:
    """Which line of which file decided; `owner` is the party whose file it is, or "" (topology)."""

    id: str
    file: str
    line: int
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.id})"


@dataclass(frozen=True, slots=True)
class Reason:
    """Policy's answer to a yes-or-no question; `text` is fit for the party that asked."""

    allowed: bool
    text: str
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """One recipient's part of a decision. `target` is the key of the copy in `store`: for COPY it
    is promised at once, for COPY_ON_READ by the recipient's first read.

    `accept` is the recipient's own rule that admitted it (None for OWN).
    """

    party: str
    mode: Mode
    rule: Rule
    accept: Rule | None = None
    store: str = ""
    target: str = ""
    ack: bool = False  # whether the write is acknowledged only once this copy is verified
    deadline: int = 0  # seconds within which the copy is to be verified; 0: none
    lone: bool = False  # the target key names the version: no other one could ever get it
    deletes: str = "keep"  # keep | asked (the sender alone says follow) | follow

    @property
    def copied(self) -> bool:
        """Whether the copy is promised without a read."""
        return self.mode is Mode.COPY and bool(self.target)


@dataclass(frozen=True, slots=True)
class Decision:
    """Policy's whole answer for one version, under one revision; the author is not in `shares`."""

    revision: str
    shares: tuple[Share, ...] = ()
