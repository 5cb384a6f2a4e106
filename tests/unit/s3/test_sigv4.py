"""What botocore signs is accepted; whatever is changed afterwards is refused with AWS's code."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.canonical import RequestHead, signing_key
from gateway.s3.errors import S3Error
from gateway.s3.presign import hoisted
from gateway.s3.sigv4 import Endpoint, Payload, SigningKeys, verify
from tests.unit.s3.mutations import (
    EITHER_MUTATIONS,
    HEADER_MUTATIONS,
    MALFORMED,
    MISMATCH,
    QUERY,
    QUERY_MUTATIONS,
    Mutation,
    flipped_signature,
    with_header,
    without_header,
)
from tests.unit.s3.signing import (
    HOST,
    KEY_ID,
    KEYS,
    SECRET,
    check,
    presign,
    random_request,
    sign_header,
    sign_mode,
    signed_at,
)

REQUESTS = 2500
MUTATED_REQUESTS = 1000


def refused(head: RequestHead, now: int, endpoint: Endpoint | None = None) -> S3Error:
    with pytest.raises(S3Error) as caught:
        check(head, now, endpoint)
    return caught.value


def test_random_header_signed_requests_are_accepted() -> None:
    rng = random.Random(1)
    for _ in range(REQUESTS):
        request = random_request(rng)
        body = request.data or b""
        head = sign_header(request, rng.choice(["us-east-1", "eu-central-1", ""]))
        got = check(head, signed_at(head) + rng.randint(-900, 900))
        assert (got.access_key, got.credential.secret) == (KEY_ID, SECRET)
        assert got.payload is Payload.HASHED
        assert got.content_sha256 == hashlib.sha256(body).hexdigest()
        assert not got.presigned


def test_random_presigned_requests_are_accepted_while_they_live() -> None:
    rng = random.Random(2)
    for _ in range(REQUESTS):
        expires = rng.choice([1, 900, 3600, 604800])
        head = presign(random_request(rng), expires)
        got = check(head, signed_at(head) + rng.randint(-900, expires))
        assert (got.presigned, got.payload) == (True, Payload.UNSIGNED)


@pytest.mark.parametrize(
    "literal", [payload for payload in Payload if payload is not Payload.HASHED]
)
def test_each_payload_mode_is_told_apart(literal: Payload) -> None:
    head = sign_mode(AWSRequest("PUT", f"http://{HOST}/bucket/key"), literal)
    assert check(head, signed_at(head)).payload is literal
    assert literal.framed is (literal is not Payload.UNSIGNED)


Sign = Callable[[AWSRequest], RequestHead]


@cache
def base_heads(sign: Sign, seed: int) -> Sequence[RequestHead]:
    """Made once: each of them is accepted as it is."""
    rng = random.Random(seed)
    heads = [sign(random_request(rng, "PUT")) for _ in range(MUTATED_REQUESTS)]
    assert all(check(head, signed_at(head)) for head in heads)
    return heads


def check_all_refused(heads: Sequence[RequestHead], code: str, mutate: Mutation) -> None:
    codes = Counter(code_of(mutate(head), signed_at(head)) for head in heads)
    assert codes == {code: MUTATED_REQUESTS}


def code_of(head: RequestHead, now: int) -> str:
    try:
        check(head, now)
    except S3Error as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize("name", [*EITHER_MUTATIONS, *HEADER_MUTATIONS])
def test_a_mutated_header_signature_is_refused(name: str) -> None:
    check_all_refused(base_heads(sign_header, 3), *{**EITHER_MUTATIONS, **HEADER_MUTATIONS}[name])


@pytest.mark.parametrize("name", [*EITHER_MUTATIONS, *QUERY_MUTATIONS])
def test_a_mutated_presigned_url_is_refused(name: str) -> None:
    check_all_refused(base_heads(presign, 4), *{**EITHER_MUTATIONS, **QUERY_MUTATIONS}[name])


HEADER_HEADS = [sign_header(random_request(random.Random(n), "PUT")) for n in range(12)]
QUERY_HEADS = [presign(random_request(random.Random(n), "PUT")) for n in range(12)]

# --- published vectors ---------------------------------------------------------------------------

AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
S = {"content-length": "66824", "x-amz-content-sha256": Payload.SIGNED_CHUNKS.value}
ST = {
    "x-amz-content-sha256": Payload.SIGNED_CHUNKS_TRAILER.value,
    "x-amz-trailer": "x-amz-checksum-crc32c",
}


@pytest.mark.parametrize(
    ("more", "seed"),
    [
        (S, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
        (ST, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"),
    ],
)
def test_the_seeds_of_awss_chunked_examples(more: dict[str, str], seed: str) -> None:
    headers = {
        "host": "s3.amazonaws.com",
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-date": "20130524T000000Z",
        **more,
    }
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={';'.join(sorted(headers))},Signature={seed}"
    )
    pairs = [(n.encode(), v.encode()) for n, v in headers.items()]
    pairs.append((b"Authorization", authorization.encode()))
    head = RequestHead("PUT", "/examplebucket/chunkObject.txt", pairs)
    key = SimpleNamespace(secret=AWS_SECRET)
    got = verify(head, lambda _: key, 1369353600, SigningKeys(), Endpoint())
    assert got.signature == seed
    assert got.payload.value == more["x-amz-content-sha256"]


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("drift", [-901, 901])
def test_a_clock_more_than_15_minutes_off_is_told_the_time(drift: int) -> None:
    head = HEADER_HEADS[0]
    error = refused(head, signed_at(head) + drift)
    assert (error.code, error.status) == ("RequestTimeTooSkewed", 403)
    assert error.fields["MaxAllowedSkewMilliseconds"] == "900000"
    assert {"RequestTime", "ServerTime"} <= error.fields.keys()


def test_an_expired_url_says_since_when() -> None:
    head = presign(random_request(random.Random(5)), 60)
    assert check(head, signed_at(head) + 60)
    error = refused(head, signed_at(head) + 61)
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert {"Expires", "ServerTime"} <= error.fields.keys()


def test_a_url_from_the_future_is_not_valid_yet() -> None:
    head = QUERY_HEADS[0]
    assert check(head, signed_at(head) - 900)
    assert refused(head, signed_at(head) - 901).code == "AccessDenied"


@pytest.mark.parametrize("expires", [0, -7, 609901])
def test_a_lifetime_out_of_range_is_a_403(expires: int) -> None:
    head = presign(random_request(random.Random(6)), expires)
    assert refused(head, signed_at(head)).status == 403


def test_the_date_header_serves_where_x_amz_date_is_missing() -> None:
    request = AWSRequest("GET", f"http://{HOST}/bucket/key")
    request.headers["Date"] = "Fri, 24 May 2013 00:00:00 GMT"
    head = sign_header(request)
    dated = without_header("x-amz-date")(head)
    assert refused(dated, 1369353600 + 901).code == "RequestTimeTooSkewed"


# --- where we are --------------------------------------------------------------------------------


def test_a_wrong_region_is_told_the_right_one() -> None:
    head = HEADER_HEADS[0]
    assert check(head, signed_at(head), Endpoint(region="us-east-1"))
    error = refused(head, signed_at(head), Endpoint(region="eu-west-1"))
    assert (error.code, error.status) == (MALFORMED, 400)
    assert error.fields["Region"] == "eu-west-1"
    assert error.headers["x-amz-bucket-region"] == "eu-west-1"
    query = QUERY_HEADS[0]
    assert refused(query, signed_at(query), Endpoint(region="eu-west-1")).code == QUERY


def test_an_external_host_and_prefix_are_what_the_client_signed() -> None:
    rng = random.Random(7)
    for sign in (sign_header, presign):
        head = sign(random_request(rng))
        behind = with_header("host", "10.0.0.7:9000")(head)
        assert refused(behind, signed_at(head)).code == MISMATCH
        assert check(behind, signed_at(head), Endpoint(host=HOST))
        cut = behind._replace(target=behind.target.removeprefix("/bucket"))
        assert check(cut, signed_at(head), Endpoint(host=HOST, prefix="/bucket"))


@pytest.mark.parametrize("sign", [sign_header, presign])
def test_a_keys_slashes_may_travel_escaped_and_be_signed_bare(
    sign: Callable[[AWSRequest], RequestHead],
) -> None:
    head = sign(AWSRequest("GET", f"http://{HOST}/bucket/a//b/c?x=%2F"))
    now = signed_at(head)
    assert check(head._replace(target=head.target.replace("//b/", "%2F%2fb/")), now)
    parting = head._replace(target=head.target.replace("/bucket/", "/bucket%2F"))
    assert refused(parting, now).code == MISMATCH
    assert check(parting, now, Endpoint(virtual=True)), "there is no bucket in the path to part"


# --- what the answers tell -----------------------------------------------------------------------


def test_a_mismatch_carries_both_strings_and_never_the_secret() -> None:
    head = HEADER_HEADS[0]
    error = refused(flipped_signature(head), signed_at(head))
    assert error.fields["CanonicalRequest"].startswith("PUT\n/bucket/")
    digest = hashlib.sha256(error.fields["CanonicalRequest"].encode()).hexdigest()
    assert error.fields["StringToSign"].endswith(digest)
    assert error.fields["StringToSignBytes"].startswith("41 57 53 34")
    assert error.fields["AWSAccessKeyId"] == KEY_ID
    assert all(SECRET not in value for value in error.fields.values())


def test_a_verified_request_can_be_logged() -> None:
    head = HEADER_HEADS[0]
    assert SECRET not in repr(check(head, signed_at(head)))


def test_unsigned_headers_are_named() -> None:
    head = with_header("x-amz-acl", "private")(HEADER_HEADS[0])
    assert refused(head, signed_at(head)).fields["HeadersNotSigned"] == "x-amz-acl"


def test_what_no_signature_needs_may_stay_unsigned() -> None:
    head = QUERY_HEADS[0]
    for name in ("range", "user-agent", "if-match", "x-amzn-trace-id", "expect", "accept-encoding"):
        head = with_header(name, "x")(head)
    assert check(head, signed_at(head))


def test_a_payload_hash_header_outside_a_presigned_signature_selects_nothing() -> None:
    head = with_header("x-amz-content-sha256", "0" * 64)(QUERY_HEADS[0])
    assert check(head, signed_at(head)).payload is Payload.UNSIGNED


def test_a_payload_hash_inside_a_presigned_signature_is_enforced() -> None:
    url = f"http://{HOST}/bucket/key?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
    head = presign(AWSRequest("PUT", url))
    assert check(head, signed_at(head)).payload is Payload.UNSIGNED


def test_a_session_token_on_a_static_key_is_refused() -> None:
    request = AWSRequest("GET", f"http://{HOST}/bucket/key")
    request.headers["X-Amz-Security-Token"] = "t"
    head = sign_header(request)
    assert refused(head, signed_at(head)).code == "InvalidToken"


# --- cached keys and equal time ------------------------------------------------------------------


@pytest.fixture
def derivations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The secrets that keys were derived from, in order."""
    calls: list[str] = []

    def counted(secret: str, day: str, region: str) -> bytes:
        calls.append(secret)
        return signing_key(secret, day, region)

    monkeypatch.setattr("gateway.s3.sigv4.signing_key", counted)
    return calls


def test_a_good_signature_derives_its_key_once(derivations: list[str]) -> None:
    keys = SigningKeys()
    for _ in range(3):
        for head in HEADER_HEADS:
            verify(head, KEYS.get, signed_at(head), keys, Endpoint())
    days = {signed_at(head) // 86400 for head in HEADER_HEADS}
    assert len(derivations) == len(days)


def test_every_refusal_costs_one_derivation_whoever_asks(derivations: list[str]) -> None:
    keys = SigningKeys()
    good = HEADER_HEADS[0]
    now = signed_at(good)
    verify(good, KEYS.get, now, keys, Endpoint())
    unknown = HEADER_MUTATIONS["unknown key"][1](good)
    for head in (flipped_signature(good), unknown, HEADER_MUTATIONS["region"][1](good)):
        derivations.clear()
        with pytest.raises(S3Error):
            verify(head, KEYS.get, now, keys, Endpoint())
        assert len(derivations) == 1


def test_a_changed_secret_counts_at_once() -> None:
    keys = SigningKeys()
    head = HEADER_HEADS[0]
    verify(head, KEYS.get, signed_at(head), keys, Endpoint())
    other = SimpleNamespace(secret="other")
    with pytest.raises(S3Error, match="signature"):
        verify(head, lambda _: other, signed_at(head), keys, Endpoint())


def test_the_cache_is_bounded_and_drops_the_oldest(derivations: list[str]) -> None:
    keys = SigningKeys(limit=2)
    regions = ["us-east-1", "eu-west-1", "eu-west-2"]
    heads = [sign_header(AWSRequest("GET", f"http://{HOST}/b/k"), region) for region in regions]
    for head in [*heads, heads[2], heads[1], heads[0]]:
        verify(head, KEYS.get, signed_at(head), keys, Endpoint())
    assert len(derivations) == 4


# --- garbage -------------------------------------------------------------------------------------

NAMES = [b"Authorization", b"Host", b"X-Amz-Date", b"Date", b"X-Amz-Content-SHA256", b"x-amz-a"]
VALUES = [
    b"AWS4-HMAC-SHA256 Credential=AK/20130524/r/s3/aws4_request,SignedHeaders=host,Signature=0",
    b"AWS4-HMAC-SHA256 Credential=/////,SignedHeaders=\xff;host,Signature=" + b"\xe9" * 64,
    b"20130524T000000Z",
    b"01 Jan 0001 00:00:00 +1200",
    b"UNSIGNED-PAYLOAD",
]
QUERIES = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Credential=AK/20130524/r/s3/aws4_request",
    "X-Amz-Date=20130524T000000Z", "X-Amz-Expires=60", "X-Amz-SignedHeaders=host",
    "X-Amz-Signature=" + "0" * 64, "x-amz-date=%FF", "Signature=%", "=", "&", "a=\udcff",
]  # fmt: skip
HEADERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.one_of(st.sampled_from(VALUES), st.binary(max_size=40))),
    max_size=6,
)


@given(st.lists(st.sampled_from(QUERIES), max_size=9), HEADERS)
def test_garbage_is_refused_and_makes_no_other_error(
    queries: list[str], headers: list[tuple[bytes, bytes]]
) -> None:
    head = RequestHead("GET", "/b/k?" + "&".join(queries), headers)
    assert refused(head, 1369353600).status in (400, 403, 501)


# --- hoisted headers -----------------------------------------------------------------------------


def test_a_presigned_query_stands_for_headers_but_for_checksums() -> None:
    query = {
        "X-Amz-Signature": "0",
        "X-Amz-Expires": "1",
        "X-Amz-Meta-Class": "pii",
        "x-amz-tagging": "a=b",
        "x-amz-checksum-crc32": "AAAAAA==",
        "x-amz-checksum-mode": "ENABLED",
        "x-id": "PutObject",
        "x-crossdock-wait": "delivered",
    }
    assert hoisted(query) == {
        "x-amz-meta-class": "pii",
        "x-amz-tagging": "a=b",
        "x-amz-checksum-mode": "ENABLED",
        "x-crossdock-wait": "delivered",
    }
