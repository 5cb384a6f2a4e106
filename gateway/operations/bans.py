"""Who the sFTP door keeps out: the rules in gateway.yaml, and the operator's say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any

from gateway.errors import NotFound
from gateway.operations.control import Action, Progress
from gateway.sections import SftpEntry
from gateway.sftp.guard import S_NS, Guard, Rules

Arguments = Mapping[str, Any]


def rules_of(entry: SftpEntry) -> Rules:
    """What gateway.yaml says, in the guard's words."""
    return Rules(
        score=entry.ban.score,
        within_s=entry.ban.within,
        for_s=entry.ban.lasts,
        per_host=entry.per_host,
        safe=tuple(map(ip_network, entry.safe)),
        block=tuple(map(ip_network, entry.block)),
    )


def guard_actions(guard: Guard, clock: Callable[[], int]) -> Mapping[str, Action]:
    """What the command line asks of a running gateway's guard."""

    async def bans(arguments: Arguments, progress: Progress) -> Any:
        now = clock()
        return {
            "bans": [
                {"source": ban.source, "seconds_left": max(0, ban.until - now) // S_NS}
                for ban in guard.bans()
            ]
        }

    async def pardon(arguments: Arguments, progress: Progress) -> Any:
        source = str(arguments.get("source", ""))
        if not guard.pardon(source):
            raise NotFound(f"{source} is not banned")
        return {"pardoned": source}

    return MappingProxyType({"sftp.bans": bans, "sftp.pardon": pardon})
