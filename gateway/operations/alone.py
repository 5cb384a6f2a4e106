"""What commands that look into stores need where no gateway runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from gateway.catalog import Catalog, Claim
from gateway.config import Config
from gateway.courier.asking import asked
from gateway.exchange import Exchange, Means
from gateway.identity import resolve
from gateway.model import Share
from gateway.operations.control import Action
from gateway.operations.outside import Outside
from gateway.operations.scrubbing import at_rest
from gateway.operations.storerooms import Storerooms
from gateway.policy.document import load
from gateway.policy.mesh import Mesh
from gateway.stores.build import build, fitted

STORE_THREADS = 8


@dataclass(frozen=True, slots=True)
class Alone:
    """A gateway's stores and policy, without its doors and workers."""

    config: Config
    outside: Outside
    catalog: Catalog
    rooms: Storerooms
    exchange: Exchange

    @property
    def mesh(self) -> Mesh:
        return self.exchange.mesh

    def decide(self, claim: Claim) -> Share | None:
        return asked(self.mesh, claim)

    def nudge(self) -> None:
        """The next start finds what was promised."""


@asynccontextmanager
async def alone(
    config: Config, outside: Outside, catalog: Catalog, mesh: Mesh
) -> AsyncIterator[Mapping[str, Action]]:
    """Those commands, under the policy that is in force in the catalog, whatever the folder holds.
    A store that can't be used as it is is left out."""
    kept = await catalog.policy()
    loaded = load(kept[1], base=str(config.policies.resolve())).mesh if kept else None
    mesh = loaded or mesh
    with ThreadPoolExecutor(STORE_THREADS, "store") as pool:
        rooms = Storerooms(
            lambda spec, secrets: fitted(build(spec, secrets, pool), _unmeasured, outside.draw),
            partial(resolve, folder=config.policies),
        )
        stores = rooms.enter(mesh)
        dated = mesh.dated(await catalog.rule_starts(mesh.starting))
        exchange = Exchange(_means(outside, catalog), dated, stores)
        try:
            yield at_rest(Alone(config, outside, catalog, rooms, exchange))
        finally:
            await rooms.close()


def _means(outside: Outside, catalog: Catalog) -> Means:
    return Means(
        rows=catalog,
        clock=outside.clock,
        ids=outside.id,
        observe=lambda event: None,
        nudge=lambda: None,
        offload=_at_once,
    )


async def _at_once(work: Callable[[], None]) -> None:
    work()


def _unmeasured(verb: str, seconds: float, read: int, error: str) -> None:
    """Nobody asks a command how its stores did."""
