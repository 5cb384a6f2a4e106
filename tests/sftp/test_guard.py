"""Who tries too much is kept out for a while, and nobody else is."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sftp.guard import BAN_FACTOR_MAX, S_NS, SOURCES_MAX, Guard, Rules, place_of

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    def __init__(self) -> None:
        self.now = 10**18

    def __call__(self) -> int:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += int(seconds * S_NS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_fifteen_points_within_half_an_hour_are_a_ban_of_half_an_hour(clock: Clock) -> None:
    guard = Guard(Rules(), clock)
    for _ in range(14):
        guard.bad_login(HERE)
    assert guard.arrives(HERE)
    guard.bad_login(HERE)
    assert not guard.arrives(HERE)
    assert guard.arrives(THERE)
    assert [ban.source for ban in guard.bans()] == [HERE]
    clock.passes(2 * 1800)
    assert guard.bans() == []
    assert guard.arrives(HERE)


def test_users_that_there_are_not_count_twice_and_limits_three_times(clock: Clock) -> None:
    guard = Guard(Rules(), clock)
    for _ in range(6):
        guard.unknown_user(HERE)
    assert guard.bans() == []
    guard.over_limit(HERE)
    assert len(guard.bans()) == 1


def test_old_points_are_forgotten(clock: Clock) -> None:
    guard = Guard(Rules(), clock)
    for _ in range(100):
        guard.bad_login(HERE)
        clock.passes(1900 / 14)
    assert guard.bans() == []


def test_who_goes_on_trying_is_banned_for_longer_up_to_a_bound(clock: Clock) -> None:
    guard = Guard(Rules(score=1), clock)
    guard.bad_login(HERE)
    first = guard.bans()[0].until
    assert not guard.arrives(HERE)
    assert guard.bans()[0].until == clock.now + 2700 * S_NS > first
    for _ in range(100):
        assert not guard.arrives(HERE)
    assert guard.bans()[0].until == clock.now + BAN_FACTOR_MAX * 1800 * S_NS


def test_an_operator_may_pardon(clock: Clock) -> None:
    guard = Guard(Rules(score=1), clock)
    guard.bad_login(HERE)
    assert guard.pardon(HERE)
    assert not guard.pardon(HERE)
    assert guard.arrives(HERE)


def test_safe_and_blocked_networks(clock: Clock) -> None:
    rules = Rules(score=1, safe=(ip_network("192.0.2.1/32"),), block=(ip_network("192.0.2.2/32"),))
    guard = Guard(rules, clock)
    guard.bad_login(HERE)
    assert guard.arrives(HERE)
    assert guard.arrives(f"::ffff:{HERE}")
    assert not guard.arrives(THERE)


def test_a_host_has_so_many_connections_at_once(clock: Clock) -> None:
    guard = Guard(Rules(per_host=2, score=100), clock)
    assert guard.arrives(HERE)
    assert guard.arrives(HERE)
    assert not guard.arrives(HERE)
    guard.leaves(HERE)
    assert guard.arrives(HERE)
    guard.leaves(THERE)


def test_one_customer_of_ipv6_is_one_source(clock: Clock) -> None:
    guard = Guard(Rules(score=1), clock)
    guard.bad_login("2001:db8::1")
    assert not guard.arrives("2001:db8::ffff")
    assert guard.arrives("2001:db8:0:1::1")
    assert place_of("fe80::1%eth0") == "fe80::/64"
    assert place_of("no address") == "no address"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 900))))
def test_a_source_is_banned_by_its_own_points_alone(tries: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    guard = Guard(Rules(), clock)
    points: list[tuple[str, int, int]] = []
    for source, kind, seconds in tries:
        clock.passes(seconds)
        act, worth = {
            0: (guard.bad_login, 1),
            1: (guard.unknown_user, 2),
            2: (guard.over_limit, 3),
            3: (guard.leaves, 0),
        }[kind]
        act(source)
        points.append((source, clock.now, worth))
    for ban in guard.bans():
        assert sum(worth for source, _, worth in points if source == ban.source) >= 15


def test_the_sources_remembered_are_so_many(clock: Clock) -> None:
    guard = Guard(Rules(score=2), clock)
    guard.unknown_user(HERE)
    for each in range(SOURCES_MAX + 100):
        guard.bad_login(f"10.{each >> 16}.{each >> 8 & 255}.{each & 255}")
    assert len(guard._sources) == SOURCES_MAX
    assert [ban.source for ban in guard.bans()] == [HERE]
