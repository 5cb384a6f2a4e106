"""The GCS store, against fake-gcs-server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest

from gateway.policy.mesh import StoreSpec
from gateway.stores import naming
from gateway.stores.build import build
from gateway.stores.gcs import GcsStore
from tests.contract.store_suite import StoreSuite


class InGcs:
    streams = True
    unheard_of: frozenset[str] = frozenset()

    def __init__(self, endpoint: str, bucket: str) -> None:
        make_bucket(endpoint, bucket)
        self.spec = StoreSpec("p", "home", "gcs", bucket=bucket, endpoint=endpoint)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[GcsStore]:
        store = build(self.spec, {}, ThreadPoolExecutor(1))
        assert isinstance(store, GcsStore)
        try:
            yield store
        finally:
            await store.aclose()

    async def plant(self, store: GcsStore, key: str, data: bytes) -> None:
        query = urlencode({"uploadType": "media", "name": naming.gcs_name(key)})
        url = f"{self.spec.endpoint}/upload/storage/v1/b/{self.spec.bucket}/o?{query}"
        ask(url, data, "text/plain")


def make_bucket(endpoint: str, bucket: str) -> None:
    body = json.dumps({"name": bucket}).encode()
    url = f"{endpoint}/storage/v1/b?project=p"
    ask(url, body, "application/json")


def ask(url: str, body: bytes, kind: str) -> None:
    request = urllib.request.Request(url, body, {"content-type": kind})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


class TestGcsStore(StoreSuite):
    @pytest.fixture
    def kind(self, fake_gcs: str, request: pytest.FixtureRequest) -> InGcs:
        return InGcs(fake_gcs, f"g{abs(hash(request.node.nodeid)):x}"[:40])
