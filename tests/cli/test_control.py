"""The control socket: one command a connection, for its owner alone."""

import asyncio
import json
import stat
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import BadInput, CrossdockError, Denied, InvalidArgument, StartRefused
from gateway.operations.control import (
    CONNECTIONS_MAX,
    LINE_BYTES_MAX,
    SOCKET_NAME,
    STOPPABLE,
    ControlServer,
    NotRunning,
    Progress,
    ask,
)


async def echo(arguments: Mapping[str, Any], progress: Progress) -> Any:
    progress(1, 2)
    await asyncio.sleep(0)
    return dict(arguments)


async def refuse(arguments: Mapping[str, Any], progress: Progress) -> Any:
    raise Denied("not like this")


async def fail(arguments: Mapping[str, Any], progress: Progress) -> Any:
    raise RuntimeError("secret-canary")


ACTIONS = {"echo": echo, "refuse": refuse, "fail": fail}


def with_server(state: Path, story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        server = ControlServer(state, ACTIONS)
        await server.start()
        try:
            await story()
        finally:
            await server.stop()

    asyncio.run(run())


def test_a_command_gets_its_arguments_and_shows_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    async def story() -> None:
        answer = await ask(tmp_path, "echo", {"a": "é"}, lambda *p: seen.append(p))
        assert answer == {"a": "é"}

    with_server(tmp_path, story)
    assert seen == [(1, 2)]


def test_a_refusal_comes_back_in_its_own_words(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(CrossdockError, match="not like this"):
            await ask(tmp_path, "refuse", {})

    with_server(tmp_path, story)


def test_a_fault_is_logged_and_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        with pytest.raises(CrossdockError, match="the gateway's log says why") as caught:
            await ask(tmp_path, "fail", {})
        assert "canary" not in caught.value.message

    with_server(tmp_path, story)
    assert "secret-canary" in caplog.text


def test_an_unknown_command_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(CrossdockError, match="knows no command 'dance'"):
            await ask(tmp_path, "dance", {})

    with_server(tmp_path, story)


def test_the_socket_is_the_owners_alone(tmp_path: Path) -> None:
    async def story() -> None:
        assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600

    with_server(tmp_path, story)
    assert not (tmp_path / SOCKET_NAME).exists()


@pytest.mark.parametrize("line", [b"[]\n", b"nonsense\n", b"x" * (LINE_BYTES_MAX + 10) + b"\n"])
def test_what_is_no_command_is_answered_and_harms_nothing(tmp_path: Path, line: bytes) -> None:
    async def story() -> None:
        reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
        writer.write(line)
        assert "not a command" in json.loads(await reader.readline())["error"]
        writer.close()
        assert await ask(tmp_path, "echo", {}) == {}

    with_server(tmp_path, story)


def test_connections_are_bounded(tmp_path: Path) -> None:
    async def story() -> None:
        open_ones = [
            await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
            for _ in range(CONNECTIONS_MAX)
        ]
        await asyncio.sleep(0.05)
        with pytest.raises(CrossdockError, match="busy"):
            await ask(tmp_path, "echo", {})
        for _, writer in open_ones:
            writer.close()
        await asyncio.sleep(0.05)
        assert await ask(tmp_path, "echo", {}) == {}

    with_server(tmp_path, story)


def test_without_a_gateway_nothing_answers(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        asyncio.run(ask(tmp_path, "echo", {}))


def test_a_dead_gateways_socket_is_replaced(tmp_path: Path) -> None:
    (tmp_path / SOCKET_NAME).write_text("left behind")

    async def story() -> None:
        assert await ask(tmp_path, "echo", {}) == {}

    with_server(tmp_path, story)


def test_a_path_too_long_for_a_socket_is_refused_with_the_mend(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    with pytest.raises(StartRefused, match="shorter `state`"):
        asyncio.run(ControlServer(deep, ACTIONS).start())


async def wait(arguments: Mapping[str, Any], progress: Progress) -> Any:
    progress(0, 1)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        ENDED.set()
        raise


ENDED = threading.Event()


def test_what_can_be_gone_on_with_ends_when_its_caller_hangs_up(tmp_path: Path) -> None:
    (name,) = STOPPABLE
    ENDED.clear()

    async def run() -> None:
        server = ControlServer(tmp_path, {name: wait})
        await server.start()
        reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
        writer.write(json.dumps({"do": name}).encode() + b"\n")
        assert "progress" in json.loads(await reader.readline())
        writer.close()
        assert await asyncio.to_thread(ENDED.wait, 5)
        ENDED.clear()
        seen = asyncio.Event()
        call = asyncio.create_task(ask(tmp_path, name, {}, lambda *_: seen.set()))
        await seen.wait()
        await server.stop()
        assert ENDED.is_set()
        with pytest.raises(CrossdockError, match="goes on where it was"):
            await call

    asyncio.run(run())


def test_the_callers_own_mistakes_stay_so(tmp_path: Path) -> None:
    async def wrong(arguments: Mapping[str, Any], progress: Progress) -> Any:
        raise InvalidArgument("no such thing")

    async def run() -> None:
        server = ControlServer(tmp_path, {"wrong": wrong})
        await server.start()
        with pytest.raises(BadInput, match="no such thing"):
            await ask(tmp_path, "wrong", {})
        await server.stop()

    asyncio.run(run())
