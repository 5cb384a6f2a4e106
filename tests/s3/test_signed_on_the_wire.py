"""What botocore signs is found again behind a real socket and parser, however it is spelled."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.identity import Credential, Secret
from gateway.s3.canonical import RequestHead
from tests.harness import Gateway
from tests.s3.raw import Socket
from tests.unit.s3.signing import HOST, KEY_ID, SECRET, presign, random_request, sign_header

REQUESTS = 300
REFUSALS = frozenset(
    {
        "AccessDenied",
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "InvalidAccessKeyId",
        "InvalidURI",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)


class Odd(Gateway):
    """Its one key is an odd one."""

    def _lookup(self, access_key: str) -> Credential | None:
        principal = self.mesh.parties["acme"].principals["erp"].principal
        known = Credential(KEY_ID, principal, Secret(SECRET))
        return known if access_key == KEY_ID else None


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with Odd(tmp_path_factory.mktemp("odd")) as running:
        yield running


def wire(head: RequestHead, body: bytes = b"") -> bytes:
    lines = [f"{head.method} {head.target} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in head.headers]
    if head.method in ("PUT", "POST"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.mark.parametrize("way", ["header", "query"])
def test_random_requests_are_let_in(odd: Odd, way: str) -> None:
    rng = random.Random(way)
    with Socket(odd) as connection:
        for _ in range(REQUESTS):
            request = random_request(rng)
            body = request.data or b""
            head = sign_header(request) if way == "header" else presign(request)
            reply = connection.ask(wire(head, body), head.method)
            told = (reply.status, reply.code)
            # There is no such bucket, and some of the sub-resources are nobody's.
            assert reply.code not in REFUSALS, (told, head)
            assert reply.status in (400, 404, 405, 501), (told, head)


@pytest.mark.parametrize("value", ["caf\xe9", "\xff\xfe", "\x80 x"])
def test_bytes_that_are_no_utf8_are_signed_as_they_are(odd: Odd, value: str) -> None:
    """Old clients send latin-1, and sign the same bytes."""

    class Latin(S3SigV4Auth):  # type: ignore[misc]
        def string_to_sign(self, request: AWSRequest, canonical_request: str) -> str:
            hashed = hashlib.sha256(canonical_request.encode("latin-1")).hexdigest()
            scope = self.credential_scope(request)
            return f"AWS4-HMAC-SHA256\n{request.context['timestamp']}\n{scope}\n{hashed}"

    request = AWSRequest("GET", f"http://{HOST}/bucket/k")
    request.headers["x-amz-meta-a"] = value
    Latin(Credentials(KEY_ID, SECRET), "s3", "us-east-1").add_auth(request)
    headers = [(n.encode(), v.encode("latin-1")) for n, v in request.headers.items()]
    head = RequestHead("GET", "/bucket/k", [(b"Host", HOST.encode()), *headers])
    with Socket(odd) as connection:
        assert connection.ask(wire(head)).code == "NoSuchBucket"


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("/bucket/%7e%2a%27%28%29%21", "/bucket/~%2A%27%28%29%21"),
        ("/bucket/~*'()!", "/bucket/~%2A%27%28%29%21"),
        ("/bucket/%2f%2F", "/bucket/%2F%2F"),
        ("/bucket/%2Fa%2fb", "/bucket//a/b"),
        ("/bucket/a%2bb", "/bucket/a%2Bb"),
        ("/bucket/a+b", "/bucket/a%2Bb"),
    ],
)
def test_a_path_may_be_spelled_otherwise_than_it_is_signed(
    odd: Odd, sent: str, signed: str
) -> None:
    """Java and minio escape what others don't: decoded once and escaped again it is the same."""
    head = sign_header(AWSRequest("GET", f"http://{HOST}{signed}"))
    with Socket(odd) as connection:
        assert connection.ask(wire(head._replace(target=sent))).code == "NoSuchBucket"


def test_headers_may_be_written_and_padded_in_any_way(odd: Odd) -> None:
    request = AWSRequest("GET", f"http://{HOST}/bucket/k")
    request.headers["x-amz-meta-a"] = 'a  b   "c  d"'
    head = sign_header(request)
    shouted = [(name.upper(), b"  " + value + b" \t ") for name, value in head.headers]
    packed = [
        (name, value.replace(b", ", b",") if name == b"Authorization" else value)
        for name, value in head.headers
    ]
    odd_case = [(name.swapcase(), value) for name, value in reversed(head.headers)]
    for headers in (shouted, packed, odd_case):
        with Socket(odd) as connection:
            reply = connection.ask(wire(head._replace(headers=headers)))
            assert reply.code == "NoSuchBucket", headers


def test_repeats_are_joined_in_their_order(odd: Odd) -> None:
    request: Any = AWSRequest("GET", f"http://{HOST}/bucket/k")
    request.headers.add_header("x-amz-meta-a", "one ")
    request.headers.add_header("X-Amz-Meta-A", " two")
    head = sign_header(request)
    with Socket(odd) as connection:
        assert connection.ask(wire(head)).code == "NoSuchBucket"
    swapped = [p for p in head.headers if p[0].lower() != b"x-amz-meta-a"]
    swapped += [(b"x-amz-meta-a", b"two"), (b"x-amz-meta-a", b"one")]
    with Socket(odd) as connection:
        refused = connection.ask(wire(head._replace(headers=swapped)))
        assert refused.code == "SignatureDoesNotMatch"
