"""`python -m tests.fuzz [--seconds N] [TARGET…]`: fuzzes by hand; findings become fixtures."""

from __future__ import annotations

import argparse
from random import Random

from tests.fuzz.hunt import hunt
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    asked = parser.parse_args()
    found = [hunt(name, asked.seconds, Random()) for name in asked.targets or TARGETS]
    return 1 if any(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
