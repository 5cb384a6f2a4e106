"""5 GiB through a store, in bounded memory (make soak)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.contract.memory import peak_growth_bytes
from tests.contract.store_suite import KEY, Kind, many
from tests.contract.test_stores_local import InFolder
from tests.contract.test_stores_s3 import InS3
from tests.contract.test_stores_sftp import OnOpenssh
from tests.counterparts import servers

SOAK_BYTES = 5 * 1024**3
GROWTH_BYTES_MAX = 64 * 1024**2


async def through(kind: Kind) -> None:
    store: Any
    async with kind.open() as store:
        with peak_growth_bytes() as growth:
            written = await store.write(KEY, many(SOAK_BYTES), size=None)
            assert written.size == SOAK_BYTES
            read = 0
            async for chunk in store.read(KEY):
                read += len(chunk)
        assert read == SOAK_BYTES
        assert growth() < GROWTH_BYTES_MAX


@pytest.mark.soak
def test_5_gib_into_a_folder_and_back(tmp_path: Path) -> None:
    asyncio.run(through(InFolder(tmp_path / "store", inline=True)))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_5_gib_to_an_sftp_server_and_back() -> None:
    with servers.sshd() as server:
        asyncio.run(through(OnOpenssh(server, server.folder)))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_5_gib_into_s3_and_back() -> None:
    with servers.moto() as endpoint:
        asyncio.run(through(InS3(endpoint, "soak")))
