"""Too much of anything: counts, lengths, offsets, and answers that nobody takes. Memory is bounded,
and others are served."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncssh
import pytest

from gateway.habits import Habits, Settle
from gateway.model import KEY_BYTES_MAX
from gateway.sftp.session import PIECE_BYTES_MAX
from tests.sftp import raw
from tests.sftp.bed import Bed
from tests.sftp.raw import Raw, channel, session, text, u32, u64, with_session

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")

MIB = 1024**2
HELD_BYTES_MAX = 2 * MIB
"""What may wait on one channel for a client that takes nothing."""
NEVER_FINAL = Habits(settle=Settle.RENAME)


def holds(bed: Bed) -> int:
    """Bytes that wait for clients to take them."""
    return sum(
        each.get_write_buffer_size()
        for arrival in bed.door._arrivals
        if arrival.connection is not None
        for each in arrival.connection._channels.values()
    )


# --- counts ---------------------------------------------------------------------------------------


def test_ten_thousand_files_and_folders_are_not_opened(bed: Bed) -> None:
    limit = bed.door._limits.files

    async def act(speaks: Raw) -> None:
        opened = 0
        for number in range(10_000):
            if number % 2:
                speaks.post(raw.OPENDIR, text("/orders"))
            else:
                fields = text(f"/orders/in/{number}") + u32(raw.CREATES) + raw.NO_ATTRS
                speaks.post(raw.OPEN, fields)
            opened += (await speaks.answer()).kind == raw.HANDLE
        assert opened == limit
        first = bytes(4)
        assert (await speaks.ask(raw.CLOSE, text(first))).status == raw.OK
        assert (await speaks.ask(raw.OPENDIR, text("/orders"))).kind == raw.HANDLE

    # one that was closed empty is a version: begun under a name that is never final
    bed.habits["acme.erp"] = NEVER_FINAL
    with_session(bed, act)
    assert "over" in bed.guard.said


def test_more_channels_than_a_connection_may_have(bed: Bed) -> None:
    async def acts() -> None:
        async with bed.connection() as connection:
            kept = [await connection.create_process(subsystem="sftp") for _ in range(10)]
            for _ in range(100):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.create_process(subsystem="sftp")
            kept.pop().close()
            await asyncio.sleep(0.1)
            async with channel(connection) as speaks:
                await speaks.begin()

    bed.run(acts())
    assert "over" in bed.guard.said


# --- names ----------------------------------------------------------------------------------------

NAMES = {
    "longer than a key": b"/orders/in/" + b"x" * (KEY_BYTES_MAX + 1),
    "longer than a path": b"/orders/in/" + b"x/" * 20_000,
    "as long as a packet": b"/orders/in/" + b"x" * (4 * MIB),
    "NUL": b"/orders/in/a\0b",
    "no UTF-8": b"/orders/in/\xff\xfe",
    "a surrogate": b"/orders/in/\xed\xa0\x80",
    "Crossdock's own": b"/orders/.crossdock/x",
    "a folder beside a file": b"/orders/in/a%2F",
}
ON_NAMES = {
    "open": (raw.OPEN, u32(raw.CREATES) + raw.NO_ATTRS),
    "read": (raw.OPEN, u32(raw.FOR_READING) + raw.NO_ATTRS),
    "stat": (raw.STAT, b""),
    "setstat": (raw.SETSTAT, raw.NO_ATTRS),
    "mkdir": (raw.MKDIR, raw.NO_ATTRS),
    "rmdir": (raw.RMDIR, b""),
    "remove": (raw.REMOVE, b""),
    "rename": (raw.RENAME, text("/orders/in/y")),
}


@pytest.mark.parametrize("act", ON_NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_file_can_have(bed: Bed, name: str, act: str) -> None:
    kind, more = ON_NAMES[act]

    async def acts(speaks: Raw) -> None:
        answer = await speaks.ask(kind, text(NAMES[name]), more)
        assert answer.status in (raw.FAILURE, raw.NO_SUCH_FILE, raw.DENIED), answer
        assert len(answer.body) < 1000
        listed = await speaks.ask(raw.OPENDIR, text(NAMES[name]))
        if listed.kind == raw.HANDLE:
            listed = await speaks.ask(raw.READDIR, text(listed.field))
        assert listed.status in (raw.FAILURE, raw.NO_SUCH_FILE)
        speaks.end()
        aside = await speaks.process.stderr.read()
        assert len(aside) < 2000, "a name is not sent back at its whole length"
        assert aside.decode().replace("\r\n", "").isprintable()

    with_session(bed, acts)
    assert bed.staged() == []


# --- writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [1, 5 * 1024**3, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_far_beyond_the_end(bed: Bed, offset: int) -> None:
    async def act(speaks: Raw) -> None:
        handle = await speaks.open("/orders/in/x", raw.CREATES)
        await speaks.ask(raw.WRITE, text(handle), u64(offset), text("x"))
        read = await speaks.ask(raw.READ, text(handle), u64(offset), u32(1))
        assert read.status == raw.DENIED
        closed = await speaks.ask(raw.CLOSE, text(handle))
        assert closed.status == raw.FAILURE
        assert "missing" in closed.said

    with_session(bed, act)


@pytest.mark.parametrize("size", [0, 1])
def test_pieces_behind_a_gap_are_few(bed: Bed, size: int) -> None:
    async def act(speaks: Raw) -> None:
        handle = await speaks.open("/orders/in/x", raw.CREATES)
        taken = 0
        for number in range(3_000):
            where = u64(1_000_000 + 2 * number)
            wrote = await speaks.ask(raw.WRITE, text(handle), where, text(b"x" * size))
            taken += wrote.status == raw.OK
        assert taken <= 1024 or not size

    with_session(bed, act)


def test_pieces_behind_a_gap_are_bounded_over_all_files_of_a_session(bed: Bed) -> None:
    piece = b"x" * PIECE_BYTES_MAX

    async def act(speaks: Raw) -> None:
        for number in range(8):
            handle = await speaks.open(f"/orders/in/{number}", raw.CREATES)
            for at in range(1, 100):
                where = u64(at * len(piece))
                await speaks.ask(raw.WRITE, text(handle), where, text(piece))
                (running,) = bed.door._sessions
                assert sum(each.held_bytes for each in running._files) <= 32 * MIB

    with_session(bed, act)


def test_what_is_held_is_bounded_over_all_files_of_a_session(bed: Bed) -> None:
    piece = b"x" * PIECE_BYTES_MAX

    async def act(speaks: Raw) -> None:
        for number in range(48):
            handle = await speaks.open(f"/orders/in/{number}", raw.CREATES)
            for at in range(8):
                where = u64(at * len(piece))
                wrote = await speaks.ask(raw.WRITE, text(handle), where, text(piece))
                assert wrote.status == raw.OK
                (running,) = bed.door._sessions
                assert sum(each.held_bytes for each in running._files) <= 65 * MIB

    with_session(bed, act)
    bed.run(bed.left())
    assert len(bed.drafts()) == 48


@pytest.mark.parametrize("size", [1, 1 << 40, (1 << 64) - 1])
def test_sizes_that_files_do_not_have(bed: Bed, size: int) -> None:
    attrs = u32(1) + u64(size)

    async def act(speaks: Raw) -> None:
        handle = await speaks.open("/orders/in/x", raw.CREATES)
        assert (await speaks.ask(raw.FSETSTAT, text(handle), attrs)).status == raw.FAILURE
        answer = await speaks.ask(raw.SETSTAT, text("/orders/in/x"), attrs)
        assert answer.status == raw.UNSUPPORTED

    with_session(bed, act)


def test_attributes_that_mean_nothing(bed: Bed) -> None:
    more = u32(0x80000000)
    bad = [u32(0xFFFFFFFF), more + u32(0xFFFFFFFF), u32(2), u32(4) + b"\xff\xff"]
    bad.append(more + u32(1000) + text("a") * 3)
    fine = (u32(4) + u32(0xFFFFFFFF), u32(2) + u32(0xFFFFFFFF) * 2, u32(8) + u32(0xFFFFFFFF) * 2)

    async def act(speaks: Raw) -> None:
        handle = await speaks.open("/orders/in/x", raw.CREATES)
        for each in bad:
            assert (await speaks.ask(raw.FSETSTAT, text(handle), each)).status in (4, 5)
            assert (await speaks.ask(raw.SETSTAT, text("/orders/in/x"), each)).status in (4, 5)
        for each in fine:
            assert (await speaks.ask(raw.FSETSTAT, text(handle), each)).status == raw.OK
            assert (await speaks.ask(raw.SETSTAT, text("/orders/in/x"), each)).status == raw.OK

    with_session(bed, act)


# --- reading, and what is not taken ---------------------------------------------------------------


@pytest.fixture
def big(bed: Bed) -> Iterator[bytes]:
    """A file of hooli's peer that acme's reader may read; gone when the test is over."""
    content = bytes(range(256)) * (24 * MIB // 256)
    bed.put("acme", "in/big", content, {})
    yield content
    bed.delete("acme", "in/big")


def test_a_read_is_answered_with_no_more_than_was_offered(bed: Bed, big: bytes) -> None:
    async def act(speaks: Raw) -> None:
        handle = await speaks.open("/orders/in/big", raw.FOR_READING)
        got = await speaks.ask(raw.READ, text(handle), u64(0), u32(0xFFFFFFFF))
        assert 0 < len(got.field) <= PIECE_BYTES_MAX
        assert big.startswith(got.field)
        for offset in (len(big), 1 << 63, (1 << 64) - 1):
            past = await speaks.ask(raw.READ, text(handle), u64(offset), u32(0xFFFFFFFF))
            assert past.status == raw.EOF
        assert (await speaks.ask(raw.READ, text(handle), u64(0), u32(0))).status == raw.EOF
        wrote = await speaks.ask(raw.WRITE, text(handle), u64(0), text("x"))
        assert wrote.status == raw.DENIED

    with_session(bed, act)


@pytest.mark.parametrize("asked", ["read", "list", "refused"])
def test_answers_that_nobody_takes_are_not_piled_up(bed: Bed, big: bytes, asked: str) -> None:
    async def acts() -> None:
        async with session(bed) as speaks:
            handle = await speaks.open("/orders/in/big", raw.FOR_READING)
            requests = {
                "read": (raw.READ, text(handle) + u64(0) + u32(200_000)),
                "list": (raw.REALPATH, text("/" + "x/" * 500)),
                "refused": (raw.MKDIR, text("/" + "y/" * 500) + raw.NO_ATTRS),
            }
            for _ in range(4_000 if asked != "read" else 1_000):
                speaks.post(requests[asked][0], requests[asked][1])
                await asyncio.sleep(0)
            for _ in range(20):
                await bed.serves_others()
                assert holds(bed) < HELD_BYTES_MAX

    bed.run(acts())


def test_what_is_fetched_ahead_is_bounded_over_all_files_of_a_session(bed: Bed, big: bytes) -> None:
    async def act(speaks: Raw) -> None:
        for _ in range(32):
            handle = await speaks.open("/orders/in/big", raw.FOR_READING)
            await speaks.ask(raw.READ, text(handle), u64(0), u32(1))
        await asyncio.sleep(0.2)
        (running,) = bed.door._sessions
        assert MIB < sum(each.held_bytes for each in running._files) <= 160 * MIB

    with_session(bed, act)
