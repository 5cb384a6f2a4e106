"""What the sFTP door is made of in a whole gateway."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from gateway.house import House
from gateway.logins import password_matches
from gateway.operations.host_keys import HostKey
from gateway.sftp.arrival import Means
from gateway.sftp.door import Limits, SftpDoor

PASSWORD_THREADS = 2
"""Passwords that are tried at once: each takes 32 MiB, and a core for a while."""


def file_door(house: House, keys: tuple[HostKey, ...]) -> SftpDoor:
    entry = house.config.sftp
    pool = ThreadPoolExecutor(PASSWORD_THREADS, "password")

    async def matches(password: str, kept: bytes | None) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, password_matches, password, kept)

    means = Means(
        lookup=house.logins.lookup,
        matches=matches,
        habits_of=house.habits,
        guard=house.guard,
        observe=house.sealer.observe,
        stranger=house.sealer.unsigned,
        measure=house.vitals.telemetry.request,
        clock=house.outside.clock,
        ticks=house.outside.ticks,
        ids=house.outside.request_id,
    )
    return SftpDoor(
        house.exchange,
        means,
        host_keys=[key.private for key in keys],
        ciphers=entry.ciphers,
        limits=Limits(
            connections=entry.connections,
            per_user=entry.per_user,
            files=entry.files,
            rate=entry.rate,
            idle_s=entry.idle,
            login_s=entry.login,
            tries=entry.tries,
        ),
        ended=lambda: pool.shutdown(wait=False, cancel_futures=True),
    )
