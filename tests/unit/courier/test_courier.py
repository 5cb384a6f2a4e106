"""The worker: order, leases, breakers, parking, trials, and death at any point."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from gateway.courier import recovery
from gateway.courier.backoff import BREAKER_FAILURES, BREAKER_PAUSE, PARK_AFTER
from gateway.errors import CatalogUnavailable, StoreFault, StoreRefused, StoreUnavailable
from gateway.faults import arm
from gateway.model import DeliveryState
from tests.unit.courier.bench import Bench

MIB = 1024 * 1024
SITES = (
    "courier.claimed",
    "courier.delivering",
    "courier.delivered",
    "courier.verified",
    "courier.settling",
    "courier.settled",
)


def run(story: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def play() -> None:
        async with Bench.open() as bench:
            await story(bench)

    asyncio.run(play())


async def until(true: Callable[[], bool | Awaitable[bool]], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while True:
            answer = true()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.001)


# --- promises are kept -------------------------------------------------------------------------


def test_a_nudge_delivers_within_milliseconds() -> None:
    async def story(bench: Bench) -> None:
        bench.polls = False
        running = asyncio.create_task(bench.courier.run())
        await asyncio.sleep(0.02)
        await bench.put("k", b"one")
        bench.courier.nudge()
        await until(lambda: bench.is_done("k"), 0.3)
        await bench.courier.stop(1)
        await running

    run(story)


def test_a_busy_lane_takes_what_is_new_at_once() -> None:
    async def story(bench: Bench) -> None:
        bench.polls = False
        gate = bench.gate("deliver")
        await bench.put("slow", b"one")
        running = asyncio.create_task(bench.courier.run())
        await gate.reached.wait()
        await bench.put("k", b"one")
        bench.courier.nudge()
        await until(lambda: bench.is_done("k"), 0.3)
        gate.open()
        await bench.courier.stop(1)
        await running

    run(story)


def test_what_is_due_is_found_without_a_nudge() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        running = asyncio.create_task(bench.courier.run())
        await until(lambda: bench.is_done("k"))
        await bench.courier.stop(1)
        await running

    run(story)


def test_every_party_gets_its_copy_and_each_end_is_recorded_and_observed() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one", "globex", "initech")
        await bench.courier.drain()
        assert await bench.content("k", "globex") == b"one"
        assert await bench.content("k", "initech") == b"one"
        assert {(e.lane.party, e.state, e.bytes, e.attempts) for e in bench.ended} == {
            ("globex", DeliveryState.DONE, 3, 1),
            ("initech", DeliveryState.DONE, 3, 1),
        }
        events = await bench.events()
        assert {e.readers for e in events} == {("acme", "globex"), ("acme", "initech")}
        assert {e.outcome for e in events} == {"done"}

    run(story)


# --- order -------------------------------------------------------------------------------------


def test_older_never_overwrites_newer_with_failures_in_between() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"old")
        bench.inbox().fails("deliver", StoreUnavailable())
        await bench.courier.drain()
        await bench.put("k", b"new")
        for _ in range(4):
            await bench.courier.drain()
            bench.pass_time(5)
        assert await bench.content("k") == b"new"
        done, *_ = [d for d in await bench.deliveries() if d.state is DeliveryState.DONE]
        assert done.version == bench.newest["k"]

    run(story)


def test_a_newer_version_waits_while_an_older_one_is_on_its_way() -> None:
    async def story(bench: Bench) -> None:
        gate = bench.gate("deliver")
        await bench.put("k", b"old")
        drained = asyncio.create_task(bench.courier.drain())
        await gate.reached.wait()
        await bench.put("k", b"new")
        await bench.courier.step()
        await asyncio.sleep(0.01)
        assert bench.inbox().calls.count("deliver") == 1
        gate.open()
        await drained
        await bench.courier.drain()
        assert await bench.content("k") == b"new"

    run(story)


def test_a_stalled_older_attempt_that_wakes_late_changes_nothing() -> None:
    """Its lease ran out, another courier delivered this version and the next one."""

    async def story(bench: Bench) -> None:
        gate = bench.gate("deliver")
        await bench.put("k", b"old")
        stalled = asyncio.create_task(bench.courier.drain())
        await gate.reached.wait()
        bench.pass_time(31)
        other = bench.another()
        await other.drain()
        await bench.put("k", b"new")
        await other.drain()
        assert await bench.content("k") == b"new"
        gate.open()
        await stalled
        assert await bench.content("k") == b"new"
        assert await bench.open_rows() == []

    run(story)


# --- side by side ------------------------------------------------------------------------------


def test_keys_go_side_by_side_within_the_slots_of_their_size() -> None:
    async def story(bench: Bench) -> None:
        for n in range(40):
            await bench.put(f"small-{n}", b"s")
        for n in range(5):
            await bench.put(f"large-{n}", size=200 * MIB)
        for n in range(9):
            await bench.put(f"medium-{n}", size=20 * MIB)
        running: dict[str, int] = {}
        most: dict[str, int] = {}

        async def slow(key: str) -> None:
            kind = key.partition("-")[0]
            running[kind] = running.get(kind, 0) + 1
            most[kind] = max(most.get(kind, 0), running[kind])
            await asyncio.sleep(0.005)
            running[kind] -= 1
            if kind != "small":
                raise StoreFault

        bench.inbox().on_deliver = slow
        await bench.courier.drain()
        assert most["small"] == 16
        assert most["medium"] <= 4
        assert most["large"] <= 2

    run(story)


def test_large_copies_do_not_hold_up_small_ones() -> None:
    async def story(bench: Bench) -> None:
        gate = asyncio.Event()

        async def large_ones_wait(key: str) -> None:
            if key.startswith("large"):
                await gate.wait()
                raise StoreFault

        bench.inbox().on_deliver = large_ones_wait
        for n in range(30):
            await bench.put(f"large-{n}", size=200 * MIB)
        await bench.put("small", b"s")
        drained = asyncio.create_task(bench.courier.drain())
        await until(lambda: bench.is_done("small"))
        gate.set()
        await drained

    run(story)


def test_a_dead_party_slows_no_other() -> None:
    async def story(bench: Bench) -> None:
        async def hang(key: str) -> None:
            await asyncio.Event().wait()

        bench.inbox("globex").on_deliver = hang
        for n in range(100):
            await bench.put(f"k{n}", b"x", "globex", "initech")
        running = asyncio.create_task(bench.courier.run())
        await until(lambda: bench.count_done("initech", 100))
        await bench.courier.stop(0.01)
        await running

    run(story)


def test_d10_failed_rows_hold_no_slots() -> None:
    async def story(bench: Bench) -> None:
        async def poison(key: str) -> None:
            if key.startswith("bad"):
                raise ValueError("a bug in an SDK")

        bench.inbox().on_deliver = poison
        for n in range(100):
            await bench.put(f"bad{n}", b"x")
        await bench.put("good", b"y")
        await bench.courier.drain()
        assert await bench.is_done("good")
        row = await bench.row("bad7")
        assert (row.state, row.code, row.attempts) == (DeliveryState.PENDING, "InternalError", 1)

    run(story)


# --- retries, parking, breakers ----------------------------------------------------------------


def test_d8_retries_survive_restart() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        bench.inbox().fails("deliver", StoreUnavailable())
        await bench.courier.drain()
        row = await bench.row("k")
        assert (row.state, row.code) == (DeliveryState.PENDING, "DstUnreachable")
        assert row.due > bench.now
        bench.pass_time(2)
        await bench.another().drain()
        done = await bench.row("k")
        assert done.receipt is not None
        assert (done.state, done.receipt.attempts) == (DeliveryState.DONE, 2)

    run(story)


def test_nothing_is_tried_before_it_is_due() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        bench.inbox().fails("deliver", StoreUnavailable())
        await bench.courier.drain()
        await bench.courier.drain()
        assert bench.inbox().calls.count("deliver") == 1

    run(story)


def test_what_still_fails_after_a_day_is_parked_and_recorded_once() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        bench.inbox().fails("deliver", StoreUnavailable(), StoreUnavailable("secret-host is down"))
        await bench.courier.drain()
        assert await bench.events() == []
        bench.now += PARK_AFTER
        await bench.courier.drain()
        row = await bench.row("k")
        assert (row.state, row.code) == (DeliveryState.PARKED, "DstUnreachable")
        (event,) = await bench.events()
        assert (event.outcome, event.detail["code"]) == ("parked", "DstUnreachable")

    run(story)


def test_what_can_not_succeed_parks_at_once_and_resumes_by_command() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        bench.inbox().fails("deliver", StoreRefused("arn:globex-inbox says no"))
        await bench.courier.drain()
        row = await bench.row("k")
        assert (row.state, row.code) == (DeliveryState.PARKED, "DstPutObjectNotPermitted")
        assert "says no" in row.error
        assert await bench.catalog.resume(ids=[row.id], now=bench.now) == 1
        await bench.courier.drain()
        assert await bench.is_done("k")

    run(story)


def test_the_author_learns_codes_but_no_error_text_target_or_store() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        bench.inbox().fails("deliver", StoreRefused("arn:globex-inbox says no"))
        await bench.courier.drain()
        (event,) = await bench.events()
        assert "acme" in event.readers
        assert "says no" not in repr(event)
        assert bench.target("k") not in repr(event)
        assert "home" not in repr(event)

    run(story)


def test_an_occupied_key_is_parked_recorded_and_left_alone() -> None:
    async def story(bench: Bench) -> None:
        bench.store().put(bench.target("k"), b"theirs")
        await bench.put("k", b"one")
        await bench.courier.drain()
        bench.pass_time(3600)
        await bench.courier.drain()
        row = await bench.row("k")
        assert (row.state, row.code) == (DeliveryState.PARKED, "DstObjectOccupied")
        assert await bench.content("k") == b"theirs"
        (event,) = await bench.events()
        assert event.outcome == "occupied"
        assert event.recipients == {"globex": "occupied"}

    run(story)


def test_a_withdrawn_promise_ends_without_a_call_to_the_store() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        bench.withdrawn.add("globex")
        await bench.courier.drain()
        assert (await bench.row("k")).state is DeliveryState.WITHDRAWN
        assert bench.inbox().calls == []
        (event,) = await bench.events()
        assert event.outcome == "withdrawn"

    run(story)


def test_a_withdrawal_between_two_attempts_is_obeyed() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        bench.inbox().fails("deliver", StoreUnavailable())
        await bench.courier.drain()
        bench.withdrawn.add("globex")
        bench.pass_time(5)
        await bench.courier.drain()
        assert (await bench.row("k")).state is DeliveryState.WITHDRAWN
        assert bench.inbox().calls.count("deliver") == 1

    run(story)


def test_d8_breaker_of_a_dead_lane_lets_one_probe_through_and_then_all() -> None:
    async def story(bench: Bench) -> None:
        bench.inbox().always = StoreUnavailable()
        for n in range(200):
            await bench.put(f"k{n}", b"x")
        await bench.courier.drain()
        first = len(bench.inbox().calls)
        assert BREAKER_FAILURES <= first <= BREAKER_FAILURES + 16
        for _ in range(5):
            await bench.courier.drain()
        assert len(bench.inbox().calls) == first
        bench.now += BREAKER_PAUSE
        await bench.courier.drain()
        await bench.courier.drain()
        assert len(bench.inbox().calls) == first + 1
        bench.inbox().always = None
        for _ in range(3):
            bench.now += BREAKER_PAUSE
            await bench.courier.drain()
        assert await bench.count_done("globex", 200)

    run(story)


def test_what_waited_for_a_day_behind_a_dead_lane_is_parked_and_what_is_young_is_not() -> None:
    async def story(bench: Bench) -> None:
        bench.inbox().always = StoreUnavailable()
        for n in range(150):
            await bench.put(f"k{n}", b"x")
        await bench.courier.drain()
        calls = len(bench.inbox().calls)
        bench.now += PARK_AFTER
        await bench.put("young", b"x")
        await bench.courier.drain()
        assert len(await bench.parked()) == 150
        assert len(bench.inbox().calls) <= calls + 1
        young = await bench.row("young")
        assert (young.state, young.attempts) == (DeliveryState.PENDING, 0)
        bench.inbox().always = None
        bench.pass_time(60)
        await bench.courier.drain()
        assert await bench.is_done("young")

    run(story)


def test_parked_deliveries_come_back_when_the_target_is_well() -> None:
    async def story(bench: Bench) -> None:
        bench.store().put(bench.target("taken"), b"theirs")
        await bench.put("taken", b"x")
        await bench.courier.drain()
        bench.inbox().always = StoreRefused()
        for n in range(4):
            await bench.put(f"k{n}", b"x")
        await bench.courier.drain()
        assert len(await bench.parked()) == 5
        bench.now += recovery.TRIAL_PAUSE
        await bench.courier.drain()
        assert len(await bench.parked()) == 5
        bench.inbox().always = None
        calls = len(bench.inbox().calls)
        bench.now += recovery.TRIAL_PAUSE
        await bench.courier.drain()
        for _ in range(2):  # one, then two, then the rest
            bench.now += recovery.GROWTH_PAUSE
            await bench.courier.drain()
        assert await bench.count_done("globex", 4)
        assert [d.code for d in await bench.parked()] == ["DstObjectOccupied"]
        assert len(bench.inbox().calls) == calls + 4 * 3

    run(story)


def test_a_lane_that_was_dead_and_answers_again_brings_its_parked_back_soon() -> None:
    async def story(bench: Bench) -> None:
        bench.inbox().always = StoreRefused()
        for n in range(30):
            await bench.put(f"k{n}", b"x")
        await bench.courier.drain()
        assert await bench.parked() != []
        bench.inbox().always = None
        bench.now += BREAKER_PAUSE
        await bench.courier.drain()
        for _ in range(6):
            bench.now += recovery.GROWTH_PAUSE
            await bench.courier.drain()
        assert await bench.count_done("globex", 30)

    run(story)


def test_a_dead_target_with_many_parked_costs_one_attempt_a_round() -> None:
    async def story(bench: Bench) -> None:
        bench.inbox().fails("deliver", *[StoreRefused() for _ in range(30)])
        for n in range(4):
            await bench.put(f"k{n}", b"x")
        await bench.courier.drain()
        calls = bench.inbox().calls.count("deliver")
        for rounds in range(1, 4):
            for _ in range(3):
                bench.now += recovery.TRIAL_PAUSE // 3
                await bench.courier.drain()
            assert bench.inbox().calls.count("deliver") <= calls + rounds + 1

    run(story)


# --- leases ------------------------------------------------------------------------------------


def test_a_long_copy_keeps_its_lease() -> None:
    async def story(bench: Bench) -> None:
        gate = bench.gate("deliver")
        await bench.put("k", b"one")
        running = asyncio.create_task(bench.courier.run())
        await gate.reached.wait()
        for _ in range(6):
            bench.pass_time(11)
            await bench.heartbeat()
        assert not await bench.claimable()
        gate.open()
        await until(lambda: bench.is_done("k"))
        assert bench.inbox().calls.count("deliver") == 1
        await bench.courier.stop(1)
        await running

    run(story)


def test_an_attempt_whose_lease_was_lost_ends() -> None:
    async def story(bench: Bench) -> None:
        gate = bench.gate("deliver")
        await bench.put("k", b"one")
        running = asyncio.create_task(bench.courier.run())
        await gate.reached.wait()
        bench.pass_time(31)
        (claim,) = await bench.claimable()
        await bench.heartbeat()
        await until(gate.left.is_set)
        assert await bench.catalog.renew(claim.delivery.id, claim.delivery.token, bench.now + 1)
        await bench.courier.stop(1)
        await running

    run(story)


def test_a_claim_that_lapsed_makes_way_for_its_successor() -> None:
    async def story(bench: Bench) -> None:
        gate = bench.gate("deliver")
        await bench.put("k", b"one")
        drained = asyncio.create_task(bench.courier.drain())
        await gate.reached.wait()
        bench.pass_time(31)
        await bench.courier.step()
        await until(lambda: bench.is_done("k"))
        assert gate.left.is_set()
        await drained
        assert bench.arrived() == [bench.newest["k"]]

    run(story)


def test_a_graceful_stop_finishes_what_runs() -> None:
    async def story(bench: Bench) -> None:
        gate = bench.gate("deliver")
        await bench.put("k", b"one")
        running = asyncio.create_task(bench.courier.run())
        await gate.reached.wait()
        stopped = asyncio.create_task(bench.courier.stop(5))
        await asyncio.sleep(0.01)
        gate.open()
        await asyncio.gather(stopped, running)
        assert await bench.is_done("k")

    run(story)


def test_a_stop_has_a_bound_and_gives_leases_back() -> None:
    async def story(bench: Bench) -> None:
        gate = bench.gate("deliver")
        await bench.put("k", b"one")
        running = asyncio.create_task(bench.courier.run())
        await gate.reached.wait()
        async with asyncio.timeout(1):
            await bench.courier.stop(0.01)
            await running
        bench.now += 1
        await bench.another().drain()
        assert await bench.is_done("k")

    run(story)


def test_a_catalog_that_is_away_for_a_while_costs_no_copy_and_no_second_one() -> None:
    async def story(bench: Bench) -> None:
        await bench.put("k", b"one")
        bench.catalog_fails("settle", CatalogUnavailable())
        bench.catalog_fails("claim", CatalogUnavailable())
        for _ in range(3):
            await bench.courier.drain()
            bench.pass_time(31)
        assert await bench.is_done("k")
        assert bench.inbox().calls.count("deliver") == 1

    run(story)


# --- death at any point ------------------------------------------------------------------------


class KilledError(BaseException):
    """Nothing after this runs, as after kill -9."""


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("site", SITES)
def test_killed_anywhere_each_copy_has_its_effect_once(site: str, nth: int) -> None:
    async def story(bench: Bench) -> None:
        for key in ("a", "b", "c"):
            await bench.put(key, key.encode() * 3)
        seen = 0

        def trap(name: str) -> None:
            nonlocal seen
            seen += name == site
            if seen >= nth:  # and from then on everywhere: nothing of the old process goes on
                raise KilledError

        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the dead say nothing
        context = contextvars.copy_context()
        context.run(arm, trap)
        with pytest.raises(KilledError):
            await asyncio.create_task(bench.courier.drain(), context=context)
        bench.pass_time(31)
        await bench.another().drain()
        for key in ("a", "b", "c"):
            assert await bench.is_done(key)
            assert await bench.content(key) == key.encode() * 3
        assert sorted(bench.arrived()) == sorted(bench.newest.values())
        assert len(await bench.events()) == 3

    run(story)
