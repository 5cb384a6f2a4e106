"""What sharing and copying cost: bytes at rest, and bytes that leave one cloud for another."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from gateway.policy.mesh import StoreSpec

GIB = 1024**3
USES_MAX = 20_000
"""Different uses that are told apart. What else there is goes into one for each kind."""
OTHERS = "…"
NOWHERE = ("", "")
ZERO = Decimal(0)

StoreName = tuple[str, str]
"""(party, name of the store)."""


@dataclass(frozen=True, slots=True)
class Price:
    """`storage` for each GiB and month, `egress` for each GiB that leaves the store's cloud."""

    storage: Decimal = ZERO
    egress: Decimal = ZERO


FREE = Price()


@dataclass(frozen=True, slots=True)
class Prices:
    """By "PARTY/STORE", else by the store's type; what is not named costs nothing."""

    currency: str = ""
    by: Mapping[str, Price] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, name: StoreName, spec: StoreSpec | None) -> Price:
        own = self.by.get("/".join(name))
        return own or self.by.get(spec.type if spec else "", FREE)


def apart(source: StoreSpec | None, target: StoreSpec | None) -> bool:
    """Do bytes on their way from one store to the other leave a cloud? They stay inside where
    kind, endpoint and region are the same. What is not known is apart from everything."""
    if source is None or target is None:
        return True
    return _cloud(source) != _cloud(target)


def _cloud(store: StoreSpec) -> tuple[str, str, str]:
    return (store.type, store.endpoint, store.region)


# --- bytes ---------------------------------------------------------------------------------------


class Kind(enum.Enum):
    OWN = "stored once"  # in its author's store
    SHARED = "shared"  # read from there
    COPY = "copies"  # in the recipient's own store, those under way included
    REPLACED = "replaced"  # was moved, and a newer copy has its place


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes that one party has, and the rule that gives them. `target` is NOWHERE but for
    copies."""

    kind: Kind
    party: str
    rule: str
    source: StoreName
    target: StoreName = NOWHERE


@dataclass(slots=True)
class Usage:
    """Versions and bytes of each use; differences may be negative."""

    _uses: dict[Use, list[int]] = field(default_factory=dict)

    def add(self, use: Use, size: int, sign: int = 1) -> None:
        counts = self._uses.get(use)
        if counts is None:
            if len(self._uses) >= USES_MAX:
                use = Use(use.kind, OTHERS, OTHERS, NOWHERE)
            counts = self._uses.setdefault(use, [0, 0])
        counts[0] += sign
        counts[1] += sign * size

    def __iter__(self) -> Iterator[tuple[Use, int, int]]:
        """Uses that come to something."""
        for use, (versions, size) in self._uses.items():
            if versions or size:
                yield use, versions, size

    def __len__(self) -> int:
        return len(self._uses)


# --- money ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Cost:
    """Of one party and rule. Bytes: `once` in the author's own store, `shared` read from there,
    `copies` in the recipient's store, `moved` from cloud to cloud. Money: `month` for storing,
    `moving` for what was (or would be) moved, `reading` each time that all that is shared is read
    whole from another cloud, `copied` a month if the recipient had copies of it instead."""

    party: str
    rule: str
    versions: int = 0
    once: int = 0
    shared: int = 0
    copies: int = 0
    moved: int = 0
    month: Decimal = ZERO
    moving: Decimal = ZERO
    reading: Decimal = ZERO
    copied: Decimal = ZERO


Stores = Callable[[StoreName], StoreSpec | None]
Homes = Callable[[str], StoreSpec | None]


def costs(usage: Usage, prices: Prices, stores: Stores, homes: Homes) -> tuple[Cost, ...]:
    """By party and rule. `homes` gives a party's store for copies."""
    found: dict[tuple[str, str], Cost] = {}
    for use, versions, size in usage:
        cost = found.setdefault((use.party, use.rule), Cost(use.party, use.rule))
        if use.kind is not Kind.REPLACED:
            cost.versions += versions
        _add(cost, use, size, _Market(prices, stores, homes))
    return tuple(found[place] for place in sorted(found))


@dataclass(frozen=True, slots=True)
class _Market:
    prices: Prices
    stores: Stores
    homes: Homes

    def month(self, name: StoreName, size: int) -> Decimal:
        return self.prices.of(name, self.stores(name)).storage * size / GIB

    def egress(self, name: StoreName, size: int) -> Decimal:
        return self.prices.of(name, self.stores(name)).egress * size / GIB


def _add(cost: Cost, use: Use, size: int, market: _Market) -> None:
    source = market.stores(use.source)
    if use.kind is Kind.OWN:
        cost.once += size
        cost.month += market.month(use.source, size)
        return
    if use.kind is Kind.SHARED:
        home = market.homes(use.party)
        cost.shared += size
        cost.reading += market.egress(use.source, size) if apart(source, home) else 0
        cost.copied += market.month((use.party, home.name), size) if home else 0
        return
    if use.kind is Kind.COPY:
        cost.copies += size
        cost.month += market.month(use.target, size)
    if apart(source, market.stores(use.target)):
        cost.moved += size
        cost.moving += market.egress(use.source, size)
