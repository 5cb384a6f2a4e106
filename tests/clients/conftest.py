"""One gateway that speaks http and one that speaks TLS, for all real clients."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from tests.certificates import certificate
from tests.clients.door import Door
from tests.harness import Gateway, fresh


@pytest.fixture(scope="session", params=["http", "https"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, str]]:
    """With the path of the certificate to trust, "" for http."""
    folder = tmp_path_factory.mktemp(f"clients-{request.param}")
    if request.param == "http":
        with Gateway(folder) as gateway:
            yield gateway, ""
        return
    path = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with Gateway(folder, tls=context) as gateway:
        yield gateway, str(path)


@pytest.fixture
def door(running: tuple[Gateway, str]) -> Door:
    """Where and as whom to call, with a new bucket."""
    gateway, trusted = running
    bucket = fresh("acme-clients")
    gateway.client(verify=trusted or True).create_bucket(Bucket=bucket)
    return Door(gateway.endpoint, trusted, bucket)
