"""Connections that are no sFTP: half-open, too many, other channels, scp as no scp speaks it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.sftp import raw
from tests.sftp.bed import Bed
from tests.sftp.raw import framed, session, text, u32

FLAGS = u32(raw.CREATES)

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")


# --- connections ----------------------------------------------------------------------------------


def another(folder: Path, **limits: Any) -> Bed:
    (folder / "another").mkdir()
    return Bed(folder / "another", **limits)


def test_connections_that_never_log_in_are_ended(tmp_path: Path) -> None:
    bed = another(tmp_path, login_s=1)
    try:

        async def acts() -> None:
            half = [socket.create_connection(("127.0.0.1", bed.port)) for _ in range(20)]
            half[0].sendall(b"SSH-2.0-half\r\n")
            half[1].sendall(b"GET / HTTP/1.1\r\n\r\n")
            half[2].sendall(b"\0" * 100_000)
            await asyncio.sleep(0.2)
            assert bed.door.connections > 10
            await bed.serves_others()
            await asyncio.sleep(1.5)
            assert bed.door.connections == 0
            for each in half:
                each.close()

        bed.run(acts())
    finally:
        bed.close()


def test_more_connections_than_there_may_be_are_turned_away(tmp_path: Path) -> None:
    bed = another(tmp_path, connections=3)
    try:

        async def acts() -> None:
            async with bed.connection(), bed.connection(), bed.connection():
                with pytest.raises((OSError, asyncssh.Error)):
                    await bed.connection().__aenter__()
                assert bed.door.connections == 3
            await bed.left()
            await bed.serves_others()

        bed.run(acts())
    finally:
        bed.close()


def test_a_source_that_is_turned_away_is_told_nothing(bed: Bed) -> None:
    async def acts() -> None:
        bed.guard.shut = True
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", bed.port)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        bed.guard.shut = False

    bed.run(acts())


def test_half_open_sessions_hold_up_nobody(bed: Bed) -> None:
    async def acts() -> None:
        async with bed.connection() as connection:
            kept = []
            for sent in (b"", b"\0\0", framed(bytes([raw.INIT]) + u32(3)), u32(50_000) + b"x"):
                each = await connection.create_process(subsystem="sftp", encoding=None)
                each.stdin.write(sent)
                kept.append(each)
            await bed.serves_others()
            connection.abort()

    bed.run(acts())


@pytest.mark.parametrize(
    "asked", ["shell", "exec", "subsystem", "pty", "forward", "listen", "scp-help", "scp-quote"]
)
def test_nothing_but_file_transfer_is_open(bed: Bed, asked: str) -> None:
    async def acts() -> None:
        async with bed.connection() as connection:
            if asked == "forward":
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.open_connection("127.0.0.1", bed.port)
            elif asked == "listen":
                with pytest.raises(asyncssh.ChannelListenError):
                    await connection.forward_remote_port("", 0, "127.0.0.1", bed.port)
            elif asked.startswith("scp"):
                command = "scp --help" if asked == "scp-help" else "scp -t 'x"
                done = await connection.run(command)
                assert done.exit_status == 1
            else:
                more: dict[str, dict[str, Any]] = {
                    "shell": {},
                    "exec": {"command": "id"},
                    "subsystem": {"subsystem": "netconf"},
                    "pty": {"subsystem": "sftp", "term_type": "xterm"},
                }
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.create_process(**more[asked])

    bed.run(acts())


SCP = {
    "a name that leads up": b"C0644 1 ../../x\n",
    "a name with a slash": b"C0644 1 a/b\n",
    "a size that is none": b"C0644 x x\n",
    "a folder unasked": b"D0755 0 x\n",
    "no request": b"\xff" * 100_000,
    "an error without an end": b"\x01" + b"x" * 100_000,
    "half a file": b"C0644 1000 half\nxxx",
    "a huge file cut short": b"C0644 99999999999999999999 half\nxxx",
    "a time that is none": b"Tx 0 y 0\n",
    "the end of nothing": b"E\nE\nE\n",
}


@pytest.mark.parametrize("name", SCP)
def test_hostile_scp(bed: Bed, name: str) -> None:
    async def acts() -> None:
        async with bed.connection() as connection:
            process = await connection.create_process("scp -t -p /orders/in/", encoding=None)
            process.stdin.write(SCP[name])
            process.stdin.write_eof()
            async with asyncio.timeout(raw.ANSWER_SECONDS):
                await process.stdout.read()
                await process.wait_closed()

    bed.run(acts())


def test_scp_folders_without_end(bed: Bed) -> None:
    async def acts() -> None:
        async with bed.connection() as connection:
            process = await connection.create_process("scp -t -r /orders/in/", encoding=None)
            process.stdin.write(b"D0755 0 a\n" * 2000)
            process.stdin.write_eof()
            async with asyncio.timeout(raw.ANSWER_SECONDS):
                await process.stdout.read()
                await process.wait_closed()

    bed.run(acts())


@pytest.mark.parametrize(
    "pattern",
    [
        "/orders/tmp/" + "**/" * 12 + "x",
        "/orders/tmp/" + "*'*'/" * 12 + "x",
        "/orders/tmp/" + "a/../*/../" * 12 + "x",
        "/orders/tmp/" + "[a]/../" * 30 + "x",
    ],
)
def test_scp_patterns_without_end(bed: Bed, pattern: str) -> None:
    """Matched as they stand these would take years, in which nobody else is served."""

    async def acts() -> None:
        async with session(bed) as speaks:
            for depth in range(1, 30):
                await speaks.ask(raw.MKDIR, text("/orders/tmp/" + "a/" * depth), raw.NO_ATTRS)
            for name in "bcdefgh":
                await speaks.ask(raw.MKDIR, text(f"/orders/tmp/{name}"), raw.NO_ATTRS)
        async with bed.connection() as connection, asyncio.timeout(raw.ANSWER_SECONDS):
            done = await connection.run(f"scp -f {pattern}")
            assert done.exit_status == 1
            assert "scp: " in str(done.stderr)

    bed.run(acts())


def test_signals_breaks_and_sizes_of_windows_mean_nothing(bed: Bed) -> None:
    async def acts() -> None:
        async with session(bed) as speaks:
            handle = text(await speaks.open("/orders/in/x.tmp", raw.CREATES))
            for _ in range(3):
                speaks.process.send_signal("INT")
                speaks.process.send_break(1000)
                speaks.process.change_terminal_size(80, 24)
                wrote = await speaks.ask(raw.WRITE, handle, raw.u64(0), text(b""))
                assert wrote.status == raw.OK
            wrote = await speaks.ask(raw.WRITE, handle, raw.u64(0), text("x"))
            assert (await speaks.ask(raw.CLOSE, handle)).status == raw.OK

    bed.run(acts())
    assert [each.size for each in bed.drafts()] == [1]


def test_variables_are_not_kept(bed: Bed) -> None:
    async def acts() -> None:
        more = {f"NAME{n}": "x" * 10_000 for n in range(1000)}
        async with session(bed, env=more) as speaks:
            assert (await speaks.ask(raw.STAT, text("/orders"))).kind == raw.ATTRS
            (arrival,) = bed.door._arrivals
            assert arrival.connection is not None
            for each in arrival.connection._channels.values():
                assert not each._env

    bed.run(acts())


def test_connections_that_end_at_any_moment(bed: Bed) -> None:
    """In the middle of greeting, of logging in, of beginning a session, of a request."""

    async def comes(steps: int) -> None:
        coming = asyncio.create_task(some_work())
        for _ in range(steps):
            await asyncio.sleep(0)
        for arrival in tuple(bed.door._arrivals):
            if arrival.connection is not None and steps % 2:
                arrival.connection.abort()
        coming.cancel()
        await asyncio.wait((coming,))

    async def some_work() -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            async with session(bed) as speaks:
                for number in range(20):
                    speaks.post(raw.OPEN, text(f"/orders/in/{number}.tmp"), FLAGS, raw.NO_ATTRS)
                    await asyncio.sleep(0)

    async def acts() -> None:
        for steps in range(0, 160, 3):
            await comes(steps)
        await bed.left()

    bed.run(acts())
    assert not bed.door._shared.writing


@pytest.mark.parametrize("asked", [{}, {"command": "id"}, {"subsystem": "netconf"}])
def test_channels_without_a_session_count_for_nothing_once_they_are_closed(
    bed: Bed, asked: dict[str, str]
) -> None:
    async def acts() -> None:
        async with bed.connection() as connection:
            for _ in range(bed.door._limits.per_user + 1):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.create_process(**asked)
                await asyncio.sleep(0.01)
        async with session(bed) as speaks:
            assert (await speaks.ask(raw.STAT, text("/orders"))).kind == raw.ATTRS

    bed.run(acts())
