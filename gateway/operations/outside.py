"""What a gateway and its commands both stand on: the clock, chance, and the catalog's file."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.catalog import Catalog
from gateway.catalog.sqlite import SqliteCatalog
from gateway.config import Config
from gateway.sealer import Sealer

ID_BYTES = 16
REQUEST_ID_BYTES = 8
ENTROPY_BLOCK_BYTES = 4096
PRIVATE = 0o600


class Entropy:
    """os.urandom by the block: each call of it lets go of the interpreter, and must queue to get
    it back while other threads work. Belongs to one event loop; a forked child must not use it."""

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._block = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        if self._at + count > len(self._block):
            self._block = self._source(max(ENTROPY_BLOCK_BYTES, count))
            self._at = 0
        start, self._at = self._at, self._at + count
        return self._block[start : self._at]


@dataclass(frozen=True, slots=True)
class Outside:
    """What comes from outside the program, and tests replace."""

    clock: Callable[[], int] = time.time_ns
    ticks: Callable[[], float] = time.monotonic
    entropy: Callable[[int], bytes] = field(default_factory=Entropy)
    draw: Callable[[], float] = random.random

    def id(self) -> str:
        """Of versions and uploads: 128 random bits, no counter, nothing that a URL escapes."""
        return self.entropy(ID_BYTES).hex()

    def request_id(self) -> str:
        """As AWS's: 16 characters of upper case and digits."""
        return self.entropy(REQUEST_ID_BYTES).hex().upper()


async def open_catalog(config: Config, outside: Outside, *, read_only: bool = False) -> Catalog:
    """Takes the catalog's lock, unless it is only read; CatalogInUse if another one has it."""
    if not read_only:
        await asyncio.to_thread(_make_private, config.catalog)
    return await SqliteCatalog.open(str(config.catalog), clock=outside.clock, read_only=read_only)


def _make_private(catalog: Path) -> None:
    """The file is its owner's alone from its first byte on; SQLite gives its companions the same
    mode. It holds partners' names and metadata in the clear."""
    catalog.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(catalog, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE))


async def checkpoint(sealer: Sealer, catalog: Catalog) -> str:
    """Seals what the log holds, and returns the newest signed checkpoint."""
    while await sealer.step():
        pass
    newest = await catalog.checkpoint()
    return newest[2] if newest else ""
