"""Three lists of test ids: what passes and must go on passing, what is planned, what stays out.

An id is a file of the suite's folder and a test's name, `test_s3.py::test_bucket_list_empty`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "lists"
PASSING = FOLDER / "passing.txt"
PLANNED = FOLDER / "planned.txt"
EXCLUDED = FOLDER / "excluded.yaml"


@dataclass(frozen=True, slots=True)
class Group:
    """Tests that stay out for one reason, which is the product's own."""

    reason: str
    tests: tuple[str, ...]


def read(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text().splitlines())


def groups() -> Mapping[str, Group]:
    found = yaml.safe_load(EXCLUDED.read_text()) or {}
    return {name: Group(each["reason"], tuple(each["tests"])) for name, each in found.items()}


def excluded() -> frozenset[str]:
    return frozenset(test for group in groups().values() for test in group.tests)


def write(path: Path, tests: Iterable[str]) -> None:
    path.write_text("".join(f"{test}\n" for test in sorted(tests)))
