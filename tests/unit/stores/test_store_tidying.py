"""What a killed process left half written goes when the next one starts."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from gateway.errors import StoreUnavailable
from gateway.exchange.collector import Collector
from gateway.operations.housekeeping import Housekeeping
from gateway.stores import CanTidy, Store
from gateway.stores.file import FileStore

DAY_SECONDS = 24 * 3600


class Unwell(FileStore):
    async def tidy(self) -> int:
        raise StoreUnavailable


def test_half_written_files_of_a_killed_process_go_at_the_next_start(tmp_path: Path) -> None:
    staging = tmp_path / "well" / ".crossdock" / ".staging"
    staging.mkdir(parents=True)
    for name, age in (("old", DAY_SECONDS + 60), ("young", 60)):
        (staging / name).write_bytes(b"x")
        moment = (staging / name).stat().st_mtime - age
        os.utime(staging / name, (moment, moment))

    tidied = asyncio.Event()

    class Telling(FileStore):
        async def tidy(self) -> int:
            count = await super().tidy()
            tidied.set()
            return count

    async def main(pool: ThreadPoolExecutor) -> None:
        stores: dict[str, Store] = {
            "unwell": Unwell(str(tmp_path / "unwell"), pool),
            "well": Telling(str(tmp_path / "well"), pool),
        }
        assert isinstance(stores["well"], CanTidy)
        keeping = Housekeeping(
            cast(Collector, cast(Any, None)),  # nothing is collected in the first minute
            lambda: [("p", name) for name in stores],
            lambda party, name: stores[name],
        )
        running = asyncio.create_task(keeping.run())
        await asyncio.wait_for(tidied.wait(), 10)
        running.cancel()

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(main(pool))
    assert {path.name for path in staging.iterdir()} == {"young"}
