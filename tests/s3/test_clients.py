"""boto3 with and without its default checksums, over http and over TLS."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

from tests.certificates import certificate
from tests.harness import Gateway

KEY = "a b+c/é//x;=1.txt"
MIB = 1024**2


@pytest.fixture(scope="module", params=["http", "https"])
def speaking(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, str | bool]]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "http":
        with Gateway(folder) as gateway:
            yield gateway, True
        return
    path = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with Gateway(folder, tls=context) as gateway:
        yield gateway, str(path)


@pytest.fixture(params=["when_supported", "when_required"])
def client(request: pytest.FixtureRequest, speaking: tuple[Gateway, str | bool]) -> Any:
    gateway, verify = speaking
    return gateway.client(
        verify=verify,
        request_checksum_calculation=request.param,
        response_checksum_validation=request.param,
    )


@pytest.mark.parametrize("size", [0, 11, 200_000, 20 * MIB])
def test_put_get_head_list_and_delete(client: Any, size: int) -> None:
    body = (b"0123456789abcde\n" * (size // 16 + 1))[:size]
    name = {"Bucket": "orders", "Key": KEY}
    etag = client.put_object(**name, Body=body, Metadata={"a": "b"})["ETag"]
    found = client.get_object(**name)
    assert found["Body"].read() == body
    assert (found["ETag"], found["Metadata"]) == (etag, {"a": "b"})
    assert client.head_object(**name)["ContentLength"] == size
    assert KEY in [o["Key"] for o in client.list_objects_v2(Bucket="orders")["Contents"]]
    client.delete_objects(Bucket="orders", Delete={"Objects": [{"Key": KEY}]})
    assert "Contents" not in client.list_objects_v2(Bucket="orders", Prefix=KEY)


def test_bodies_that_can_not_be_rewound(client: Any) -> None:
    name = {"Bucket": "orders", "Key": KEY}
    body = b"x" * (6 * MIB)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    client.upload_fileobj(io.BytesIO(body), **name, Config=config)
    assert client.get_object(**name)["Body"].read() == body
    assert client.head_object(**name, PartNumber=2)["PartsCount"] == 2
    client.copy({"Bucket": "orders", "Key": KEY}, "orders", "copied", Config=config)
    assert client.get_object(Bucket="orders", Key="copied")["Body"].read() == body
