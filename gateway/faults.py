"""Named points at which a test may make the process fail or die; nothing happens unless armed."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

_armed: ContextVar[Callable[[str], None] | None] = ContextVar("armed", default=None)


def fault(site: str) -> None:
    """Marks a point where a crash or an error must do no harm. Costs one look-up."""
    trap = _armed.get()
    if trap is not None:
        trap(site)


def arm(trap: Callable[[str], None] | None) -> None:
    """Sets what happens at every site in this context (tests alone): raise, exit, count."""
    _armed.set(trap)
