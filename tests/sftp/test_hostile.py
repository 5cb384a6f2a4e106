"""Packets that no client sends: each is answered or ends the session, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.habits import Habits, Settle
from tests.sftp import raw
from tests.sftp.bed import Bed
from tests.sftp.raw import Raw, channel, framed, session, text, u32, u64, with_session

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")

NEVER_FINAL = Habits(settle=Settle.RENAME)


# --- frames ---------------------------------------------------------------------------------------

BEGINNINGS = {
    "another request": framed(bytes([raw.STAT]) + u32(1) + text("/orders")),
    "an answer": framed(bytes([raw.STATUS]) + u32(1) + u32(0)),
    "nothing in it": framed(b""),
    "no version": framed(bytes([raw.INIT])),
    "half a version": framed(bytes([raw.INIT, 0, 0])),
    "an extension cut short": framed(bytes([raw.INIT]) + u32(3) + text("a") + u32(9)),
    "more after another version": framed(bytes([raw.INIT]) + u32(6) + b"more"),
    "oversized": u32(0xFFFFFFFF) + b"x",
    "as long as it may be and a byte": u32(4 * 1024**2 + 1025) + b"x",
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_what_does_not_begin_as_sftp_does_is_ended(bed: Bed, name: str) -> None:
    async def acts() -> None:
        async with bed.connection() as connection:
            async with channel(connection) as speaks:
                speaks.send(BEGINNINGS[name])
                assert await speaks.is_over()
            async with channel(connection) as speaks:  # beside it all goes on
                await speaks.begin()

    bed.run(acts())


@pytest.mark.parametrize("sent", [b"", b"\0\0", framed(bytes([raw.INIT]) + u32(3))[:6]])
def test_a_client_that_leaves_before_it_began(bed: Bed, sent: bytes) -> None:
    async def acts() -> None:
        async with bed.connection() as connection:
            async with channel(connection) as speaks:
                speaks.send(sent)
                speaks.end()
                assert await speaks.is_over()
            async with channel(connection) as speaks:
                await speaks.begin()

    bed.run(acts())


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4, 6, 0xFFFFFFFF])
def test_whatever_version_is_asked_for_three_or_less_is_spoken(bed: Bed, version: int) -> None:
    async def acts() -> None:
        async with bed.connection() as connection, channel(connection) as speaks:
            speaks.send(framed(bytes([raw.INIT]) + u32(version)))
            answer = await speaks.answer()
            assert (answer.kind, answer.id) == (raw.VERSION, min(version, 3))
            found = await speaks.ask(raw.STAT, text("/orders"))
            assert found.kind == raw.ATTRS

    bed.run(acts())


CUT_SHORT = {
    "an oversized frame": u32(0xFFFFFFFF),
    "a frame that ends early": u32(100) + bytes([raw.STAT]) + u32(1),
    "no id": framed(bytes([raw.STAT])),
    "an empty frame": framed(b""),
}


@pytest.mark.parametrize("name", CUT_SHORT)
def test_a_session_that_loses_its_frames_ends(bed: Bed, name: str) -> None:
    async def act(speaks: Raw) -> None:
        await speaks.open("/orders/in/x", raw.CREATES)
        speaks.send(CUT_SHORT[name])
        speaks.end()
        assert await speaks.is_over()

    with_session(bed, act)
    assert bed.staged() == ["in/x"]


def test_requests_that_are_cut_short_or_too_long_are_told_so(bed: Bed) -> None:
    async def act(speaks: Raw) -> None:
        handle = await speaks.open("/orders/in/x", raw.CREATES)
        whole = {
            raw.OPEN: text("/orders/in/y") + u32(raw.CREATES) + raw.NO_ATTRS,
            raw.CLOSE: text(handle),
            raw.READ: text(handle) + u64(0) + u32(1),
            raw.WRITE: text(handle) + u64(0) + text("x"),
            raw.FSTAT: text(handle),
            raw.FSETSTAT: text(handle) + raw.NO_ATTRS,
            **dict.fromkeys((raw.STAT, raw.LSTAT, raw.OPENDIR, raw.REMOVE), text("/orders/in/x")),
            **dict.fromkeys((raw.RMDIR, raw.REALPATH, raw.READLINK), text("/orders/in/x")),
            **dict.fromkeys((raw.SETSTAT, raw.MKDIR), text("/orders/in/x") + raw.NO_ATTRS),
            raw.RENAME: text("/orders/in/x") + text("/orders/in/y"),
            raw.READDIR: text(handle),
        }
        for kind, fields in whole.items():
            for each in (fields[:-1], fields[:3], b"", fields + b"more"):
                if kind == raw.REALPATH and each.endswith(b"more"):
                    continue  # later versions have more in it, and asyncssh reads over it
                answer = await speaks.ask(kind, each)
                assert answer.status in (raw.BAD_MESSAGE, raw.FAILURE), (kind, each)
        assert (await speaks.ask(raw.FSTAT, text(handle))).kind == raw.ATTRS

    with_session(bed, act)


def test_unknown_requests_are_unsupported(bed: Bed) -> None:
    known = {*range(raw.OPEN, raw.UNBLOCK + 1), raw.EXTENDED}

    async def act(speaks: Raw) -> None:
        for kind in range(256):
            if kind not in known:
                assert (await speaks.ask(kind, b"x" * 9)).status == raw.UNSUPPORTED
        for name in (b"", b"no-such@example.com", b"\xff\0", b"x" * 1024**2):
            assert (await speaks.ask(raw.EXTENDED, text(name))).status == raw.UNSUPPORTED

    with_session(bed, act)


OFFERED = (b"posix-rename@openssh.com", b"fsync@openssh.com", b"limits@openssh.com")
NOT_OFFERED: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"copy-data": lambda h: text(h) + u64(0) + u64(0) + text(h) + u64(0),
    b"ranges@asyncssh.com": lambda h: text(h) + u64(0) + u64(1 << 63),
    b"statvfs@openssh.com": lambda h: text("/"),
    b"fstatvfs@openssh.com": text,
    b"hardlink@openssh.com": lambda h: text("/orders/in/x") + text("/orders/in/y"),
    b"lsetstat@openssh.com": lambda h: text("/orders/in/x") + raw.NO_ATTRS,
}


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_what_is_not_offered_is_not_served(bed: Bed, name: bytes) -> None:
    async def act(speaks: Raw) -> None:
        handle = await speaks.open("/orders/in/x", raw.CREATES)
        asked = text(name) + NOT_OFFERED[name](handle)
        assert (await speaks.ask(raw.EXTENDED, asked)).status == raw.UNSUPPORTED

    with_session(bed, act)


def test_locks_and_links_there_are_none(bed: Bed) -> None:
    async def act(speaks: Raw) -> None:
        handle = await speaks.open("/orders/in/x", raw.CREATES)
        asked = {
            raw.SYMLINK: text("/orders/in/a") + text("/etc/passwd"),
            raw.LINK: text("/orders/in/a") + text("/orders/in/x") + b"\0",
            raw.BLOCK: text(handle) + u64(0) + u64(1) + u32(0),
            raw.UNBLOCK: text(handle) + u64(0) + u64(1),
            raw.READLINK: text("/orders/in/x"),
        }
        for kind, fields in asked.items():
            assert (await speaks.ask(kind, fields)).status == raw.UNSUPPORTED

    with_session(bed, act)


# --- handles --------------------------------------------------------------------------------------

BAD_HANDLES = (b"", b"\0", b"\0\0\0\x09", b"\xff" * 4, b"x" * 255, b"\0" * 1024**2, b"../../etc")


@pytest.mark.parametrize("handle", BAD_HANDLES, ids=lambda h: f"{h[:4]!r} of {len(h)}")
def test_bad_handles(bed: Bed, handle: bytes) -> None:
    async def act(speaks: Raw) -> None:
        await refuses(speaks, handle)

    with_session(bed, act)


async def refuses(speaks: Raw, handle: bytes) -> None:
    """A handle that is none of this session is an invalid one, whatever is asked with it."""
    asked = {
        raw.CLOSE: text(handle),
        raw.READ: text(handle) + u64(0) + u32(10),
        raw.WRITE: text(handle) + u64(0) + text("x"),
        raw.FSTAT: text(handle),
        raw.FSETSTAT: text(handle) + raw.NO_ATTRS,
        raw.READDIR: text(handle),
        raw.EXTENDED: text("fsync@openssh.com") + text(handle),
    }
    for kind, fields in asked.items():
        answer = await speaks.ask(kind, fields)
        assert (answer.status, answer.said) == (raw.FAILURE, "Invalid file handle")


@pytest.mark.parametrize("user", ["acme.erp", "globex.erp"])
def test_handles_of_others(bed: Bed, user: str) -> None:
    async def acts() -> None:
        async with session(bed) as mine, session(bed, user) as theirs:
            handle = await mine.open("/orders/in/x", raw.CREATES)
            await refuses(theirs, handle)
            wrote = await mine.ask(raw.WRITE, text(handle), u64(0), text("mine"))
            assert wrote.status == raw.OK

    bed.run(acts())
    bed.run(bed.left())
    assert [each.size for each in bed.drafts()] == [4]


def test_a_handle_is_none_once_it_is_closed(bed: Bed) -> None:
    async def act(speaks: Raw) -> None:
        handle = (await speaks.ask(raw.OPENDIR, text("/orders"))).field
        assert (await speaks.ask(raw.CLOSE, text(handle))).status == raw.OK
        await refuses(speaks, handle)

    with_session(bed, act)


def test_handles_of_the_wrong_kind(bed: Bed) -> None:
    async def act(speaks: Raw) -> None:
        folder = (await speaks.ask(raw.OPENDIR, text("/orders"))).field
        assert (await speaks.ask(raw.READ, text(folder), u64(0), u32(1))).status == raw.FAILURE
        writes = await speaks.open("/orders/in/x", raw.CREATES)
        assert (await speaks.ask(raw.READ, text(writes), u64(0), u32(1))).status == raw.DENIED
        assert (await speaks.ask(raw.READDIR, text(writes))).status == raw.FAILURE

    with_session(bed, act)


# --- anything at all ------------------------------------------------------------------------------

KINDS = st.one_of(st.integers(raw.OPEN, raw.UNBLOCK), st.just(raw.EXTENDED), st.integers(0, 255))
PATHS = st.sampled_from(
    ["/", "/orders", "/orders/in/x.tmp", "/orders/in", "/vault/.", "..", "", "/orders/tmp/a/b"]
)
FIELDS = st.one_of(
    st.builds(text, PATHS),
    st.builds(text, st.binary(max_size=20)),
    st.builds(u32, st.integers(0, 0xFFFFFFFF)),
    st.builds(u64, st.integers(0, (1 << 64) - 1)),
    st.sampled_from([text(bytes([0, 0, 0, n])) for n in range(4)]),
    st.builds(text, st.sampled_from([*OFFERED, *NOT_OFFERED])),
    st.just(raw.NO_ATTRS),
    st.binary(max_size=12),
)
PACKETS = st.tuples(KINDS, st.lists(FIELDS, max_size=5))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(packets=st.lists(PACKETS, min_size=1, max_size=25))
def test_whatever_is_sent_is_answered(bed: Bed, packets: list[tuple[int, list[bytes]]]) -> None:
    bed.habits["acme.erp"] = NEVER_FINAL

    async def act(speaks: Raw) -> None:
        await speaks.open("/orders/in/x.tmp", raw.CREATES)
        for kind, fields in packets:
            answer = await speaks.ask(kind, *fields)
            assert answer.kind in (raw.STATUS, raw.HANDLE, raw.DATA, raw.NAME, raw.ATTRS, 201)
            if answer.kind == raw.STATUS:
                assert "xception" not in answer.said

    with_session(bed, act)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sent=st.binary(max_size=400), begun=st.booleans())
def test_whatever_bytes_come_the_session_ends_in_order(bed: Bed, sent: bytes, begun: bool) -> None:
    async def acts() -> None:
        async with bed.connection() as connection, channel(connection) as speaks:
            if begun:
                await speaks.begin()
            speaks.send(sent)
            speaks.end()
            assert await speaks.is_over()

    bed.run(acts())
