from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.sftp.bed import Bed

UNFORESEEN = ("Uncaught exception", "never retrieved", "an sFTP request failed", "was destroyed")

GONE = "'NoneType' object has no attribute 'begin_auth'"
"""asyncssh's own words where a connection is lost before its user was looked up: no harm comes of
it, for it is lost."""


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed(tmp_path)
    yield bed
    bed.close()


@pytest.fixture
def nothing_unforeseen(bed: Bed, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After the test: nothing was logged that nobody foresaw, others are served, all sessions
    end, and there is no version."""
    caplog.set_level(logging.DEBUG, "asyncssh")
    asyncssh.set_debug_level(1)
    yield
    bed.run(bed.serves_others())
    bed.run(bed.left())
    assert not bed.door._users
    assert bed.keys("acme") == []
    records = [*caplog.get_records("call"), *caplog.records]
    wrong = [r.getMessage() for r in records if _is_wrong(r)]
    assert records
    assert wrong == []


def _is_wrong(record: logging.LogRecord) -> bool:
    said = record.getMessage()
    if record.exc_info and GONE in str(record.exc_info[1]):
        return False
    return record.levelno >= logging.ERROR or any(each in said for each in UNFORESEEN)
