"""A gateway as those commands see it that look into stores, whether it runs or not."""

from __future__ import annotations

from typing import Protocol

from gateway.catalog import Catalog, Claim
from gateway.config import Config
from gateway.exchange import Exchange
from gateway.model import Share
from gateway.operations.health import Vitals
from gateway.operations.outside import Outside
from gateway.operations.storerooms import Storerooms
from gateway.policy.mesh import Mesh


class Site(Protocol):
    """What of a gateway (or of a command without one) is needed here."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def outside(self) -> Outside: ...
    @property
    def rooms(self) -> Storerooms: ...
    @property
    def mesh(self) -> Mesh: ...
    @property
    def exchange(self) -> Exchange: ...
    def decide(self, claim: Claim) -> Share | None: ...
    def nudge(self) -> None: ...


class Running(Site, Protocol):
    """A gateway with all that belongs to it."""

    @property
    def config(self) -> Config: ...
    @property
    def vitals(self) -> Vitals: ...
