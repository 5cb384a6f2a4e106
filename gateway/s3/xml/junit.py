"""A report of cases in the XML that continuous integration reads (JUnit's, as Jenkins and GitLab
take it)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.s3.xml.build import escaped

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True)
class Reported:
    """One case; `failure` is "" where it holds."""

    file: str
    line: int
    name: str
    failure: str


def junit(suite: str, cases: Sequence[Reported]) -> bytes:
    failures = sum(bool(case.failure) for case in cases)
    head = f'<testsuite name="{escaped(suite)}" tests="{len(cases)}" failures="{failures}">'
    body = "\n".join(_case(case) for case in cases)
    return f"{_DECLARATION}<testsuites>\n{head}\n{body}\n</testsuite>\n</testsuites>\n".encode()


def _case(case: Reported) -> str:
    return "".join(_pieces(case))


def _pieces(case: Reported) -> Iterator[str]:
    file, name = escaped(case.file), escaped(case.name)
    yield f'<testcase classname="{file}" name="{name}" file="{file}" line="{case.line}"'
    if not case.failure:
        yield "/>"
        return
    first = escaped(case.failure.partition("\n")[0])
    yield f'><failure message="{first}">{escaped(case.failure)}</failure></testcase>'
