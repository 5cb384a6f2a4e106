"""The Azure store, against Azurite."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from email.utils import formatdate
from urllib.parse import urlsplit

import obstore
import pytest
from obstore.store import AzureStore

from gateway.policy.mesh import StoreSpec
from gateway.stores import naming
from gateway.stores.build import build
from gateway.stores.cloud import CloudStore
from tests.contract.store_suite import StoreSuite

ACCOUNT = "devstoreaccount1"
KEY = (  # the same in every Azurite, and no secret
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


class InAzure:
    streams = True
    unheard_of: frozenset[str] = frozenset()

    def __init__(self, endpoint: str, container: str) -> None:
        make_container(endpoint, container)
        self.spec = StoreSpec(
            "p",
            "home",
            "azure",
            container=container,
            account=ACCOUNT,
            endpoint=f"{endpoint}/{ACCOUNT}",
        )
        self.owner = AzureStore(
            container,
            account_name=ACCOUNT,
            account_key=KEY,
            endpoint=self.spec.endpoint,
            client_options={"allow_http": True},
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CloudStore]:
        store = build(self.spec, {"key": KEY}, ThreadPoolExecutor(1))
        assert isinstance(store, CloudStore)
        yield store

    async def plant(self, store: CloudStore, key: str, data: bytes) -> None:
        await obstore.put_async(self.owner, naming.azure_name(key), data)


def make_container(endpoint: str, container: str) -> None:
    """obstore can't; the request is signed by hand (Azure's SharedKey scheme)."""
    date, version = formatdate(usegmt=True), "2021-08-06"
    about = f"x-ms-date:{date}\nx-ms-version:{version}"
    resource = f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    text = "PUT" + "\n" * 12 + f"{about}\n{resource}"
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    headers = {"x-ms-date": date, "x-ms-version": version, "content-length": "0"}
    headers["authorization"] = f"SharedKey {ACCOUNT}:{signature}"
    connection.request("PUT", f"/{ACCOUNT}/{container}?restype=container", headers=headers)
    status = connection.getresponse().status
    connection.close()
    assert status == 201


class TestAzureStore(StoreSuite):
    @pytest.fixture
    def kind(self, azurite: str, request: pytest.FixtureRequest) -> InAzure:
        return InAzure(azurite, f"c{abs(hash(request.node.nodeid)):x}"[:40])
