"""What a party's staff may do to its own policy file without the operator's disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from gateway.api.keeping import OwnFile, Past, Replaced
from gateway.api.replies import moment
from gateway.errors import Conflict, PreconditionFailed, Problem, TooBusy
from gateway.model import Principal
from gateway.operations.reload import By, Policies, Verdict

REPLACED_MAX = 60
"""Times that one party may replace its file within an hour: each is kept for good."""
TRIES_MAX = 10
HOUR_NS = 3600 * 10**9
DOOR = "api"


class OwnPolicies:
    """gateway.api.policy.OwnPolicies, on the policies of a running gateway."""

    def __init__(self, policies: Policies, clock: Callable[[], int]) -> None:
        self._policies = policies
        self._clock = clock

    async def own(self, party: str) -> OwnFile:
        standing, file = self._policies.standing, file_of(party)
        text = standing.mesh.texts.get(file, "")
        return OwnFile(
            text,
            digest(text),
            _own(standing.problems, file),
            await self._policies.kept.policy_followed(file),
        )

    async def replace(self, by: Principal, text: str, expect: str | None) -> Replaced:
        """What others do to their files meanwhile is no reason to refuse: it is tried again."""
        file, changes = file_of(by.party), {file_of(by.party): text}
        await self._check_pace(by.party, file)
        for _ in range(TRIES_MAX):
            mesh = self._policies.standing.mesh
            if expect is not None and expect != digest(mesh.texts.get(file, "")):
                raise PreconditionFailed("the file in force is another one by now")
            verdict = await self._policies.change(
                changes, By(DOOR, by.party, by.name), revision=mesh.revision
            )
            if not verdict.stale:
                return _replaced(verdict, file, text)
        raise TooBusy("the policy keeps changing; try again")

    async def past(self, party: str, limit: int) -> Sequence[Past]:
        kept = await self._policies.kept.policy_changes(file_of(party), limit)
        return [
            Past(moment(each.number), sha256, each.principal if each.party == party else "")
            for each, sha256 in kept
        ]

    async def text(self, party: str, sha256: str) -> str | None:
        return await self._policies.kept.policy_text(file_of(party), sha256)

    async def _check_pace(self, party: str, file: str) -> None:
        kept = await self._policies.kept.policy_changes(file, REPLACED_MAX)
        own = [each for each, _ in kept if (each.door, each.party) == (DOOR, party)]
        if len(own) == REPLACED_MAX and own[-1].number > self._clock() - HOUR_NS:
            text = f"the file was replaced {REPLACED_MAX} times within an hour; try again later"
            raise TooBusy(text)


def _replaced(verdict: Verdict, file: str, text: str) -> Replaced:
    """What stands in the way and is not the party's own is not told, but never taken for done."""
    problems = _own(verdict.problems, file)
    if not (verdict.applied or problems or verdict.edited):
        raise Conflict("the policy can't be changed now; ask whoever runs the gateway")
    return Replaced(digest(text), problems, _own(verdict.warnings, file), bool(verdict.edited))


def file_of(party: str) -> str:
    return f"{party}.yaml"


def digest(text: str) -> str:
    """SHA-256 (hex), "" for no text."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _own(problems: Sequence[Problem], file: str) -> tuple[Problem, ...]:
    return tuple(each for each in problems if each.file == file)
