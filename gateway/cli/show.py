"""What commands print: tables for people, JSON for programs, nothing that a terminal obeys."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

SAY_AFTER_S = 2.0
"""So long a walk goes on before it says, where no bar can be drawn, how long it will take."""
PIPE_COLUMNS = 200
"""Tables that go to a file or a pipe are not cut to a screen's width."""


def safe(value: object) -> str:
    """Keys and metadata are strangers' text: what could steer a terminal is shown as \\x…"""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def moment(at: int) -> str:
    """A moment (ns) as RFC 3339 in UTC, empty for 0."""
    if not at:
        return ""
    whole = datetime.fromtimestamp(at // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{at // 10**6 % 1000:03d}Z"


def as_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, default=str))


def line(data: Any) -> None:
    """JSON on one line, at once: for a program that reads what goes on."""
    click.echo(json.dumps(data, default=str))
    sys.stdout.flush()


def say(text: str) -> None:
    """One line of our own words and strangers' names."""
    click.echo(safe(text))


def exports(access_id: str, secret: str, region: str) -> str:
    """One shell line that puts an access key to use."""
    values = {
        "AWS_ACCESS_KEY_ID": access_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": region,
    }
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    console = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
    shown = Table(title=Text(title), title_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(safe(cell)) for cell in row))
    console.print(shown)


@contextmanager
def progress(title: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while something long runs; call what this gives with (done, total)."""
    if quiet:
        yield lambda done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def walk() -> Iterator[Callable[[int, int], None]]:
    """The bar of a walk over all versions; where stderr is no terminal, one line says how long it
    will take."""
    if sys.stderr.isatty():
        with progress("looking at all versions", quiet=False) as report:
            yield report
        return
    began, told = time.monotonic(), False

    def say(done: int, total: int) -> None:
        nonlocal told
        gone = time.monotonic() - began
        if not told and done and gone >= SAY_AFTER_S:
            told = True
            left = gone * (total - done) / done
            click.echo(f"looking at {total:,} versions: about {left:,.0f} s", err=True)

    yield say


def amount(size: int) -> str:
    """Bytes as people read them, in units of 1,024."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:,.1f} {unit}"
