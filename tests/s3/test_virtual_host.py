"""The bucket in the Host header: `domain:` of gateway.yaml, with clients that address so."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.harness import REGION, Gateway, fresh, key_of
from tests.s3.conftest import DOMAIN
from tests.s3.raw import Reply, Socket, ask, posted, sign

pytestmark = pytest.mark.usefixtures("resolving")


@pytest.fixture(scope="module")
def hosting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("hosting"), domain=DOMAIN) as running:
        yield running


def client_of(gateway: Gateway, version: str) -> Any:
    key, secret = key_of("acme/erp")
    return boto3.session.Session().client(
        "s3",
        endpoint_url=f"http://{DOMAIN}:{gateway.port}",
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(
            signature_version=version,
            s3={"addressing_style": "virtual"},
            retries={"total_max_attempts": 1},
        ),
    )


@pytest.fixture(scope="module")
def virtual(hosting: Gateway) -> Iterator[Any]:
    client = client_of(hosting, "s3v4")
    hosts: list[str] = []
    client.meta.events.register(
        "before-send.s3", lambda request, **_: hosts.append(urlsplit(request.url).netloc)
    )
    client.hosts = hosts
    yield client
    client.close()


@pytest.fixture(params=["plain", "with.dots.in-it"])
def bucket(request: pytest.FixtureRequest, virtual: Any) -> str:
    name = f"{fresh()}.{request.param}" if "." in request.param else fresh()
    virtual.create_bucket(Bucket=name)
    return name


def test_a_client_does_all_its_work_so(hosting: Gateway, virtual: Any, bucket: str) -> None:
    virtual.hosts.clear()
    for key in ("k", "a b+c/é//x;=1&?%2F.txt", "-/health", f"{bucket}/k", "/leading"):
        virtual.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert virtual.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert {*virtual.hosts} == {f"{bucket}.{DOMAIN}:{hosting.port}"}
    virtual.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    name = {"Bucket": bucket, "Key": "big"}
    upload = {**name, "UploadId": virtual.create_multipart_upload(**name)["UploadId"]}
    etag = virtual.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = virtual.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert done["Location"] == f"http://{DOMAIN}:{hosting.port}/{bucket}/big"
    keys = [o["Key"] for o in virtual.list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(keys) == 7
    objects = [{"Key": key} for key in keys]
    virtual.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    virtual.delete_bucket(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        virtual.list_objects_v2(Bucket=bucket)


def test_the_domain_itself_is_the_service(hosting: Gateway, virtual: Any, bucket: str) -> None:
    virtual.hosts.clear()
    assert bucket in [each["Name"] for each in virtual.list_buckets()["Buckets"]]
    assert virtual.hosts == [f"{DOMAIN}:{hosting.port}"]
    assert hosting.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0, "path-style goes on"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(hosting: Gateway, virtual: Any, bucket: str, version: str) -> None:
    virtual.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    client = client_of(hosting, version)
    url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"})
    client.close()
    assert urlsplit(url).netloc == f"{bucket}.{DOMAIN}:{hosting.port}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"hello"


def told(gateway: Gateway, host: str, target: str = "/") -> Reply:
    return ask(gateway, sign(gateway, "GET", target, host=host))


@pytest.mark.parametrize(
    ("host", "target", "shown"),
    [
        ("orders.s3.example.com", "/", "<Name>orders</Name>"),
        ("orders.s3.example.com:9", "/", "<Name>orders</Name>"),
        ("ORDERS.S3.Example.COM", "/", "<Name>orders</Name>"),
        ("orders.s3.example.com.", "/", "<Name>orders</Name>"),
        ("orders.s3.example.com", "/orders", "<Code>NoSuchKey"),
        ("s3.example.com", "/orders", "<Name>orders</Name>"),
        ("s3.example.com:9000", "/", "<ListAllMyBucketsResult"),
        ("s3.example.org", "/orders", "<Name>orders</Name>"),
        ("xs3.example.com", "/orders", "<Name>orders</Name>"),
        ("127.0.0.1", "/orders", "<Name>orders</Name>"),
        ("[::1]:9000", "/orders", "<Name>orders</Name>"),
        ("no.such.s3.example.com", "/", "<Code>NoSuchBucket"),
        ("a_b.s3.example.com", "/", "<Code>InvalidBucketName"),
        (".s3.example.com", "/", "<ListAllMyBucketsResult"),
    ],
)
def test_which_bucket_a_host_names(hosting: Gateway, host: str, target: str, shown: str) -> None:
    assert shown in told(hosting, host, target).body.decode()


def test_the_bucket_in_the_host_is_signed(hosting: Gateway) -> None:
    """A head for one bucket is none for another, though the path is the same."""
    signed = sign(hosting, "GET", "/k", host=f"orders.{DOMAIN}")
    head = signed.head().replace(b"orders.s3", b"others.s3", 1)
    with Socket(hosting) as connection:
        assert connection.ask(head).code == "SignatureDoesNotMatch"


def test_forms_and_preflights_find_their_bucket(
    hosting: Gateway, virtual: Any, bucket: str
) -> None:
    signed, body = posted(hosting, bucket, {"key": "posted"})
    host = f"{bucket}.{DOMAIN}:{hosting.port}"
    lines = [f"{name}: {value}" for name, value in {**signed.headers, "Host": host}.items()]
    head = "\r\n".join(["POST / HTTP/1.1", *lines, f"Content-Length: {len(body)}"])
    with Socket(hosting) as connection:
        reply = connection.ask(f"{head}\r\n\r\n".encode() + body)
    assert (reply.status, reply.headers["location"]) == (
        204,
        f"http://{DOMAIN}:{hosting.port}/{bucket}/posted",
    )
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.example"]}]
    virtual.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    for path, resource in (("/", "BUCKET"), ("/posted", "OBJECT")):
        with Socket(hosting) as connection:
            asked = "Origin: https://b.example\r\nAccess-Control-Request-Method: GET"
            head = f"OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\n{asked}\r\n\r\n"
            refused = connection.ask(head.encode())
            assert f"<ResourceType>{resource}</ResourceType>" in refused.body.decode()
            assert connection.ask(head.replace("b.example", "a.example").encode()).status == 200
