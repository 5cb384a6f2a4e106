"""Log lines that can't be forged and hold no secrets; metrics that count what happened."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.telemetry import OPERATIONS_MAX, Request, Telemetry, log_to, request_id

CANARY = "c4n4ry"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    stream = io.StringIO()
    undo = log_to(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    undo()


def test_a_line_carries_the_request_and_what_was_said(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    token = request_id.set("req-1")
    logging.getLogger("gateway.test").info("moved %s", "x", extra={"bucket": "orders"})
    logging.getLogger("asyncssh.sftp").info("opened /in/x for acme")
    request_id.reset(token)
    logging.getLogger("gateway.test").info("later")
    first, second = lines()
    assert first["message"] == "moved x"
    assert first["bucket"] == "orders"
    assert first["request"] == "req-1"
    assert first["at"].endswith("Z")
    assert "request" not in second


@pytest.mark.parametrize("hostile", ["a\nb", "a\r\nb", "a\x1b[31mb", "a\x9bb", "a\u2028b", "\x00"])
def test_no_input_makes_a_second_line_or_reaches_the_terminal(hostile: str) -> None:
    stream = io.StringIO()
    undo = log_to(stream)
    logging.getLogger("gateway.test").info(hostile, extra={"key": hostile})
    undo()
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.isascii()
    assert all(ord(char) >= 32 for char in text[:-1])
    assert json.loads(text)["key"] == hostile


@pytest.mark.parametrize(
    "leak",
    [
        f"GET /b/k?X-Amz-Signature={CANARY}&x=1",
        f"AWS4-HMAC-SHA256 Credential=AK/x, SignedHeaders=host, Signature={CANARY}",
        f"{{'x-amz-security-token': '{CANARY}'}}",
        f"X-Amz-Security-Token: {CANARY}",
    ],
)
def test_signatures_and_tokens_are_masked(
    lines: Callable[[], list[dict[str, Any]]], leak: str
) -> None:
    logging.getLogger("gateway.test").warning(leak, extra={"head": leak})
    try:
        raise ValueError(leak)
    except ValueError:
        logging.getLogger("gateway.test").exception("failed")
    assert CANARY not in json.dumps(lines())
    assert len(lines()) == 2


def counted(telemetry: Telemetry) -> dict[str, float]:
    samples = [s for m in telemetry.registry.collect() for s in m.samples]
    return {
        s.name + "".join(f" {k}={v}" for k, v in sorted(s.labels.items())): s.value for s in samples
    }


def test_requests_are_counted_by_operation_and_class() -> None:
    telemetry = Telemetry(CollectorRegistry())
    telemetry.request(Request("s3", "GetObject", 200, 0.002, sent=10))
    telemetry.request(Request("s3", "GetObject", 206, 0.02, sent=5))
    telemetry.request(Request("s3", "GetObject", 404, 400.0))
    seen = counted(telemetry)
    name = "door=s3 operation=GetObject"
    assert seen[f"crossdock_requests_total {name} status=2xx"] == 2
    assert seen[f"crossdock_requests_total {name} status=4xx"] == 1
    assert seen[f"crossdock_sent_bytes_total {name}"] == 15
    assert seen[f"crossdock_request_seconds_count {name}"] == 3
    assert seen["crossdock_request_seconds_bucket door=s3 le=0.0025 operation=GetObject"] == 1
    assert seen["crossdock_request_seconds_bucket door=s3 le=0.025 operation=GetObject"] == 2
    assert seen["crossdock_request_seconds_bucket door=s3 le=300.0 operation=GetObject"] == 2
    assert seen[f"crossdock_request_seconds_sum {name}"] == pytest.approx(400.022)


def test_made_up_operations_can_not_fill_the_memory() -> None:
    telemetry = Telemetry(CollectorRegistry())
    for number in range(OPERATIONS_MAX + 50):
        telemetry.request(Request("s3", f"Op{number}", 200, 0.001))
    seen = counted(telemetry)
    assert seen["crossdock_requests_total door=s3 operation=Other status=2xx"] == 50
    assert sum(name.startswith("crossdock_requests_total") for name in seen) == OPERATIONS_MAX + 1


def test_a_backlog_replaces_the_last_one() -> None:
    telemetry = Telemetry(CollectorRegistry())
    owed = SimpleNamespace(count=3, bytes=30, oldest=1_000_000_000)
    telemetry.owed(3_500_000_000, [("globex", "home", "pending", owed)])
    lane = "party=globex state=pending store=home"
    assert counted(telemetry)[f"crossdock_deliveries {lane}"] == 3
    assert counted(telemetry)[f"crossdock_delivery_oldest_seconds {lane}"] == 2.5
    telemetry.owed(4_000_000_000, [])
    assert f"crossdock_deliveries {lane}" not in counted(telemetry)


def test_one_revision_is_in_force() -> None:
    telemetry = Telemetry(CollectorRegistry())
    telemetry.policy("r1", 5_000_000_000)
    telemetry.policy("r2", 6_000_000_000)
    seen = counted(telemetry)
    assert seen["crossdock_policy_revision revision=r2"] == 1
    assert "crossdock_policy_revision revision=r1" not in seen
    assert seen["crossdock_policy_entered_timestamp_seconds"] == 6


def test_two_gateways_in_one_process_count_apart() -> None:
    one, two = Telemetry(CollectorRegistry()), Telemetry(CollectorRegistry())
    one.turned_away()
    assert counted(one)["crossdock_turned_away_total"] == 1
    assert counted(two)["crossdock_turned_away_total"] == 0
    assert b"crossdock_turned_away_total 1.0" in one.exposition()
