"""The GCS store, against fake-gcs-server as far as that goes (docs/adr/0002-object-stores.md)."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from gateway.errors import StoreRefused
from gateway.policy.mesh import StoreSpec
from gateway.stores import naming
from gateway.stores.build import build
from gateway.stores.cloud import CloudStore, create
from tests.contract.store_suite import KEY, StoreSuite, pieces
from tests.counterparts import servers


class InGcs:
    streams = True
    unheard_of: frozenset[str] = frozenset()

    def __init__(self, endpoint: str, bucket: str) -> None:
        make_bucket(endpoint, bucket)
        self.spec = StoreSpec("p", "home", "gcs", bucket=bucket, endpoint=endpoint)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CloudStore]:
        store = build(self.spec, {}, ThreadPoolExecutor(1))
        assert isinstance(store, CloudStore)
        yield store

    async def plant(self, store: CloudStore, key: str, data: bytes) -> None:
        await create(store._place, naming.blob_name(key), data)


def make_bucket(endpoint: str, bucket: str) -> None:
    body = json.dumps({"name": bucket}).encode()
    url = f"{endpoint}/storage/v1/b?project=p"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


async def first_write(kind: InGcs) -> None:
    async with kind.open() as store:
        await store.write(KEY, pieces(b"x"), size=1)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    try:
        with servers.fake_gcs() as endpoint:
            try:
                asyncio.run(first_write(InGcs(endpoint, "first")))
            except StoreRefused as refusal:
                if "invalid uploadType" not in refusal.message:
                    raise
                pytest.skip("fake-gcs-server does not take writes by GCS's XML API, as obstore's")
            yield endpoint
    except servers.Absent as reason:
        pytest.skip(str(reason))


class TestGcsStore(StoreSuite):
    @pytest.fixture
    def kind(self, endpoint: str, request: pytest.FixtureRequest) -> InGcs:
        return InGcs(endpoint, f"g{abs(hash(request.node.nodeid)):x}"[:40])
