"""Each test is in one list; those that must pass do, where a checkout is at hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance import lists
from tests.conformance.suite import FILES
from tests.docs.pages import page, tables

CHECKOUT = os.environ.get("CROSSDOCK_S3_TESTS", "")
ROOT = Path(__file__).resolve().parents[2]
GATE_S = 1800
REASON_CHARS_MIN = 40


@pytest.mark.parametrize("path", [lists.PASSING, lists.PLANNED], ids=lambda path: path.stem)
def test_a_list_is_sorted_and_names_each_test_once(path: Path) -> None:
    tests = lists.read(path)
    assert list(tests) == sorted(set(tests))
    assert all(test.partition("::")[0] in FILES for test in tests)


def test_a_test_is_in_one_list_alone() -> None:
    every = [
        *lists.read(lists.PASSING),
        *lists.read(lists.PLANNED),
        *(test for group in lists.groups().values() for test in group.tests),
    ]
    assert [test for test, count in Counter(every).items() if count > 1] == []


def test_every_group_that_stays_out_has_a_reason() -> None:
    groups = lists.groups()
    assert groups
    for name, group in groups.items():
        assert len(group.reason) >= REASON_CHARS_MIN, name
        assert group.tests, name
        assert list(group.tests) == sorted(group.tests), name


def test_the_s3_page_tells_how_many_they_are() -> None:
    (table,) = tables(page("s3.md"), "Conformance")
    groups = {f"excluded: {name}": len(group.tests) for name, group in lists.groups().items()}
    passing, planned = (len(lists.read(path)) for path in (lists.PASSING, lists.PLANNED))
    told = {name: int(count) for name, count in table.rows}
    assert told == {"passing": passing, "planned": planned, **groups}


@pytest.mark.skipif(not CHECKOUT, reason="CROSSDOCK_S3_TESTS names no checkout of ceph/s3-tests")
@pytest.mark.timeout(GATE_S)
def test_what_passed_still_passes() -> None:
    command = [sys.executable, "-m", "tests.conformance", CHECKOUT, "--wide", "--gate"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
