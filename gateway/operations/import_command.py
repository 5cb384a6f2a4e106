"""`crossdock sftp import`: which depot is meant, who writes, and what came of a round."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from gateway.catalog import Origin
from gateway.errors import BadInput, Conflict, DepotRefused, NotFound
from gateway.identity import Secret
from gateway.model import Bucket, Caller, Principal
from gateway.operations.control import Progress
from gateway.operations.depot import UNKNOWN, Access, Depot, Session, depot_of, pins_for, visit
from gateway.operations.depot_walk import Selection, depot_errors
from gateway.operations.importing import IMPORTER, OUTCOMES, Import, Importing, Tally
from gateway.operations.site import Site
from gateway.policy.patterns import Pattern, compiled, mistake

DOOR = "sftp"
SETTLED_SECONDS = 60
PATTERNS_MAX = 100
SOURCE_BYTES = 12
PROOFS = ("identity", "password", "passphrase")
"""In the order of Access."""


class ImportCommand:
    """One for each process: it knows which imports are under way."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._running: set[Origin] = set()

    async def run(self, arguments: Mapping[str, Any], progress: Progress) -> Any:
        """One round. `depot` (its address), `host_key`, `bucket`, `prefix`, `party`; maybe
        `principal`, `identity` and `passphrase` or `password`, `include`, `exclude`, `settled`
        (seconds), `dry`, `ciphers` (modern, legacy)."""
        depot = depot_of(_text(arguments, "depot"))
        depot = replace(depot, legacy=arguments.get("ciphers") == "legacy")
        key = str(arguments.get("host_key") or "")
        pins = pins_for(key, depot) if key else UNKNOWN
        access = Access(*(Secret(str(arguments.get(name) or "")) for name in PROOFS))
        if pins.fingerprints and not access.given:
            raise BadInput("give --identity FILE or --password-from env:NAME or file:PATH")
        this = await self._import(depot, arguments)
        if this.origin in self._running:
            raise Conflict(f"an import of {depot.place} into that place is under way already")
        self._running.add(this.origin)
        try:
            tally = await visit(depot, access, pins, partial(self._round, depot, this, progress))
        finally:
            self._running.discard(this.origin)
        counts = {name: tally.counts[name] for name in OUTCOMES}
        return {**counts, "bytes": tally.bytes, "dry": this.dry, "left": tally.left}

    async def _round(
        self, depot: Depot, this: Import, progress: Progress, session: Session
    ) -> Tally:
        with depot_errors(_shown(depot)):
            if not await session.client.isdir(depot.path):
                raise DepotRefused(f"the depot has no folder {_shown(depot)}")
        return await Importing(self._site, this, session, lambda done: progress(done, done)).run()

    async def _import(self, depot: Depot, arguments: Mapping[str, Any]) -> Import:
        principal = self._principal(arguments)
        bucket = await self._bucket(principal.party, _text(arguments, "bucket"))
        prefix = str(arguments.get("prefix") or "")
        settled = arguments.get("settled", SETTLED_SECONDS)
        if not isinstance(settled, int) or settled < 0:
            raise BadInput("settled is a number of seconds")
        parts = (depot.user, depot.place, depot.path.hex(), principal.party, bucket.name, prefix)
        source = hashlib.sha256("\n".join(parts).encode()).hexdigest()[: 2 * SOURCE_BYTES]
        return Import(
            origin=Origin(principal.party, source),
            caller=Caller(principal, DOOR),
            root=depot.path,
            bucket=bucket,
            prefix=prefix,
            selection=Selection(
                _patterns(arguments, "include"),
                _patterns(arguments, "exclude"),
                self._site.mesh.habits(principal),
            ),
            settled=settled,
            dry=bool(arguments.get("dry")),
        )

    def _principal(self, arguments: Mapping[str, Any]) -> Principal:
        party, name = _text(arguments, "party"), str(arguments.get("principal") or "")
        known = self._site.mesh.parties.get(party)
        if known is None:
            raise BadInput(f"topology.yaml names no party {party}")
        if not name:
            return Principal(party, IMPORTER)
        spec = known.principals.get(name)
        if spec is None:
            names = ", ".join(known.principals) or "none"
            raise BadInput(f"party {party} has no principal {name}; it has {names}")
        return spec.principal

    async def _bucket(self, party: str, name: str) -> Bucket:
        mesh = self._site.mesh
        bucket = mesh.buckets.get(name) or await self._site.catalog.bucket(name)
        member = bucket is not None and (
            party in bucket.members or (bucket.created and party in mesh.policy.members(bucket))
        )
        if bucket is None or not member:
            raise NotFound(f"there is no bucket {name} that {party} is a member of")
        return bucket


def _patterns(arguments: Mapping[str, Any], name: str) -> tuple[Pattern, ...]:
    texts = arguments.get(name) or []
    if not isinstance(texts, Sequence) or len(texts) > PATTERNS_MAX:
        raise BadInput(f"at most {PATTERNS_MAX} patterns to {name}")
    for text in texts:
        if wrong := mistake(str(text)):
            raise BadInput(f"{name} {text}: {wrong}")
    return tuple(compiled(str(text)) for text in texts)


def _shown(depot: Depot) -> str:
    return depot.path.decode("utf-8", "backslashreplace")


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise BadInput(f"{name} is missing")
    return value
