"""The demo: it runs, and it would notice if something were not as it must be."""

import importlib.util
import subprocess
import sys

import pytest

from gateway.demo.story import Teller


def test_what_differs_is_marked_and_remembered() -> None:
    lines: list[str] = []
    teller = Teller(lines.append)
    teller.sees("status", 200, 200)
    teller.sees("body", b"a\nb", b"other")
    teller.holds("reason", "none", False)
    assert teller.differences == ["body", "reason"]
    assert lines[0] == "  status: 200"
    assert lines[1] == "  body: a | b   <-- NOT AS IT MUST BE: other"


@pytest.mark.skipif(not importlib.util.find_spec("moto"), reason="needs moto, an S3 server")
def test_the_story_is_as_it_must_be() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "demo"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT AS IT MUST BE" not in done.stdout
    assert "Everything was as it must be." in done.stdout
