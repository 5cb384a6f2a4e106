"""The stores that need no server: memory and a folder."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.stores.file import FileStore
from gateway.stores.memory import MemoryStore
from tests.contract.store_suite import StoreSuite


class InMemory:
    streams = False
    unheard_of: frozenset[str] = frozenset()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[MemoryStore]:
        yield MemoryStore(time.time_ns)

    async def plant(self, store: MemoryStore, key: str, data: bytes) -> None:
        store.put(key, data)


class InFolder:
    streams = True
    unheard_of: frozenset[str] = frozenset()

    def __init__(self, root: Path, *, inline: bool) -> None:
        self.root = root
        self.inline = inline

    @asynccontextmanager
    async def open(self) -> AsyncIterator[FileStore]:
        with ThreadPoolExecutor(4) as pool:
            yield FileStore(str(self.root), pool, inline=self.inline)

    async def plant(self, store: FileStore, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def kind(self) -> InMemory:
        return InMemory()


class TestFileStore(StoreSuite):
    @pytest.fixture(params=[True, False], ids=["inline", "pool"])
    def kind(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InFolder]:
        yield InFolder(tmp_path / "root" / "store", inline=request.param)
        around = {path.name for path in (*tmp_path.glob("*"), *tmp_path.glob("root/*"))}
        assert around <= {"root", "store"}, "something escaped the store's folder"
        staged = tmp_path / "root" / "store" / ".crossdock" / ".staging"
        assert not list(staged.glob("*")), "a staging file was left behind"
