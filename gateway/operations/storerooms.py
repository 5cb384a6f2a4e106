"""The stores of the mesh in force, built from their descriptions, kept while these don't change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from gateway.errors import ConfigError
from gateway.identity import Secret
from gateway.policy.mesh import Mesh, StoreSpec
from gateway.stores import CanClose, CanInspect, Inbox, Store

REFERENCES = ("env:", "file:")


class Room(Store, Inbox, CanInspect, Protocol):
    """A store that also takes deliveries: what every kind of store is."""


Build = Callable[[StoreSpec, Mapping[str, str]], Room]
Place = tuple[str, str]
"""(party, store name)."""


@dataclass(frozen=True, slots=True)
class _Built:
    spec: StoreSpec
    secrets: Mapping[str, Secret]
    room: Room


class Storerooms:
    """`build` makes a store of its description and its secrets' values. A store that can't be
    built as things are (a missing secret) is left out and named in `problems`: what needs it
    waits, all else goes on."""

    def __init__(self, build: Build, secret_of: Callable[[str], Secret]) -> None:
        self._build = build
        self._secret_of = secret_of
        self._built: dict[Place, _Built] = {}
        self.problems: tuple[str, ...] = ()

    def enter(self, mesh: Mesh) -> Mapping[Place, Room]:
        """All stores of this mesh, former ones too; those unchanged are the same objects."""
        built: dict[Place, _Built] = {}
        problems: list[str] = []
        for party in mesh.parties.values():
            for spec in party.stores.values():
                place = (party.name, spec.name)
                try:
                    built[place] = self._one(place, spec)
                except ConfigError as error:
                    problems.append(f"store {spec.name} of {party.name}: {error.message}")
        self._built = built
        self.problems = tuple(problems)
        return MappingProxyType({place: each.room for place, each in built.items()})

    def inbox(self, party: str, name: str) -> Inbox | None:
        found = self._built.get((party, name))
        return found.room if found else None

    def store(self, party: str, name: str) -> Store | None:
        found = self._built.get((party, name))
        return found.room if found else None

    async def close(self) -> None:
        """Ends their connections."""
        for each in self._built.values():
            if isinstance(each.room, CanClose):
                await each.room.aclose()

    def _one(self, place: Place, spec: StoreSpec) -> _Built:
        secrets = {
            name: self._secret_of(value) if value.startswith(REFERENCES) else Secret(value)
            for name, value in spec.credentials.items()
        }
        known = self._built.get(place)
        if known is not None and (known.spec, known.secrets) == (spec, secrets):
            return known
        values = {name: secret.reveal() for name, secret in secrets.items()}
        return _Built(spec, secrets, self._build(spec, values))
