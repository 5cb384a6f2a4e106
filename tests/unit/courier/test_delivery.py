"""One attempt at one delivery, by what is found at both ends."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.courier.delivery import Found, Result, found
from gateway.errors import (
    CrossdockError,
    Damaged,
    MissingFromStore,
    Occupied,
    StoreRefused,
    StoreUnavailable,
)
from gateway.model import Chunks, DeliveryKind, DeliveryState, Mode, ObjectRef, Share
from gateway.stores import Placed
from tests.unit.courier.world import REF, SHARE, TARGET, World, claim_of, stream, version_of

DATA = b"a,b\n1,2\n"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def world() -> World:
    return World()


def code(result: Result) -> str:
    assert result.state is DeliveryState.PENDING
    assert result.verdict is not None
    return result.verdict.code


# --- the plain case ----------------------------------------------------------------------------


def test_a_copy_arrives_verified_with_a_receipt_of_what_was_read_back(world: World) -> None:
    result = world.attempt(world.version(DATA), attempts=2)
    assert result.state is DeliveryState.DONE
    assert world.content() == DATA
    assert result.receipt is not None
    assert (result.receipt.size, result.receipt.sha256) == (len(DATA), SHA256)
    assert (result.receipt.attempts, result.receipt.at) == (3, world.now)
    placed = asyncio.run(world.store.examine(TARGET))
    assert placed is not None
    assert placed.etag == result.receipt.etag
    assert world.inbox.calls == ["examine", "deliver", "read_copy"]


def test_a_copy_carries_our_marks_headers_metadata_and_tags(world: World) -> None:
    version = world.version(DATA, 7)
    world.attempt(version)
    marks = world.marks()
    assert (marks.ref, marks.version, marks.number, marks.author) == (REF, "v7", 7, "acme")
    assert (marks.size, marks.sha256) == (len(DATA), SHA256)
    assert (marks.headers, marks.metadata, marks.tags) == (
        version.headers,
        version.metadata,
        version.tags,
    )


@pytest.mark.parametrize("data", [b"", b"x", b"y" * 300_000])
def test_an_unknown_digest_is_computed_from_the_source_and_compared(
    world: World, data: bytes
) -> None:
    result = world.attempt(world.version(data, known=False))
    assert result.receipt is not None
    assert result.receipt.sha256 == hashlib.sha256(data).hexdigest()
    assert world.content() == data


def test_the_source_is_read_once(world: World) -> None:
    world.attempt(world.version(DATA, known=False))
    assert world.reads == 1


# --- policy ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "share",
    [
        None,
        replace(SHARE, mode=Mode.SHARE),
        replace(SHARE, target="elsewhere/1.csv"),
        replace(SHARE, store="archive"),
    ],
)
def test_withdrawn_sends_nothing(world: World, share: Share | None) -> None:
    world.share = share
    result = world.attempt(world.version(DATA))
    assert result.state is DeliveryState.WITHDRAWN
    assert world.inbox.calls == []
    assert world.reads == 0


def test_withdrawn_holds_for_tags_too(world: World) -> None:
    world.share = None
    result = world.attempt(world.version(DATA), kind=DeliveryKind.TAGS)
    assert result.state is DeliveryState.WITHDRAWN
    assert world.inbox.calls == []


def test_a_store_that_left_the_mesh_says_so(world: World) -> None:
    world.inboxes.clear()
    result = world.attempt(world.version(DATA))
    assert code(result) == "DstBucketNotFound"
    assert "home" in result.error


# --- what lies there already -------------------------------------------------------------------


def mark(number: int, **changed: object) -> Placed:
    placed = Placed(len(DATA), "e", version=f"v{number}", number=number, ref=REF)
    return replace(placed, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("placed", "expected"),
    [
        (None, Found.NOTHING),
        (mark(5), Found.SAME),
        (mark(5, size=1), Found.FOREIGN),
        (mark(5, altered=True), Found.FOREIGN),
        (mark(4), Found.OLDER),
        (mark(4, altered=True), Found.FOREIGN),
        (mark(4, ref=ObjectRef("orders", "other")), Found.FOREIGN),
        (mark(6), Found.NEWER),
        (mark(6, ref=ObjectRef("asn", REF.key)), Found.FOREIGN),
        (mark(6, altered=True), Found.FOREIGN),
        (Placed(3, "e"), Found.FOREIGN),
    ],
)
def test_only_our_older_unaltered_copy_may_give_way(placed: Placed | None, expected: Found) -> None:
    assert found(version_of(DATA, 5), placed) is expected


def test_an_older_copy_is_replaced(world: World) -> None:
    world.placed(version_of(b"old", 1), b"old")
    assert world.attempt(world.version(DATA, 2)).state is DeliveryState.DONE
    assert world.content() == DATA


def test_superseded_writes_nothing(world: World) -> None:
    world.placed(version_of(b"new", 9), b"new")
    assert world.attempt(world.version(DATA, 2)).state is DeliveryState.SUPERSEDED
    assert world.content() == b"new"
    assert world.inbox.calls == ["examine"]


def test_occupied_is_not_overwritten(world: World) -> None:
    world.store.put(TARGET, b"theirs")
    assert code(world.attempt(world.version(DATA))) == "DstObjectOccupied"
    assert world.content() == b"theirs"
    assert world.inbox.calls == ["examine"]


def test_a_copy_that_is_there_already_is_verified_and_not_written_again(world: World) -> None:
    world.placed(version_of(DATA), DATA)
    result = world.attempt(world.version(DATA))
    assert result.state is DeliveryState.DONE
    assert result.receipt is not None
    assert result.receipt.sha256 == SHA256
    assert world.inbox.calls == ["examine", "read_copy"]
    assert world.reads == 0


def test_a_copy_that_is_there_already_is_verified_against_the_source_if_need_be(
    world: World,
) -> None:
    world.placed(version_of(DATA), DATA)
    result = world.attempt(world.version(DATA, known=False))
    assert result.receipt is not None
    assert result.receipt.sha256 == SHA256
    assert "deliver" not in world.inbox.calls


@pytest.mark.parametrize("known", [True, False])
def test_our_marks_on_other_bytes_are_not_taken_for_our_copy(world: World, known: bool) -> None:
    world.placed(version_of(DATA), DATA[::-1])
    assert code(world.attempt(world.version(DATA, known=known))) == "DstObjectOccupied"
    assert world.content() == DATA[::-1]


def test_a_key_taken_between_look_and_write_is_looked_at_again(world: World) -> None:
    world.inbox.before["deliver"] = [lambda: world.store.put(TARGET, b"theirs")]
    assert code(world.attempt(world.version(DATA))) == "DstObjectOccupied"
    assert world.content() == b"theirs"


def test_a_key_that_never_rests_is_left_for_later(world: World) -> None:
    world.inbox.fails("deliver", *[Occupied() for _ in range(9)])
    assert code(world.attempt(world.version(DATA))) == "DstObjectChanged"


# --- unknown outcomes --------------------------------------------------------------------------


def test_an_unknown_outcome_is_looked_up_before_it_is_tried_again(world: World) -> None:
    world.inbox.fails_after("deliver", StoreUnavailable("the answer was lost"))
    version = world.version(DATA)
    assert code(world.attempt(version)) == "DstUnreachable"
    again = world.attempt(version, attempts=1)
    assert again.state is DeliveryState.DONE
    assert world.inbox.calls == ["examine", "deliver", "examine", "read_copy"]


def test_a_client_library_that_repeats_a_put_whose_answer_was_lost_is_no_stranger(
    world: World,
) -> None:
    """The repeated conditional PUT answers 412: what lies there is our own first one."""
    world.inbox.fails_after("deliver", Occupied())
    assert world.attempt(world.version(DATA)).state is DeliveryState.DONE
    assert world.content() == DATA


def test_an_unreadable_copy_is_verified_later_and_not_sent_again(world: World) -> None:
    world.inbox.fails("read_copy", StoreUnavailable())
    version = world.version(DATA)
    assert code(world.attempt(version)) == "DstUnreachable"
    assert world.attempt(version).state is DeliveryState.DONE
    assert world.inbox.calls.count("deliver") == 1


def test_d2_a_failed_look_is_not_taken_for_absence(world: World) -> None:
    world.inbox.fails("examine", StoreUnavailable())
    assert code(world.attempt(world.version(DATA))) == "DstUnreachable"
    assert world.inbox.calls == ["examine"]


# --- verification ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [lambda d: d[:-1], lambda d: b"", lambda d: d + b"!", lambda d: d[::-1]],
    ids=["short", "empty", "long", "other"],
)
def test_d9_a_target_that_lies_gets_no_receipt_and_keeps_no_damaged_copy(
    lie: Callable[[bytes], bytes],
) -> None:
    world = World(lie=lie)
    assert code(world.attempt(world.version(DATA))) == "DstChecksumMismatch"
    assert world.empty()


def test_a_copy_that_vanished_before_it_was_read_back_is_not_sent_twice(world: World) -> None:
    world.inbox.before["read_copy"] = [lambda: world.store.lose(TARGET)]
    result = world.attempt(world.version(DATA))
    assert code(result) == "DstObjectHardDeleted"
    assert result.verdict is not None
    assert result.verdict.park


def test_a_copy_overwritten_before_it_was_read_back_is_theirs(world: World) -> None:
    world.inbox.before["read_copy"] = [lambda: world.store.put(TARGET, b"theirs")]
    assert code(world.attempt(world.version(DATA))) == "DstObjectOccupied"
    assert world.content() == b"theirs"


def test_the_same_bytes_by_another_hand_are_no_copy_of_ours(world: World) -> None:
    world.inbox.before["read_copy"] = [lambda: world.store.put(TARGET, DATA)]
    assert code(world.attempt(world.version(DATA))) == "DstObjectOccupied"


def test_a_target_without_end_is_not_read_for_ever(world: World) -> None:
    world.placed(version_of(DATA), DATA)
    read: list[bytes] = []
    world.inbox.read_copy = lambda *_, **__: endless(read)  # type: ignore[method-assign]
    assert code(world.attempt(world.version(DATA))) == "DstObjectOccupied"
    assert len(read) == 2


# --- sources -----------------------------------------------------------------------------------


async def endless(read: list[bytes]) -> Chunks:
    while len(read) < 1000:
        read.append(DATA)
        yield DATA


async def broken(error: CrossdockError) -> Chunks:
    yield DATA[:3]
    raise error


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (stream, "SrcObjectIncomplete"),
        (lambda: stream(DATA[:-1]), "SrcObjectIncomplete"),
        (lambda: stream(DATA, b"!"), "SrcObjectIncomplete"),
        (lambda: broken(StoreUnavailable()), "SrcUnreachable"),
        (lambda: broken(Damaged()), "SrcChecksumMismatch"),
        (lambda: broken(MissingFromStore()), "SrcVersionNotFound"),
        (lambda: broken(StoreRefused()), "SrcGetObjectNotPermitted"),
        (lambda: broken(Occupied()), "InternalError"),
    ],
)
def test_d3_short_source_is_error_and_never_a_copy(
    world: World, source: Callable[[], Chunks], expected: str, known: bool
) -> None:
    version = world.version(DATA, known=known)
    world.sources[version.id] = source
    assert code(world.attempt(version)) == expected
    assert world.empty()
    assert world.inbox.calls == ["examine", "deliver"]


def test_a_source_without_end_is_not_read_for_ever(world: World) -> None:
    version = world.version(DATA)
    read: list[bytes] = []
    world.sources[version.id] = lambda: endless(read)
    assert code(world.attempt(version)) == "SrcObjectIncomplete"
    assert len(read) == 2


def test_a_source_of_other_bytes_is_never_a_copy(world: World) -> None:
    version = world.version(DATA)
    world.sources[version.id] = DATA[::-1]
    assert code(world.attempt(version)) == "SrcChecksumMismatch"
    assert world.empty()


def test_a_bad_source_leaves_the_older_copy_as_it_was(world: World) -> None:
    world.placed(version_of(b"old", 1), b"old")
    version = world.version(DATA, 2)
    world.sources[version.id] = DATA[:-1]
    world.attempt(version)
    assert world.content() == b"old"


def test_a_source_is_closed_when_the_target_does_not_want_it(world: World) -> None:
    closed: list[bool] = []

    async def source() -> Chunks:
        try:
            yield DATA[:1]
            yield DATA[1:]
        finally:
            closed.append(True)

    version = world.version(DATA)
    world.sources[version.id] = source

    async def half(*_: object, body: Chunks, **__: object) -> None:
        await anext(body)
        raise StoreUnavailable

    async def go() -> Result:
        world.inbox.deliver = lambda k, p, body, replace: half(body=body)  # type: ignore
        return await world.attempts.attempt(claim_of(version))

    assert code(asyncio.run(go())) == "DstUnreachable"
    assert closed == [True]


# --- tags --------------------------------------------------------------------------------------


def test_d23_tags_reach_the_copy_that_is_there(world: World) -> None:
    world.attempt(world.version(DATA))
    retagged = world.version(DATA, tags={"final": "no"})
    result = world.attempt(retagged, kind=DeliveryKind.TAGS)
    assert result.state is DeliveryState.DONE
    assert result.receipt is not None
    assert result.receipt.sha256 == SHA256
    assert world.marks().tags == {"final": "no"}
    assert world.inbox.calls.count("deliver") == 1


def test_tags_of_a_copy_that_is_gone_park(world: World) -> None:
    result = world.attempt(world.version(DATA), kind=DeliveryKind.TAGS)
    assert code(result) == "DstVersionNotFound"
    assert world.empty()


def test_tags_never_touch_what_is_not_ours(world: World) -> None:
    world.store.put(TARGET, b"theirs")
    result = world.attempt(world.version(DATA), kind=DeliveryKind.TAGS)
    assert code(result) == "DstObjectOccupied"
    assert "retag" not in world.inbox.calls


def test_tags_of_an_older_version_end_when_a_newer_copy_lies_there(world: World) -> None:
    world.placed(version_of(b"new", 9), b"new")
    result = world.attempt(world.version(DATA, 2), kind=DeliveryKind.TAGS)
    assert result.state is DeliveryState.SUPERSEDED


# --- failures ----------------------------------------------------------------------------------


def test_throttling_and_retry_after_are_passed_on(world: World) -> None:
    world.inbox.fails("deliver", StoreUnavailable("slow down", throttled=True, retry_after=7))
    result = world.attempt(world.version(DATA))
    assert code(result) == "DstThrottled"
    assert result.slow
    assert result.retry_after == 7_000_000_000


def test_error_text_stays_with_the_result(world: World) -> None:
    world.inbox.fails("deliver", StoreRefused("globex-inbox says no"))
    assert "globex-inbox says no" in world.attempt(world.version(DATA)).error
