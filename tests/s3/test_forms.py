"""A browser's form: its signature, its policy, its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.harness import Gateway, key_of
from tests.s3.raw import Reply, Signed, ask, in_an_hour, posted

BAD_EXPIRATION = "2030-01-01 00:00:00+00:00"


def post(gateway: Gateway, bucket: str, fields: Mapping[str, str], **how: Any) -> Reply:
    return ask(gateway, *posted(gateway, bucket, fields, **how))


def policy(bucket: str, *conditions: object, expiration: str = "") -> dict[str, object]:
    every = [{"bucket": bucket}, ["starts-with", "$KEY", ""], *conditions]
    return {"expiration": expiration or in_an_hour(), "conditions": every}


def test_a_form_becomes_a_version_like_any_other(gateway: Gateway, s3: Any, bucket: str) -> None:
    fields = {
        "key": "dir/${filename}",
        "Content-Type": "text/plain",
        "x-amz-meta-note": "hello",
        "acl": "private",
        "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    }
    allowed = policy(
        bucket,
        *(["starts-with", f"${name}", ""] for name in fields),
        ["content-length-range", 1, 9],
    )
    file = b"\r\n--a\r\n"
    reply = post(gateway, bucket, fields, file=file)
    assert reply.status == 403  # a policy judges the key that the file's name has entered
    reply = post(gateway, bucket, fields, file=file, policy=allowed)
    assert (reply.status, reply.body) == (204, b"")
    found = s3.get_object(Bucket=bucket, Key="dir/a.txt")
    assert found["Body"].read() == file
    assert (found["ContentType"], found["Metadata"]) == ("text/plain", {"note": "hello"})
    assert (found["ETag"], found["TagCount"]) == (reply.headers["etag"], 1)


def test_what_a_form_is_answered(gateway: Gateway, bucket: str) -> None:
    def told(**more: str) -> Reply:
        return post(gateway, bucket, {"key": "k", **more})

    made = told(success_action_status="201")
    assert (made.status, b"<PostResponse" in made.body) == (201, True)
    assert told(success_action_status="200").status == 200
    assert told(success_action_status="404").status == 204
    seen = told(success_action_redirect="https://acme.example/done?a=1")
    etag = seen.headers["etag"].replace('"', "%22")
    assert seen.status == 303
    assert seen.headers["location"] == (
        f"https://acme.example/done?a=1&bucket={bucket}&key=k&etag={etag}"
    )
    for odd in ("javascript:x", "https://a\r\nx: y", "//a"):
        assert told(success_action_redirect=odd).status == 204


@pytest.mark.parametrize(
    ("conditions", "expiration", "expected"),
    [
        ((), "", (204, "")),
        ((["eq", "$key", "other"],), "", (403, "AccessDenied")),
        ((["starts-with", "$Content-Type", "text/"],), "", (403, "AccessDenied")),
        ((["content-length-range", 2, 10],), "", (400, "EntityTooSmall")),
        ((["content-length-range", 0, 0],), "", (400, "EntityTooLarge")),
        ((["content-length-range", 0],), "", (400, "InvalidPolicyDocument")),
        ((["content-length-range", -1, 0],), "", (400, "InvalidPolicyDocument")),
        (({},), "", (400, "InvalidPolicyDocument")),
        ((["like", "$key", "k"],), "", (400, "InvalidPolicyDocument")),
        (("key",), "", (400, "InvalidPolicyDocument")),
        ((), "2020-01-01T00:00:00Z", (403, "AccessDenied")),
        ((), "2999-01-01T00:00:00Z", (403, "AccessDenied")),
        ((), BAD_EXPIRATION, (400, "InvalidPolicyDocument")),
    ],
)
def test_the_policy_decides(
    gateway: Gateway,
    s3: Any,
    bucket: str,
    conditions: tuple[object, ...],
    expiration: str,
    expected: tuple[int, str],
) -> None:
    allowed = policy(bucket, *conditions, expiration=expiration)
    reply = post(gateway, bucket, {"key": "k"}, policy=allowed)
    assert (reply.status, reply.code) == expected
    assert ("Contents" in s3.list_objects_v2(Bucket=bucket)) is (expected[0] == 204)


def test_a_field_that_no_condition_covers_is_refused(gateway: Gateway, bucket: str) -> None:
    allowed = policy(bucket)
    for name, status in (("x-amz-meta-a", 403), ("acl", 403), ("x-ignore-a", 204)):
        assert post(gateway, bucket, {"key": "k", name: "private"}, policy=allowed).status == status


def test_the_bucket_is_that_of_the_url(gateway: Gateway, s3: Any, bucket: str) -> None:
    assert post(gateway, bucket, {"key": "k"}, policy=policy("orders")).code == "AccessDenied"
    unnamed = {"expiration": in_an_hour(), "conditions": [{"key": "k"}]}
    assert post(gateway, bucket, {"key": "k"}, policy=unnamed).code == "AccessDenied"


def test_who_signed_the_form(gateway: Gateway, bucket: str) -> None:
    signed, body = posted(gateway, bucket, {"key": "k"})
    before = len(gateway.strangers)

    def sent(old: bytes, new: bytes) -> str:
        return ask(gateway, signed, body.replace(old, new)).code

    key, _ = key_of("acme/erp")
    assert sent(key.encode(), b"NOBODY") == "InvalidAccessKeyId"
    assert (
        sent(b'name="signature"\r\n\r\n', b'name="signature"\r\n\r\nx') == "SignatureDoesNotMatch"
    )
    assert sent(b'name="signature"', b'name="other"') == "InvalidArgument"
    assert sent(b'name="policy"', b'name="other"') == "AccessDenied"
    assert len(gateway.strangers) == before + 4
    assert post(gateway, bucket, {"key": "k"}, principal="acme/auditor").code == "AccessDenied"


def test_a_form_signed_with_sigv4(gateway: Gateway, s3: Any, bucket: str) -> None:
    form = s3.generate_presigned_post(bucket, "k", Conditions=[["content-length-range", 0, 9]])
    assert "x-amz-signature" in form["fields"]
    lines = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form["fields"].items()
    ]
    head = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = ("".join(lines) + head).encode() + b"four\r\n--b--"
    headers = {"Host": "127.0.0.1", "Content-Type": "multipart/form-data; boundary=b"}
    request = Signed("POST", f"/{bucket}", headers)
    assert ask(gateway, request, body).status == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"four"
    changed = body.replace(b'name="key"\r\n\r\nk', b'name="key"\r\n\r\nj')
    assert ask(gateway, request, changed).code == "AccessDenied"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"--b--\r\n", "InvalidArgument"),
        (b"nonsense", "MalformedPOSTRequest"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "MalformedPOSTRequest"),
        (
            b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n' + b"x" * 70_000,
            "MaxPostPreDataLengthExceededError",
        ),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--', "AccessDenied"),
    ],
)
def test_bodies_that_are_no_form(gateway: Gateway, bucket: str, body: bytes, code: str) -> None:
    headers = {"Host": "127.0.0.1", "Content-Type": "multipart/form-data; boundary=b"}
    assert ask(gateway, Signed("POST", f"/{bucket}", headers), body).code == code


def test_a_file_that_breaks_off_leaves_nothing(gateway: Gateway, s3: Any, bucket: str) -> None:
    signed, body = posted(gateway, bucket, {"key": "k"}, b"x" * 100)
    assert ask(gateway, signed, body[:-20]).code == "MalformedPOSTRequest"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_checksum_field_is_held_to_the_file(gateway: Gateway, s3: Any, bucket: str) -> None:
    wrong = {"key": "k", "x-amz-checksum-crc32": "AAAAAA=="}
    assert post(gateway, bucket, wrong, file=b"abc").code == "BadDigest"
    right = {**wrong, "x-amz-checksum-crc32": "NSRBwg=="}
    assert post(gateway, bucket, right, file=b"abc").status == 204


def test_a_session_token_is_no_use(gateway: Gateway, bucket: str) -> None:
    """It would be signed by nobody: the keys here are not temporary ones."""
    reply = post(gateway, bucket, {"key": "k", "x-amz-security-token": "t"})
    assert (reply.status, reply.code) == (400, "InvalidToken")
