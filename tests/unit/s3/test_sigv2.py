"""SigV2 presigned URLs: botocore's are accepted, and whatever is changed later is refused."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.s3.address import parse_target
from gateway.s3.canonical import RequestHead
from gateway.s3.errors import S3Error
from gateway.s3.presign import PRESIGNED_S_MAX, SKEW_S_MAX, hoisted
from gateway.s3.proving import prove
from gateway.s3.sigv2 import SUB_RESOURCES, is_claimed, verify
from gateway.s3.sigv4 import Endpoint, Payload, SigningKeys, Verified
from tests.unit.s3.mutations import (
    MISMATCH,
    Mutation,
    again,
    and_query,
    in_target,
    with_header,
    without_header,
)
from tests.unit.s3.signing import AWKWARD, HOST, KEY_ID, SECRET, head_of, presign

REQUESTS = 2500
MUTATED_REQUESTS = 1000
NOW = int(time.time())
DOMAIN = "files.example.com"


@dataclass(frozen=True)
class Key:
    secret: str
    sigv2: bool = True


KEYS = {KEY_ID: Key(SECRET)}


def check(
    head: RequestHead, now: int = NOW, keys: Mapping[str, Key] = KEYS, domain: str = ""
) -> Verified[Key]:
    host = dict(head.headers)[b"Host"].decode()
    target = parse_target(head.target, host, [domain] if domain else [])
    return verify(head, target, keys.get, now)


def refused(head: RequestHead, now: int = NOW) -> S3Error:
    with pytest.raises(S3Error) as caught:
        check(head, now)
    return caught.value


def presign2(request: AWSRequest, expires: int = 3600, secret: str = SECRET) -> RequestHead:
    HmacV1QueryAuth(Credentials(KEY_ID, secret), expires).add_auth(request)
    del request.headers["Date"]
    return head_of(request)


def request(rng: random.Random, method: str = "") -> AWSRequest:
    key = "".join(rng.choices(AWKWARD, k=rng.randint(1, 12)))
    url = f"http://{HOST}/bucket/{quote(key, safe='/~')}"
    if rng.random() < 0.6:
        names = rng.sample(sorted(SUB_RESOURCES), 3)
        values = ["".join(rng.choices(AWKWARD, k=2)) if n % 2 else "" for n in range(3)]
        pairs = [
            f"{n}={quote(v, safe='-_.~')}" if v else n for n, v in zip(names, values, strict=True)
        ]
        url += "?" + "&".join([*pairs, "x-id=GetObject"])
    made = AWSRequest(method or rng.choice(["GET", "PUT", "HEAD", "POST", "DELETE"]), url)
    made.headers["x-amz-meta-a"] = rng.choice(["1", " padded  inner ", 'a "b   c" d', "", "é"])
    if rng.random() < 0.5:
        made.headers["Content-Type"] = "text/plain; charset=utf-8"
        made.headers["X-Amz-Acl"] = "private"
    if rng.random() < 0.2:
        made.headers["Content-MD5"] = "XUFAKrxLKna5cZ2REBfFkg=="
    return made


def sent_bare(head: RequestHead) -> RequestHead:
    """The URL alone, as a browser sends it: what botocore put into the query acts by itself."""
    return head._replace(headers=[pair for pair in head.headers if pair[0] == b"Host"])


def test_random_urls_of_botocores_are_accepted_while_they_live() -> None:
    rng = random.Random(5)
    for _ in range(REQUESTS):
        expires = rng.choice([1, 900, 3600, PRESIGNED_S_MAX])
        head = presign2(request(rng), expires)
        assert is_claimed(head)
        until = int(re.findall(r"Expires=(\d+)", head.target)[0])
        for each in (head, sent_bare(head)):
            got = check(each, until - rng.randint(0, expires))
            assert (got.access_key, got.credential.secret) == (KEY_ID, SECRET)
            assert (got.presigned, got.sigv2, got.payload) == (True, True, Payload.UNSIGNED)


def test_repeated_headers_are_signed_joined() -> None:
    made = request(random.Random(6), "PUT")
    made.headers.add_header("X-Amz-Meta-Twice", "one ")
    made.headers.add_header("x-amz-meta-twice", " two")
    head = presign2(made)
    assert check(head)
    swapped = [*head.headers]
    at = [n for n, (name, _) in enumerate(swapped) if name.lower() == b"x-amz-meta-twice"]
    swapped[at[0]], swapped[at[1]] = swapped[at[1]], swapped[at[0]]
    assert refused(head._replace(headers=swapped)).code == MISMATCH


def test_what_is_hoisted_into_the_query_acts_as_it_was_signed() -> None:
    made = AWSRequest("PUT", f"http://{HOST}/bucket/k")
    made.headers["x-amz-meta-a"] = " a+b c "
    made.headers["Content-Type"] = "text/csv"
    made.headers["Content-MD5"] = "XUFAKrxLKna5cZ2REBfFkg=="
    head = sent_bare(presign2(made))
    assert check(head)
    query = parse_target(head.target, HOST).query
    assert hoisted(query, sigv2=True) == {
        "x-amz-meta-a": "a+b c",
        "content-type": "text/csv",
        "content-md5": "XUFAKrxLKna5cZ2REBfFkg==",
    }
    assert hoisted(query) == {"x-amz-meta-a": "a+b c"}, "SigV4 hoists no others"
    plus = head._replace(target=head.target.replace("a%2Bb", "a+b"))
    assert refused(plus).code == MISMATCH, "it would act as a blank"


def test_the_host_names_the_bucket_in_the_signed_resource() -> None:
    made = AWSRequest("GET", f"http://{HOST}/path/a%20b?acl")
    auth = HmacV1QueryAuth(Credentials(KEY_ID, SECRET))
    made.auth_path = "/my.bucket/path/a%20b"
    auth.add_auth(made)
    target = made.url.removeprefix(f"http://{HOST}")
    head = RequestHead("GET", target, [(b"Host", f"my.bucket.{DOMAIN}:9000".encode())])
    assert check(head, domain=DOMAIN)
    other = head._replace(headers=[(b"Host", f"your.bucket.{DOMAIN}:9000".encode())])
    with pytest.raises(S3Error, match="not the one calculated"):
        check(other, domain=DOMAIN)
    assert refused(head).code == MISMATCH, "without the domain it is a path"


MUTATIONS: dict[str, tuple[str, Mutation]] = {
    "method": (MISMATCH, lambda head: head._replace(method="PATCH")),
    "bucket": (MISMATCH, in_target("/bucket/", "/bucketx/")),
    "doubled slash": (MISMATCH, in_target("/bucket/", "/bucket//")),
    "dot segment": (MISMATCH, in_target("/bucket/", "/bucket/./")),
    "signature": (MISMATCH, in_target("Signature=...", "Signature=AAA")),
    "signature empty": (MISMATCH, in_target("Signature=[^&]+", "Signature=")),
    "signature not ascii": (MISMATCH, in_target("Signature=[^&]+", "Signature=%C3%A9")),
    "signature missing": ("AccessDenied", in_target("&Signature=[^&]+", "")),
    "signature twice": ("InvalidArgument", and_query("Signature=x")),
    "key unknown": ("InvalidAccessKeyId", in_target("AWSAccessKeyId=AK", "AWSAccessKeyId=ZZ")),
    "key missing": ("AccessDenied", in_target("AWSAccessKeyId=[^&]+&", "")),
    "key twice": ("InvalidArgument", and_query("AWSAccessKeyId=x")),
    "expires": (MISMATCH, in_target(r"Expires=(\d+)", r"Expires=0\1")),
    "expires later": (MISMATCH, in_target(r"Expires=\d+", f"Expires={NOW + 7200}")),
    "expires words": ("AccessDenied", in_target(r"Expires=\d+", "Expires=tomorrow")),
    "expires negative": ("AccessDenied", in_target(r"Expires=", "Expires=-")),
    "expires empty": ("AccessDenied", in_target(r"Expires=\d+", "Expires=")),
    "expires huge": ("AccessDenied", in_target(r"Expires=\d+", "Expires=" + "9" * 5000)),
    "expires far": ("AccessDenied", in_target(r"Expires=\d+", "Expires=99999999999")),
    "expires missing": ("AccessDenied", in_target(r"&Expires=\d+", "")),
    "expires twice": ("InvalidArgument", and_query("Expires=1")),
    "sub-resource added": (MISMATCH, and_query("defaultObjectAcl")),
    "response header added": (MISMATCH, and_query("response-expires=1")),
    "version added": (MISMATCH, and_query("versionId=x")),
    "sub-resource twice": ("InvalidArgument", and_query("acl&acl=1")),
    "list parameter added": ("AccessDenied", and_query("prefix=a")),
    "new sub-resource added": ("AccessDenied", and_query("retention")),
    "attributes added": ("AccessDenied", and_query("attributes")),
    "unknown parameter added": ("AccessDenied", and_query("z=1")),
    "meta hoisted": (MISMATCH, and_query("x-amz-meta-new=1")),
    "copy source hoisted": (MISMATCH, and_query("x-amz-copy-source=other%2Fsecret")),
    "ours hoisted": ("AccessDenied", and_query("x-crossdock-as-of=2026-01-01T00:00:00Z")),
    "meta": (MISMATCH, with_header("x-amz-meta-a", "other")),
    "meta added": (MISMATCH, with_header("x-amz-meta-new", "1")),
    "copy source": (MISMATCH, with_header("x-amz-copy-source", "/other/secret")),
    "acl": (MISMATCH, with_header("x-amz-acl", "public-read")),
    "ours": ("AccessDenied", with_header("x-crossdock-as-of", "2026-01-01T00:00:00Z")),
    "content type": (MISMATCH, with_header("content-type", "text/html")),
    "content md5": (MISMATCH, with_header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")),
    "payload mode": (MISMATCH, with_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")),
    "token": (MISMATCH, with_header("x-amz-security-token", "t")),
    "meta twice": (MISMATCH, again("x-amz-meta-a")),
}


@cache
def heads() -> Sequence[RequestHead]:
    """Made once: each of them is accepted as it is."""
    rng = random.Random(7)
    found: list[RequestHead] = []
    while len(found) < MUTATED_REQUESTS:
        head = presign2(request(rng, "PUT"))
        if not re.search("acl|defaultObjectAcl|versionId|response-expires", head.target):
            assert check(head)
            found.append(head)
    return found


def code_of(head: RequestHead) -> str:
    try:
        check(head)
    except S3Error as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutated_url_is_refused(name: str) -> None:
    code, mutate = MUTATIONS[name]
    codes = Counter(code_of(mutate(head)) for head in heads())
    assert codes == {code: MUTATED_REQUESTS}


def test_headers_that_are_not_sent_count_as_the_query_says() -> None:
    head = presign2(request(random.Random(8), "PUT"))
    assert check(without_header("x-amz-meta-a")(head))
    assert refused(in_target("x-amz-meta-a=[^&]*", "x-amz-meta-a=other")(sent_bare(head))).code == (
        MISMATCH
    )


def test_no_parameter_hides_in_the_value_of_another() -> None:
    """SigV2 signs both of these as the same text, and one of them reads another version."""
    two = "response-content-type=x&versionId=v"
    head = presign2(AWSRequest("GET", f"http://{HOST}/bucket/k?{two}"))
    assert check(head)
    one = head._replace(target=head.target.replace(two, "response-content-type=x%26versionId%3Dv"))
    assert refused(one).code == "InvalidArgument"
    named = "response-content-disposition=" + quote('attachment; filename="a&b.txt"')
    assert check(presign2(AWSRequest("GET", f"http://{HOST}/bucket/k?{named}")))


def test_line_ends_forge_no_header() -> None:
    made = AWSRequest("PUT", f"http://{HOST}/bucket/k")
    made.headers["x-amz-meta-a"] = "1"
    made.headers["x-amz-meta-b"] = "2"
    head = sent_bare(presign2(made))
    one = head._replace(
        target=re.sub("&x-amz-meta-b=2", "", head.target).replace(
            "x-amz-meta-a=1", "x-amz-meta-a=1%0Ax-amz-meta-b%3A2"
        )
    )
    assert check(one), "the same text was signed"
    with pytest.raises(S3Error, match="control character"):
        hoisted(parse_target(one.target, HOST).query, sigv2=True)


# --- time --------------------------------------------------------------------------------------


def test_a_url_lives_from_now_to_the_second_that_it_names() -> None:
    head = presign2(AWSRequest("GET", f"http://{HOST}/bucket/k"), 60)
    until = int(re.findall(r"Expires=(\d+)", head.target)[0])
    assert check(head, until)
    error = refused(head, until + 1)
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert error.fields.keys() == {"Expires", "ServerTime"}


def test_no_url_outlives_seven_days_but_for_a_clock_that_is_ahead() -> None:
    head = presign2(AWSRequest("GET", f"http://{HOST}/bucket/k"), PRESIGNED_S_MAX)
    until = int(re.findall(r"Expires=(\d+)", head.target)[0])
    assert check(head, until - PRESIGNED_S_MAX - SKEW_S_MAX)
    error = refused(head, until - PRESIGNED_S_MAX - SKEW_S_MAX - 1)
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert "604800" in error.message


def test_a_long_query_costs_a_stranger_no_more_than_its_length() -> None:
    names = "&".join(f"a{n}" for n in range(6000))
    head = RequestHead("GET", f"/b/k?AWSAccessKeyId=A&Signature=b&Expires={NOW}&{names}", [])
    began = time.process_time()
    with pytest.raises(S3Error, match="SigV2 does not sign"):
        verify(head, parse_target("/bucket/k", ""), KEYS.get, NOW)
    assert time.process_time() - began < 0.5


# --- what else is signed, and who may ------------------------------------------------------------


def test_a_payload_hash_counts_and_a_chunked_mode_does_not() -> None:
    for text, payload in (("A" * 64, Payload.HASHED), ("UNSIGNED-PAYLOAD", Payload.UNSIGNED)):
        made = AWSRequest("PUT", f"http://{HOST}/bucket/k")
        made.headers["x-amz-content-sha256"] = text
        found = check(presign2(made))
        hashed = text.lower() if payload is Payload.HASHED else ""
        assert (found.payload, found.content_sha256) == (payload, hashed)
    made = AWSRequest("PUT", f"http://{HOST}/bucket/k")
    made.headers["x-amz-content-sha256"] = Payload.UNSIGNED_TRAILER.value
    assert refused(presign2(made)).code == "InvalidRequest"


def test_a_session_token_is_no_use() -> None:
    made = AWSRequest("GET", f"http://{HOST}/bucket/k")
    made.headers["x-amz-security-token"] = "t"
    assert refused(presign2(made)).code == "InvalidToken"


def test_two_ways_of_signing_are_none() -> None:
    both = presign2(AWSRequest("GET", f"http://{HOST}/bucket/k"))
    assert not is_claimed(with_header("authorization", "AWS AK:x")(both))
    v4 = urlsplit(presign(AWSRequest("GET", f"http://{HOST}/bucket/k")).target).query
    assert not is_claimed(and_query(v4)(both))
    for head, code in (
        (with_header("authorization", "AWS AK:x")(both), "InvalidArgument"),
        (and_query(v4)(both), "AuthorizationQueryParametersError"),
    ):
        with pytest.raises(S3Error) as error:
            proved(head)
        assert error.value.code == code


def proved(head: RequestHead, keys: Mapping[str, Key] = KEYS) -> Verified[Key]:
    target = parse_target(head.target, HOST)
    return prove(head, target, None, keys.get, NOW, SigningKeys(), Endpoint())


def test_a_party_that_switched_it_off_is_told_so_by_its_own_signature_alone() -> None:
    off = {KEY_ID: Key(SECRET, sigv2=False)}
    head = presign2(AWSRequest("GET", f"http://{HOST}/bucket/k"))
    assert proved(head).sigv2
    with pytest.raises(S3Error, match="Use AWS4-HMAC-SHA256") as error:
        proved(head, off)
    assert (error.value.code, error.value.status) == ("InvalidRequest", 400)
    wrong = presign2(AWSRequest("GET", f"http://{HOST}/bucket/k"), secret="wrong")
    for keys in (KEYS, off):
        with pytest.raises(S3Error) as error:
            proved(wrong, keys)
        assert error.value.code == MISMATCH
    assert not proved(presign(AWSRequest("GET", f"http://{HOST}/bucket/k")), off).sigv2


def test_a_mismatch_tells_what_was_signed_and_never_the_secret() -> None:
    made = AWSRequest("PUT", f"http://{HOST}/bucket/k?acl")
    made.headers["x-amz-meta-a"] = "é"
    error = refused(presign2(made, secret="wrong"))
    assert error.fields.keys() == {
        "AWSAccessKeyId",
        "StringToSign",
        "SignatureProvided",
        "StringToSignBytes",
    }
    text = error.fields["StringToSign"]
    assert text.endswith("x-amz-meta-a:é\n/bucket/k?acl")
    assert bytes.fromhex(error.fields["StringToSignBytes"]).decode() == text
    assert SECRET not in str(error.fields)
