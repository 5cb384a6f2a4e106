"""Costs of what is in the catalog, by the stores of the policy in force."""

from __future__ import annotations

from collections.abc import Callable

from gateway.catalog import Catalog
from gateway.exchange.costing import usage
from gateway.model import EMPTY
from gateway.policy.costs import Cost, Prices, StoreName, Usage, costs
from gateway.policy.document import load
from gateway.policy.mesh import Mesh, StoreSpec


async def of_everything(
    catalog: Catalog, base: str, prices: Prices, report: Callable[[int, int], None]
) -> tuple[Cost, ...]:
    """Reads alone. `base` as in `load`."""
    kept = await catalog.policy()
    texts = kept[1] if kept else EMPTY
    mesh = load(texts, base=base, last_good=texts).mesh
    return priced(await usage(catalog, report), prices, mesh)


def priced(found: Usage, prices: Prices, *meshes: Mesh | None) -> tuple[Cost, ...]:
    """`meshes` say where stores are, the first that knows one; a party's own is the first's."""

    def store(name: StoreName) -> StoreSpec | None:
        parties = (mesh.parties.get(name[0]) for mesh in meshes if mesh)
        specs = (party.stores.get(name[1]) for party in parties if party)
        return next((spec for spec in specs if spec), None)

    def home(name: str) -> StoreSpec | None:
        parties = (mesh.parties.get(name) for mesh in meshes if mesh)
        return next((party.home for party in parties if party), None)

    return costs(found, prices, store, home)
