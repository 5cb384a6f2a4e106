"""Requests signed by botocore, the other side of every signature test."""

from __future__ import annotations

import random
from dataclasses import dataclass
from urllib.parse import quote

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.s3.address import split_query
from gateway.s3.canonical import RequestHead
from gateway.s3.dates import parse_amz_date
from gateway.s3.sigv4 import Endpoint, Payload, SigningKeys, Verified, verify

KEY_ID = "AK$odd:id"
SECRET = "s3cr3t/+&=é"
HOST = "files.example.com:9000"
AWKWARD = [
    "ab/",
    "//",
    "..",
    ".",
    " ",
    "é",
    "漢",
    "\u0301",
    "\t",
    "\n",
    "%2F",
    *"+%~*'()!;=@&$,\\#?",
]


@dataclass(frozen=True)
class Key:
    secret: str


KEYS = {KEY_ID: Key(SECRET)}


def head_of(request: AWSRequest) -> RequestHead:
    target = request.url.removeprefix(f"http://{HOST}")
    headers = [
        (name.encode("latin-1"), value.encode("utf-8"))
        for name, value in request.headers.items()
    ]  # fmt: skip
    return RequestHead(request.method, target, [(b"Host", HOST.encode()), *headers])


def random_request(rng: random.Random, method: str = "") -> AWSRequest:
    """A request with awkward keys, queries and headers, spelled as an SDK spells it."""
    key = "".join(rng.choices(AWKWARD, k=rng.randint(1, 12)))
    url = f"http://{HOST}/bucket/{quote(key, safe='/~')}"
    if rng.random() < 0.6:
        names = [rng.choice(["prefix", "uploads", "x-id", "A", "a", "é", "a+b"]) for _ in "123"]
        values = ["".join(rng.choices(AWKWARD, k=2)) for _ in names]
        pairs = [
            f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}"
            for n, v in zip(names, values, strict=True)
        ]
        url += "?" + "&".join(pairs)
    request = AWSRequest(method or rng.choice(["GET", "PUT", "HEAD", "POST", "DELETE"]), url)
    request.headers["x-amz-meta-a"] = rng.choice(["1", " padded  inner ", 'a "b   c" d', "", "é"])
    if rng.random() < 0.5:
        request.headers.add_header("X-Amz-Meta-Twice", "one ")
        request.headers.add_header("x-amz-meta-twice", " two")
    request.headers["Content-Type"] = "text/plain; charset=utf-8"
    if request.method in ("PUT", "POST"):
        request.data = rng.randbytes(rng.randint(0, 20))
    return request


def sign_header(
    request: AWSRequest, region: str = "us-east-1", secret: str = SECRET
) -> RequestHead:
    S3SigV4Auth(Credentials(KEY_ID, secret), "s3", region).add_auth(request)
    return head_of(request)


class ModeAuth(S3SigV4Auth):  # type: ignore[misc]
    """Signs any payload mode's literal."""

    def __init__(self, mode: str) -> None:
        super().__init__(Credentials(KEY_ID, SECRET), "s3", "us-east-1")
        self._mode = mode

    def payload(self, request: AWSRequest) -> str:
        return self._mode


def sign_mode(request: AWSRequest, mode: Payload) -> RequestHead:
    ModeAuth(mode.value).add_auth(request)
    return head_of(request)


def presign(
    request: AWSRequest, expires: int = 3600, region: str = "us-east-1", secret: str = SECRET
) -> RequestHead:
    request.data = b""  # botocore would move it into the query
    S3SigV4QueryAuth(Credentials(KEY_ID, secret), "s3", region, expires).add_auth(request)
    return head_of(request)


def signed_at(head: RequestHead) -> int:
    """The moment that a signed head carries, in seconds."""
    found = {name.lower(): value.decode() for name, value in head.headers}
    query = dict(split_query(head.target.partition("?")[2]))
    at = parse_amz_date(found.get(b"x-amz-date", query.get("X-Amz-Date", "")))
    assert at is not None
    return at


def check(head: RequestHead, now: int, endpoint: Endpoint | None = None) -> Verified[Key]:
    return verify(head, KEYS.get, now, SigningKeys(), endpoint or Endpoint())
