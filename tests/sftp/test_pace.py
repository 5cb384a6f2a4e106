"""How fast a session may go."""

from __future__ import annotations

import asyncio

from gateway.sftp.pace import Pace


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def ticks(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_bytes_take_the_time_that_they_are_due() -> None:
    time = Time()
    pace = Pace(1000, time.ticks, time.sleep)

    async def story() -> None:
        for _ in range(100):
            await pace.spent(100)

    asyncio.run(story())
    assert 9 <= time.now - 100 <= 10
    assert not pace.free


def test_a_session_that_was_slower_may_catch_up_a_second_at_most() -> None:
    time = Time()
    pace = Pace(1000, time.ticks, time.sleep)
    time.now += 3600
    began = time.now
    asyncio.run(pace.spent(5000))
    assert time.now - began == 4


def test_without_a_rate_nobody_waits() -> None:
    time = Time()
    pace = Pace(0, time.ticks, time.sleep)
    asyncio.run(pace.spent(10**12))
    assert time.now == 100
    assert pace.free
