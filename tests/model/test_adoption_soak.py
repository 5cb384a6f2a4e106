"""A million objects are adopted, killed half way, gone on with, in bounded memory (make soak)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.catalog import Shelf
from gateway.exchange import Adoption
from gateway.model import Caller, Principal
from gateway.stores import Natural
from gateway.stores.memory import MemoryStore
from tests.contract.memory import peak_growth_bytes
from tests.model.test_adoption import FILES
from tests.model.world import START, World

OBJECTS = 1_000_000
GROWTH_BYTES_MAX = 256 * 1024**2
"""The catalog's cache (64 MiB) and what a batch holds."""


class KilledError(BaseException):
    """The process is gone."""


class Vast(MemoryStore):
    """Tells of objects that nobody ever put there."""

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        for number in range(OBJECTS):
            yield f"out/{number // 1000:04}/{number:07}"

    async def inspect(self, key: str) -> Natural | None:
        return Natural(100, f"e{key}", START)


@pytest.fixture
def world() -> Iterator[World]:
    made = World(FILES)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_million_objects_are_adopted(world: World) -> None:
    world.stores["acme", "home"] = Vast(lambda: world.now)  # type: ignore[assignment]
    world.exchange.enter(world.mesh, world.stores)
    this = Adoption(
        Shelf("acme", "home", "orders"), Caller(Principal("acme", "erp"), "adopt"), run=1
    )

    def dies(count: int) -> None:
        if count >= OBJECTS // 2:
            raise KilledError

    with peak_growth_bytes() as growth:
        with pytest.raises(KilledError):
            world.run(world.exchange.adopting().run(this, lambda *_: None, dies))
        world.restart()
        done = world.run(world.exchange.adopting().run(this, lambda *_: None, lambda _: None))
    assert (done["known"], done["adopted"]) == (OBJECTS // 2, OBJECTS // 2)
    assert growth() < GROWTH_BYTES_MAX
    assert len(world.run(world.catalog.survey(2**63 - 1, 1)).versions) == 1
    assert world.run(world.catalog.version_count()) == OBJECTS
