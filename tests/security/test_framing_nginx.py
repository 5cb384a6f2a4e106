"""The same hostile framing through nginx, whose one connection to the gateway all clients share:
what one of them sends must never become the answer of another."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from gateway.s3.desk import Limits
from tests.counterparts.servers import Absent, nginx
from tests.security.framing_cases import CASES, KEPT, SLOW, Case
from tests.security.test_framing_raw import BODY, answers, filled, head
from tests.security.world import Watched

FIRST_S, QUIET_S = 3.0, 0.04
PROBE = b"what the next client asked for"
PROXIES_OWN = frozenset({501, 505})  # a coding or a version of HTTP that nginx itself refuses

CONFIG = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream gateway {{ server 127.0.0.1:GATEWAY; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port}; client_max_body_size 0; merge_slashes off;
    location / {{
      proxy_pass http://gateway; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Connection "";
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    limits = Limits(stall_s=0.3)
    with Watched(tmp_path_factory.mktemp("behind"), limits=limits) as running:
        s3 = running.client("acme/erp")
        s3.put_object(Bucket="orders", Key="other/next", Body=BODY)
        s3.put_object(Bucket="orders", Key="other/probe", Body=PROBE)
        yield running


@pytest.fixture(scope="module")
def proxy(door: Watched) -> Iterator[int]:
    """The port of an nginx before the gateway."""
    try:
        with nginx(CONFIG.replace("GATEWAY", str(door.port))) as endpoint:
            yield int(endpoint.rpartition(":")[2])
    except Absent as error:
        pytest.skip(str(error))


def heard(port: int, sent: bytes, enough: int = 0) -> bytes:
    """All that comes back until the end, or until nothing comes for a moment; or, of a single
    answer, until its body is so long."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), FIRST_S) as connection:
        try:
            for at, piece in enumerate(sent.split(b"<WAIT>")):
                time.sleep(0.02 if at else 0)
                connection.sendall(piece)
            while data := connection.recv(65536):
                found += data
                connection.settimeout(QUIET_S)
                if enough and len(found.partition(b"\r\n\r\n")[2]) >= enough:
                    break
        except (ConnectionError, TimeoutError):
            return found
    return found


@pytest.mark.parametrize("case", [c for c in CASES if c not in SLOW], ids=lambda case: case.name)
def test_framing_through_a_proxy_stays_the_senders_own(
    door: Watched, proxy: int, case: Case
) -> None:
    found = heard(proxy, filled(door, case.sent))
    statuses: list[int] = []
    answers(found, statuses)
    assert not [s for s in statuses if s >= 500 and s not in PROXIES_OWN], found[:300]
    if case.end == KEPT:  # nginx mends some heads, and then serves what follows to its sender
        assert found.count(BODY) <= case.nexts
    probe = heard(proxy, head(door, "GET", "/orders/other/probe") + b"\r\n", len(PROBE))
    assert probe.startswith(b"HTTP/1.1 200 OK")
    assert probe.endswith(PROBE)
