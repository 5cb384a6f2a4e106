"""Clients that are slow, greedy or never listen: what they hold is bounded, and nobody waits."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gateway.s3.desk import Limits
from gateway.s3.forms import FORM_BYTES_MAX
from tests.certificates import certificate
from tests.harness import Gateway
from tests.s3.raw import TIMEOUT_S, UNSIGNED, Signed, Socket, ask, posted, sign

MIB = 1024**2
READERS = 60
READER_BYTES_MAX = 450 * 1024
"""Of a stalled reader: one chunk of 256 KiB, and what a connection is made of."""
UPLOADS = 40
UPLOAD_BYTES_MAX = 2 * MIB
"""Of a stalled upload: what is collected to be hashed, and what is to be written with it."""

FORM = Signed("POST", "/orders", {"Host": "a", "Content-Type": "multipart/form-data; boundary=b"})
FIELD = b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\n\r\n'


@pytest.fixture
def large(gateway: Gateway) -> str:
    """The target of an object that no socket's buffers hold."""
    body = os.urandom(8 * MIB)
    gateway.client().put_object(Bucket="orders", Key="large", Body=body)
    return "/orders/large"


def resident() -> int:
    """Bytes of memory that this process, gateway included, has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def well(gateway: Gateway, principal: str = "globex/wms") -> bool:
    """Whether another party is served at once, on another connection."""
    began = time.monotonic()
    reply = ask(gateway, sign(gateway, "GET", "/orders", principal=principal))
    return reply.status == 200 and time.monotonic() - began < 2


# --- readers -----------------------------------------------------------------------------------


def test_stalled_readers_hold_one_chunk_each(gateway: Gateway, large: str) -> None:
    request = sign(gateway, "GET", large).head()
    with ExitStack() as stack:
        before = resident()
        for _ in range(READERS):
            address = ("127.0.0.1", gateway.port)
            reader = stack.enter_context(socket.create_connection(address, TIMEOUT_S))
            reader.sendall(request)
            assert reader.recv(1) == b"H"
        assert well(gateway)
        assert (resident() - before) / READERS < READER_BYTES_MAX


def test_reader_that_takes_nothing_is_cut_off(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(stall_s=0.3)) as gateway:
        body = os.urandom(16 * MIB)
        gateway.client().put_object(Bucket="orders", Key="large", Body=body)
        with Socket(gateway) as connection:
            connection.send(sign(gateway, "GET", "/orders/large").head())
            assert not connection.silent(TIMEOUT_S)
            began = time.monotonic()
            while running(gateway):
                assert time.monotonic() - began < TIMEOUT_S, "the reader still holds its place"
                time.sleep(0.02)
            with pytest.raises((EOFError, ConnectionError)):
                connection.reply()  # cut, not ended: a part is never taken for the whole


def running(gateway: Gateway) -> float | None:
    return gateway.telemetry.registry.get_sample_value("crossdock_requests_running")


def test_answers_that_nobody_reads_are_not_piled_up(gateway: Gateway) -> None:
    """One connection asks without end: the gateway stops to read it, not to serve others."""
    gateway.client().put_object(Bucket="orders", Key="middling", Body=os.urandom(60_000))
    requests = sign(gateway, "GET", "/orders/middling").head() * 100
    stranger = b"GET /orders HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
    for piece in (requests, stranger):
        before = resident()
        with socket.create_connection(("127.0.0.1", gateway.port), 0.5) as greedy:
            assert not took(greedy, piece)
            assert well(gateway)
            assert resident() - before < 8 * MIB


def test_heads_do_not_fill_the_memory(gateway: Gateway) -> None:
    """Each line within its limit, and as many as are allowed: 16 MB of what nobody has signed."""
    before = resident()
    with ExitStack() as stack:
        for _ in range(10):
            address = ("127.0.0.1", gateway.port)
            greedy = stack.enter_context(socket.create_connection(address, TIMEOUT_S))
            greedy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
            with suppress(ConnectionError):
                for _ in range(500):
                    greedy.sendall(b"X: " + b"y" * 32_000 + b"\r\n")
        assert well(gateway)
        assert resident() - before < 16 * MIB


def took(greedy: socket.socket, piece: bytes) -> bool:
    """Whether the gateway reads all of a thousand pieces."""
    try:
        for _ in range(1000):
            greedy.sendall(piece)
    except TimeoutError:
        return False
    return True


# --- writers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"5\r\nhelloX\r\n0\r\n\r\n", b"zz\r\n", b"5\r\nhello\r\n-0\r\n"])
def test_broken_framing_behind_a_head_is_told_at_once(gateway: Gateway, body: bytes) -> None:
    signed = sign(gateway, "PUT", "/orders/broken", mode=UNSIGNED)
    with Socket(gateway) as connection:
        connection.send(signed.head("Transfer-Encoding: chunked", "Expect: 100-continue"))
        assert connection.reply().status == 100  # by now the body is being read
        began = time.monotonic()
        reply = connection.ask(body)
        assert (reply.status, reply.code) == (400, "IncompleteBody")
        assert reply.headers["connection"] == "close"
        assert connection.closed()
        assert time.monotonic() - began < 5
    assert ask(gateway, sign(gateway, "GET", "/orders/broken")).code == "NoSuchKey"


@pytest.mark.parametrize("text", ["close", "Close", "CLOSE", "keep-alive, close"])
def test_who_asks_to_close_is_told_so(gateway: Gateway, text: str) -> None:
    with Socket(gateway) as connection:
        reply = connection.ask(sign(gateway, "GET", "/orders").head(f"Connection: {text}"))
        assert reply.headers["connection"] == "close"
        assert connection.closed()


def test_form_of_endless_empty_fields_is_refused(gateway: Gateway) -> None:
    with Socket(gateway) as connection:
        connection.send(FORM.head("Transfer-Encoding: chunked"))
        for start in range(0, FORM_BYTES_MAX // len(FIELD % 1000) + 1000, 500):
            piece = b"".join(FIELD % n for n in range(start, start + 500))
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert connection.reply().code == "MaxPostPreDataLengthExceededError"
    assert well(gateway)


def test_form_whose_fields_drip_is_ended(tmp_path: Path) -> None:
    with Gateway(tmp_path, limits=Limits(stall_s=0.4)) as gateway, Socket(gateway) as connection:
        connection.send(FORM.head("Content-Length: 1000"))
        began = time.monotonic()
        while connection.silent(0.1):  # each byte comes in time, all of them never would
            connection.send(b"-")
            assert time.monotonic() - began < TIMEOUT_S
        reply = connection.reply()
        assert (reply.status, reply.code) == (400, "RequestTimeout")
        assert reply.headers["connection"] == "close"


def test_stalled_uploads_hold_little_of_what_they_sent(gateway: Gateway) -> None:
    sent = 4 * MIB - 1000
    with ExitStack() as stack:
        before = resident()
        for n in range(UPLOADS):
            signed = sign(gateway, "PUT", f"/orders/stalled/{n}", mode=UNSIGNED)
            address = ("127.0.0.1", gateway.port)
            writer = stack.enter_context(socket.create_connection(address, TIMEOUT_S))
            writer.sendall(signed.head("Content-Length: 50000000"))
            writer.sendall(bytes(sent))
        assert well(gateway)
        assert (resident() - before) / UPLOADS < UPLOAD_BYTES_MAX


# --- places ------------------------------------------------------------------------------------


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path, limits=Limits(party_requests_max=2)) as gateway:
        yield gateway


def waiting(gateway: Gateway, stack: ExitStack, head: bytes, go: int = 100) -> Socket:
    """A request that is being served, and whose body does not come."""
    connection = stack.enter_context(Socket(gateway))
    connection.send(head)
    assert connection.reply().status == go
    return connection


def test_one_party_does_not_take_every_place(narrow: Gateway) -> None:
    head = sign(narrow, "PUT", "/orders/x", body=b"hello").head(
        "Content-Length: 5", "Expect: 100-continue"
    )
    with ExitStack() as stack:
        slow = [waiting(narrow, stack, head) for _ in range(2)]
        third = ask(narrow, sign(narrow, "GET", "/orders"))
        assert (third.status, third.code) == (503, "SlowDown")
        assert well(narrow)
        assert [connection.ask(b"hello").status for connection in slow] == [200, 200]
    assert ask(narrow, sign(narrow, "GET", "/orders")).status == 200


def test_strangers_forms_do_not_take_every_place(narrow: Gateway) -> None:
    with ExitStack() as stack:
        head = FORM.head("Content-Length: 100", "Expect: 100-continue")
        slow = [waiting(narrow, stack, head) for _ in range(2)]
        third = ask(narrow, *posted(narrow, "orders", {"key": "form"}))
        assert (third.status, third.code) == (503, "SlowDown")
        assert well(narrow)
        assert [connection.ask(b"x" * 100).status for connection in slow] == [400, 400]
    assert ask(narrow, *posted(narrow, "orders", {"key": "form"})).status == 204


def test_handshake_that_never_comes_is_ended(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with (
        Gateway(tmp_path / "g", tls=context, limits=Limits(head_s=0.2)) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), TIMEOUT_S) as silent,
    ):
        assert silent.recv(1) == b""
