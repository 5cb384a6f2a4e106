"""Receivers that fail, hang, redirect and die: nothing is lost, in order, and nobody else waits."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.courier.backoff import BREAKER_FAILURES, PARK_AFTER, SECOND
from gateway.herald.lane import RESUME_PAUSE
from tests.harness import Gateway
from tests.herald.conftest import Make, queue, watch
from tests.receiver import CUT, HANG, Received, Receiver

Receivers = Callable[[], Receiver]


@dataclass
class Clock:
    """The wall's, set ahead by hand."""

    ahead: int = 0

    def __call__(self) -> int:
        return time.time_ns() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dead_url() -> Iterator[str]:
    """Nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


def put(gateway: Gateway, *keys: str, party: str = "acme/erp") -> None:
    for key in keys:
        gateway.client(party).put_object(Bucket="orders", Key=key, Body=b"x")


def waiting(gateway: Gateway, **how: Any) -> list[Any]:
    return list(gateway.run(gateway.catalog.notices(**how)))


def ready(gateways: Make, clock: Clock | None = None, **urls: str) -> Gateway:
    """Each of these parties watches all that is made in `orders`."""
    gateway = gateways(clock, **urls)
    for principal in ("acme/erp", "globex/wms"):
        party = principal.partition("/")[0]
        if party in urls:
            watch(gateway.client(principal), "orders", queue(party))
    return gateway


def test_what_fails_is_sent_again_under_the_same_id(
    gateways: Make, receivers: Receivers, clock: Clock
) -> None:
    receiver = receivers()
    answers: Iterator[int | str] = iter([500, CUT, 404, 410, 429, 200])
    receiver.answers = lambda _: next(answers)
    gateway = ready(gateways, clock, acme=receiver.url)
    put(gateway, "k")
    for _ in range(6):
        gateway.tell()
        clock.ahead += 60 * SECOND
    assert len(receiver.got) == 6
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.got}) > 1
    assert waiting(gateway) == []


def test_a_failure_says_what_it_was_and_waits_its_time(
    gateways: Make, receivers: Receivers, clock: Clock
) -> None:
    receiver = receivers()
    receiver.answers = lambda _: 503
    gateway = ready(gateways, clock, acme=receiver.url)
    put(gateway, "k")
    gateway.tell()
    gateway.tell()
    assert len(receiver.got) == 1
    (notice,) = waiting(gateway)
    assert (notice.attempts, notice.error, notice.parked) == (1, "answered 503", False)
    assert 0 < notice.due - clock() <= SECOND


def test_news_of_a_key_wait_for_each_other_and_not_for_those_of_others(
    gateways: Make, receivers: Receivers, clock: Clock
) -> None:
    receiver = receivers()
    failed: Counter[str] = Counter()

    def answer(got: Received) -> int:
        failed[got.key] += 1
        return 500 if got.key == "a" and failed["a"] <= 2 else 200

    receiver.answers = answer
    gateway = ready(gateways, clock, acme=receiver.url)
    put(gateway, "a", "b", "a", "a", "b")
    for _ in range(4):
        gateway.tell()
        clock.ahead += 5 * SECOND
    taken = [got for got in receiver.got if got.key == "b"]
    taken += [got for got in receiver.got if got.key == "a"][2:]
    assert [got.key for got in taken] == ["b", "b", "a", "a", "a"]
    for key in "ab":
        numbers = [got.record["s3"]["object"]["sequencer"] for got in taken if got.key == key]
        assert numbers == sorted(numbers)
    assert receiver.got[0].key in "ab"
    assert [got.key for got in receiver.got[:3]].count("b") == 2  # b went on while a failed


def test_a_dead_webhook_slows_nobody_else(
    gateways: Make, receivers: Receivers, dead_url: str
) -> None:
    receiver = receivers()
    gateway = ready(gateways, acme=dead_url, globex=receiver.url)
    put(gateway, *(f"invoices/{n}" for n in range(20)))
    gateway.tell()
    assert len(receiver.got) == 20
    left = waiting(gateway)
    assert {notice.party for notice in left} == {"acme"}
    assert len(left) == 20
    tried = [notice for notice in left if notice.attempts]
    assert BREAKER_FAILURES <= len(tried) < 20  # then the breaker opened
    assert "Connect" in tried[0].error


def test_a_receiver_that_hangs_is_given_up_and_slows_nobody_else(
    gateways: Make, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.webhooks.ATTEMPT_SECONDS", 1.0)
    slow, fast = receivers(), receivers()
    slow.answers = lambda _: HANG
    gateway = ready(gateways, acme=slow.url, globex=fast.url)
    put(gateway, "invoices/1")
    told = gateway.begin(gateway.herald.drain())
    fast.wait(1)
    assert not told.done()  # the slow one is still being waited for
    told.result(30)
    (notice,) = waiting(gateway)
    assert (notice.party, notice.error) == ("acme", "no answer within 1 seconds")


def test_a_redirect_leads_nowhere(gateways: Make, receivers: Receivers) -> None:
    elsewhere, receiver = receivers(), receivers()
    receiver.location = elsewhere.url
    statuses = iter([301, 302, 303, 307, 308])
    receiver.answers = lambda _: next(statuses)
    gateway = ready(gateways, acme=receiver.url)
    put(gateway, "a", "b", "c", "d", "e")
    gateway.tell()
    assert len(receiver.got) == 5
    assert elsewhere.got == []
    assert {n.error for n in waiting(gateway)} == {
        f"answered {status}" for status in (301, 302, 303, 307, 308)
    }


def test_a_day_of_failures_parks_and_a_webhook_that_is_well_gets_all(
    gateways: Make, receivers: Receivers, clock: Clock
) -> None:
    receiver = receivers()
    receiver.answers = lambda _: 503
    gateway = ready(gateways, clock, acme=receiver.url)
    put(gateway, *"abcdefghijkl")
    gateway.tell()
    clock.ahead = PARK_AFTER
    gateway.tell()
    parked = waiting(gateway, parked=True)
    assert len(parked) == 12  # what stood behind the breaker too, without attempts of its own
    assert {notice.error for notice in parked} == {"answered 503"}
    (owed,) = gateway.run(gateway.catalog.notice_backlog())
    assert (owed.pending, owed.parked) == (0, 12)
    receiver.answers = lambda _: 200
    receiver.got.clear()
    clock.ahead += RESUME_PAUSE + SECOND  # by itself: one is tried, and it goes through
    gateway.tell()
    assert sorted(got.key for got in receiver.got) == list("abcdefghijkl")
    assert waiting(gateway) == []


def test_what_a_receiver_will_never_take_holds_up_nothing(
    gateways: Make, receivers: Receivers, clock: Clock
) -> None:
    receiver = receivers()
    receiver.answers = lambda got: 400 if got.key.startswith("bad") else 200
    gateway = ready(gateways, clock, acme=receiver.url)
    put(gateway, *(f"bad{n}" for n in range(10)), "good")
    gateway.tell()
    assert [got.key for got in receiver.got if got.key == "good"] == ["good"]
    assert all(notice.attempts and not notice.parked for notice in waiting(gateway))


def test_a_webhook_that_left_the_topology_keeps_its_notices(
    gateways: Make, receivers: Receivers, clock: Clock
) -> None:
    receiver = receivers()
    gateway = ready(gateways, clock, acme=receiver.url)
    put(gateway, "k")
    before = gateway.files["topology.yaml"]
    gateway.edit_policy("topology.yaml", before.replace("feed:", "other:"))
    gateway.tell()
    (notice,) = waiting(gateway)
    assert notice.error == "topology.yaml gives acme no webhook feed"
    gateway.edit_policy("topology.yaml", before)
    clock.ahead += 5 * SECOND
    gateway.tell()
    assert len(receiver.got) == 1


def test_retry_after_is_obeyed(gateways: Make, receivers: Receivers, clock: Clock) -> None:
    receiver = receivers()
    receiver.answers = lambda _: 429
    receiver.retry_after = "120"
    gateway = ready(gateways, clock, acme=receiver.url)
    put(gateway, "k")
    gateway.tell()
    (notice,) = waiting(gateway)
    assert 100 * SECOND < notice.due - clock() <= 120 * SECOND


def test_a_full_queue_never_holds_up_a_write_and_the_receiver_learns_of_it(
    gateways: Make, receivers: Receivers, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.catalog.telling.QUEUE_MAX", 3)
    receiver = receivers()
    gateway = ready(gateways, clock, acme=receiver.url)
    put(gateway, *"abcde")
    gateway.tell()
    assert sorted(got.key for got in receiver.got) == ["a", "b", "c"]
    assert {got.headers["x-crossdock-missed"] for got in receiver.got} == {"2"}
    put(gateway, "f")
    gateway.tell()
    assert receiver.got[-1].key == "f"


def test_metrics_count_what_came_of_attempts(gateways: Make, receivers: Receivers) -> None:
    receiver = receivers()
    statuses = iter([500, 200])
    receiver.answers = lambda _: next(statuses)
    gateway = ready(gateways, acme=receiver.url)
    put(gateway, "a", "b")
    gateway.tell()
    told = gateway.telemetry.exposition().decode()
    for outcome in ("sent", "failed"):
        line = f'attempts_total{{outcome="{outcome}",party="acme",webhook="feed"}} 1.0'
        assert line in told
