"""The exchange and all that follows the mesh in force, as one gateway has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from gateway.catalog import Catalog, Claim
from gateway.config import Config
from gateway.courier.asking import asked
from gateway.courier.courier import Courier
from gateway.errors import StartRefused, StoreUnavailable
from gateway.exchange import Convergence, Exchange, Headway, Means
from gateway.exchange.applying import put_in_force
from gateway.exchange.reading import from_extents
from gateway.habits import Habits
from gateway.herald.herald import Herald
from gateway.herald.lane import Means as HeraldMeans
from gateway.herald.lane import Sender
from gateway.identity import (
    Keyring,
    Seal,
    Secret,
    credentials,
    resolve,
)
from gateway.logins import Logins
from gateway.model import Bucket, Chunks, Event, Principal, Share, Version
from gateway.operations.bans import rules_of
from gateway.operations.health import Vitals
from gateway.operations.hooks import Hooks
from gateway.operations.host_keys import HostKey
from gateway.operations.logins import logins
from gateway.operations.outside import Outside
from gateway.operations.reload import By, policy_event
from gateway.operations.storerooms import Storerooms
from gateway.policy.mesh import Mesh
from gateway.sealer import Sealer
from gateway.sftp.guard import Guard
from gateway.stores import Store

HASH_THREADS = 4
"""Hashing releases the interpreter's lock; more threads than cores would only wait."""


@dataclass
class House:
    """The exchange and all that follows the mesh in force."""

    config: Config
    outside: Outside
    catalog: Catalog
    seal: Seal
    sealer: Sealer
    vitals: Vitals
    rooms: Storerooms
    hooks: Hooks
    sender: Sender
    keyring: Keyring = field(default_factory=Keyring)
    logins: Logins = field(default_factory=Logins)
    host_keys: tuple[HostKey, ...] = ()
    hashing: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(HASH_THREADS, "hash")
    )
    _exchange: Exchange | None = None
    _convergence: Convergence | None = None

    def __post_init__(self) -> None:
        self.guard = Guard(rules_of(self.config.sftp), self.outside.clock)
        self.vitals.bans = self.guard.bans
        self.courier = Courier(
            self.catalog,
            decide=self.decide,
            inbox_of=self.rooms.inbox,
            read_version=self.read_version,
            clock=self.outside.clock,
            draw=self.outside.draw,
            revision=lambda: self.mesh.revision,
            late=lambda lane: self.vitals.telemetry.late(lane.party, lane.store),
        )

        self.herald = Herald(
            self.catalog,
            HeraldMeans(
                mesh=lambda: self.mesh,
                webhook_of=self.hooks.of,
                sender=self.sender,
                region=self.config.region,
                clock=self.outside.clock,
                draw=self.outside.draw,
                observe=self.vitals.telemetry.webhooks.tried,
            ),
        )

    @property
    def exchange(self) -> Exchange:
        if self._exchange is None:
            raise StartRefused("no policy is in force yet")
        return self._exchange

    @property
    def mesh(self) -> Mesh:
        return self.exchange.mesh

    @property
    def convergence(self) -> Convergence:
        if self._convergence is None:
            raise StartRefused("no policy is in force yet")
        return self._convergence

    def headway(self) -> Headway | None:
        return self._convergence.headway if self._convergence else None

    async def enter(self, mesh: Mesh, by: By) -> None:
        """Puts a mesh in force everywhere. The catalog comes before the exchange: from then on no
        commit under the old revision gets through, and each waits for the new one."""
        stores = self.rooms.enter(mesh)
        self.vitals.stores(self.rooms.problems)
        self.hooks.enter(mesh)
        self.vitals.webhooks(self.hooks.problems)
        mesh = await put_in_force(self.catalog, mesh, policy_event(self.outside.clock(), mesh, by))
        if self._exchange is None:
            self._exchange = Exchange(self._means(), mesh, stores)
            self._convergence = self._exchange.converging(self.outside.ticks)
        else:
            self._exchange.enter(mesh, stores)
        await self.enter_keys()

    async def enter_keys(self) -> None:
        """Puts the keys of the mesh and of the catalog in force, as they are now."""
        kept, mesh = await self.catalog.keys(), self.mesh
        found, problems = await asyncio.to_thread(credentials, mesh, kept, self.seal, self.secret)
        users, wrong = await asyncio.to_thread(logins, mesh, kept, self.seal, self.secret)
        self.keyring.enter(found)
        self.logins.enter(users)
        self.vitals.keys(len(found), (*problems, *wrong))

    def habits(self, principal: Principal) -> Habits:
        return self.mesh.habits(principal)

    def secret(self, reference: str) -> Secret:
        return resolve(reference, self.config.policies)

    def decide(self, claim: Claim) -> Share | None:
        """What the policy in force gives the claim's party of its version."""
        return asked(self.mesh, claim)

    def read_version(self, version: Version) -> Chunks:
        return from_extents(version, self._store)(0, version.size)

    def nudge(self) -> None:
        """What was parked has been resumed."""
        self.courier.nudge()
        self.herald.nudge()

    def buckets(self) -> Sequence[Bucket]:
        return tuple(self.mesh.buckets.values())

    def places(self) -> Sequence[tuple[str, str]]:
        return [(p.name, name) for p in self.mesh.parties.values() for name in p.stores]

    def _store(self, party: str, name: str) -> Store:
        store = self.rooms.store(party, name)
        if store is None:
            raise StoreUnavailable(f"store {name} of {party} can't be used as it is")
        return store

    def _means(self) -> Means:
        return Means(
            rows=self.catalog,
            clock=self.outside.clock,
            ids=self.outside.id,
            observe=self.sealer.observe if self.config.audit.reads else self._observe_refusals,
            nudge=self.courier.nudge,
            offload=self._offload,
            part_bytes_min=self.config.limits.part,
            wait_s=self.config.limits.wait,
        )

    def _observe_refusals(self, event: Event) -> None:
        """`audit: {reads: no}`: what was refused is recorded all the same."""
        if event.kind == "refusal":
            self.sealer.observe(event)

    def _offload(self, work: Callable[[], None]) -> Awaitable[None]:
        return asyncio.get_running_loop().run_in_executor(self.hashing, work)
