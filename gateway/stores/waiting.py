"""Waiting for what must not be left half done."""

from __future__ import annotations

import asyncio
import contextlib
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
