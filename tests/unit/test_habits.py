"""When a file that jobs write is what it will be: temporary names, flag files."""

from __future__ import annotations

import pytest

from gateway.habits import (
    USUAL,
    Habits,
    Settle,
    flagged,
    flags_of,
    is_temporary,
    stays,
)

FLAGS = Habits(settle=Settle.FLAG_FILE)


@pytest.mark.parametrize(
    "key",
    [
        "x.tmp",
        "in/x.part",
        "x.csv.1db92cbf.partial",
        "in/x.csv.filepart",
        ".x",
        "in/.x.csv.3yT1",
        "tmp/x",
        "in/temp/a/b",
    ],
)
def test_temporary_names(key: str) -> None:
    assert is_temporary(USUAL, key)
    assert stays(USUAL, key)


@pytest.mark.parametrize("key", ["x", "x.tmp/y", "tmp", "in/tmpx/y", "a.b/x.csv", "x.tmpl"])
def test_final_names(key: str) -> None:
    assert not is_temporary(USUAL, key)
    assert not stays(USUAL, key)


@pytest.mark.parametrize(
    ("key", "of"),
    [("in/x.csv.done", "in/x.csv"), ("x.ok", "x"), ("x.csv", ""), (".done", ""), ("in/.ok", "")],
)
def test_a_flag_file_names_the_file_that_it_releases(key: str, of: str) -> None:
    assert flagged(FLAGS, key) == of
    assert flagged(USUAL, key) == ""


def test_a_file_knows_the_flags_that_would_release_it() -> None:
    assert flags_of(FLAGS, "in/x") == ("in/x.done", "in/x.ok", "in/x.ctl")
    assert flags_of(USUAL, "in/x") == ()
    assert all(flagged(FLAGS, each) == "in/x" for each in flags_of(FLAGS, "in/x"))


@pytest.mark.parametrize("settle", [Settle.FLAG_FILE, Settle.QUIET])
def test_what_waits_for_something_stays(settle: Settle) -> None:
    assert stays(Habits(settle=settle), "x")
