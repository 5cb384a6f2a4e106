"""Why a party may or may not, as far as its own staff may know."""

from __future__ import annotations

from dataclasses import replace

from gateway.errors import Denied
from gateway.exchange.floor import Floor, check_key
from gateway.model import Caller, Facts, May, ObjectRef
from gateway.policy.explain import Explanation

NOBODY = ""
"""Wrote what the party must not know of, or what is not there."""


class Explaining:
    """For principals that keep their party's policy: they are told of their own party's file."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def explain(
        self, caller: Caller, verb: str, ref: ObjectRef, version: str = ""
    ) -> Explanation:
        """May the caller's party `read` or `write` this, and by which of its own rules?

        Of a version that it holds, or of a key that it may write, it is told why. Everything else
        reads `not offered`, alike for what is absent, kept from it, or was never written. Raises
        NoSuchBucket for a bucket that it is no member of.
        """
        bucket = await self._floor.bucket(caller, ref.bucket)
        self._staff(caller, ref)
        check_key(ref.key)
        held = None
        if verb == "read":
            held = await self._floor.held(caller, ref, bucket, version, None)
            held = None if held and held.version.marker else held
        facts = held.version.facts if held else Facts(ref, NOBODY, 0)
        policy = self._floor.mesh.policy
        told = policy.explain(caller.party, verb, facts, bucket, asker=caller.party)
        # The revision is of the whole folder: it would tell when other parties edit their files.
        return replace(told, revision="", mode=held.grant.mode if held else told.mode)

    def _staff(self, caller: Caller, ref: ObjectRef) -> None:
        if caller.principal.may is not May.POLICY:
            text = f"principal {caller.principal.name} of {caller.party} does not keep its policy"
            raise self._floor.refused(caller, ref, Denied(text))
