"""The SQLite catalog keeps the contract of all catalogs."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from gateway.catalog import Catalog
from gateway.catalog.sqlite import SqliteCatalog
from tests.contract.catalog_audit import AuditSuite
from tests.contract.catalog_checks import CheckSuite
from tests.contract.catalog_consuming import ConsumingSuite
from tests.contract.catalog_convergence import ConvergenceSuite
from tests.contract.catalog_depots import DepotSuite
from tests.contract.catalog_first_reads import FirstReadSuite
from tests.contract.catalog_kit import R1, Bench, Clock, Story, Tell
from tests.contract.catalog_ledger import LedgerSuite
from tests.contract.catalog_lifecycle import LifecycleSuite
from tests.contract.catalog_listing import ListingSuite
from tests.contract.catalog_locks import LockSuite
from tests.contract.catalog_notices import NoticeSuite
from tests.contract.catalog_outbox import OutboxSuite
from tests.contract.catalog_places import PlaceSuite
from tests.contract.catalog_policies import Revisions
from tests.contract.catalog_rebuilt import RebuildSuite
from tests.contract.catalog_removals import RemovalSuite
from tests.contract.catalog_staging import StagingSuite
from tests.contract.catalog_storage import StorageSuite
from tests.contract.catalog_survey import SurveySuite
from tests.contract.catalog_walks import WalkSuite


@pytest.fixture
def tell(tmp_path: Path) -> Tell:
    names = itertools.count()

    def run(story: Story) -> None:
        async def told() -> None:
            clock = Clock()
            path = tmp_path / f"catalog-{next(names)}.db"
            catalog: Catalog = await SqliteCatalog.open(path, clock=clock)
            try:
                bench = Bench(catalog, clock)
                await bench.new_policy(R1)
                await story(bench)
            finally:
                await catalog.close()

        asyncio.run(told())

    return run


class TestSqlite(
    CheckSuite,
    ConsumingSuite,
    PlaceSuite,
    DepotSuite,
    RebuildSuite,
    ConvergenceSuite,
    LedgerSuite,
    ListingSuite,
    LifecycleSuite,
    LockSuite,
    OutboxSuite,
    RemovalSuite,
    NoticeSuite,
    FirstReadSuite,
    Revisions,
    StagingSuite,
    StorageSuite,
    SurveySuite,
    WalkSuite,
    AuditSuite,
):
    pass
