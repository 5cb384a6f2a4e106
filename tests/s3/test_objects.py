"""Reading, writing, deleting and tagging one object."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.s3.canonical import RequestHead, canonical_request, signing_key, string_to_sign
from gateway.s3.canonical import sign as sign_text
from gateway.s3.dates import amz_date
from tests.harness import REGION, Gateway, key_of
from tests.s3.raw import UNSIGNED, Socket, ask, sign


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def put(s3: Any, bucket: str, key: str = "k", body: bytes = b"0123456789", **more: Any) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=body, **more)["ETag"])


# --- keys --------------------------------------------------------------------------------------

AWKWARD = [
    "a b+c/é//x;=1.txt",
    "/leading",
    "trailing/",
    "//",
    "..",
    "../..",
    "a/./b",
    "a/../b",
    "%2F",
    "a%2Fb%zz",
    "~*'()!&$,#?\\",
    "tab\tand\nline\r",
    "nul\x00",
    "漢字\U0001f69a",
    "e\u0301",
    "delete",
    "x" * 1024,
    "é" * 512,
]


@pytest.mark.parametrize("key", AWKWARD, ids=lambda k: ascii(k[:20]))
def test_awkward_key_is_exactly_that_key(gateway: Gateway, bucket: str, key: str) -> None:
    target = f"/{bucket}/{quote(key, safe='/~')}"
    body = key.encode()
    assert ask(gateway, sign(gateway, "PUT", target, body=body), body).status == 200
    assert ask(gateway, sign(gateway, "GET", target)).body == body
    plain = gateway.client().list_objects_v2(Bucket=bucket)
    assert [entry["Key"] for entry in plain["Contents"]] == [key]
    assert ask(gateway, sign(gateway, "DELETE", target)).status == 204
    assert ask(gateway, sign(gateway, "GET", target)).code == "NoSuchKey"


def test_keys_that_look_alike_are_different_objects(s3: Any, bucket: str) -> None:
    keys = ["a/b", "a//b", "/a/b", "a/b/", "a/./b", "é", "e\u0301", "A/b", "a%2Fb"]
    for key in keys:
        put(s3, bucket, key, key.encode())
    for key in keys:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == sorted(keys, key=str.encode)


def test_escaped_slash_never_ends_the_bucket_name(gateway: Gateway, bucket: str) -> None:
    reply = ask(gateway, sign(gateway, "GET", f"/{bucket}%2Fk"))
    assert reply.code == "InvalidBucketName"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("x" * 1025, "KeyTooLongError"),
        (quote("é" * 513), "KeyTooLongError"),
        ("%zz", "InvalidURI"),
        ("%FF", "InvalidURI"),
        (".crossdock/extents/a", "AccessDenied"),
    ],
)
def test_impossible_keys_are_refused(gateway: Gateway, bucket: str, path: str, code: str) -> None:
    signed = sign(gateway, "PUT", f"/{bucket}/{path}", body=b"x")
    assert ask(gateway, signed, b"x").code == code


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    key=st.text(min_size=1, max_size=40).filter(lambda k: not k.startswith(".crossdock/")),
    body=st.binary(max_size=100),
)
def test_any_key_and_body_come_back(gateway: Gateway, bucket: str, key: str, body: bytes) -> None:
    target = f"/{bucket}/{quote(key, safe='~')}"
    assert ask(gateway, sign(gateway, "PUT", target, body=body), body or b"").status in (200, 411)
    with Socket(gateway) as connection:
        head = sign(gateway, "PUT", target, body=body).head(f"Content-Length: {len(body)}")
        assert connection.ask(head + body).status == 200
        assert connection.ask(sign(gateway, "GET", target).head()).body == body


# --- headers and metadata ----------------------------------------------------------------------


def test_headers_and_metadata_come_back(s3: Any, bucket: str) -> None:
    sent: dict[str, Any] = {
        "ContentType": "text/csv; charset=utf-8",
        "ContentLanguage": "de",
        "ContentDisposition": 'attachment; filename="a.csv"',
        "ContentEncoding": "br",
        "CacheControl": "max-age=60",
        "WebsiteRedirectLocation": "/elsewhere",
        "Metadata": {"class": "partner", "empty": "", "inner": "a  b"},
    }
    put(s3, bucket, **sent)
    found = s3.head_object(Bucket=bucket, Key="k")
    assert {name: found[name] for name in sent} == sent


def test_content_type_is_never_guessed(gateway: Gateway, bucket: str) -> None:
    target = f"/{bucket}/page.html"
    ask(gateway, sign(gateway, "PUT", target, body=b"x"), b"x")
    found = ask(gateway, sign(gateway, "GET", target))
    assert found.headers["content-type"] == "binary/octet-stream"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("grün 漢".encode(), "grün 漢"),
        ("grün".encode("latin-1"), "grün"),
        (b"=?UTF-8?B?w6k=?=", "=?UTF-8?B?w6k=?="),
    ],
    ids=["utf-8", "latin-1", "rfc-2047"],
)
def test_metadata_comes_back_as_the_text_it_was(
    gateway: Gateway, bucket: str, raw: bytes, text: str
) -> None:
    head = signed_with_metadata(gateway, f"/{bucket}/k", raw)
    with Socket(gateway) as connection:
        assert connection.ask(head + b"x").status == 200
        found = connection.ask(sign(gateway, "HEAD", f"/{bucket}/k").head(), "HEAD")
    assert found.headers["x-amz-meta-a"] == text


def signed_with_metadata(gateway: Gateway, target: str, raw: bytes) -> bytes:
    """A PUT of one byte. botocore signs text alone, so this is signed with our own arithmetic."""
    key, secret = key_of("acme/erp")
    date = amz_date(int(time.time()))
    scope = f"{date[:8]}/{REGION}/s3/aws4_request"
    names = "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a"
    pairs = [
        (b"host", f"127.0.0.1:{gateway.port}".encode()),
        (b"x-amz-content-sha256", UNSIGNED.encode()),
        (b"x-amz-date", date.encode()),
        (b"x-amz-meta-a", raw),
    ]
    request = canonical_request(RequestHead("PUT", target, pairs), dict(pairs), names, UNSIGNED)
    signature = sign_text(
        signing_key(secret, date[:8], REGION), string_to_sign(date, scope, request)
    )
    claim = f"Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    lines = [f"PUT {target} HTTP/1.1".encode(), *(b"%b: %b" % pair for pair in pairs)]
    lines += [f"Authorization: AWS4-HMAC-SHA256 {claim}".encode(), b"Content-Length: 1"]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def test_repeated_metadata_is_joined(gateway: Gateway, bucket: str) -> None:
    target = f"/{bucket}/k"
    signed = sign(gateway, "PUT", target, {"x-amz-meta-a": "one,two"}, body=b"x")
    head = signed.head("Content-Length: 1")
    twice = head.replace(b"x-amz-meta-a: one,two", b"x-amz-meta-a: one\r\nX-Amz-Meta-A: two")
    assert twice != head
    with Socket(gateway) as connection:
        assert connection.ask(twice + b"x").status == 200
    assert ask(gateway, sign(gateway, "HEAD", target)).headers["x-amz-meta-a"] == "one,two"


def test_metadata_over_2_kb_is_refused(s3: Any, bucket: str) -> None:
    put(s3, bucket, Metadata={"a": "x" * 2047})
    with pytest.raises(ClientError) as error:
        put(s3, bucket, Metadata={"a": "x" * 2048})
    assert code(error) == "MetadataTooLarge"


def test_response_parameters_replace_headers_on_success_alone(s3: Any, bucket: str) -> None:
    put(s3, bucket, ContentType="text/plain")
    names = {
        "ResponseContentType": "a/b",
        "ResponseContentLanguage": "fr",
        "ResponseCacheControl": "no-store",
        "ResponseContentDisposition": "inline",
        "ResponseContentEncoding": "x",
    }
    found = s3.get_object(Bucket=bucket, Key="k", **names)
    assert {f"Response{n}": found[n] for n in ("ContentType", "ContentLanguage")}.items() <= (
        names.items()
    )
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="absent", **names)
    assert "a/b" not in str(error.value.response["ResponseMetadata"]["HTTPHeaders"])


def test_response_parameter_can_not_add_a_header(gateway: Gateway, bucket: str, s3: Any) -> None:
    put(s3, bucket)
    target = f"/{bucket}/k?response-content-type=a%0D%0AX-Evil%3A%201"
    reply = ask(gateway, sign(gateway, "GET", target))
    assert reply.code == "InvalidArgument"
    assert "x-evil" not in reply.headers


# --- conditions and ranges ---------------------------------------------------------------------


def test_conditions_on_reads(s3: Any, bucket: str) -> None:
    etag = put(s3, bucket)
    name = {"Bucket": bucket, "Key": "k"}
    past, future = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
    for good in (
        {"IfMatch": etag},
        {"IfMatch": "*"},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": past},
        {"IfModifiedSince": future},
        {"IfUnmodifiedSince": future},
        {"IfMatch": etag, "IfUnmodifiedSince": past},
    ):
        assert s3.get_object(**name, **good)["ContentLength"] == 10, good
    for bad, status in (
        ({"IfMatch": '"other"'}, 412),
        ({"IfUnmodifiedSince": past}, 412),
        ({"IfNoneMatch": etag}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfModifiedSince": datetime.now(UTC)}, 304),
        ({"IfNoneMatch": etag, "Range": "bytes=100-"}, 304),
    ):
        for verb in (s3.get_object, s3.head_object):
            with pytest.raises(ClientError) as error:
                verb(**name, **bad)
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status, bad


@pytest.mark.parametrize(
    ("header", "status", "body", "span"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=3-5", 206, b"345", "bytes 3-5/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("items=0-1", 200, b"0123456789", None),
        ("bytes=5-3", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
    ],
)
def test_ranges(
    gateway: Gateway, s3: Any, bucket: str, header: str, status: int, body: Any, span: str | None
) -> None:
    put(s3, bucket)
    target = f"/{bucket}/k"
    reply = ask(gateway, sign(gateway, "GET", target), b"", f"Range: {header}")
    assert (reply.status, reply.headers.get("content-range")) == (status, span)
    if body is not None:
        assert reply.body == body
        head = ask(gateway, sign(gateway, "HEAD", target), b"", f"Range: {header}")
        assert (head.status, head.headers["content-length"]) == (status, str(len(body)))


def test_range_of_a_large_object_is_exact(s3: Any, bucket: str) -> None:
    body = bytes(range(256)) * 8192
    put(s3, bucket, body=body)
    for first, last in [(0, 0), (999_999, 1_500_000), (2_000_000, len(body) - 1)]:
        found = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}")
        assert found["Body"].read() == body[first : last + 1]


def test_if_range_guards_a_download_that_goes_on(gateway: Gateway, s3: Any, bucket: str) -> None:
    etag = put(s3, bucket)
    signed = sign(gateway, "GET", f"/{bucket}/k")
    assert ask(gateway, signed, b"", "Range: bytes=5-", f"If-Range: {etag}").body == b"56789"
    other = ask(gateway, signed, b"", "Range: bytes=5-", 'If-Range: "old"')
    assert (other.status, other.body) == (200, b"0123456789")


def test_conditions_on_writes(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as error:
        put(s3, bucket, IfMatch="*")
    assert code(error) == "NoSuchKey"
    etag = put(s3, bucket, IfNoneMatch="*")
    for bad in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}):
        with pytest.raises(ClientError) as error:
            put(s3, bucket, body=b"lost", **bad)
        assert code(error) == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"0123456789"
    put(s3, bucket, body=b"new", IfMatch=etag)
    put(s3, bucket, body=b"newer", IfMatch="*")
    s3.delete_object(Bucket=bucket, Key="k")
    put(s3, bucket, IfNoneMatch="*")


def test_one_of_many_racing_creators_wins(gateway: Gateway, bucket: str) -> None:
    def create(number: int) -> int:
        body = str(number).encode()
        signed = sign(gateway, "PUT", f"/{bucket}/race", {"if-none-match": "*"}, body=body)
        return ask(gateway, signed, body).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, range(16)))
    assert sorted(statuses) == [200] + [412] * 15


def test_delete_with_a_wrong_etag_is_refused(s3: Any, bucket: str) -> None:
    etag = put(s3, bucket)
    with pytest.raises(ClientError) as error:
        s3.delete_object(Bucket=bucket, Key="k", IfMatch='"other"')
    assert code(error) == "PreconditionFailed"
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="k")


# --- versions and deleting ---------------------------------------------------------------------


def test_versions_are_read_by_their_ids(s3: Any, versioned: str) -> None:
    name = {"Bucket": versioned, "Key": "k"}
    ids = [s3.put_object(**name, Body=body)["VersionId"] for body in (b"one", b"two")]
    with pytest.raises(ClientError) as error:
        s3.get_object(**name, IfNoneMatch="*")
    known = error.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert known["x-amz-version-id"] == ids[1]
    assert s3.get_object(**name)["VersionId"] == ids[1]
    assert s3.get_object(**name, VersionId=ids[0])["Body"].read() == b"one"
    marker = s3.delete_object(**name)
    assert marker["DeleteMarker"] is True
    with pytest.raises(ClientError) as error:
        s3.get_object(**name)
    answer = error.value.response
    assert code(error) == "NoSuchKey"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-version-id"] == marker["VersionId"]
    with pytest.raises(ClientError) as error:
        s3.get_object(**name, VersionId=marker["VersionId"])
    assert code(error) == "MethodNotAllowed"
    assert s3.get_object(**name, VersionId=ids[1])["Body"].read() == b"two"
    undone = s3.delete_object(**name, VersionId=marker["VersionId"])
    assert (undone["DeleteMarker"], undone["VersionId"]) == (True, marker["VersionId"])
    assert s3.get_object(**name)["Body"].read() == b"two"
    s3.delete_object(**name, VersionId=ids[1])
    assert s3.get_object(**name)["Body"].read() == b"one"


def test_unknown_and_empty_version_ids(gateway: Gateway, s3: Any, versioned: str) -> None:
    put(s3, versioned)
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=versioned, Key="k", VersionId="nonsense")
    assert code(error) == "NoSuchVersion"
    reply = ask(gateway, sign(gateway, "GET", f"/{versioned}/k?versionId="))
    assert reply.code == "InvalidArgument"


def test_unversioned_bucket_shows_no_version_ids(s3: Any, bucket: str) -> None:
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert "VersionId" not in s3.get_object(Bucket=bucket, Key="k")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch="*")
    assert "x-amz-version-id" not in error.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert "VersionId" not in s3.delete_object(Bucket=bucket, Key="k")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k")
    assert "x-amz-delete-marker" not in error.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert s3.list_object_versions(Bucket=bucket).get("DeleteMarkers", []) == []


def test_null_version(s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "k"}
    put(s3, bucket, body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(**name, Body=b"versioned")
    assert s3.get_object(**name, VersionId="null")["Body"].read() == b"before"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert "VersionId" not in s3.put_object(**name, Body=b"suspended")
    assert s3.get_object(**name, VersionId="null")["Body"].read() == b"suspended"
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [v["VersionId"] == "null" for v in versions] == [True, False]
    s3.delete_object(**name, VersionId="null")
    assert s3.get_object(**name)["Body"].read() == b"versioned"


def test_deleting_what_is_not_there_is_a_success(s3: Any, bucket: str, versioned: str) -> None:
    assert s3.delete_object(Bucket=bucket, Key="no")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_delete_objects(s3: Any, versioned: str) -> None:
    ids = {key: s3.put_object(Bucket=versioned, Key=key, Body=b"x")["VersionId"] for key in "abc"}
    answer = s3.delete_objects(
        Bucket=versioned,
        Delete={"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": ids["b"]}, {"Key": "absent"}]},
    )
    by_key = {done["Key"]: done for done in answer["Deleted"]}
    assert by_key["a"]["DeleteMarker"] is True
    assert by_key["b"]["VersionId"] == ids["b"]
    assert by_key.keys() == {"a", "b", "absent"}
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=versioned)["Contents"]] == ["c"]


def test_delete_objects_quietly_with_awkward_keys(s3: Any, bucket: str) -> None:
    keys = ["cr\rlf\n", "a&b<c>", "é", " "]
    for key in keys:
        put(s3, bucket, key)
    objects = [{"Key": key} for key in keys]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    assert "Deleted" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_delete_objects_fails_key_by_key(gateway: Gateway, s3: Any) -> None:
    globex = gateway.client("globex/wms")
    for key in ("acks/mine", "invoices/acmes"):
        (globex if key.startswith("acks") else s3).put_object(Bucket="orders", Key=key, Body=b"x")
    answer = globex.delete_objects(
        Bucket="orders",
        Delete={"Objects": [{"Key": "acks/mine"}, {"Key": "invoices/acmes"}]},
    )
    assert [done["Key"] for done in answer["Deleted"]] == ["acks/mine"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("invoices/acmes", "AccessDenied")]
    assert s3.head_object(Bucket="orders", Key="invoices/acmes")


def test_delete_objects_takes_1000_and_no_more(s3: Any, bucket: str) -> None:
    objects = [{"Key": f"k{n}"} for n in range(1001)]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": objects[:1000]})["Deleted"])
    with pytest.raises(ClientError) as error:
        s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert code(error) == "MalformedXML"


# --- tags --------------------------------------------------------------------------------------


def test_tags_by_header_and_by_call(s3: Any, versioned: str) -> None:
    name = {"Bucket": versioned, "Key": "k"}
    s3.put_object(**name, Body=b"x", Tagging="a=1&b%20c=d%2Be+f")
    assert s3.head_object(**name)["TagCount"] == 2
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b c", "Value": "d+e f"}]
    assert s3.get_object_tagging(**name)["TagSet"] == tags
    s3.put_object_tagging(**name, Tagging={"TagSet": tags[:1]})
    assert s3.get_object_tagging(**name)["TagSet"] == tags[:1]
    s3.delete_object_tagging(**name)
    assert s3.get_object_tagging(**name)["TagSet"] == []
    assert "TagCount" not in s3.head_object(**name)


@pytest.mark.parametrize(
    "tags",
    [
        [("a", "1"), ("a", "2")],
        [(f"k{n}", "v") for n in range(11)],
        [("k" * 129, "v")],
        [("k", "v" * 257)],
    ],
)
def test_impossible_tags_are_refused(s3: Any, bucket: str, tags: list[tuple[str, str]]) -> None:
    put(s3, bucket)
    with pytest.raises(ClientError) as error:
        s3.put_object_tagging(
            Bucket=bucket,
            Key="k",
            Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags]},
        )
    assert code(error) == "InvalidTag"


# --- what only Crossdock says ------------------------------------------------------------------


def test_author_learns_how_each_copy_fares_and_others_only_of_their_own(
    gateway: Gateway, s3: Any
) -> None:
    name = {"Bucket": "orders", "Key": "invoices/status"}
    sent = s3.put_object(**name, Body=b"x")["ResponseMetadata"]["HTTPHeaders"]
    assert sent["x-amz-replication-status"] == "PENDING"
    assert sent["x-crossdock-delivery-globex"] == "PENDING"
    gateway.drain()
    seen = s3.head_object(**name)["ResponseMetadata"]["HTTPHeaders"]
    assert (seen["x-amz-replication-status"], seen["x-crossdock-author"]) == ("COMPLETED", "acme")
    assert seen["x-crossdock-delivery-globex"] == "COMPLETED"
    for principal, status in (("globex/wms", "REPLICA"), ("initech/ledger", None)):
        head = gateway.client(principal).head_object(**name)
        headers = head["ResponseMetadata"]["HTTPHeaders"]
        assert headers.get("x-amz-replication-status") == status
        assert headers["x-crossdock-author"] == "acme"
        assert not any(name.startswith("x-crossdock-delivery") for name in headers)
        assert head["ETag"] == sent["etag"], "the same from share and from copy"


def test_reading_as_of_a_moment(gateway: Gateway, s3: Any, versioned: str) -> None:
    put(s3, versioned, body=b"old")
    time.sleep(0.01)
    moment = datetime.now(UTC).isoformat()
    time.sleep(0.01)
    put(s3, versioned, body=b"new")
    signed = sign(gateway, "GET", f"/{versioned}/k", {"x-crossdock-as-of": moment})
    assert ask(gateway, signed).body == b"old"
    bad = sign(gateway, "GET", f"/{versioned}/k", {"x-crossdock-as-of": "yesterday"})
    assert ask(gateway, bad).code == "InvalidArgument"


def test_source_that_is_named_must_be_readable(gateway: Gateway, s3: Any) -> None:
    s3.put_object(Bucket="orders", Key="secret", Body=b"x")
    s3.put_object(Bucket="orders", Key="invoices/shared", Body=b"x")
    for source, status in (("orders/secret", 404), ("orders/invoices/shared", 200)):
        signed = sign(
            gateway,
            "PUT",
            "/orders/acks/derived",
            {"x-crossdock-derived-from": source},
            body=b"x",
            principal="globex/wms",
        )
        assert ask(gateway, signed, b"x").status == status


# --- conditional deletes -----------------------------------------------------------------------

LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [{"IfMatch": "other"}, {"IfMatchSize": 9}, {"IfMatchLastModifiedTime": LONG_AGO}],
    ids=["etag", "size", "time"],
)
def test_a_delete_whose_condition_fails_leaves_the_object(
    s3: Any, versioned: str, wrong: dict[str, Any]
) -> None:
    name = {"Bucket": versioned, "Key": "k"}
    version = s3.put_object(**name, Body=b"one")["VersionId"]
    for how in ({}, {"VersionId": version}):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.delete_object(**name, **how, **wrong)
    assert s3.head_object(**name)["VersionId"] == version


def test_a_delete_whose_conditions_hold_deletes(s3: Any, versioned: str) -> None:
    name = {"Bucket": versioned, "Key": "k"}
    s3.put_object(**name, Body=b"one")
    seen = s3.head_object(**name)
    gone = s3.delete_object(
        **name, IfMatch=seen["ETag"], IfMatchSize=3, IfMatchLastModifiedTime=seen["LastModified"]
    )
    assert gone["DeleteMarker"]


def test_each_key_of_a_delete_objects_has_its_own_conditions(s3: Any, bucket: str) -> None:
    for key in ("right", "wrong"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"one")
    asked = [
        {"Key": "right", "Size": 3},
        {"Key": "wrong", "Size": 4},
        {"Key": "wrong", "LastModifiedTime": LONG_AGO},
    ]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": asked})
    assert [each["Key"] for each in answer["Deleted"]] == ["right"]
    assert [each["Code"] for each in answer["Errors"]] == ["PreconditionFailed"] * 2


def test_conditions_of_deletes_are_not_ignored_elsewhere(gateway: Gateway, bucket: str) -> None:
    headers = {"x-amz-if-match-size": "1"}
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}/k", headers, body=b"x"), b"x")
    assert (reply.status, reply.code) == (501, "NotImplemented")
