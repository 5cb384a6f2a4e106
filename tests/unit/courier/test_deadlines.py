"""A rule's `deadline:`: told of once, at home and at the partner's, and the copy still comes."""

from __future__ import annotations

from gateway.catalog import Lane
from gateway.errors import StoreUnavailable
from tests.unit.courier.bench import Bench
from tests.unit.courier.test_courier import run

LANE = Lane("globex", "home")
DEADLINE_S = 60


def test_a_copy_in_time_is_not_late() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one", deadline=DEADLINE_S)
        await bench.courier.drain()
        bench.pass_time(DEADLINE_S)
        await bench.courier.drain()
        assert bench.late == []
        assert [e.detail["deadline"] for e in await bench.events()] == ["kept"]
        assert [ended.late for ended in bench.ended] == [False]

    run(story)


def test_a_missed_deadline_is_told_of_once_and_the_copy_still_comes() -> None:
    async def story(bench: Bench) -> None:
        bench.inbox().always = StoreUnavailable("away")
        await bench.put("k", b"one", deadline=DEADLINE_S)
        await bench.courier.drain()
        assert bench.late == []
        for _ in range(3):
            bench.pass_time(DEADLINE_S)
            await bench.courier.drain()
        assert bench.late == [LANE]
        bench.inbox().always = None
        bench.pass_time(3600)
        await bench.courier.drain()
        assert await bench.content("k") == b"one"
        told = [(e.kind, e.outcome, e.detail["deadline"]) for e in await bench.events()]
        assert told == [("delivery", "late", "missed"), ("delivery", "done", "missed")]
        assert bench.late == [LANE]
        assert bench.ended[-1].late

    run(story)


def test_author_and_recipient_alone_are_told() -> None:
    async def story(bench: Bench) -> None:
        bench.inbox().always = StoreUnavailable("away")
        await bench.put("k", b"one", deadline=DEADLINE_S)
        bench.pass_time(DEADLINE_S)
        await bench.courier.drain()
        (event,) = await bench.events()
        assert event.readers == ("acme", "globex")
        assert dict(event.recipients) == {"globex": "late"}

    run(story)


def test_without_a_deadline_nothing_is_ever_late() -> None:
    async def story(bench: Bench) -> None:
        bench.inbox().always = StoreUnavailable("away")
        await bench.put("k", b"one")
        bench.pass_time(3600)
        await bench.courier.drain()
        assert bench.late == []

    run(story)
