"""`python -m tests.conformance CHECKOUT`: runs ceph/s3-tests against a gateway of its own.

Exits 1 if a test that the list of passing ones names did not pass. `--update` writes the lists of
passing and planned tests anew, from a run of the wide selection.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conformance import lists
from tests.conformance.site import serving, suite_config
from tests.conformance.suite import PASSED, UNCLEAN, Suite

LOST_SHOWN_MAX = 50


def main(words: Sequence[str]) -> int:
    asked = arguments(words)
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = asked.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        found = run(asked, folder)
    good = {test for test, outcome in found.items() if outcome in (PASSED, UNCLEAN)}
    tell(asked.selection, found)
    if asked.update:
        update(found, good)
    lost = [test for test in lists.read(lists.PASSING) if test in found and test not in good]
    for test in lost[:LOST_SHOWN_MAX]:
        print(f"no longer passes: {test}")
    return 1 if lost or not found else 0


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.conformance", description=__doc__)
    parser.add_argument("checkout", type=Path, help="a checkout of ceph/s3-tests")
    parser.add_argument(
        "--wide", dest="selection", action="store_const", const="wide", default="core"
    )
    parser.add_argument("--update", action="store_true", help="write the lists anew; needs --wide")
    parser.add_argument("--gate", action="store_true", help="run the tests that must pass alone")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a new folder for the logs, kept afterwards")
    parser.add_argument("tests", nargs="*", help="ids of single tests")
    found = parser.parse_args(words)
    if found.update and (found.selection != "wide" or found.tests or found.gate):
        parser.error("--update needs the whole of --wide")
    return found


def run(asked: argparse.Namespace, folder: Path) -> Mapping[str, str]:
    only = asked.tests or (lists.read(lists.PASSING) if asked.gate else ())
    suite = Suite(asked.checkout.resolve(), folder.resolve())
    with serving(folder / "site") as endpoint:
        (folder / "suite.conf").write_text(suite_config(endpoint))
        return suite.run(asked.selection, asked.workers, only)


def tell(selection: str, found: Mapping[str, str]) -> None:
    excluded = lists.excluded()
    counts = Counter(found.values())
    print(f"{selection}: {len(found)} tests, {dict(counts)}")
    unlisted = Counter(outcome for test, outcome in found.items() if test not in excluded)
    print(f"without what is excluded: {sum(unlisted.values())} tests, {dict(unlisted)}")


def update(found: Mapping[str, str], good: set[str]) -> None:
    """Excluded tests stay where a person put them."""
    excluded = lists.excluded()
    lists.write(lists.PASSING, good - excluded)
    lists.write(lists.PLANNED, found.keys() - good - excluded)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
