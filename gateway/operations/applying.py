"""The operator's commands that put a policy in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from gateway.catalog import Applied
from gateway.catalog import Policies as Kept
from gateway.errors import BadInput, NotFound
from gateway.operations.control import Action, Progress
from gateway.operations.reload import By, Policies, Verdict

REVISION_CHARS_MIN = 4
NAME_CHARS_MAX = 256
DOOR = "command"


async def _ready() -> None:
    """A running gateway knows what is in force."""


class Applying:
    """`policy apply`, on the policies of a running gateway or, without one, on the catalog's:
    `before` then finds out what is in force."""

    def __init__(self, policies: Policies, before: Callable[[], Awaitable[None]] = _ready) -> None:
        self._policies = policies
        self._before = before

    def actions(self) -> Mapping[str, Action]:
        return MappingProxyType({"policy.apply": self.apply, "policy.revert": self.revert})

    async def apply(self, arguments: Mapping[str, Any], progress: Progress) -> Any:
        """The folder as it lies there, if it still is the `revision` that the caller looked at."""
        policies, expect = self._policies, _text(arguments, "expect")
        await self._before()
        verdict = await policies.apply(
            _by(arguments), expect=expect, revision=_text(arguments, "revision")
        )
        return _told(verdict)

    async def revert(self, arguments: Mapping[str, Any], progress: Progress) -> Any:
        """A policy that was in force once, named by how its revision begins."""
        policies = self._policies
        await self._before()
        wanted = await one_named(policies.kept, _text(arguments, "revision"))
        then = await policies.kept.policy_files(wanted.number)
        kept = await policies.kept.policy()
        now = kept[1] if kept else {}
        changes = {
            name: then.get(name, "")
            for name in then.keys() | now.keys()
            if then.get(name) != now.get(name)
        }
        expect = _text(arguments, "expect")
        return _told(await policies.change(changes, _by(arguments), expect=expect))


async def one_named(kept: Kept, prefix: str) -> Applied:
    """NotFound if no policy's revision begins so, BadInput if several do."""
    if len(prefix) < REVISION_CHARS_MIN:
        raise BadInput(f"a revision is named by at least {REVISION_CHARS_MIN} of its characters")
    found = await kept.policies_named(prefix, 2)
    if not found:
        raise NotFound(f"no policy that was in force has a revision that begins with {prefix}")
    if len(found) > 1:
        raise BadInput(f"more than one revision begins with {prefix}: give more of it")
    return found[0]


def _by(arguments: Mapping[str, Any]) -> By:
    return By(DOOR, principal=_text(arguments, "by"))


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    if not isinstance(value, str) or len(value) > NAME_CHARS_MAX:
        raise BadInput(f"{name} is no text of at most {NAME_CHARS_MAX} characters")
    return value


def _told(verdict: Verdict) -> dict[str, Any]:
    return {
        "applied": verdict.applied,
        "before": verdict.before,
        "revision": verdict.revision,
        "plan": verdict.plan,
        "changed": list(verdict.changed),
        "stale": verdict.stale,
        "edited": list(verdict.edited),
        "problems": [[p.file, p.line, p.column, p.text] for p in verdict.problems],
    }
