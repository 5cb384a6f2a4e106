"""Behind a real nginx, over http and with TLS ended there: what clients sign must still be found.

Five ways to be behind it. `passing` hands Host on; the others spoil it, as nginx does by itself.
`forwarding` tells what it was, and is trusted; `naming` relies on external_url; `folder` serves
the gateway below a path; `distrusted` tells what it was, and is not believed.
"""

from __future__ import annotations

import base64
import socket
import ssl
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.certificates import certificate
from tests.counterparts.servers import Absent, free_port, nginx
from tests.harness import REGION, Gateway, key_of
from tests.s3.conftest import DOMAIN
from tests.s3.raw import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED_TRAILER,
    At,
    Socket,
    ask,
    chunked,
    sealed,
    sign,
)

KEY = "a b+c/é//x;=1&?%2F.txt"
MIB = 1024**2
PIECES = (b"a" * 10_000, b"hello")
NAME = {"Bucket": "orders", "Key": KEY}

HOST = "proxy_set_header Host $http_host;"
TOLD = (
    "proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; "
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
)
SETUPS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "passing": (HOST, {}),
    "forwarding": (TOLD, {"trusted_proxies": ["127.0.0.0/8"]}),
    "naming": ("", {"external_url": "URL"}),
    "folder": ("", {"external_url": "URL/files", "trusted_proxies": ["127.0.0.0/8"]}),
    "distrusted": (TOLD, {"trusted_proxies": ["10.0.0.0/8"]}),
}
WORKING = [name for name in SETUPS if name != "distrusted"]
SCHEMES = ("http", "https")

# `$below` is the path as it came: nginx decodes and tidies what it takes from anywhere else.
SERVER = """
  server {{
    listen 127.0.0.1:{listen}{ssl}; client_max_body_size 0; merge_slashes off;
    location / {{
      proxy_pass http://127.0.0.1:{gateway}{rest}; proxy_http_version 1.1;
      proxy_request_buffering off; proxy_max_temp_file_size 0;
      proxy_set_header Connection ""; {told}
    }}
  }}"""
CONFIG = """
daemon off; pid {{folder}}/pid; error_log {{folder}}/error.log; worker_processes 1;
events {{{{ worker_connections 256; }}}}
http {{{{
  map $request_uri $below {{{{ "~^/files(?<rest>/.*)$" $rest; }}}}
  access_log off; client_body_temp_path {{folder}}/b; proxy_temp_path {{folder}}/p;
  fastcgi_temp_path {{folder}}/f; uwsgi_temp_path {{folder}}/u; scgi_temp_path {{folder}}/s;
  ssl_certificate {pem}; ssl_certificate_key {pem};
  server {{{{ listen 127.0.0.1:{{port}}; }}}}
{servers}
}}}}
"""


@dataclass(frozen=True)
class Behind:
    """One gateway behind the proxy; `trust` is the CA file, or "" over http."""

    gateway: Gateway
    url: str
    trust: str
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> At:
        port = urlsplit(self.url).port
        assert port
        return At(port, ssl.create_default_context(cafile=self.trust) if self.trust else None)

    @property
    def below(self) -> str:
        return urlsplit(self.url).path

    def client(self, endpoint: str = "", **settings: Any) -> Any:
        known = f"{endpoint} {settings}"
        if known not in self.clients:
            self.clients[known] = self._client(endpoint, settings)
        return self.clients[known]

    def _client(self, endpoint: str, settings: Mapping[str, Any]) -> Any:
        key, secret = key_of("acme/erp")
        style = {"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 1}}
        return boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint or self.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            verify=self.trust or None,
            config=Config(**{**style, **settings}),
        )

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def fetch(self, url: str) -> bytes:
        context = ssl.create_default_context(cafile=self.trust) if self.trust else None
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            body: bytes = answer.read()
            return body


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[tuple[str, str], Behind]]:
    """By setup and scheme."""
    folder = tmp_path_factory.mktemp("proxied")
    pem = certificate(folder, f"*.{DOMAIN}", DOMAIN)
    with ExitStack() as stack:
        found = {
            (setup, scheme): behind(stack, folder / setup / scheme, setup, scheme, pem)
            for setup in SETUPS
            for scheme in SCHEMES
        }
        servers = "".join(server(*names, each) for names, each in found.items())
        try:
            stack.enter_context(nginx(CONFIG.format(pem=pem, servers=servers)))
        except Absent as error:
            pytest.skip(str(error))
        yield found
        for each in found.values():
            each.close()


def reserved_port(stack: ExitStack) -> int:
    """A port that no gateway gets meanwhile, though nginx will: both may reuse addresses, and
    this one does not listen."""
    held = stack.enter_context(socket.socket())
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    return port


def behind(stack: ExitStack, folder: Path, setup: str, scheme: str, pem: Path) -> Behind:
    url = f"{scheme}://127.0.0.1:{reserved_port(stack)}"
    settings = {**SETUPS[setup][1]}
    if "external_url" in settings:
        settings["external_url"] = settings["external_url"].replace("URL", url)
    gateway = stack.enter_context(Gateway(folder, domain=DOMAIN, **settings))
    return Behind(gateway, settings.get("external_url", url), str(pem) if scheme == "https" else "")


def server(setup: str, scheme: str, each: Behind) -> str:
    filled = SERVER.format(
        listen=each.at.port,
        ssl=" ssl" if scheme == "https" else "",
        gateway=each.gateway.port,
        told=SETUPS[setup][0],
        rest="$below" if setup == "folder" else "",
    )
    return filled.replace("{", "{{").replace("}", "}}")


@pytest.fixture(params=[(s, scheme) for s in WORKING for scheme in SCHEMES], ids="-".join)
def each(request: pytest.FixtureRequest, proxied: Mapping[tuple[str, str], Behind]) -> Behind:
    return proxied[request.param]


def test_a_client_signs_in_the_header(each: Behind) -> None:
    """Over TLS boto3 frames the body in chunks with a trailer."""
    client = each.client()
    body = b"0123456789abcdef" * (MIB // 16)
    etag = client.put_object(**NAME, Body=body)["ETag"]
    found = client.get_object(**NAME)
    assert (found["Body"].read(), found["ETag"]) == (body, etag)
    assert KEY in [o["Key"] for o in client.list_objects_v2(Bucket="orders")["Contents"]]


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url(each: Behind, version: str) -> None:
    each.client().put_object(**NAME, Body=b"hello")
    client = each.client(signature_version=version)
    url = client.generate_presigned_url("get_object", NAME)
    assert ("AWSAccessKeyId" in url) is (version == "s3")
    assert each.fetch(url) == b"hello"


@pytest.mark.parametrize("mode", [SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_TRAILER])
def test_a_chunked_upload(each: Behind, mode: str) -> None:
    headers = {"x-amz-decoded-content-length": str(sum(map(len, PIECES)))}
    trailer = ""
    if mode != SIGNED_CHUNKS:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        crc = zlib.crc32(b"".join(PIECES)).to_bytes(4, "big")
        trailer = f"x-amz-checksum-crc32:{base64.b64encode(crc).decode()}"
    target = f"{each.below}/orders/chunked"
    signed = sign(each.at, "PUT", target, headers, mode=mode)
    framed = sealed(signed, PIECES, trailer)
    if mode == UNSIGNED_TRAILER:
        framed = chunked(PIECES, f"{trailer}\r\n".encode())
    with Socket(each.at, each.trust) as connection:
        length = f"Content-Length: {len(framed)}"
        reply = connection.ask(signed.head(length) + framed, "PUT")
    assert (reply.status, reply.code) == (200, ""), reply
    read = sign(each.at, "GET", target)
    with Socket(each.at, each.trust) as connection:
        assert connection.ask(read.head()).body == b"".join(PIECES)


def test_a_location_is_what_the_client_would_write(each: Behind) -> None:
    client = each.client()
    upload = {"Bucket": "orders", "Key": "big"}
    upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
    etag = client.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = client.complete_multipart_upload(**upload, MultipartUpload=parts)
    named = each.url
    if each.gateway._door.get("trusted_proxies") is None and not each.gateway._door.get(
        "external_url"
    ):
        named = named.replace("https:", "http:")  # nobody told that TLS ended before
    assert done["Location"] == f"{named}/orders/big"


# --- the bucket in the host --------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("setup", ["passing", "forwarding"])
@pytest.mark.usefixtures("resolving")
def test_a_virtual_hosted_bucket(
    proxied: Mapping[tuple[str, str], Behind], setup: str, scheme: str
) -> None:
    each = proxied[setup, scheme]
    endpoint = f"{scheme}://{DOMAIN}:{each.at.port}"
    for version in ("s3v4", "s3"):
        client = each.client(
            endpoint, s3={"addressing_style": "virtual"}, signature_version=version
        )
        if version == "s3v4":
            client.put_object(**NAME, Body=b"hello")
            assert client.get_object(**NAME)["Body"].read() == b"hello"
        url = client.generate_presigned_url("get_object", NAME)
        assert urlsplit(url).netloc == f"orders.{DOMAIN}:{each.at.port}"
        assert each.fetch(url) == b"hello"


def test_a_virtual_hosted_bucket_with_an_external_url(tmp_path: Path, resolving: None) -> None:
    """The proxy hands on a Host without the port that clients sign."""
    port = free_port()
    url = f"http://{DOMAIN}:{port}"
    with Gateway(tmp_path, domain=DOMAIN, external_url=url) as gateway:
        each = Behind(gateway, f"http://127.0.0.1:{port}", "")
        told = "proxy_set_header Host $host;"
        servers = SERVER.format(listen=port, ssl="", gateway=gateway.port, told=told, rest="")
        servers = servers.replace("{", "{{").replace("}", "}}")
        config = CONFIG.replace("ssl_certificate {pem}; ssl_certificate_key {pem};", "")
        try:
            with nginx(config.format(servers=servers)):
                client = each.client(url, s3={"addressing_style": "virtual"})
                client.put_object(**NAME, Body=b"hello")
                assert client.get_object(**NAME)["Body"].read() == b"hello"
                each.close()
        except Absent as error:
            pytest.skip(str(error))


# --- who is not believed -----------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_a_stranger_forwards_counts_for_nothing(
    proxied: Mapping[tuple[str, str], Behind], scheme: str
) -> None:
    each = proxied["distrusted", scheme]
    client = each.client()
    before = len(each.gateway.strangers)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.put_object(**NAME, Body=b"x")
    assert each.gateway.strangers[before:] == ["127.0.0.1"]


def test_a_client_can_not_forward_for_itself(
    proxied: Mapping[tuple[str, str], Behind],
) -> None:
    """The proxy writes over what a client says of itself, and adds to the addresses."""
    each = proxied["forwarding", "http"]
    lines = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: ftp",
        "X-Forwarded-For: 6.6.6.6",
    ]
    assert ask(each.at, sign(each.at, "GET", "/orders"), b"", *lines).status == 200
    before = len(each.gateway.strangers)
    spoilt = sign(each.at, "GET", "/orders", principal="nobody/here")
    assert ask(each.at, spoilt, b"", *lines).code == "InvalidAccessKeyId"
    assert each.gateway.strangers[before:] == ["6.6.6.6"], "all after it are trusted"
    direct = each.gateway
    assert ask(direct, sign(direct, "GET", "/orders"), b"", lines[0]).code == (
        "SignatureDoesNotMatch"
    )


def test_a_large_object_in_threads(proxied: Mapping[tuple[str, str], Behind]) -> None:
    each = proxied["forwarding", "https"]
    client = each.client()
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    body = b"x" * (11 * MIB)
    file = each.gateway.folder / "large"
    file.write_bytes(body)
    client.upload_file(str(file), "orders", "large", Config=config)
    assert client.head_object(Bucket="orders", Key="large", PartNumber=1)["PartsCount"] == 3
    assert client.get_object(Bucket="orders", Key="large")["Body"].read() == body
