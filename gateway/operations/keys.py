"""What a gateway must own before it can work: the seal, the log's key, its principals' keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.notes import KEY_BYTES, Signer
from gateway.catalog import SealedKey, Settings
from gateway.errors import Damaged, StartRefused
from gateway.identity import (
    PURPOSE_CHECK,
    PURPOSE_LOG_KEY,
    Credential,
    Random,
    Seal,
    make_seal_key,
    new_key,
    read_seal_key,
    seal_secret,
)
from gateway.model import Event
from gateway.policy.mesh import Mesh

SEAL_CHECK = "seal.check"
LOG_KEY = "log.key"
LOG_NAME = "log.name"
LOG_VERIFIER = "log.verifier"
FIRST_KEYS = "keys.first"
"""Names of values in the catalog's settings."""

LOG_NAME_BYTES = 8
PLAIN = b"crossdock"


async def open_seal(reference: str, folder: Path, settings: Settings, random: Random) -> Seal:
    """The seal of this catalog. Its key is made only for a catalog that holds nothing sealed yet:
    a new key in the place of a lost one would leave every secret shut for good."""
    kept = await settings.get(SEAL_CHECK)
    key = await asyncio.to_thread(read_seal_key, reference, folder)
    if key is None and kept is not None:
        raise StartRefused(f"seal_key {reference} is absent, but the catalog was sealed with it")
    if key is None:
        key = await asyncio.to_thread(make_seal_key, reference, folder, random)
    seal = Seal(key, random)
    kept = await settings.put_if_absent(SEAL_CHECK, seal.seal(PURPOSE_CHECK, (), PLAIN))
    try:
        seal.open(PURPOSE_CHECK, (), kept)
    except Damaged as error:
        raise StartRefused(f"seal_key {reference} is not the one of this catalog") from error
    return seal


async def log_signer(settings: Settings, seal: Seal, random: Random) -> Signer:
    """The key that signs this catalog's log, and its name; made with the catalog."""
    fresh_name = f"crossdock-{random(LOG_NAME_BYTES).hex()}".encode()
    name = (await settings.put_if_absent(LOG_NAME, fresh_name)).decode()
    fresh = seal.seal(PURPOSE_LOG_KEY, (name,), random(KEY_BYTES))
    kept = await settings.put_if_absent(LOG_KEY, fresh)
    signer = Signer(name, seal.open(PURPOSE_LOG_KEY, (name,), kept))
    await settings.put_if_absent(LOG_VERIFIER, signer.verifier.vkey.encode())
    return signer


@dataclass(frozen=True, slots=True)
class FirstKeys:
    """Makes a key for every principal that has none: once, with the catalog's first start, for a
    principal added later may have been left without one on purpose."""

    settings: Settings
    seal: Seal
    clock: Callable[[], int]
    random: Random

    async def make(self, mesh: Mesh) -> tuple[Credential, ...]:
        if await self.settings.get(FIRST_KEYS) is not None:
            return ()
        kept = {(key.party, key.principal) for key in await self.settings.keys()}
        made = [
            await self._make(spec.principal.party, spec.principal.name, mesh)
            for party in mesh.parties.values()
            for spec in party.principals.values()
            if not spec.access_key
            and not spec.comes_by_files
            and (party.name, spec.principal.name) not in kept
        ]
        await self.settings.put(FIRST_KEYS, b"made")
        return tuple(made)

    async def _make(self, party: str, name: str, mesh: Mesh) -> Credential:
        access_id, secret = new_key(self.random)
        now = self.clock()
        sealed = seal_secret(self.seal, party, name, access_id, secret)
        event = key_event(now, party, name, access_id, "created")
        await self.settings.add_key(SealedKey(access_id, party, name, sealed, now), event)
        return Credential(access_id, mesh.parties[party].principals[name].principal, secret)


def key_event(now: int, party: str, principal: str, access_id: str, outcome: str) -> Event:
    """A key was created or revoked by the operator; it belongs to its party's view."""
    return Event(
        "key",
        now,
        party,
        principal,
        "cli",
        outcome=outcome,
        detail={"name": access_id},
        readers=(party,),
    )
