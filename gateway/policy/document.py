"""The folder of YAML as one Mesh: read, checked, and put together file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.policy.mesh import Mesh
from gateway.policy.problems import Problem


@dataclass(frozen=True, slots=True)
class Cache:
    """What an earlier `load` parsed; passed to the next one, unchanged files are not read again."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """`mesh` is None only if topology.yaml is unusable and there is no last good one.

    `problems` are errors; `warnings` change nothing. Persist `mesh.texts` as the last good set.
    """

    mesh: Mesh | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    cache: Cache | None = None


def load(
    files: Mapping[str, str],
    *,
    base: str,
    last_good: Mapping[str, str] | None = None,
    cache: Cache | None = None,
) -> Loaded:
    """Read the folder. `files` maps each file's name to its text; `base` is the folder's absolute
    path (for relative store paths). A file with an error keeps its `last_good` text in force."""
    raise NotImplementedError
