"""One gateway for all tests of the S3 door; each test takes a bucket of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Gateway, fresh

DOMAIN = "s3.example.com"


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name below our domain is this machine's, as a wildcard in the DNS would have it."""
    real = socket.getaddrinfo

    def resolve(host: Any, *more: Any, **how: Any) -> Any:
        ours = isinstance(host, str) and host.endswith(DOMAIN)
        return real("127.0.0.1" if ours else host, *more, **how)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def s3(gateway: Gateway) -> Any:
    """A client of acme's, with boto3's own defaults."""
    return gateway.client()


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new bucket of acme's, never versioned."""
    name = fresh()
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket
