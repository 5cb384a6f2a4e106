"""Buckets: who sees which, and those that parties make through a door."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.errors import (
    BucketAlreadyYours,
    BucketExists,
    Denied,
    InvalidBucketName,
    NotLockable,
)
from gateway.exchange.floor import WRITERS, Floor
from gateway.locks import SETTING, LockRule
from gateway.model import EMPTY, Bucket, Caller, May, ObjectRef, Versioning
from gateway.policy.rendering import Statement, statements

_NAME = re.compile(
    r"(?=.{3,63}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z"
)
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+\Z")


class Buckets:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def all(self, caller: Caller) -> Sequence[Bucket]:
        """The buckets of which the caller's party is a member, by name."""
        made = await self._floor.rows.buckets()
        every = {b.name: b for b in made} | dict(self._floor.mesh.buckets)
        mine = [b for b in every.values() if self._floor.is_member(caller.party, b)]
        return sorted(mine, key=lambda b: b.name)

    async def one(self, caller: Caller, name: str) -> Bucket:
        """NoSuchBucket for whoever is no member."""
        return await self._floor.bucket(caller, name)

    async def owned(self, caller: Caller, name: str) -> Bucket:
        """For what concerns its owner alone, but for principals that see some of its keys only."""
        bucket = await self._floor.bucket(caller, name)
        if bucket.owner != caller.party or caller.principal.keys:
            text = "only the owner of a bucket may ask for this"
            raise self._floor.refused(caller, ObjectRef(name, ""), Denied(text))
        return bucket

    async def cors(self, name: str) -> str:
        """The CORS configuration that the bucket's owner has published, "" where there is none.
        Whoever asks need be nobody, so an absent bucket is answered as one without a
        configuration, out of the same look-up: it finds nothing in either case."""
        return await self._floor.rows.cors(name, declared=name in self._floor.mesh.buckets)

    async def create(self, caller: Caller, name: str, *, lockable: bool = False) -> Bucket:
        """A bucket of the caller's party, private until a policy file says otherwise. A `lockable`
        one has object lock, and with it versioning.

        Raises BucketAlreadyYours for one that the caller may use, BucketExists for a name that is
        taken, Denied where topology.yaml does not let the party create such a name (it comes
        first, so that a name's being taken is told only to those who could have had it).
        """
        ref = ObjectRef(name, "")
        known = self._floor.mesh.buckets.get(name) or await self._floor.rows.bucket(name)
        if known is not None and self._floor.is_member(caller.party, known):
            raise BucketAlreadyYours(bucket=known)
        if not is_bucket_name(name):
            raise InvalidBucketName(bucket=name)
        may = caller.principal.may in WRITERS and not caller.principal.keys
        if not may or not self._floor.mesh.policy.may_create(caller.party, name):
            text = f"topology.yaml gives {caller.party} no create_buckets pattern for this name"
            raise self._floor.refused(caller, ref, Denied(text))
        if known is not None:
            raise self._floor.refused(caller, ref, BucketExists(bucket=name))
        bucket = Bucket(
            name=name,
            owner=caller.party,
            members={caller.party: ("**",)},
            versioning=Versioning.ENABLED if lockable else Versioning.OFF,
            created=self._floor.means.clock(),
            settings={SETTING: str(LockRule())} if lockable else EMPTY,
        )
        event = self._floor.event("bucket", caller, ref, outcome="created", readers=(caller.party,))
        await self._floor.rows.create_bucket(bucket, event)
        return bucket

    async def delete(self, caller: Caller, name: str) -> None:
        """BucketNotEmpty while the S3 API shows anything in it; Denied unless the caller's party
        made the bucket."""
        await self._made(caller, name)
        ref = ObjectRef(name, "")
        event = self._floor.event("bucket", caller, ref, outcome="deleted", readers=(caller.party,))
        await self._floor.rows.delete_bucket(name, event)

    async def set_versioning(self, caller: Caller, name: str, status: Versioning) -> None:
        """What the S3 API shows from now on; setting again what is set is no change."""
        bucket = await self._floor.bucket(caller, name)
        if bucket.versioning is status:
            return
        await self._made(caller, name)
        if SETTING in bucket.settings:
            raise NotLockable
        ref = ObjectRef(name, "")
        event = self._floor.event(
            "bucket", caller, ref, outcome=f"versioning {status.value}", readers=(caller.party,)
        )
        await self._floor.rows.set_versioning(name, status, event)

    async def set_setting(self, caller: Caller, name: str, setting: str, value: str) -> None:
        """One of the bucket's small documents; "" takes it away."""
        bucket = await self.ruled(caller, name)
        ref = ObjectRef(name, "")
        outcome = f"{setting} {'set' if value else 'removed'}"
        event = self._floor.event("bucket", caller, ref, outcome=outcome, readers=(caller.party,))
        await self._floor.rows.set_setting(name, setting, value, event, declared=not bucket.created)

    async def set_lock_rule(self, caller: Caller, name: str, rule: LockRule) -> None:
        """Object lock, which never goes away again. NotLockable without versioning."""
        bucket = await self.ruled(caller, name)
        if bucket.versioning is not Versioning.ENABLED:
            raise NotLockable
        await self.set_setting(caller, name, SETTING, str(rule))

    async def own_policy(self, caller: Caller, name: str) -> Sequence[Statement]:
        """The caller's part of the policy in force in this bucket, and no other party's. Denied
        to principals that see some of its keys only: patterns tell of others."""
        bucket = await self._floor.bucket(caller, name)
        if caller.principal.keys:
            text = f"principal {caller.principal.name} is limited to some of its party's keys"
            raise self._floor.refused(caller, ObjectRef(name, ""), Denied(text))
        return statements(self._floor.mesh.policy, caller.party, bucket)

    async def refuse_policy(self, caller: Caller, name: str) -> None:
        """Who gets what is written in files, never through a door: Denied, and which file."""
        await self._floor.bucket(caller, name)
        text = (
            f"what {caller.party} shares and accepts in {name} is written in "
            f"policies/{caller.party}.yaml, who may write in policies/topology.yaml: edit these"
        )
        raise self._floor.refused(caller, ObjectRef(name, ""), Denied(text))

    async def encrypted(self, caller: Caller, name: str) -> bool:
        """Whether what the caller's party writes into the bucket is encrypted at rest."""
        await self._floor.bucket(caller, name)
        return self._floor.encrypts(caller.party)

    async def ruled(self, caller: Caller, name: str) -> Bucket:
        """Bucket-level changes are the owner's alone, and of no principal that is narrowed."""
        bucket = await self._floor.bucket(caller, name)
        ref = ObjectRef(name, "")
        may = caller.principal.may is May.BOTH and not caller.principal.keys
        if bucket.owner != caller.party or not may:
            text = "only the owner of a bucket may change it"
            raise self._floor.refused(caller, ref, Denied(text))
        return bucket

    async def _made(self, caller: Caller, name: str) -> Bucket:
        """What topology.yaml states of a bucket stands: its being there, its versioning."""
        bucket = await self.ruled(caller, name)
        if not bucket.created:
            text = "this bucket is declared in topology.yaml, and can be changed only there"
            raise self._floor.refused(caller, ObjectRef(name, ""), Denied(text))
        return bucket


def is_bucket_name(name: str) -> bool:
    """AWS's rules for general purpose buckets: 3 to 63 of a-z 0-9 . -, no IP address."""
    reserved = name.startswith("xn--") or name.endswith(("-s3alias", "--ol-s3"))
    return bool(_NAME.match(name)) and not _ADDRESS.match(name) and not reserved
