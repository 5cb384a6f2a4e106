"""Bytes as clients send them: in any pieces and orders, onto what is there, and broken off."""

from __future__ import annotations

import asyncio
import random
import shutil
from typing import Any

import asyncssh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import ObjectRef
from gateway.sftp import writing
from tests.sftp.bed import Bed

IN = "/orders/in/x"
SMALL_PART = 64 * 1024


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts so small that a test's file has many."""
    monkeypatch.setattr(writing, "GROWTH", ((10_000, SMALL_PART),))


def noise(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


async def write_at(
    sftp: asyncssh.SFTPClient, path: str, pflags: int, *pieces: tuple[int, bytes]
) -> None:
    """Raw requests, one after the other, as a client of any habit sends them."""
    handler = sftp._handler
    handle = await handler.open(path.encode(), pflags, asyncssh.SFTPAttrs())
    try:
        for offset, data in pieces:
            await handler.write(handle, offset, data)
    finally:
        await handler.close(handle)


WRITE, CREATE, TRUNCATE, APPEND, NEW = (
    asyncssh.FXF_WRITE,
    asyncssh.FXF_CREAT,
    asyncssh.FXF_TRUNC,
    asyncssh.FXF_APPEND,
    asyncssh.FXF_EXCL,
)
PUT = WRITE | CREATE | TRUNCATE
SCP = WRITE | CREATE
RESUME = WRITE | CREATE | APPEND


def writes(bed: Bed, pflags: int, *pieces: tuple[int, bytes], path: str = IN) -> None:
    async def story() -> None:
        async with bed.client() as sftp:
            await write_at(sftp, path, pflags, *pieces)

    bed.run(story())


# --- pieces ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_parts")
def test_a_large_file_goes_in_parts_and_is_one_version(bed: Bed) -> None:
    data = noise(3 * 1024**2 + 17)

    async def story() -> None:
        async with bed.client() as sftp, sftp.open(IN, "wb") as file:
            await file.write(data)

    bed.run(story())
    assert bed.versions("in/x") == 1
    assert bed.read("acme", "in/x") == data
    found = bed.run(bed.exchange.objects.look(bed.standing(), ObjectRef("orders", "in/x")))
    assert len(found.version.parts) > 10
    assert bed.staged() == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=30), st.randoms())
@pytest.mark.usefixtures("small_parts")
def test_pieces_may_come_out_of_order(bed: Bed, lengths: list[int], shuffle: Any) -> None:
    data = noise(sum(lengths), seed=len(lengths))
    pieces, at = [], 0
    for length in lengths:
        pieces.append((at, data[at : at + length]))
        at += length
    shuffle.shuffle(pieces)
    writes(bed, PUT, *pieces)
    assert bed.read("acme", "in/x") == data


def test_a_file_with_a_hole_is_no_file(bed: Bed) -> None:
    with pytest.raises(asyncssh.SFTPFailure, match="bytes are missing from 3 on"):
        writes(bed, PUT, (0, b"abc"), (5, b"fgh"))
    assert bed.keys("acme") == []


def test_what_was_sent_on_can_not_be_written_over(bed: Bed) -> None:
    with pytest.raises(asyncssh.SFTPFailure, match="can't be written over"):
        writes(bed, PUT, (0, b"abc"), (1, b"x"))
    assert bed.keys("acme") == [], "a file that could not be written as it was told is none"


def test_bytes_far_ahead_are_refused(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "EARLY_BYTES_MAX", 10)
    with pytest.raises(asyncssh.SFTPFailure):
        writes(bed, PUT, (2**40, b"x" * 11))
    assert bed.keys("acme") == []


# --- onto what is there ------------------------------------------------------------------------


def test_without_truncation_what_is_not_written_over_stays(bed: Bed) -> None:
    """What scp relies on, and what a file is anywhere."""
    bed.put("acme", "in/x", b"0123456789", {})
    writes(bed, SCP, (0, b"abc"))
    assert bed.read("acme", "in/x") == b"abc3456789"
    writes(bed, SCP, (4, b"XY"))
    assert bed.read("acme", "in/x") == b"abc3XY6789"
    writes(bed, SCP, (10, b"more"))
    assert bed.read("acme", "in/x") == b"abc3XY6789more"
    assert bed.versions("in/x") == 4


def test_a_file_that_is_opened_and_closed_again_has_no_new_version(bed: Bed) -> None:
    bed.put("acme", "in/x", b"0123456789", {})
    writes(bed, SCP)
    writes(bed, RESUME)
    assert bed.versions("in/x") == 1


@pytest.mark.parametrize("offset", [0, 10])
def test_appending_goes_to_the_end_whatever_the_offset(bed: Bed, offset: int) -> None:
    bed.put("acme", "in/x", b"0123456789", {})
    writes(bed, RESUME, (offset, b"abc"), (offset + 3, b"def"))
    assert bed.read("acme", "in/x") == b"0123456789abcdef"


def test_a_new_file_may_have_to_be_new(bed: Bed) -> None:
    writes(bed, PUT | NEW, (0, b"one"))
    with pytest.raises(asyncssh.SFTPFailure, match="is there already"):
        writes(bed, PUT | NEW, (0, b"two"))
    assert bed.read("acme", "in/x") == b"one"


def test_a_file_may_have_to_be_there(bed: Bed) -> None:
    with pytest.raises(asyncssh.SFTPNoSuchFile):
        writes(bed, WRITE, (0, b"one"))
    bed.put("acme", "in/x", b"0123", {})
    writes(bed, WRITE, (0, b"ab"))
    assert bed.read("acme", "in/x") == b"ab23"


def test_a_size_may_be_given_to_what_was_written(bed: Bed) -> None:
    bed.put("acme", "in/x", b"0123456789", {})

    async def story(size: int) -> None:
        async with bed.client() as sftp:
            handler = sftp._handler
            handle = await handler.open(IN.encode(), SCP, asyncssh.SFTPAttrs())
            try:
                await handler.write(handle, 0, b"abc")
                await handler.fsetstat(handle, asyncssh.SFTPAttrs(size=size))
            finally:
                await handler.close(handle)

    bed.run(story(3))
    assert bed.read("acme", "in/x") == b"abc"
    with pytest.raises(asyncssh.SFTPFailure, match="a file's size is what was written"):
        bed.run(story(2))


def test_others_bytes_are_copied_when_they_are_written_onto(bed: Bed) -> None:
    """A consumer that may write nothing there may not begin."""
    bed.put("acme", "in/x", b"0123456789", {})

    async def story() -> None:
        async with bed.client("globex.erp") as sftp:
            await write_at(sftp, IN, SCP, (0, b"abc"))

    with pytest.raises(asyncssh.SFTPPermissionDenied):
        bed.run(story())


@pytest.mark.usefixtures("small_parts")
def test_who_reads_while_it_is_written_over_reads_the_old_one_whole(bed: Bed) -> None:
    old, new = noise(400_000, 1), noise(500_000, 2)
    bed.put("acme", "in/x", old, {})

    async def story() -> None:
        async with bed.client() as acme, bed.client("globex.erp") as globex:
            async with globex.open(IN, "rb") as reading:
                got = bytes(await reading.read(1000))  # type: ignore[arg-type]
                async with acme.open(IN, "wb") as file:
                    await file.write(new[:300_000])
                    assert (await globex.stat(IN)).size == len(old)
                    await file.write(new[300_000:])
                got += bytes(await reading.read(-1))  # type: ignore[arg-type]
                assert got == old
            assert (await globex.stat(IN)).size == len(new)

    bed.run(story())
    assert bed.read("globex", "in/x") == new


# --- broken off --------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1000, 1024**2])
def test_an_upload_that_breaks_off_is_seen_by_its_writer_alone(bed: Bed, size: int) -> None:
    data = noise(2 * size)

    async def story() -> None:
        async with bed.connection() as connection, connection.start_sftp_client() as sftp:
            file = await sftp.open(IN, "wb")
            await file.write(data[:size])
            async with bed.client() as other:
                assert (await other.stat(IN)).size == size, "its writer sees how far it is"
            async with bed.client("globex.erp") as partner:
                assert not await partner.exists(IN)
            connection.abort()

    bed.run(story())
    bed.run(bed.left())
    assert bed.keys("acme") == bed.keys("globex") == []
    assert [event.outcome for event in bed.events if event.kind == "upload"] == ["dropped"]

    async def resumes() -> None:
        async with bed.client() as sftp:
            kept = (await sftp.stat(IN)).size
            assert kept == size
            await write_at(sftp, IN, RESUME, (size, data[size:]))

    bed.run(resumes())
    assert bed.read("acme", "in/x") == data
    assert bed.versions("in/x") == 1


def test_a_session_that_ends_without_closing_its_file_publishes_nothing(bed: Bed) -> None:
    """A clean end of the session is no end of the file."""

    async def story() -> None:
        async with bed.connection() as connection:
            sftp = await connection.start_sftp_client()
            file = await sftp.open(IN, "wb")
            await file.write(b"half")
            sftp.exit()
            await sftp.wait_closed()

    bed.run(story())
    bed.run(bed.left())
    assert bed.keys("acme") == []
    assert bed.staged() == ["in/x"]


@pytest.mark.parametrize("program", [["sftp"], ["scp"], ["scp", "-O"]])
def test_a_client_that_is_killed_publishes_nothing(bed: Bed, program: list[str]) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"OpenSSH's {program[0]} is not installed")
    bed.local("big", noise(24 * 1024**2))
    where = ["-P", str(bed.port), "-i", str(bed.folder / "acme.erp"), *bed.options, "-l", "8000"]
    target = "acme.erp@127.0.0.1"
    if program[0] == "sftp":
        bed.local("batch", f"put big {IN}\n".encode())
        command = [*program, *where, "-b", "batch", target]
    else:
        command = [*program, *where, "big", f"{target}:{IN}"]

    async def story() -> None:
        process = await asyncio.create_subprocess_exec(*command, cwd=bed.folder)
        for _ in range(3000):
            await asyncio.sleep(0.01)
            open_now = list(bed.door._shared.writing.values())
            if open_now and open_now[0].size > 1024**2:
                break
        process.kill()
        await process.wait()
        await bed.left()

    bed.run(story())
    assert bed.keys("acme") == bed.keys("globex") == []
    assert bed.staged() == ["in/x"]


@pytest.mark.parametrize("old", [[], ["-O"]])
def test_scp_both_ways(bed: Bed, old: list[str]) -> None:
    if shutil.which("scp") is None:
        pytest.skip("OpenSSH's scp is not installed")
    data = noise(1024**2)
    bed.local("x", data)
    where = ["-P", str(bed.port), "-i", str(bed.folder / "acme.erp"), *bed.options, *old]
    there = f"acme.erp@127.0.0.1:{IN}"
    for source, target in (("x", there), (there, "y")):
        ran = bed.run(bed.ran("scp", *where, source, target))
        assert ran.code == 0, ran.err
    assert (bed.folder / "y").read_bytes() == data
    assert bed.versions("in/x") == 1


def test_a_job_that_begins_anew_does_not_wait_for_its_lost_session(bed: Bed) -> None:
    """A connection may be gone for minutes before anybody tells us."""

    async def story() -> None:
        async with bed.client() as lost, bed.client() as again:
            half = await lost.open(IN, "wb")
            await half.write(b"half of it")
            await write_at(again, IN, RESUME, (10, b", and the rest"))
            with pytest.raises(asyncssh.SFTPFailure, match="replaced by another one"):
                await half.write(b"more")
            with pytest.raises(asyncssh.SFTPFailure, match="replaced by another one"):
                await half.close()

    bed.run(story())
    assert bed.read("acme", "in/x") == b"half of it, and the rest"
    assert bed.versions("in/x") == 1


def test_a_job_that_puts_the_file_anew_leaves_nothing_of_its_lost_session(bed: Bed) -> None:
    async def story() -> None:
        async with bed.connection() as connection, connection.start_sftp_client() as sftp:
            file = await sftp.open(IN, "wb")
            await file.write(b"half of it")
            connection.abort()
        await bed.left()
        async with bed.client() as lost, bed.client() as again:
            half = await lost.open(IN, "wb")
            await half.write(b"once more")
            await write_at(again, IN, PUT, (0, b"whole"))
            with pytest.raises(asyncssh.SFTPFailure):
                await half.close()
            assert (await again.stat(IN)).size == 5

    bed.run(story())
    assert bed.staged() == []
    assert bed.read("acme", "in/x") == b"whole"
    assert bed.versions("in/x") == 1


# --- stores that fail --------------------------------------------------------------------------


def test_a_store_that_fails_is_told_at_the_latest_when_the_file_is_closed(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "GROWTH", ((10_000, SMALL_PART),))
    store = bed.stores["acme", "home"]
    store.orders.extend(["", "before"])

    async def story() -> None:
        async with bed.client() as sftp, sftp.open(IN, "wb") as file:
            await file.write(noise(1024**2))

    with pytest.raises(asyncssh.SFTPFailure):
        bed.run(story())
    assert bed.keys("acme") == []


@pytest.mark.parametrize("path", [IN, "/orders/in/x.tmp"])
def test_a_sync_that_failed_is_the_end_of_the_file(bed: Bed, path: str) -> None:
    """Bytes that were lost on their way must not be missed out of a file that counts as whole."""

    async def story() -> None:
        async with bed.client() as sftp:
            file = await sftp.open(path, "wb")
            await file.write(b"first")
            await file.fsync()
            await file.write(b"second")
            bed.stores["acme", "home"].orders.append("before")
            with pytest.raises(asyncssh.SFTPFailure):
                await file.fsync()
            with pytest.raises(asyncssh.SFTPFailure):
                await file.close()
            with pytest.raises(asyncssh.SFTPFailure):
                await sftp.posix_rename(path, "/orders/in/y")

    bed.run(story())
    assert bed.keys("acme") == []


def test_what_was_told_to_be_synced_is_durable(bed: Bed) -> None:
    async def story() -> None:
        async with bed.client() as sftp, sftp.open(IN, "wb") as file:
            await file.write(b"abc")
            await file.fsync()
            staged = await bed.exchange.staging.look(bed.standing(), ObjectRef("orders", "in/x"))
            assert staged is not None
            assert staged.size == 3
            await file.write(b"def")

    bed.run(story())
    assert bed.read("acme", "in/x") == b"abcdef"


def test_a_client_that_waits_for_a_slow_store_is_kept_alive(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSH gives up after ServerAliveInterval times ServerAliveCountMax without a sign."""
    put = bed.exchange.objects.put

    async def slow(*words: Any, **more: Any) -> Any:
        await asyncio.sleep(4)
        return await put(*words, **more)

    monkeypatch.setattr(bed.exchange.objects, "put", slow)
    bed.local("x", b"patience")
    ran = bed.batch(f"put x {IN}", args=["-oServerAliveInterval=1", "-oServerAliveCountMax=1"])
    assert ran.code == 0, ran.err
    assert bed.read("acme", "in/x") == b"patience"
