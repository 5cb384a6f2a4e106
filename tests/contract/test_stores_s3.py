"""The S3 store, against moto in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import boto3
import pytest

from gateway.policy.mesh import StoreSpec
from gateway.stores.build import build
from gateway.stores.cloud import CloudStore
from tests.contract.store_suite import StoreSuite
from tests.counterparts import servers


class InS3:
    streams = True
    unheard_of = frozenset({"new\nline"})  # moto's routes end at a line's end

    def __init__(self, endpoint: str, bucket: str) -> None:
        self.bucket = bucket
        self.spec = StoreSpec("p", "home", "s3", bucket=bucket, endpoint=endpoint, region="eu-1")
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        self.client.create_bucket(Bucket=bucket)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CloudStore]:
        store = build(self.spec, {"id": "a", "secret": "b"}, ThreadPoolExecutor(1))
        assert isinstance(store, CloudStore)
        try:
            yield store
        finally:
            await store.aclose()

    async def plant(self, store: CloudStore, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def unfinished(self) -> list[Any]:
        uploads: list[Any] = self.client.list_multipart_uploads(Bucket=self.bucket).get(
            "Uploads", []
        )
        return uploads


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with servers.moto() as endpoint:
        yield endpoint


class TestS3Store(StoreSuite):
    @pytest.fixture
    def kind(self, endpoint: str, request: pytest.FixtureRequest) -> Iterator[InS3]:
        kind = InS3(endpoint, f"b{abs(hash(request.node.nodeid)):x}"[:40])
        yield kind
        assert kind.unfinished() == [], "an upload was left open"
