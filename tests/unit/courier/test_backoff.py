"""When to try again, when to park, what a failure is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import errors
from gateway.courier import backoff
from gateway.courier.backoff import SECOND, Breaker, Side, delay, expired, throttled, verdict


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 1), (1, 2), (2, 4), (8, 256), (9, 300), (10_000, 300)]
)
def test_waits_double_up_to_the_cap(attempts: int, seconds: int) -> None:
    assert delay(attempts, lambda: 0.0) == seconds * SECOND // 2
    assert delay(attempts, lambda: 0.999999) == pytest.approx(seconds * SECOND, rel=1e-5)


def test_a_throttling_store_is_given_more_time() -> None:
    assert delay(20, lambda: 0.0, slow=True) == 450 * SECOND
    assert delay(20, lambda: 0.0) == 150 * SECOND


def test_retry_after_is_obeyed_but_not_for_ever() -> None:
    assert delay(0, lambda: 0.0, wanted=40 * SECOND) == 40 * SECOND
    assert delay(9, lambda: 0.0, wanted=1 * SECOND) == 150 * SECOND
    assert delay(0, lambda: 0.0, wanted=10**9 * SECOND) == 900 * SECOND


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True), st.booleans())
def test_a_wait_is_never_nothing_and_never_beyond_its_cap(
    attempts: int, drawn: float, slow: bool
) -> None:
    cap = backoff.THROTTLED_MAX if slow else backoff.RETRY_MAX
    assert SECOND // 2 <= delay(attempts, lambda: drawn, slow=slow) <= cap


def test_a_day_counts_from_the_promise() -> None:
    day = 24 * 3600 * SECOND
    assert not expired(5, 5 + day - 1)
    assert expired(5, 5 + day)


@pytest.mark.parametrize(
    ("side", "error", "code", "parks"),
    [
        (Side.TARGET, errors.StoreUnavailable(), "DstUnreachable", False),
        (Side.TARGET, errors.StoreUnavailable(throttled=True), "DstThrottled", False),
        (Side.TARGET, errors.TooBusy(), "DstThrottled", False),
        (Side.TARGET, errors.StoreRefused(), "DstPutObjectNotPermitted", True),
        (Side.TARGET, errors.StoreRefused(absent=True), "DstBucketNotFound", True),
        (Side.TARGET, errors.StoreFull(), "DstQuotaExceeded", False),
        (Side.TARGET, errors.Occupied(), "DstObjectOccupied", True),
        (Side.TARGET, errors.MissingFromStore(), "DstObjectHardDeleted", True),
        (Side.TARGET, errors.Damaged(), "DstChecksumMismatch", False),
        (Side.TARGET, errors.KeyTooLong(), "DstKeyNotPossible", True),
        (Side.TARGET, errors.StoreFault(), "DstPutObjectNotPermitted", True),
        (Side.SOURCE, errors.StoreUnavailable(), "SrcUnreachable", False),
        (Side.SOURCE, errors.StoreUnavailable(throttled=True), "SrcUnreachable", False),
        (Side.SOURCE, errors.StoreRefused(absent=True), "SrcGetObjectNotPermitted", True),
        (Side.SOURCE, errors.MissingFromStore(), "SrcVersionNotFound", True),
        (Side.SOURCE, errors.Damaged(), "SrcChecksumMismatch", True),
        (Side.SOURCE, errors.BrokenSource(), "SrcObjectIncomplete", False),
    ],
)
def test_each_failure_has_its_code_and_consequence(
    side: Side, error: errors.CrossdockError, code: str, parks: bool
) -> None:
    found = verdict(side, error)
    assert (found.code, found.park) == (code, parks)


def every_error(kind: type[errors.CrossdockError]) -> list[type[errors.CrossdockError]]:
    return [kind, *(deep for sub in kind.__subclasses__() for deep in every_error(sub))]


@pytest.mark.parametrize("side", Side)
def test_every_domain_error_has_a_verdict(side: Side) -> None:
    """Doors have errors of their own, which no store raises."""
    for kind in every_error(errors.CrossdockError):
        if kind.__module__ != errors.__name__:
            continue
        error = kind(()) if kind is errors.DocumentErrors else kind()
        assert verdict(side, error).code.startswith(("Dst", "Src", "Internal"))


def test_only_the_targets_own_trouble_counts_against_its_lane() -> None:
    assert verdict(Side.TARGET, errors.StoreUnavailable()).lane
    assert verdict(Side.TARGET, errors.StoreRefused()).lane
    assert not verdict(Side.TARGET, errors.Occupied()).lane
    assert not verdict(Side.SOURCE, errors.StoreUnavailable()).lane


def test_what_people_must_look_at_never_comes_back_by_itself() -> None:
    assert "DstObjectOccupied" not in backoff.CURABLE
    assert "SrcChecksumMismatch" not in backoff.CURABLE
    assert {"DstUnreachable", "DstPutObjectNotPermitted", "DstBucketNotFound"} <= backoff.CURABLE


def test_throttling_is_known_by_class_or_by_the_stores_word() -> None:
    assert throttled(errors.TooBusy())
    assert throttled(errors.StoreUnavailable(throttled=True))
    assert not throttled(errors.StoreUnavailable())


# --- the breaker -------------------------------------------------------------------------------


def opened(now: int = 0) -> Breaker:
    breaker = Breaker()
    for _ in range(backoff.BREAKER_FAILURES):
        breaker = breaker.failed(now)
    return breaker


def test_the_breaker_opens_on_consecutive_failures_alone() -> None:
    breaker = Breaker()
    for _ in range(backoff.BREAKER_FAILURES - 1):
        breaker = breaker.failed(0)
    assert not breaker.open
    assert breaker.failed(0).open
    assert not breaker.well().failed(0).open


def test_an_open_breaker_lets_nothing_through_before_its_pause_is_over() -> None:
    breaker = opened(now=100)
    assert not breaker.allows(100 + backoff.BREAKER_PAUSE - 1)
    assert breaker.allows(100 + backoff.BREAKER_PAUSE)


def test_one_probe_at_a_time() -> None:
    now = backoff.BREAKER_PAUSE
    probing = opened().probing(now)
    assert not probing.allows(now + 1)
    assert probing.well().allows(now + 1)
    assert not probing.failed(now + 1).allows(now + 2)


def test_a_probe_that_never_ends_blocks_nobody_for_ever() -> None:
    now = backoff.BREAKER_PAUSE
    assert opened().probing(now).allows(now + backoff.PROBE_MAX)


def test_a_probe_that_said_nothing_of_the_target_makes_way_for_the_next() -> None:
    now = backoff.BREAKER_PAUSE
    spared = opened().probing(now).spared(now + 1)
    assert spared.open
    assert spared.allows(now + 1)


def test_a_closed_breaker_is_not_changed_by_attempts_under_way() -> None:
    assert Breaker().probing(5) == Breaker()
    assert Breaker(failures=1, until=7).spared(5) == Breaker(failures=1, until=7)
