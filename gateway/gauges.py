"""What the scrub, and the sFTP door, show to Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ScrubGauges:
    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self._checks = counter("crossdock_scrub_checks", "Looks at what lies at rest.", "what")
        self._bytes = counter("crossdock_scrub_read_bytes", "Bytes read back by them.", "what")
        self._unreachable = counter(
            "crossdock_scrub_unreachable", "Looks that a store did not answer.", "what"
        )
        self._oldest = Gauge(
            "crossdock_scrub_oldest_seconds",
            "Age of the check of a copy that lies furthest back.",
            registry=registry,
        )
        self._found = Gauge(
            "crossdock_copies_found",
            "Copies that are not what their receipts say.",
            ("party", "finding"),
            registry=registry,
        )
        self._lost = Gauge(
            "crossdock_extents_lost",
            "Authors' bytes that are gone, or are not what they were.",
            registry=registry,
        )

    def looked(self, what: str, checked: int, read: int, unreachable: int) -> None:
        """What one round over copies, or over extents, has done."""
        self._checks.labels(what).inc(checked)
        self._bytes.labels(what).inc(read)
        self._unreachable.labels(what).inc(unreachable)

    def found(self, oldest_s: float, copies: Iterable[tuple[str, str, int]], losses: int) -> None:
        """How everything is now, as far as it was looked at."""
        self._oldest.set(oldest_s)
        self._found.clear()
        for party, finding, count in copies:
            self._found.labels(party, finding).set(count)
        self._lost.set(losses)


class FileGauges:
    def __init__(self, registry: CollectorRegistry) -> None:
        text = "At the sFTP door: open connections, sessions, and files being written."
        self._present = Gauge("crossdock_sftp_open", text, ("what",), registry=registry)
        text = "Sources that the sFTP door keeps out for a while."
        self.banned = Gauge("crossdock_sftp_banned", text, registry=registry).set

    def present(self, connections: int, sessions: int, writing: int) -> None:
        for what, count in (
            ("connections", connections),
            ("sessions", sessions),
            ("writing", writing),
        ):
            self._present.labels(what).set(count)
