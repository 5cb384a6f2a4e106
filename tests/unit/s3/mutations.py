"""What can be changed about a signed request, and the code that AWS answers it with."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.s3.canonical import RequestHead

Mutation = Callable[[RequestHead], RequestHead]


def with_header(name: str, value: str) -> Mutation:
    def mutate(head: RequestHead) -> RequestHead:
        kept = [pair for pair in head.headers if pair[0].lower() != name.encode()]
        return head._replace(headers=[*kept, (name.encode(), value.encode())])

    return mutate


def without_header(name: str) -> Mutation:
    return lambda head: head._replace(
        headers=[pair for pair in head.headers if pair[0].lower() != name.encode()]
    )


def again(name: str) -> Mutation:
    return lambda head: head._replace(
        headers=[*head.headers, *(p for p in head.headers if p[0].lower() == name.encode())]
    )


def in_authorization(pattern: str, new: str) -> Mutation:
    def mutate(head: RequestHead) -> RequestHead:
        old = dict(head.headers)[b"Authorization"].decode()
        changed = re.sub(pattern, new, old, count=1)
        assert changed != old
        return with_header("authorization", changed)(head)

    return mutate


def in_target(pattern: str, new: str) -> Mutation:
    def mutate(head: RequestHead) -> RequestHead:
        changed = re.sub(pattern, new, head.target, count=1)
        assert changed != head.target
        return head._replace(target=changed)

    return mutate


def flip(text: str, at: int) -> str:
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def flipped_signature(head: RequestHead) -> RequestHead:
    old = dict(head.headers)[b"Authorization"].decode()
    return with_header("authorization", flip(old, len(old) - 1))(head)


def flipped_query_signature(head: RequestHead) -> RequestHead:
    found = re.search(r"X-Amz-Signature=[0-9a-f]{64}", head.target)
    assert found is not None
    return head._replace(target=flip(head.target, found.end() - 1))


def and_query(query: str) -> Mutation:
    return lambda head: head._replace(
        target=f"{head.target}{'&' if '?' in head.target else '?'}{query}"
    )


def only_query(query: str) -> Mutation:
    return lambda head: head._replace(target=f"{head.target.partition('?')[0]}?{query}")


def another_second(head: RequestHead) -> RequestHead:
    date = dict(head.headers)[b"X-Amz-Date"].decode()
    return with_header("x-amz-date", f"{date[:14]}{9 - int(date[14])}Z")(head)


UT = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MALFORMED = "AuthorizationHeaderMalformed"
QUERY = "AuthorizationQueryParametersError"
MISMATCH = "SignatureDoesNotMatch"

EITHER_MUTATIONS: dict[str, tuple[str, Mutation]] = {
    "method": (MISMATCH, lambda head: head._replace(method="PATCH")),
    "bucket": (MISMATCH, in_target("/bucket/", "/bucketx/")),
    "doubled slash": (MISMATCH, in_target("/bucket/", "/bucket//")),
    "dot segment": (MISMATCH, in_target("/bucket/", "/./bucket/")),
    "escaped slash": (MISMATCH, in_target("/bucket/", "/bucket%2F")),
    "key case": (MISMATCH, in_target("/bucket/", "/Bucket/")),
    "query added": (MISMATCH, and_query("z=1")),
    "sub-resource added": (MISMATCH, and_query("acl")),
    "host": (MISMATCH, with_header("host", "evil.example.com")),
    "host without port": (MISMATCH, with_header("host", "files.example.com")),
    "signed metadata": (MISMATCH, with_header("x-amz-meta-a", "other")),
    "signed metadata removed": (MISMATCH, without_header("content-type")),
    "signed content type": (MISMATCH, with_header("content-type", "text/html")),
    "copy source smuggled": ("AccessDenied", with_header("x-amz-copy-source", "/other/secret")),
    "acl smuggled": ("AccessDenied", with_header("x-amz-acl", "public-read")),
    "tagging smuggled": ("AccessDenied", with_header("x-amz-tagging", "a=b")),
    "metadata smuggled": ("AccessDenied", with_header("x-amz-meta-new", "1")),
    "storage class smuggled": ("AccessDenied", with_header("X-AMZ-Storage-Class", "GLACIER")),
    "lock smuggled": ("AccessDenied", with_header("x-amz-object-lock-mode", "GOVERNANCE")),
    "token smuggled": ("AccessDenied", with_header("x-amz-security-token", "t")),
    "decoded length smuggled": ("AccessDenied", with_header("x-amz-decoded-content-length", "1")),
    "wait smuggled": ("AccessDenied", with_header("x-crossdock-wait", "delivered")),
    "as-of smuggled": ("AccessDenied", with_header("x-crossdock-as-of", "2026-01-01T00:00:00Z")),
    "two hosts": ("InvalidArgument", again("host")),
}

HEADER_MUTATIONS: dict[str, tuple[str, Mutation]] = {
    "signature bit": (MISMATCH, flipped_signature),
    "signature case": (MISMATCH, in_authorization(r"Signature=\w+", "Signature=" + "A" * 64)),
    "signature short": (MALFORMED, in_authorization(r"Signature=.", "Signature=")),
    "signature long": (MALFORMED, in_authorization(r"Signature=", "Signature=0")),
    "signature not ascii": (
        MALFORMED,
        in_authorization(r"Signature=\w+", "Signature=" + "\xe9" * 32),
    ),
    "signature missing": (MALFORMED, in_authorization(r", Signature=\w+", "")),
    "credential missing": (MALFORMED, in_authorization(r"Credential=[^,]+, ", "")),
    "credential twice": (MALFORMED, in_authorization(r"(Credential=[^,]+, )", r"\1\1")),
    "signed headers missing": (MALFORMED, in_authorization(r"SignedHeaders=[^,]+, ", "")),
    "unknown part": (MALFORMED, in_authorization(r", Sig", ", X=1, Sig")),
    "scope short": (MALFORMED, in_authorization(r"/s3/aws4_request", "/aws4_request")),
    "service": (MALFORMED, in_authorization(r"/s3/", "/sts/")),
    "terminator": (MALFORMED, in_authorization(r"aws4_request", "aws5_request")),
    "scope day": (MALFORMED, in_authorization(r"/\d{8}/", "/20130524/")),
    "region": (MISMATCH, in_authorization(r"us-east-1", "us-west-2")),
    "region endless": (MALFORMED, in_authorization(r"us-east-1", "r" * 129)),
    "unknown key": ("InvalidAccessKeyId", in_authorization(r"Credential=AK", "Credential=ZZ")),
    "host unsigned": (MALFORMED, in_authorization(r";host", "")),
    "header unsigned": ("AccessDenied", in_authorization(r";x-amz-date", "")),
    "signed header added": (MISMATCH, in_authorization(r";host", ";etag;host")),
    "signed headers reordered": (
        MISMATCH,
        in_authorization(r"content-type;host", "host;content-type"),
    ),
    "two authorizations": ("InvalidArgument", again("authorization")),
    "two dates": ("InvalidArgument", again("x-amz-date")),
    "two payload hashes": ("InvalidArgument", again("x-amz-content-sha256")),
    "date": (MISMATCH, another_second),
    "date malformed": ("AccessDenied", with_header("x-amz-date", "yesterday")),
    "date impossible": ("AccessDenied", with_header("x-amz-date", "20261399T000000Z")),
    "date missing": ("AccessDenied", without_header("x-amz-date")),
    "date old": ("RequestTimeTooSkewed", with_header("x-amz-date", "20130524T000000Z")),
    "date far": ("RequestTimeTooSkewed", with_header("x-amz-date", "29990101T000000Z")),
    "payload hash": (MISMATCH, with_header("x-amz-content-sha256", "0" * 64)),
    "payload unsigned": (MISMATCH, with_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")),
    "payload streaming": (MISMATCH, with_header("x-amz-content-sha256", UT)),
    "payload unknown": (
        "InvalidArgument",
        with_header("x-amz-content-sha256", "STREAMING-NONSENSE"),
    ),
    "payload short": ("InvalidArgument", with_header("x-amz-content-sha256", "0" * 63)),
    "payload ecdsa": (
        "NotImplemented",
        with_header("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"),
    ),
    "payload missing": ("InvalidRequest", without_header("x-amz-content-sha256")),
    "no authorization": ("AccessDenied", without_header("authorization")),
    "sigv2": ("InvalidRequest", with_header("authorization", "AWS AK:c2ln")),
    "ecdsa": ("NotImplemented", in_authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")),
    "bearer": ("InvalidArgument", with_header("authorization", "Bearer token")),
    "empty": ("InvalidArgument", with_header("authorization", "")),
    "query auth too": ("InvalidArgument", only_query("X-Amz-Signature=0")),
    "sigv2 query too": ("InvalidArgument", only_query("AWSAccessKeyId=A&Signature=b")),
}

QUERY_MUTATIONS: dict[str, tuple[str, Mutation]] = {
    "signature bit": (MISMATCH, flipped_query_signature),
    "signature short": (QUERY, in_target(r"X-Amz-Signature=.", "X-Amz-Signature=")),
    "signature missing": (QUERY, in_target(r"&X-Amz-Signature=\w+", "")),
    "signature twice": (QUERY, in_target(r"(X-Amz-Signature=\w+)", r"\1&x-amz-signature=0")),
    "algorithm": (QUERY, in_target("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")),
    "algorithm missing": (QUERY, in_target(r"X-Amz-Algorithm=[^&]+&", "")),
    "credential missing": (QUERY, in_target(r"X-Amz-Credential=[^&]+&", "")),
    "credential twice": (QUERY, in_target(r"(X-Amz-Credential=[^&]+&)", r"\1\1")),
    "service": (QUERY, in_target("%2Fs3%2F", "%2Fsts%2F")),
    "scope day": (QUERY, in_target(r"%2F\d{8}%2F", "%2F20130524%2F")),
    "region": (MISMATCH, in_target("us-east-1", "us-west-2")),
    "region endless": (QUERY, in_target("us-east-1", "r" * 129)),
    "unknown key": ("InvalidAccessKeyId", in_target("X-Amz-Credential=AK", "X-Amz-Credential=ZZ")),
    "date missing": (QUERY, in_target(r"&X-Amz-Date=[^&]+", "")),
    "date malformed": (QUERY, in_target(r"X-Amz-Date=[^&]+", "X-Amz-Date=today")),
    "date old": (QUERY, in_target(r"X-Amz-Date=[^&]+", "X-Amz-Date=20130524T000000Z")),
    "expires missing": (QUERY, in_target(r"&X-Amz-Expires=\d+", "")),
    "expires longer": (MISMATCH, in_target(r"X-Amz-Expires=\d+", "X-Amz-Expires=604800")),
    "expires nothing": (QUERY, in_target(r"X-Amz-Expires=\d+", "X-Amz-Expires=")),
    "expires words": (QUERY, in_target(r"X-Amz-Expires=\d+", "X-Amz-Expires=1h")),
    "expires zero": (QUERY, in_target(r"X-Amz-Expires=\d+", "X-Amz-Expires=0")),
    "expires negative": (QUERY, in_target(r"X-Amz-Expires=\d+", "X-Amz-Expires=-7")),
    "expires too long": (QUERY, in_target(r"X-Amz-Expires=\d+", "X-Amz-Expires=604801")),
    "expires huge": (QUERY, in_target(r"X-Amz-Expires=\d+", "X-Amz-Expires=" + "9" * 5000)),
    "host unsigned": (QUERY, in_target(r"%3Bhost", "")),
    "signed headers missing": (QUERY, in_target(r"&X-Amz-SignedHeaders=[^&]+", "")),
    "meta unsigned": ("AccessDenied", in_target(r"%3Bx-amz-meta-a", "")),
    "chunked header": ("InvalidRequest", with_header("x-amz-content-sha256", UT)),
    "chunked signed header": (
        "InvalidRequest",
        with_header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    ),
    "chunked in the query": ("InvalidRequest", and_query(f"X-Amz-Content-Sha256={UT}")),
    "payload in the query": (MISMATCH, and_query("X-Amz-Content-Sha256=" + "0" * 64)),
    "token in the query": (MISMATCH, and_query("X-Amz-Security-Token=t")),
    "authorization too": ("InvalidArgument", with_header("authorization", "Bearer token")),
    "sigv2 too": (QUERY, and_query("AWSAccessKeyId=AK&Signature=x%3D&Expires=1")),
    "sigv2": ("InvalidRequest", only_query("AWSAccessKeyId=AK&Signature=x%3D&Expires=1")),
}
