"""`crossdock adopt`: which store is meant, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog import Shelf
from gateway.errors import BadInput
from gateway.exchange import Adoption
from gateway.exchange.adopting import DOOR, OUTCOMES
from gateway.model import Caller, Principal
from gateway.operations.control import Progress
from gateway.operations.site import Site
from gateway.policy.mesh import Mesh, StoreSpec

LISTED_MAX = 1000
"""What was left out is listed one by one up to here; all of it is counted."""

SETTING = "adopt."
SFTP_PORT = 22


@dataclass(frozen=True, slots=True)
class Address:
    """A store of the topology, and the prefix of keys in it."""

    store: StoreSpec
    prefix: str = ""


def address_of(mesh: Mesh, text: str) -> Address:
    """PARTY/STORE, or PARTY for its home; s3://BUCKET/PREFIX, gs://BUCKET/PREFIX,
    az://ACCOUNT/CONTAINER/PREFIX, sftp://HOST[:PORT]/PATH, file:///PATH. BadInput unless
    topology.yaml declares a store that holds all of it: what nobody declared is read by nobody."""
    scheme, _, rest = text.partition("://")
    if not rest:
        return _named(mesh, text)
    found = [
        Address(spec, rest.removeprefix(root))
        for spec in _stores(mesh)
        if (place := _place(spec)) is not None
        for kind, root in [place]
        if kind == scheme and rest.startswith(root)
    ]
    if not found:
        raise BadInput(f"topology.yaml declares no store that holds {text}; declare it first")
    return max(found, key=lambda address: len(_place_text(address.store)))


def _named(mesh: Mesh, text: str) -> Address:
    name, slash, store = text.partition("/")
    party = mesh.parties.get(name)
    if party is None:
        raise BadInput(f"topology.yaml names no party {name}")
    spec = party.stores.get(store) if slash else party.home
    if spec is None:
        names = ", ".join(party.stores) or "none"
        raise BadInput(f"party {name} has no store {store or 'of its own'}; it has {names}")
    return Address(spec)


def _stores(mesh: Mesh) -> Iterator[StoreSpec]:
    for party in mesh.parties.values():
        yield from party.stores.values()


def _place(spec: StoreSpec) -> tuple[str, str] | None:
    """The scheme of a store's address, and what follows it up to its keys."""
    if spec.type == "s3":
        return "s3", f"{spec.bucket}/{spec.prefix}"
    if spec.type == "gcs":
        return "gs", f"{spec.bucket}/{spec.prefix}"
    if spec.type == "azure":
        return "az", f"{spec.account}/{spec.container}/{spec.prefix}"
    if spec.type == "sftp":
        port = f":{spec.port}" if spec.port != SFTP_PORT else ""
        return "sftp", f"{spec.host}{port}{spec.path.rstrip('/')}/"
    return ("file", f"{spec.path.rstrip('/')}/") if spec.type == "file" else None


def _place_text(spec: StoreSpec) -> str:
    place = _place(spec)
    return place[1] if place else ""


@dataclass(frozen=True, slots=True)
class AdoptCommand:
    site: Site

    async def run(self, arguments: Mapping[str, Any], progress: Progress) -> Any:
        """`store` (its address), `bucket`; maybe `prefix` (of keys in the store, behind that of
        the address), `under` (put before each key), `author` (a principal of the party). A run
        that was killed is gone on with: what it has looked at it does not look at again."""
        address = address_of(self.site.mesh, _text(arguments, "store"))
        this = await self._adoption(address, arguments)
        adopting = self.site.exchange.adopting()
        left: list[Mapping[str, str]] = []

        def heard(key: str, outcome: str, why: str) -> None:
            if len(left) < LISTED_MAX:
                left.append({"key": key, "outcome": outcome, "why": why})

        total = await adopting.count(this)
        progress(0, total)
        done = await adopting.run(this, heard, lambda count: progress(count, max(total, count)))
        await self._note(this, 0)
        counts = {name: done[name] for name in OUTCOMES}
        where = {"party": this.shelf.party, "store": this.shelf.store, "bucket": this.shelf.bucket}
        return {**where, **counts, "left": left}

    async def _adoption(self, address: Address, arguments: Mapping[str, Any]) -> Adoption:
        spec = address.store
        principal = self._principal(spec.party, str(arguments.get("author") or ""))
        shelf = Shelf(spec.party, spec.name, _text(arguments, "bucket"))
        prefix = address.prefix + str(arguments.get("prefix") or "")
        under = str(arguments.get("under") or "")
        this = Adoption(shelf, Caller(principal, DOOR), self.site.outside.clock(), prefix, under)
        kept = await self.site.catalog.get(_setting(this))
        if kept and int(kept):
            return Adoption(shelf, this.caller, int(kept), prefix, under)
        await self._note(this, this.run)
        return this

    def _principal(self, party: str, name: str) -> Principal:
        if not name:
            return Principal(party, DOOR)
        spec = self.site.mesh.parties[party].principals.get(name)
        if spec is None:
            raise BadInput(f"party {party} has no principal {name}")
        return spec.principal

    async def _note(self, this: Adoption, run: int) -> None:
        """That this adoption is under way, or (0) over."""
        await self.site.catalog.put(_setting(this), str(run).encode())


def _setting(this: Adoption) -> str:
    shelf = this.shelf
    return SETTING + "\n".join((shelf.party, shelf.store, shelf.bucket, this.prefix, this.under))


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise BadInput(f"{name} is missing")
    return value
