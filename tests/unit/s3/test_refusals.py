"""An unknown key and a wrong signature get AWS's two codes for the same work, in every way to sign.

By structure rather than by the clock: every digest and comparison is counted, with its length.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.auth import HmacV1PostAuth, HmacV1QueryAuth, S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.s3.address import parse_target
from gateway.s3.canonical import RequestHead
from gateway.s3.errors import S3Error
from gateway.s3.forms import Form
from gateway.s3.proving import prove
from gateway.s3.sigv4 import NOBODYS_SECRET, Endpoint, SigningKeys
from tests.unit.s3.signing import HOST, KEY_ID, head_of, presign, sign_header, signed_at

SECRET = "s" * len(NOBODYS_SECRET)
WRONG = "w" * len(SECRET)
UNKNOWN = KEY_ID.replace("A", "Z")
URL = f"http://{HOST}/bucket/k"

Signed = tuple[RequestHead, Form | None]


@dataclass(frozen=True)
class Key:
    secret: str
    sigv2: bool = True


def header(key_id: str, secret: str) -> Signed:
    head = sign_header(AWSRequest("GET", URL), secret=secret)
    named = [(n, v.replace(KEY_ID.encode(), key_id.encode())) for n, v in head.headers]
    return head._replace(headers=named), None


def query(key_id: str, secret: str) -> Signed:
    head = presign(AWSRequest("GET", URL), secret=secret)
    return head._replace(target=head.target.replace("AK%24", key_id[:2] + "%24")), None


def older_query(key_id: str, secret: str) -> Signed:
    made = AWSRequest("GET", URL)
    HmacV1QueryAuth(Credentials(key_id, secret)).add_auth(made)
    return head_of(made), None


def form_of(auth: Any) -> Signed:
    made = AWSRequest("POST", URL)
    policy = {"expiration": "2100-01-01T00:00:00Z", "conditions": []}
    made.context["s3-presign-post-fields"] = {"key": "k"}
    made.context["s3-presign-post-policy"] = policy
    auth.add_auth(made)
    fields = {k.lower(): v for k, v in made.context["s3-presign-post-fields"].items()}
    assert json.loads(base64.b64decode(fields["policy"]))
    return RequestHead("POST", "/bucket", [(b"Host", HOST.encode())]), Form(fields, "", _nothing())


async def _nothing() -> Any:
    yield b""


def form(key_id: str, secret: str) -> Signed:
    return form_of(S3SigV4PostAuth(Credentials(key_id, secret), "s3", "us-east-1"))


def older_form(key_id: str, secret: str) -> Signed:
    return form_of(HmacV1PostAuth(Credentials(key_id, secret)))


WAYS: Mapping[str, Callable[[str, str], Signed]] = {
    "header": header,
    "query": query,
    "form": form,
    "older query": older_query,
    "older form": older_form,
}


def judge(signed: Signed, keys: SigningKeys) -> str:
    head, made = signed
    now = signed_at(sign_header(AWSRequest("GET", URL)))
    target = parse_target(head.target, HOST)
    try:
        prove(head, target, made, {KEY_ID: Key(SECRET)}.get, now, keys, Endpoint())
    except S3Error as error:
        return error.code
    return "accepted"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was digested and compared, by lengths: the lengths of the arguments are the work."""
    done: list[tuple[str, ...]] = []

    def counted(name: str) -> Callable[..., Any]:
        real: Callable[..., Any] = getattr(hmac, name)

        def call(*arguments: Any) -> Any:
            sizes = [str(len(each)) for each in arguments if not isinstance(each, str)]
            done.append((name, *sizes))
            return real(*arguments)

        return call

    for name in ("digest", "compare_digest"):
        monkeypatch.setattr(hmac, name, counted(name))
    return done


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_key_costs_what_a_wrong_signature_does(
    way: str, work: list[tuple[str, ...]]
) -> None:
    sign, keys = WAYS[way], SigningKeys()
    costs: dict[str, list[tuple[str, ...]]] = {}
    # Before and after the known key's derivation is kept: neither may show.
    for name, signed, code in (
        ("unknown", sign(UNKNOWN, SECRET), "InvalidAccessKeyId"),
        ("wrong", sign(KEY_ID, WRONG), "SignatureDoesNotMatch"),
        ("right", sign(KEY_ID, SECRET), "accepted"),
        ("wrong once kept", sign(KEY_ID, WRONG), "SignatureDoesNotMatch"),
        ("unknown once kept", sign(UNKNOWN, WRONG), "InvalidAccessKeyId"),
    ):
        work.clear()
        assert judge(signed, keys) == code
        costs[name] = sorted(work)
    assert "compare_digest" in {call[0] for call in costs["unknown"]}
    del costs["right"]
    assert all(cost == costs["unknown"] for cost in costs.values()), costs


@pytest.mark.parametrize("way", WAYS)
def test_a_mismatch_shows_what_was_to_be_signed(way: str) -> None:
    head, made = WAYS[way](KEY_ID, WRONG)
    now = signed_at(sign_header(AWSRequest("GET", URL)))
    target = parse_target(head.target, HOST)
    with pytest.raises(S3Error) as error:
        prove(head, target, made, {KEY_ID: Key(SECRET)}.get, now, SigningKeys(), Endpoint())
    fields = error.value.fields
    wanted = {"AWSAccessKeyId", "StringToSign", "SignatureProvided", "StringToSignBytes"}
    if way in ("header", "query"):
        wanted |= {"CanonicalRequest", "CanonicalRequestBytes"}
        request = bytes.fromhex(fields["CanonicalRequestBytes"]).decode()
        assert request == fields["CanonicalRequest"]
    assert fields.keys() == wanted
    assert bytes.fromhex(fields["StringToSignBytes"]).decode() == fields["StringToSign"]
    assert SECRET not in str(fields)
