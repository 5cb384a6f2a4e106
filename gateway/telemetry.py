"""What the gateway says of itself: JSON log lines and Prometheus metrics."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import Protocol, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.gauges import FileGauges, ScrubGauges

OPERATIONS_MAX = 256
"""More names than this can't come from a route table; the rest count as `Other`."""
LATENCY_BUCKETS_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip
BUCKET_NAMES = (*map(str, map(float, LATENCY_BUCKETS_SECONDS)), "+Inf")
STATUS_CLASSES = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")
SECRET = re.compile(r"""(?i)\b((?:signature|security-token)["']?\s*[=:]\s*["']?)[^&\s,"']+""")
"""Bearer values of SigV4 in a URL or header. Nothing logs these on purpose; this is the net."""
LOG_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that runs in this context; every log line of it carries the id."""


# --- log lines ---------------------------------------------------------------------------------


class JsonLines(logging.Formatter):
    """One line of ASCII JSON per record, so no input can forge a line or reach a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": record.getMessage(),
        }
        request = request_id.get()
        if request:
            line["request"] = request
        for name, value in vars(record).items():
            if name not in LOG_FIELDS:
                line[name] = value
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps({name: _masked(value) for name, value in line.items()}, default=str)


def _masked(value: object) -> object:
    return SECRET.sub(r"\1***", value) if isinstance(value, str) else value


def _rfc3339(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def log_to(stream: TextIO, level: str = "info") -> Callable[[], None]:
    """Sends every logger's lines to `stream`; returns what undoes it."""
    root = logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    before = root.level
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of every packet

    def undo() -> None:
        root.removeHandler(handler)
        root.setLevel(before)

    return undo


# --- metrics -----------------------------------------------------------------------------------


class Owed(Protocol):
    """What one lane of deliveries holds in one state; `oldest` is a moment (ns)."""

    @property
    def count(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def oldest(self) -> int: ...


@dataclass(slots=True)
class _Tally:
    """What one operation of one door has done so far: plain numbers, so that counting a request
    costs well under a microsecond; `_Requests` shows them to Prometheus."""

    statuses: list[int] = field(default_factory=lambda: [0] * len(STATUS_CLASSES))
    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS_SECONDS) + 1))
    seconds: float = 0.0
    received: int = 0
    sent: int = 0


class _Requests(Collector):
    def __init__(self, tallies: Mapping[tuple[str, str], _Tally]) -> None:
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        labels = ("door", "operation")
        requests = CounterMetricFamily(
            "crossdock_requests",
            "Requests by door, operation and class of status.",
            labels=(*labels, "status"),
        )
        latency = HistogramMetricFamily(
            "crossdock_request_seconds",
            "Time from a request's head to the end of its answer.",
            labels=labels,
        )
        received = CounterMetricFamily(
            "crossdock_received_bytes", "Bytes of content received.", labels=labels
        )
        sent = CounterMetricFamily("crossdock_sent_bytes", "Bytes of content sent.", labels=labels)
        for name, tally in self._tallies.items():
            for status, count in zip(STATUS_CLASSES, tally.statuses, strict=True):
                if count:
                    requests.add_metric((*name, status), count)
            sums = map(float, accumulate(tally.buckets))
            latency.add_metric(name, list(zip(BUCKET_NAMES, sums, strict=True)), tally.seconds)
            received.add_metric(name, tally.received)
            sent.add_metric(name, tally.sent)
        yield from (requests, latency, received, sent)


class _Lanes:
    """What is owed to each store, and what came too late."""

    def __init__(self, registry: CollectorRegistry) -> None:
        lane = ("party", "store")
        in_state = (*lane, "state")
        self._count = Gauge("crossdock_deliveries", "Open deliveries.", in_state, registry=registry)
        self._bytes = Gauge(
            "crossdock_delivery_bytes", "Bytes of open deliveries.", in_state, registry=registry
        )
        self._oldest = Gauge(
            "crossdock_delivery_oldest_seconds",
            "Age of the oldest open delivery.",
            in_state,
            registry=registry,
        )
        self._late = Counter(
            "crossdock_deliveries_late",
            "Copies that were not verified by their deadline.",
            lane,
            registry=registry,
        )

    def owed(self, now: int, rows: Iterable[tuple[str, str, str, Owed]]) -> None:
        """The whole backlog, as (party, store, state, what is owed), replaces the last one."""
        for family in (self._count, self._bytes, self._oldest):
            family.clear()
        for party, store, state, owed in rows:
            self._count.labels(party, store, state).set(owed.count)
            self._bytes.labels(party, store, state).set(owed.bytes)
            self._oldest.labels(party, store, state).set(max(0, now - owed.oldest) / 1e9)

    def late(self, party: str, store: str) -> None:
        """A copy has missed its deadline."""
        self._late.labels(party, store).inc()


class OwedNotices(Protocol):
    """What one webhook is owed; `oldest` is a moment (ns), 0 if nothing waits."""

    @property
    def pending(self) -> int: ...
    @property
    def parked(self) -> int: ...
    @property
    def missed(self) -> int: ...
    @property
    def oldest(self) -> int: ...


class _Webhooks:
    """What is owed to each webhook, and what came of sending."""

    def __init__(self, registry: CollectorRegistry) -> None:
        lane = ("party", "webhook")

        def gauge(name: str, text: str, *more: str) -> Gauge:
            return Gauge(name, text, (*lane, *more), registry=registry)

        self._count = gauge("crossdock_notices", "Notices that wait.", "state")
        self._oldest = gauge("crossdock_notice_oldest_seconds", "Age of the oldest that waits.")
        self._missed = gauge("crossdock_notices_missed", "Notices that found no room, ever.")
        self.problems = Gauge(
            "crossdock_webhook_problems",
            "Webhooks that can't be used as they are.",
            registry=registry,
        ).set
        self._attempts = Counter(
            "crossdock_notice_attempts",
            "Attempts at a notice, by what came of them.",
            (*lane, "outcome"),
            registry=registry,
        )
        self._seconds = Counter(
            "crossdock_notice_seconds",
            "Time that receivers took for what they took.",
            lane,
            registry=registry,
        )

    def owed(self, now: int, rows: Iterable[tuple[str, str, OwedNotices]]) -> None:
        """The whole backlog, as (party, webhook, what is owed), replaces the last one."""
        for family in (self._count, self._oldest, self._missed):
            family.clear()
        for party, webhook, owed in rows:
            self._count.labels(party, webhook, "pending").set(owed.pending)
            self._count.labels(party, webhook, "parked").set(owed.parked)
            age = max(0, now - owed.oldest) / 1e9 if owed.oldest else 0
            self._oldest.labels(party, webhook).set(age)
            self._missed.labels(party, webhook).set(owed.missed)

    def tried(self, party: str, webhook: str, outcome: str, seconds: float) -> None:
        self._attempts.labels(party, webhook, outcome).inc()
        self._seconds.labels(party, webhook).inc(seconds)


class _Converging:
    """How far the versions that are there follow the policy in force."""

    def __init__(self, registry: CollectorRegistry) -> None:
        text = "Versions older than the policy in force: in all, and decided again."
        name = "crossdock_convergence_versions"
        self._versions = Gauge(name, text, ("what",), registry=registry)
        text = "Until all of them follow it; NaN: not known yet."
        self._left = Gauge("crossdock_convergence_left_seconds", text, registry=registry)

    def told(self, seen: int, total: int, left_s: float | None) -> None:
        self._versions.labels("all").set(total)
        self._versions.labels("decided").set(seen)
        self._left.set(math.nan if left_s is None else left_s)


@dataclass(slots=True)
class _Calls:
    """What one verb of one store has taken so far; `outcomes` counts by error, "" for none."""

    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    bytes: int = 0


class _Stores(Collector):
    def __init__(self, tallies: Mapping[tuple[str, str, str], _Calls]) -> None:
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        labels = ("party", "store", "verb")
        calls = CounterMetricFamily(
            "crossdock_store_calls",
            "Calls of a store, by what came of them; reads of a folder are not counted.",
            labels=(*labels, "outcome"),
        )
        seconds = CounterMetricFamily(
            "crossdock_store_seconds", "Time that calls of a store took.", labels=labels
        )
        read = CounterMetricFamily(
            "crossdock_store_read_bytes", "Bytes read from a store.", labels=labels
        )
        for name, tally in self._tallies.items():
            for outcome, count in tally.outcomes.items():
                calls.add_metric((*name, outcome or "ok"), count)
            seconds.add_metric(name, tally.seconds)
            read.add_metric(name, tally.bytes)
        yield from (calls, seconds, read)


@dataclass(frozen=True, slots=True)
class Request:
    """One finished request; bytes are of content, headers left out."""

    door: str
    operation: str
    status: int
    seconds: float
    received: int = 0
    sent: int = 0


class Telemetry:
    """The metrics of one gateway, in a registry of its own. Called from the event loop alone."""

    def __init__(self, registry: CollectorRegistry, *, log_requests: bool = False) -> None:
        self.registry = registry
        self._log = logging.getLogger("gateway.requests") if log_requests else None
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._calls: dict[tuple[str, str, str], _Calls] = {}
        registry.register(_Requests(self._tallies))
        registry.register(_Stores(self._calls))

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        running = gauge("crossdock_requests_running", "Requests being answered now.")
        self.began, self.ended = running.inc, running.dec
        self.turned_away = Counter(
            "crossdock_turned_away",
            "Requests answered 503 SlowDown because a limit was reached.",
            registry=registry,
        ).inc
        self.unauthenticated = Counter(
            "crossdock_unauthenticated",
            "Requests without a valid signature.",
            registry=registry,
        ).inc
        lanes = _Lanes(registry)
        self.owed, self.late = lanes.owed, lanes.late
        self.webhooks = _Webhooks(registry)
        self._revision = gauge(
            "crossdock_policy_revision", "1 for the policy revision in force.", "revision"
        )
        self._entered = gauge(
            "crossdock_policy_entered_timestamp_seconds",
            "When the policy in force came into force, in Unix time.",
        )
        self.policy_problems = gauge(
            "crossdock_policy_problems", "Mistakes in policy files that are not in force."
        ).set
        self.key_problems = gauge(
            "crossdock_key_problems", "Access keys that can't be used as they are."
        ).set
        self.store_problems = gauge(
            "crossdock_store_problems", "Stores that can't be used as they are."
        ).set
        self.converging = _Converging(registry).told
        self.scrub = ScrubGauges(registry)
        self.files = FileGauges(registry)
        self.catalog_well = gauge(
            "crossdock_catalog_well", "1 if the catalog answered when this was asked for."
        ).set
        self.log_size = gauge("crossdock_log_records", "Records in the audit log.").set
        self.log_sealed = gauge("crossdock_log_sealed_records", "Records under a checkpoint.").set

    def store(self, party: str, name: str) -> Callable[[str, float, int, str], None]:
        """What is told of each call of that store: verb, seconds, bytes read, error or ""."""

        def measure(verb: str, seconds: float, read: int, error: str) -> None:
            tally = self._calls.setdefault((party, name, verb), _Calls())
            tally.outcomes[error] = tally.outcomes.get(error, 0) + 1
            tally.seconds += seconds
            tally.bytes += read

        return measure

    def request(self, done: Request) -> None:
        """Counts one finished request."""
        tally = self._tallies.get((done.door, done.operation)) or self._tally(done)
        tally.statuses[done.status // 100] += 1
        tally.buckets[bisect_left(LATENCY_BUCKETS_SECONDS, done.seconds)] += 1
        tally.seconds += done.seconds
        tally.received += done.received
        tally.sent += done.sent
        if self._log is not None:
            self._log.info("request", extra=asdict(done))

    def _tally(self, done: Request) -> _Tally:
        full = len(self._tallies) >= OPERATIONS_MAX
        return self._tallies.setdefault((done.door, "Other" if full else done.operation), _Tally())

    def policy(self, revision: str, entered: int) -> None:
        """The policy in force, and the moment (ns) at which it came into force."""
        self._revision.clear()
        self._revision.labels(revision).set(1)
        self._entered.set(entered / 1e9)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes (`text/plain; version=0.0.4`)."""
        return generate_latest(self.registry)

    def names(self) -> Mapping[str, str]:
        """Every metric and what it means, for the documentation's test."""
        return MappingProxyType({m.name: m.documentation for m in self.registry.collect()})
