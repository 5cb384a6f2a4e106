"""What every verb stands on: the mesh in force, the ways down, and the questions asked first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.catalog import (
    Asking,
    Checks,
    Configurations,
    Convergence,
    Expect,
    Ledger,
    Places,
    Stagings,
    Surveys,
    Uploads,
)
from gateway.errors import (
    CatalogUnavailable,
    CrossdockError,
    Denied,
    KeyTooLong,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    NotFound,
    StoreUnavailable,
)
from gateway.exchange.terms import Offload
from gateway.model import (
    EMPTY,
    KEY_BYTES_MAX,
    PART_BYTES_MIN,
    RESERVED_PREFIX,
    Bucket,
    Caller,
    Event,
    Grant,
    Held,
    May,
    ObjectRef,
    Version,
)
from gateway.policy.mesh import Mesh
from gateway.stores import Store

POLICY_WAIT_S = 5.0
"""How long a commit waits for the mesh to follow the revision that the catalog holds."""

WAIT_S = 50.0
"""How long a write waits for its copies: less than the minute after which S3 clients give up."""

SIGNATURE = "signature"
"""The detail that tells how a request proved itself, where that was not its door's usual way."""

READERS = frozenset({May.READ, May.BOTH})
WRITERS = frozenset({May.WRITE, May.BOTH})


class Rows(
    Ledger,
    Configurations,
    Uploads,
    Stagings,
    Surveys,
    Convergence,
    Checks,
    Places,
    Asking,
    Protocol,
):
    """What the verbs need of the catalog."""


StoreOf = Mapping[tuple[str, str], Store]
"""(party, store name) -> store, former stores included."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the wiring gives: all that is not a value."""

    rows: Rows
    clock: Callable[[], int]
    ids: Callable[[], str]
    observe: Callable[[Event], None]
    nudge: Callable[[], None]
    offload: Offload[None]
    part_bytes_min: int = PART_BYTES_MIN
    wait_s: float = WAIT_S


class Floor:
    """The mesh and stores in force (swapped whole by `enter`), and what is asked before a verb.

    `settled` are the versions (the first number, and the one behind the last) whose grants have
    been decided again under this mesh, though they may name an older revision.
    """

    def __init__(self, means: Means, mesh: Mesh, stores: StoreOf) -> None:
        self.means = means
        self.rows = means.rows
        self.mesh = mesh
        self.stores = stores
        self.withdrawals = 0
        self.asked = 0  # requests so far
        self.settled = (0, 0)
        self._entered = asyncio.Event()

    def enter(self, mesh: Mesh, stores: StoreOf) -> None:
        self.mesh, self.stores = mesh, stores
        self.settled = (0, 0)
        self.withdrew()
        self._entered.set()
        self._entered = asyncio.Event()

    def withdrew(self) -> None:
        """Something may have been taken from somebody: what is being read is asked about again."""
        self.withdrawals += 1

    async def next_mesh(self, revision: str) -> None:
        """Returns once a mesh of another revision is in force."""
        if self.mesh.revision == revision and not await self.next_entry(POLICY_WAIT_S):
            raise CatalogUnavailable("the policy in force can't be loaded")

    async def next_entry(self, seconds: float) -> bool:
        """Waits for the next mesh; False if none came within that time."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(self._entered.wait(), seconds)
        return False

    # --- questions -----------------------------------------------------------------------------

    async def bucket(self, caller: Caller, name: str) -> Bucket:
        """The bucket, if the caller's party is a member of it; else there is none."""
        self.asked += 1
        bucket = await self.named(name)
        if bucket is None or not self.is_member(caller.party, bucket):
            raise self.refused(caller, ObjectRef(name, ""), NoSuchBucket(bucket=name))
        return bucket

    async def named(self, name: str) -> Bucket | None:
        """The bucket with its settings: topology.yaml's, else one made through a door."""
        stated = self.mesh.buckets.get(name)
        if stated is None:
            return await self.rows.bucket(name)
        settings = await self.rows.declared(name)
        return replace(stated, settings=settings) if settings else stated

    def is_member(self, party: str, bucket: Bucket) -> bool:
        if party in bucket.members:
            return True
        return bool(bucket.created) and party in self.mesh.policy.members(bucket)

    async def readable(self, caller: Caller, ref: ObjectRef) -> Bucket:
        """The bucket, once the principal may read this key at all (whether it exists or not)."""
        bucket = await self.bucket(caller, ref.bucket)
        if caller.principal.may not in READERS:
            raise self.refused(caller, ref, Denied(_narrowed(caller, "read")))
        if not caller.principal.covers(ref.key):
            raise self.refused(caller, ref, NoSuchKey(key=ref.key))
        return bucket

    async def writable(self, caller: Caller, ref: ObjectRef) -> Bucket:
        """The bucket, once policy says that this principal may write this key."""
        bucket = await self.bucket(caller, ref.bucket)
        check_key(ref.key)
        self.ask_write(caller, ref, bucket)
        return bucket

    async def stageable(self, caller: Caller, ref: ObjectRef) -> Bucket:
        """The bucket, once this principal may begin a file there that is to get another name: its
        party alone has it, so any key will do where it may write some."""
        bucket = await self.bucket(caller, ref.bucket)
        check_key(ref.key)
        if not self.mesh.policy.may_stage(caller.principal, bucket):
            self.ask_write(caller, ref, bucket)
        return bucket

    def ask_write(self, caller: Caller, ref: ObjectRef, bucket: Bucket) -> None:
        reason = self.mesh.policy.may_write(caller.principal, ref, bucket)
        if not reason.allowed:
            raise self.refused(caller, ref, Denied(reason.text, rule=reason.rule))

    def sees(self, party: str, held: Held, bucket: Bucket) -> bool:
        """Whether the policy in force, asked beside the stored grant, lets the party see it."""
        first, end = self.settled
        if held.grant.revision == self.mesh.revision or first <= held.version.number < end:
            return True
        return bool(self.mesh.policy.sees(party, held.version.facts, bucket).allowed)

    def withheld(
        self, holders: Sequence[Grant], version: Version | None, bucket: Bucket
    ) -> frozenset[str]:
        """Those of a version's holders to whom the policy in force denies it: their grants are
        about to end, and they are told of nothing any more."""
        if version is None:
            return frozenset()
        held = ((grant.party, Held(version, grant)) for grant in holders)
        return frozenset(party for party, each in held if not self.sees(party, each, bucket))

    async def held(
        self, caller: Caller, ref: ObjectRef, bucket: Bucket, version: str, as_of: int | None
    ) -> Held | None:
        """What the caller's party holds and may see; markers included."""
        held = await self.rows.head(caller.party, ref, version=version, as_of=as_of)
        if held is None or not self.sees(caller.party, held, bucket):
            return None
        return held

    async def still(
        self,
        caller: Caller,
        name: ObjectRef,
        held: Held,
        named: str,
        as_of: int | None,
        seen: int,
    ) -> int:
        """The number of withdrawals by now. Where that is not the one that was `seen` last, raises
        unless the caller, its principal as it is now, may still read what it began to read, under
        that name."""
        now = self.withdrawals
        if now == seen:
            return now
        ref = held.version.ref
        party = self.mesh.parties.get(caller.party)
        spec = party and party.principals.get(caller.principal.name)
        if not spec:
            raise self.refused(caller, ref, absent(ref, named), held.version)
        bucket = await self.readable(replace(caller, principal=spec.principal), name)
        if await self.held(caller, ref, bucket, held.version.id, as_of) is None:
            raise self.refused(caller, ref, absent(ref, named), held.version)
        return now

    async def judged_on_view(
        self, caller: Caller, ref: ObjectRef, bucket: Bucket, expect: Expect
    ) -> Expect:
        """Conditions must not tell of a version that policy now hides from the writer."""
        if not expect:
            return expect
        held = await self.rows.head(caller.party, ref)
        if held is None or self.sees(caller.party, held, bucket):
            return expect
        return replace(expect, blind=frozenset({held.version.id}))

    def encrypts(self, party: str, name: str = "") -> bool:
        """Whether a store of the party (the one that takes its writes, unless named) keeps bytes
        encrypted, as the topology says."""
        known = self.mesh.parties.get(party)
        if known is None:
            return False
        spec = known.stores.get(name) if name else known.home
        return spec is not None and spec.encrypts

    # --- ways down -----------------------------------------------------------------------------

    def home(self, caller: Caller, ref: ObjectRef) -> tuple[str, Store]:
        """The store that takes the party's writes, and its name."""
        party = self.mesh.parties.get(caller.party)
        spec = party.home if party else None
        if spec is None:
            text = f"party {caller.party} has no store in topology.yaml, so it can't write"
            raise self.refused(caller, ref, Denied(text))
        return spec.name, self.store(caller.party, spec.name)

    def store(self, party: str, name: str) -> Store:
        store = self.stores.get((party, name))
        if store is None:
            raise StoreUnavailable("the store that holds these bytes is not in the topology")
        return store

    # --- events --------------------------------------------------------------------------------

    def event(
        self,
        kind: str,
        caller: Caller,
        ref: ObjectRef,
        detail: Mapping[str, str] = EMPTY,
        **fields: object,
    ) -> Event:
        if caller.signature:
            detail = {**detail, SIGNATURE: caller.signature}
        return Event(
            kind=kind,
            at=self.means.clock(),
            party=caller.party,
            principal=caller.principal.name,
            door=caller.door,
            request=caller.request,
            bucket=ref.bucket,
            key=ref.key,
            revision=self.mesh.revision,
            detail=detail,
            **fields,  # type: ignore[arg-type]
        )

    def served(self, kind: str, caller: Caller, held: Held) -> None:
        """Notes a read. The reader and the author may open it."""
        version = held.version
        self.means.observe(
            self.event(
                kind,
                caller,
                version.ref,
                version=version.id,
                outcome="served",
                rule=held.grant.rule,
                readers=(caller.party, version.author),
                detail={"author": version.author},
            )
        )

    def refused(
        self,
        caller: Caller,
        ref: ObjectRef,
        error: CrossdockError,
        about: Version | None = None,
    ) -> CrossdockError:
        """Notes a refusal, and gives the error back to be raised. Its own party may open it, and
        the author of the version that it is about."""
        author = about.author if about else ""
        self.means.observe(
            self.event(
                "refusal",
                caller,
                ref,
                version=about.id if about else "",
                outcome=type(error).__name__,
                readers=(caller.party, author) if author else (caller.party,),
                detail={"author": author} if author else EMPTY,
            )
        )
        return error


def check_key(key: str) -> None:
    """Raises KeyTooLong beyond 1,024 bytes, Denied for what is Crossdock's own."""
    if not key or len(key.encode()) > KEY_BYTES_MAX:
        raise KeyTooLong
    if key.startswith(RESERVED_PREFIX):
        raise Denied(f"keys below {RESERVED_PREFIX} are Crossdock's own")


def absent(ref: ObjectRef, version: str) -> NotFound:
    """What is said of a key, or of the version of it that was named, that is not to be seen."""
    return NoSuchVersion(version=version) if version else NoSuchKey(key=ref.key)


def label_of(bucket: Bucket, version: Version) -> str:
    """The version id that the S3 API shows."""
    return bucket.label(version)


def _narrowed(caller: Caller, verb: str) -> str:
    name = caller.principal.name
    return f"principal {name} of {caller.party} may not {verb} (may: {caller.principal.may.value})"
