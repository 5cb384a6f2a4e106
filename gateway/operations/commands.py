"""What the operator's commands do to the catalog, whichever process does them.

A running gateway offers them on its control socket; without one, the command line takes the
catalog's lock and calls them itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.catalog import Catalog, SealedKey
from gateway.errors import BadInput, NotFound
from gateway.exchange import Headway
from gateway.identity import NO_ACCESS_KEY, Random, Seal, new_key, seal_secret
from gateway.logins import hash_password, new_password
from gateway.operations.control import Action, Progress
from gateway.operations.health import shown
from gateway.operations.keys import LOG_VERIFIER, key_event
from gateway.operations.logins import seal_password
from gateway.operations.outside import PRIVATE
from gateway.operations.recalls import Recalls
from gateway.policy.mesh import Mesh, PrincipalSpec

IDS_MAX = 10_000
PASSWORD_ID_BYTES = 6
RESUME_STEP = 500
"""Notices made pending again in one transaction."""

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Commands:
    """`keys_changed` and `resumed` tell a running gateway what to look at again; `checkpoint`
    seals what the log holds and returns the newest signed checkpoint; `headway` is that of a
    running gateway's convergence."""

    catalog: Catalog
    seal: Seal
    mesh: Callable[[], Mesh]
    clock: Callable[[], int]
    random: Random
    checkpoint: Callable[[], Awaitable[str]]
    keys_changed: Callable[[], Awaitable[None]]
    resumed: Callable[[], None]
    headway: Callable[[], Headway | None]

    def actions(self) -> Mapping[str, Action]:
        return MappingProxyType(
            {
                "key.create": self.create_key,
                "key.revoke": self.revoke_keys,
                "deliveries.retry": self.retry,
                "notices.retry": self.retry_notices,
                "policy.status": self.policy_status,
                "backup": self.backup,
                "audit.checkpoint": self.seal_log,
                **Recalls(self.catalog, self.mesh, self.clock, self.resumed).actions(),
            }
        )

    async def create_key(self, arguments: Arguments, progress: Progress) -> Any:
        """The only time that the secret is shown. `password` makes one for the sFTP door, of which
        a hash is kept: the one that is given, or ("") a generated one."""
        party, name = _text(arguments, "party"), _text(arguments, "principal")
        spec = self._principal(party, name)
        password = arguments.get("password")
        shown = {"party": party, "principal": name}
        if password is None:
            key_id, secret = new_key(self.random)
            sealed = seal_secret(self.seal, party, name, key_id, secret)
            shown |= {"id": key_id, "secret": secret.reveal()}
        else:
            key_id = NO_ACCESS_KEY + self.random(PASSWORD_ID_BYTES).hex()
            text = str(password) or new_password(self.random)
            hashed = await asyncio.to_thread(hash_password, text, self.random)
            sealed = seal_password(self.seal, (party, name, key_id), hashed)
            shown |= {"id": key_id, "user": spec.ssh_user}
            shown |= {} if password else {"password": text}
        now = self.clock()
        event = key_event(now, party, name, key_id, "created")
        await self.catalog.add_key(SealedKey(key_id, party, name, sealed, now), event)
        await self.keys_changed()
        return shown

    def _principal(self, party: str, name: str) -> PrincipalSpec:
        known = self.mesh().parties.get(party)
        if known is None:
            raise NotFound(f"topology.yaml names no party {party}")
        if name not in known.principals:
            names = ", ".join(known.principals) or "none"
            raise NotFound(f"party {party} has no principal {name}; it has {names}")
        return known.principals[name]

    async def revoke_keys(self, arguments: Arguments, progress: Progress) -> Any:
        """Every open key of the principal, or the one that `id` names. In force at once."""
        party, name = _text(arguments, "party"), _text(arguments, "principal")
        wanted = arguments.get("id") or ""
        found = [
            key
            for key in await self.catalog.keys()
            if (key.party, key.principal) == (party, name)
            and not key.revoked
            and wanted in ("", key.id)
        ]
        if not found:
            which = f"key {wanted}" if wanted else "key"
            raise NotFound(f"no open {which} of {party} {name} in the catalog")
        now = self.clock()
        for key in found:
            event = key_event(now, party, name, key.id, "revoked")
            await self.catalog.revoke_key(key.id, now, event)
        await self.keys_changed()
        return {"revoked": [key.id for key in found]}

    async def retry(self, arguments: Arguments, progress: Progress) -> Any:
        """Parked deliveries become pending again: those named, or all."""
        count = await self.catalog.resume(ids=_ids(arguments), now=self.clock())
        self.resumed()
        return {"resumed": count}

    async def retry_notices(self, arguments: Arguments, progress: Progress) -> Any:
        """Parked notices become pending again: those named, or all, in steps."""
        ids, now, count = _ids(arguments), self.clock(), 0
        while step := await self.catalog.resume_notices(
            ids=ids[count : count + RESUME_STEP], now=now, limit=RESUME_STEP
        ):
            count += step
            if ids and count >= len(ids):
                break
        self.resumed()
        return {"resumed": count}

    async def policy_status(self, arguments: Arguments, progress: Progress) -> Any:
        return shown(self.headway())

    async def backup(self, arguments: Arguments, progress: Progress) -> Any:
        path = Path(_text(arguments, "path"))
        await self.catalog.backup(str(path), progress)
        await asyncio.to_thread(path.chmod, PRIVATE)
        return {"path": str(path), "bytes": (await asyncio.to_thread(path.stat)).st_size}

    async def seal_log(self, arguments: Arguments, progress: Progress) -> Any:
        note = await self.checkpoint()
        key = await self.catalog.get(LOG_VERIFIER) or b""
        return {"checkpoint": note, "key": key.decode()}


def _ids(arguments: Arguments) -> Sequence[int]:
    ids = arguments.get("ids") or []
    if not isinstance(ids, Sequence) or len(ids) > IDS_MAX:
        raise BadInput(f"at most {IDS_MAX} ids at a time")
    if not all(isinstance(each, int) for each in ids):
        raise BadInput("an id is a number")
    return ids


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise BadInput(f"{name} is missing")
    return value
