"""`crossdock policy apply`, `history` and `diff`: which policy is in force, and which ones were."""

from __future__ import annotations

import difflib
import getpass
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.catalog import Applied, Catalog
from gateway.cli import show
from gateway.cli.session import Session, command, quiet
from gateway.errors import CrossdockError, DocumentErrors, NotFound, Problem
from gateway.operations.applying import one_named
from gateway.operations.folder import read_folder
from gateway.policy.document import load

SHORT = 12
"""Characters of a revision that people are shown: 48 bits of it."""
ROWS_MAX = 1000
LAST = 2**62
"""Above every commit's number."""
POLL_S = 0.5


@click.command()
@click.option("--expect", default="", metavar="HASH", help="The plan that this is to carry out.")
@click.option("--revision", default="", metavar="REV", help="Go back to a policy that was.")
@click.option("--wait", is_flag=True, help="Until all files that are there follow it.")
@command
def apply(session: Session, expect: str, revision: str, wait: bool) -> None:
    """Puts the policies folder in force, wholly or not at all.

    With --revision a policy that was in force before, which is also written into the folder.
    Exits 1 where the step is another one than --expect names, or somebody else is at work on the
    files; 2 where they hold a mistake. Nothing has changed then.
    """
    by = {"by": _user(), "expect": expect}
    if revision:
        wanted = session.read(lambda catalog: one_named(catalog, revision))
        told = session.do("policy.revert", {**by, "revision": wanted.revision}, quiet)
    else:
        told = session.do("policy.apply", {**by, "revision": _looked_at(session)}, quiet)
    _refuse(session, told, expect)
    if session.as_json:
        show.as_json(told)
    else:
        _say(told)
    if wait:
        _wait(session)


def _looked_at(session: Session) -> str:
    """The folder's revision; its mistakes are told with their places before anything is asked."""
    folder = session.config.policies
    loaded = load(read_folder(folder), base=str(folder.resolve()))
    if loaded.mesh is None or loaded.problems:
        raise _mistakes(folder, loaded.problems)
    return loaded.mesh.revision


def _mistakes(folder: Path, problems: Sequence[Problem]) -> DocumentErrors:
    placed = (Problem(os.path.relpath(folder / p.file), p.line, p.column, p.text) for p in problems)
    return DocumentErrors(tuple(placed))


def _refuse(session: Session, told: Mapping[str, Any], expect: str) -> None:
    if told["applied"]:
        return
    if told["problems"]:
        raise _mistakes(session.config.policies, [Problem(*each) for each in told["problems"]])
    if told["edited"]:
        names = ", ".join(told["edited"])
        text = f"somebody is at work on {names} in the policies folder: what lies there is neither "
        raise CrossdockError(text + "in force nor what it would become; put it in force, or away")
    if expect:
        text = f"the plan {expect} is stale: the step that would be made now is {told['plan']}"
        raise CrossdockError(f"{text}; look at `crossdock policy plan` again")
    raise CrossdockError("the policies folder was changed while it was read; try again")


def _say(told: Mapping[str, Any]) -> None:
    if told["before"] == told["revision"]:
        show.say(f"in force already: {told['revision'][:SHORT]}")
        return
    was = f", was {told['before'][:SHORT]}" if told["before"] else ""
    show.say(f"in force: {told['revision'][:SHORT]}{was}")
    show.say(f"changed: {', '.join(told['changed'])}")


def _wait(session: Session) -> None:
    with show.progress("deciding again", quiet=session.as_json) as progress:
        while True:
            told = session.ask("policy.status", {})
            if told is None:
                raise CrossdockError("no gateway is running: its next start will make it so")
            if told.get("done"):
                return
            progress(told.get("versions_decided", 0), told.get("versions", 0))
            time.sleep(POLL_S)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@click.command()
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=20, show_default=True)
@command
def history(session: Session, limit: int) -> None:
    """The policies that were in force, newest first: since when, who put them there, and which
    files they changed."""
    found = session.read(lambda catalog: catalog.policies(LAST, limit))
    if session.as_json:
        show.as_json([_row(each) for each in found])
        return
    columns = ("revision", "since", "by", "changed")
    rows = [
        (each.revision[:SHORT], show.moment(each.number), _who(each), ", ".join(each.changed))
        for each in found
    ]
    show.table("policies, the one in force first", columns, rows)


def _row(each: Applied) -> dict[str, object]:
    return {
        "revision": each.revision,
        "since": show.moment(each.number),
        "door": each.door,
        "party": each.party,
        "principal": each.principal,
        "changed": list(each.changed),
    }


def _who(each: Applied) -> str:
    if each.door == "folder":
        return "the folder, followed"
    return f"{each.party}/{each.principal}" if each.party else f"{each.principal} ({each.door})"


@click.command()
@click.argument("old", metavar="REV")
@click.argument("new", metavar="[REV]", default="")
@command
def diff(session: Session, old: str, new: str) -> None:
    """What changed from one policy to another one, else to the one in force."""
    before, after = session.read(lambda catalog: _both(catalog, old, new))
    if session.as_json:
        names = sorted(before.keys() | after.keys())
        changed = [name for name in names if before.get(name) != after.get(name)]
        show.as_json([{"file": n, "before": before.get(n), "after": after.get(n)} for n in changed])
        return
    for line in _unified(before, after):
        show.say(line)


async def _both(catalog: Catalog, old: str, new: str) -> Sequence[Mapping[str, str]]:
    first = await one_named(catalog, old)
    second = await one_named(catalog, new) if new else None
    newest = second or next(iter(await catalog.policies(LAST, 1)), None)
    if newest is None:
        raise NotFound("no policy is in force yet")
    return [await catalog.policy_files(each.number) for each in (first, newest)]


def _unified(before: Mapping[str, str], after: Mapping[str, str]) -> Sequence[str]:
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = (each.get(name, "").splitlines() for each in (before, after))
        lines += difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")
    return lines
