"""`python -m benchmarks [GROUP…]`: prints figures and ratios; see docs/performance.md."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import MappingProxyType

from benchmarks import (
    catalog,
    converging,
    delivery,
    depot,
    door,
    memory,
    notices,
    plan,
    policy,
    reloading,
    sftp,
)

Row = tuple[str, str]


def _figures(run: Callable[[], list[tuple[str, float, str]]]) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        for name, figure, unit in run():
            yield name, f"{figure:,.1f} {unit}"

    return rows


GROUPS = MappingProxyType(
    {
        "policy": _figures(policy.run),
        "catalog": _figures(catalog.run),
        "plan": _figures(plan.run),
        "get": door.reads,
        "put": door.writes,
        "durable": door.durable_writes,
        "lag": delivery.lag,
        "notices": _figures(notices.run),
        "converging": converging.converging,
        "reloading": reloading.reloading,
        "sftp": sftp.sftp,
        "depot": depot.depot,
        "memory": memory.memory,
    }
)


def main(names: list[str]) -> None:
    for name in names or GROUPS:
        print(f"\n{name}")
        for label, figure in GROUPS[name]():
            print(f"  {label:<52} {figure}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
