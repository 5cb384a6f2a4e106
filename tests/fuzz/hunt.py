"""The search for an input that is not answered, or only slowly."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

from tests.fuzz.corpus import keep, seeds
from tests.fuzz.mutations import mutated, pumped
from tests.fuzz.targets import TARGETS

SLOW_S = 0.5
"""Of the processor's time, so that other programs count for nothing."""

PUMP_ONE_IN = 8


def hunt(target: str, seconds: float, random: Random) -> Path | None:
    """Tries for so long; the file of the first finding, or None."""
    known, run = seeds(target), TARGETS[target].run
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        make = mutated if random.randrange(PUMP_ONE_IN) else pumped
        data = make(known, random)
        began = time.process_time()
        try:
            run(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is searched for
            return _found(target, data, repr(error))
        took = time.process_time() - began
        if took > SLOW_S:
            return _found(target, data, f"took {took:.1f} s")
    return None


def _found(target: str, data: bytes, what: str) -> Path:
    path = keep(target, data)
    print(f"{target}: {what}: {path}")
    return path
