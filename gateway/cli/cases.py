"""`crossdock policy test`: what the parties' staff expect, held against the rules."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from gateway.cli import show
from gateway.cli.session import NO, Session, command
from gateway.errors import BadInput, DocumentErrors, Problem
from gateway.operations.folder import read_folder
from gateway.policy.cases import Case, Verdict, cases, judged
from gateway.policy.document import load
from gateway.policy.mesh import Mesh
from gateway.s3.xml.junit import Reported, junit

TESTS = "tests"
"""The folder of cases inside the policies folder, where the gateway does not look."""
FILE_BYTES_MAX = 4 * 1024**2


@click.command("test")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option(
    "--policies",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder to be tested; unless said, the one of gateway.yaml.",
)
@click.option(
    "--junit",
    "report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a report for continuous integration as well.",
)
@command
def cases_command(
    session: Session, files: Sequence[Path], policies: Path | None, report: Path | None
) -> None:
    """Hold the cases in FILE (all files of the folder's `tests/`, unless said) against the policies
    folder as it lies there. Needs no gateway, no catalog and no secret.

    Prints the cases that fail and a count. Exits 1 if any fails, 2 for a mistake in a file.
    """
    folder = policies or session.config.policies
    mesh = _mesh(folder)
    asked = _cases(files or _all(folder), mesh)
    verdicts = list(judged(mesh, asked))
    if report:
        _write(report, verdicts)
    failed = [verdict for verdict in verdicts if verdict.wrong]
    if session.as_json:
        show.as_json({"cases": len(verdicts), "failed": [_json(verdict) for verdict in failed]})
    else:
        for verdict in failed:
            for line in _lines(verdict):
                show.say(line)
        show.say(f"{len(failed)} of {len(verdicts)} cases fail" if failed else _well(verdicts))
    if failed:
        raise SystemExit(NO)


def _mesh(folder: Path) -> Mesh:
    """The rules alone: secrets and stores may be elsewhere than where the cases are run."""
    loaded = load(read_folder(folder), base=str(folder.resolve()))
    if loaded.mesh is None or loaded.problems:
        raise DocumentErrors(
            [_placed(folder / problem.file, problem) for problem in loaded.problems]
        )
    return loaded.mesh


def _all(folder: Path) -> Sequence[Path]:
    found = sorted((folder / TESTS).glob("*.yaml"))
    if not found:
        raise BadInput(f"there are no cases: name a file, or put some into {folder / TESTS}")
    return found


def _cases(files: Sequence[Path], mesh: Mesh) -> Sequence[Case]:
    found: list[Case] = []
    problems: list[Problem] = []
    for file in files:
        asked, wrong = cases(os.path.relpath(file), _text(file), mesh)
        found.extend(asked)
        problems.extend(wrong)
    if problems:
        raise DocumentErrors(problems)
    return found


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise BadInput(f"{file} is larger than {FILE_BYTES_MAX} bytes")
    return raw.decode("utf-8", "surrogateescape")


def _placed(path: Path, problem: Problem) -> Problem:
    return replace(problem, file=os.path.relpath(path))


def _well(verdicts: Sequence[Verdict]) -> str:
    return f"{len(verdicts)} cases, all as expected"


def _lines(verdict: Verdict) -> Iterator[str]:
    case = verdict.case
    for wrong in verdict.wrong:
        yield f"{case.file}:{case.line}:{case.column}: {case.name}: {wrong}"
    for finding in verdict.explanation.findings:
        yield f"    {finding.rule} {finding.outcome}: {finding.why}"


def _json(verdict: Verdict) -> dict[str, object]:
    case = verdict.case
    return {
        "file": case.file,
        "line": case.line,
        "column": case.column,
        "name": case.name,
        "wrong": verdict.wrong,
        "rules": [
            {"rule": str(f.rule), "outcome": f.outcome, "why": f.why}
            for f in verdict.explanation.findings
        ],
    }


def _write(report: Path, verdicts: Sequence[Verdict]) -> None:
    told = [
        Reported(
            *(verdict.case.file, verdict.case.line, verdict.case.name),
            failure="\n".join(_lines(verdict)) if verdict.wrong else "",
        )
        for verdict in verdicts
    ]
    try:
        report.write_bytes(junit("crossdock policy test", told))
    except OSError as error:
        raise BadInput(f"{report} can't be written: {error.strerror}") from error
