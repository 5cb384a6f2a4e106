"""What a party's file may already say, and nothing acts upon yet: a warning each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import MappingProxyType

from gateway.errors import Problem
from gateway.policy.complaints import place
from gateway.policy.party import PartyRules

IDLE = MappingProxyType(
    {
        ("sends", "deletes", "follow"): "copies stay when a file is deleted",
        ("accepts", "deletes", "follow"): "copies stay when a file is deleted",
        ("accepts", "recall", True): "copies can't be recalled",
    }
)
"""(section, field, value): what happens instead, for now."""


def idle(files: Iterable[PartyRules]) -> Iterator[Problem]:
    """A warning at every value that has no effect in this version."""
    for rules in files:
        for section in ("sends", "accepts"):
            for i, entry in enumerate(getattr(rules.found, section)):
                for field, text in _idle_in(section, entry):
                    where = place(rules.tree, (section, i, *field))
                    yield Problem(rules.file, *where, f"not acted upon yet: {text}")


def _idle_in(section: str, entry: object) -> Iterator[tuple[tuple[str, ...], str]]:
    for (where, field, value), text in IDLE.items():
        if where == section and getattr(entry, field) == value:
            yield (field,), text
