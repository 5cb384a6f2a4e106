"""Pages of docs/ taken apart: sections, fenced blocks that name their file, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README.md")]))

_FENCE = re.compile(r"^```(\w*)$")
_FILE = re.compile(r"^# (\S+\.yaml)(?: \((\w+)\))?$")
WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. A YAML block may begin with `# FILE`, or `# FILE (wrong)` for one that is
    shown for its mistakes."""

    page: str
    section: str
    line: int
    language: str
    text: str

    @property
    def file(self) -> str:
        found = _FILE.match(self.text.splitlines()[0]) if self.text else None
        return found[1] if found else ""

    @property
    def wrong(self) -> bool:
        found = _FILE.match(self.text.splitlines()[0]) if self.text else None
        return bool(found and found[2] == WRONG)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Table:
    page: str
    section: str
    line: int
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def parts(path: Path) -> Iterator[Block | Table]:
    """Blocks and tables in the page's order."""
    lines = path.read_text("utf-8").splitlines()
    name, section, at = str(path.relative_to(ROOT)), "", 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif found := _FENCE.match(line):
            end = lines.index("```", at + 1)
            yield Block(name, section, at + 1, found[1], "\n".join(lines[at + 1 : end]) + "\n")
            at = end
        elif line.startswith("|") and at + 1 < len(lines) and lines[at + 1].startswith("|-"):
            end = next(
                (i for i in range(at, len(lines)) if not lines[i].startswith("|")), len(lines)
            )
            rows = [_cells(row) for row in lines[at:end]]
            yield Table(name, section, at + 1, rows[0], tuple(rows[2:]))
            at += len(rows) - 1
        at += 1


def blocks(path: Path) -> list[Block]:
    return [part for part in parts(path) if isinstance(part, Block)]


def tables(path: Path, section: str = "") -> list[Table]:
    found = [part for part in parts(path) if isinstance(part, Table)]
    return [table for table in found if section in ("", table.section)]


def page(name: str) -> Path:
    return ROOT / "docs" / name


def _cells(row: str) -> tuple[str, ...]:
    """`\\|` is no border."""
    cells = re.split(r"(?<!\\)\|", row.strip().strip("|"))
    return tuple(cell.strip().replace("\\|", "|") for cell in cells)


def ticked(cell: str) -> Sequence[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]*)`", cell)
