"""How the gateway is: one picture for health, readiness and metrics alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from gateway import __version__
from gateway.catalog import Backlog, Catalog
from gateway.catalog.noticing import NoticeBacklog
from gateway.errors import CatalogUnavailable, CrossdockError
from gateway.exchange import Headway
from gateway.model import DeliveryState
from gateway.operations.findings import Findings
from gateway.operations.reload import Standing
from gateway.sftp.door import Present
from gateway.sftp.guard import Ban
from gateway.telemetry import Telemetry

S_NS = 10**9


class Sealing(Protocol):
    """What is asked of the keeper of the audit log."""

    @property
    def fault(self) -> CrossdockError | None: ...
    @property
    def waiting(self) -> int: ...
    @property
    def sealed(self) -> int: ...


def shown(headway: Headway | None) -> Mapping[str, Any]:
    """How far the versions that are there follow the policy in force, as JSON."""
    if headway is None:
        return {}
    return {
        "revision": headway.revision,
        "done": headway.done,
        "versions_decided": headway.seen,
        "versions": headway.total,
        "seconds_left": None if headway.left_s is None else round(headway.left_s, 1),
    }


@dataclass(slots=True)
class Vitals:
    """`changed`, `keys` and `stores` are told what is in force; the rest is asked when wanted."""

    catalog: Catalog
    sealer: Sealing
    telemetry: Telemetry
    clock: Callable[[], int]
    started: int
    standing: Standing | None = None
    key_count: int = 0
    key_problems: tuple[str, ...] = ()
    store_problems: tuple[str, ...] = ()
    webhook_problems: tuple[str, ...] = ()
    headway: Callable[[], Headway | None] = lambda: None
    at_files: Callable[[], Present] = Present
    bans: Callable[[], Sequence[Ban]] = tuple
    opening: bool = False
    stopping: bool = False

    def changed(self, standing: Standing) -> None:
        self.standing = standing
        self.telemetry.policy(standing.mesh.revision, standing.entered)
        self.telemetry.policy_problems(len(standing.problems) + bool(standing.trouble))

    def keys(self, count: int, problems: tuple[str, ...]) -> None:
        self.key_count, self.key_problems = count, problems
        self.telemetry.key_problems(len(problems))

    def stores(self, problems: tuple[str, ...]) -> None:
        self.store_problems = problems
        self.telemetry.store_problems(len(problems))

    def webhooks(self, problems: tuple[str, ...]) -> None:
        self.webhook_problems = problems
        self.telemetry.webhooks.problems(len(problems))

    def ready(self) -> bool:
        """Whether requests may be sent here."""
        return self.standing is not None and not self.opening and not self.stopping

    async def metrics(self) -> bytes:
        headway = self.headway()
        if headway is not None:
            self.telemetry.converging(headway.seen, headway.total, headway.left_s)
        here = self.at_files()
        self.telemetry.files.present(here.connections, here.sessions, here.writing)
        self.telemetry.files.banned(len(self.bans()))
        try:
            self._measured(await self.catalog.backlog(), await self.catalog.size())
            notices = await self.catalog.notice_backlog()
            rows = ((each.lane.party, each.lane.webhook, each) for each in notices)
            self.telemetry.webhooks.owed(self.clock(), rows)
            findings = await Findings.of(self.catalog)
            findings.measured(self.clock(), self.telemetry.scrub)
        except CatalogUnavailable:
            self.telemetry.catalog_well(0)
        else:
            self.telemetry.catalog_well(1)
        return self.telemetry.exposition()

    def _measured(self, backlog: Sequence[Backlog], records: int) -> None:
        rows = ((each.lane.party, each.lane.store, each.state.value, each) for each in backlog)
        self.telemetry.owed(self.clock(), rows)
        self.telemetry.log_size(records)
        self.telemetry.log_sealed(self.sealer.sealed)

    async def health(self) -> Mapping[str, Any]:
        """Everything that an operator may want to know first; `status` sums it up."""
        trouble = ""
        backlog: Sequence[Backlog] = ()
        notices: Sequence[NoticeBacklog] = ()
        records = 0
        findings = Findings()
        try:
            backlog, records = await self.catalog.backlog(), await self.catalog.size()
            notices = await self.catalog.notice_backlog()
            findings = await Findings.of(self.catalog)
        except CatalogUnavailable as error:
            trouble = error.message
        return {
            "status": self._status(trouble, backlog, notices, findings),
            "version": __version__,
            "uptime_seconds": (self.clock() - self.started) // S_NS,
            "catalog": {"problem": trouble},
            "policy": self._policy(),
            "convergence": shown(self.headway()),
            "keys": {"in_force": self.key_count, "problems": list(self.key_problems)},
            "stores": {"problems": list(self.store_problems)},
            "sftp": {**asdict(self.at_files()), "banned": len(self.bans())},
            "deliveries": [self._owed(each) for each in backlog],
            "scrub": findings.shown(self.clock()),
            "webhooks": {"problems": list(self.webhook_problems)},
            "notices": [self._owed_notices(each) for each in notices],
            "log": {
                "records": records,
                "sealed": self.sealer.sealed,
                "waiting": self.sealer.waiting,
                "problem": self.sealer.fault.message if self.sealer.fault else "",
            },
        }

    def _status(
        self,
        trouble: str,
        backlog: Sequence[Backlog],
        notices: Sequence[NoticeBacklog],
        findings: Findings,
    ) -> str:
        if self.stopping:
            return "stopping"
        if trouble or self.standing is None:
            return "failing"
        parked = any(each.state is DeliveryState.PARKED for each in backlog) or any(
            each.parked for each in notices
        )
        wrong = (
            self.standing.problems
            or self.standing.trouble
            or self.key_problems
            or self.store_problems
            or self.webhook_problems
            or self.sealer.fault
            or findings.losses
            or parked
        )
        return "degraded" if wrong else "ok"

    def _policy(self) -> Mapping[str, Any]:
        if self.standing is None:
            return {}
        return {
            "revision": self.standing.mesh.revision,
            "age_seconds": (self.clock() - self.standing.entered) // S_NS,
            "problems": [str(problem) for problem in self.standing.problems],
            "warnings": [str(problem) for problem in self.standing.warnings],
            "folder_problem": self.standing.trouble,
        }

    def _owed(self, each: Backlog) -> Mapping[str, Any]:
        return {
            "party": each.lane.party,
            "store": each.lane.store,
            "state": each.state.value,
            "count": each.count,
            "bytes": each.bytes,
            "oldest_seconds": max(0, self.clock() - each.oldest) // S_NS,
        }

    def _owed_notices(self, each: NoticeBacklog) -> Mapping[str, Any]:
        return {
            "party": each.lane.party,
            "webhook": each.lane.webhook,
            "pending": each.pending,
            "parked": each.parked,
            "missed": each.missed,
            "oldest_seconds": max(0, self.clock() - each.oldest) // S_NS if each.oldest else 0,
        }
