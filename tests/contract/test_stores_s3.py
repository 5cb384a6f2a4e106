"""The S3 store, against moto and versitygw, each in a process of its own."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import boto3
import pytest

from gateway.errors import BrokenSource
from gateway.policy.mesh import StoreSpec
from gateway.stores.build import build
from gateway.stores.cloud import CloudStore
from tests.contract.store_suite import KEY, MIB, ODD_KEYS, Opened, StoreSuite, many
from tests.counterparts import servers

SETTLE_S = 10


@functools.cache  # it takes a while to make one
def owner(endpoint: str, region: str, name: str, secret: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=name,
        aws_secret_access_key=secret,
    )


class InS3:
    streams = True
    unheard_of = frozenset({"new\nline"})  # moto's routes end at a line's end
    region = "us-east-1"
    id, secret = "a", "b"

    def __init__(self, endpoint: str, bucket: str) -> None:
        self.bucket = bucket
        self.spec = StoreSpec(
            "p", "home", "s3", bucket=bucket, endpoint=endpoint, region=self.region
        )
        self.client = owner(endpoint, self.region, self.id, self.secret)
        self.client.create_bucket(Bucket=bucket)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CloudStore]:
        store = build(self.spec, {"id": self.id, "secret": self.secret}, ThreadPoolExecutor(1))
        assert isinstance(store, CloudStore)
        try:
            yield store
        finally:
            await store.aclose()

    async def plant(self, store: CloudStore, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def settled(self) -> list[Any]:
        """The uploads that stay open: after a cancellation obstore aborts one a moment later."""
        until = time.monotonic() + SETTLE_S
        while self.unfinished() and time.monotonic() < until:
            time.sleep(0.1)
        return self.unfinished()

    def unfinished(self) -> list[Any]:
        uploads: list[Any] = self.client.list_multipart_uploads(Bucket=self.bucket).get(
            "Uploads", []
        )
        return uploads


class TestS3Store(StoreSuite):
    @pytest.fixture
    def kind(self, moto: str, request: pytest.FixtureRequest) -> Iterator[InS3]:
        kind = InS3(moto, f"b{abs(hash(request.node.nodeid)):x}"[:40])
        yield kind
        assert kind.settled() == [], "an upload was left open"

    def test_a_write_that_fails_ends_every_upload_of_its_key(self, kind: InS3) -> None:
        async def behaviour(store: Opened) -> None:
            assert isinstance(store, CloudStore)
            name = store._name(KEY)
            kind.client.create_multipart_upload(Bucket=kind.bucket, Key=name)
            kind.client.create_multipart_upload(Bucket=kind.bucket, Key=f"{name}-another")
            with pytest.raises(BrokenSource):
                await store.write(KEY, many(8 * MIB), size=9 * MIB)
            (left,) = kind.unfinished()
            assert left["Key"] == f"{name}-another"
            kind.client.abort_multipart_upload(
                Bucket=kind.bucket, Key=left["Key"], UploadId=left["UploadId"]
            )

        self.run(kind, behaviour)


def is_a_path(key: str) -> bool:
    """Whether a file system has exactly this path: versitygw makes its keys paths as they are."""
    names = key.split("/")
    dots = any(name in ("", ".", "..") for name in names)
    long = any(len(name.encode()) > 255 for name in names)
    return not dots and not long and key.isprintable()


class InVersitygw(InS3):
    id, secret = servers.VERSITYGW_KEYS
    # nothing is a file and a folder at once
    unheard_of = frozenset({key for key in ODD_KEYS if not is_a_path(key)} | {"a", "a/b"})


class TestS3StoreOnVersitygw(StoreSuite):
    @pytest.fixture
    def kind(self, versitygw: str, request: pytest.FixtureRequest) -> Iterator[InVersitygw]:
        kind = InVersitygw(versitygw, f"b{abs(hash(request.node.nodeid)):x}"[:40])
        yield kind
        assert kind.settled() == [], "an upload was left open"
