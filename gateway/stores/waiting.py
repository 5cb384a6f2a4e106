"""Waiting for what must not be left half done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def ended(doing: asyncio.Future[T]) -> T:
    """The result. What can't be stopped (a thread, a request that was sent) is waited for even
    when cancelled: what follows it, such as closing the file, must not run beside it."""
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            with contextlib.suppress(asyncio.CancelledError):  # once is enough
                await asyncio.wait((doing,))
        if not doing.cancelled():
            doing.exception()  # seen, so that asyncio does not complain
        raise


async def undone(doing: asyncio.Future[T], undo: Callable[[T], Awaitable[object]]) -> T:
    """As `ended`; what was done for one who is cancelled meanwhile is undone."""
    try:
        return await ended(doing)
    except asyncio.CancelledError:
        if not doing.cancelled() and doing.exception() is None:
            await undo(doing.result())
        raise
