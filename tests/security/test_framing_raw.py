"""Hostile framing on the raw socket: no 5xx, no hang, no second answer out of step, no leak."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.s3 import listening
from gateway.s3.desk import Limits
from tests.s3.raw import UNSIGNED, sign
from tests.security.framing_cases import CASES, CLOSED, Case
from tests.security.world import Watched, others_are_served

TIMEOUT_S = 5.0
BODY = b"the body of the next answer"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    limits = Limits(head_s=0.3, stall_s=0.3, idle_s=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "LINGER_S", 0.3)
        yield from opened(tmp_path_factory, limits)


def opened(tmp_path_factory: pytest.TempPathFactory, limits: Limits) -> Iterator[Watched]:
    with Watched(tmp_path_factory.mktemp("raw"), limits=limits) as running:
        s3 = running.client("acme/erp")
        s3.put_object(Bucket="orders", Key="other/next", Body=BODY)
        yield running


def head(gateway: Watched, method: str, target: str) -> bytes:
    """A signed request line and headers, without the empty line."""
    return sign(gateway, method, target, mode=UNSIGNED).head().removesuffix(b"\r\n")


def filled(gateway: Watched, template: bytes) -> bytes:
    following = head(gateway, "GET", "/orders/other/next") + b"\r\n"
    put = head(gateway, "PUT", "/orders/other/put")
    for name, value in (
        (b"<PUT10>", put.replace(b"HTTP/1.1", b"HTTP/1.0", 1)),
        (b"<HEAD>", head(gateway, "HEAD", "/orders/other/absent")),
        (b"<DELETE>", head(gateway, "DELETE", "/orders/other/absent")),
        (b"<PUT>", put),
        (b"<GET>", head(gateway, "GET", "/orders/other/absent")),
        (b"<DELETES>", head(gateway, "POST", "/orders?delete")),
        (b"<LENGTH>", b"%d" % len(following)),
        (b"<HEX>", b"%x" % len(following)),
        (b"<NEXT>", following),
    ):
        template = template.replace(name, value)
    return template


@dataclass
class Heard:
    statuses: list[int]
    all: bytes
    closed: bool


def converse(port: int, sent: bytes, want: int) -> Heard:
    """Sends the bytes and reads `want` answers, or whatever comes before the end. A connection
    that is still open then must answer another request."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        for at, piece in enumerate(sent.split(b"<WAIT>")):
            time.sleep(0.05 if at else 0)
            with contextlib.suppress(ConnectionError):  # what it said can still be read
                connection.sendall(piece)
        heard = Heard([], b"", closed=False)
        left = b""
        while not heard.closed:
            try:
                data = connection.recv(65536)
            except ConnectionError:
                data = b""
            heard.closed = not data
            heard.all += data
            left = answers(left + data, heard.statuses)
            if want and len(heard.statuses) >= want and not left:
                heard.closed = heard.closed or ended(connection)
                break
        return heard


def answers(data: bytes, statuses: list[int]) -> bytes:
    """Takes whole answers off the front of the data; returns the rest."""
    while b"\r\n\r\n" in data:
        top, _, rest = data.partition(b"\r\n\r\n")
        lines = top.lower().split(b"\r\n")
        lengths = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")]
        if len(rest) < sum(lengths):
            return data
        assert lines[0].startswith((b"http/1.1 ", b"http/1.0 400", b"http/1.0 403")), (
            f"not an answer: {data[:200]!r}"
        )
        statuses.append(int(lines[0].split()[1]))
        data = rest[sum(lengths) :]
    return data


def ended(connection: socket.socket) -> bool:
    """Whether the gateway hangs up now, or answers one more request."""
    try:
        connection.sendall(b"GET /-/health HTTP/1.1\r\nHost: a\r\n\r\n")
        data = connection.recv(65536)
    except ConnectionError:
        return True
    assert data == b"" or data.startswith(b"HTTP/1.1 200 OK"), data
    return not data


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_framing_is_read_one_way_or_not_at_all(door: Watched, case: Case) -> None:
    heard = converse(door.port, filled(door, case.sent), len(case.statuses))
    assert tuple(heard.statuses) == case.statuses, heard.all[-300:]
    assert heard.closed == (case.end == CLOSED)
    assert heard.all.count(BODY) == case.nexts
    assert not any(word in heard.all.lower() for word in (b"aiohttp", b"python", b"traceback"))
    final = [status for status in case.statuses if status != 100]
    assert heard.all.lower().count(b"x-amz-request-id: ") == len(final)
    assert others_are_served(door)


def test_there_are_enough_framing_cases() -> None:
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


def test_what_is_no_http_is_counted_as_a_stranger_and_logs_nothing_of_it(
    door: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watch = door.watch()
    caplog.set_level("INFO")
    heard = converse(door.port, b"GET / HTTP/1.1\r\nno colon, and a secret\r\n\r\n", 1)
    assert b"<Code>InvalidRequest</Code>" in heard.all
    assert b"secret" not in heard.all
    assert watch.strangers == ["127.0.0.1"]
    assert "secret" not in caplog.text
    assert not caplog.records
