"""CopyObject: inside a party, across parties, and its conditions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.model import ObjectRef
from tests.harness import Gateway, fresh
from tests.s3.raw import ask, sign


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.fixture
def source(s3: Any, bucket: str) -> dict[str, str]:
    name = {"Bucket": bucket, "Key": "src"}
    s3.put_object(**name, Body=b"hello", ContentType="text/a", Metadata={"a": "1"}, Tagging="t=1")
    return name


def test_copy_keeps_headers_metadata_and_tags(s3: Any, bucket: str, source: Any) -> None:
    answer = s3.copy_object(Bucket=bucket, Key="dst", CopySource=source)
    found = s3.get_object(Bucket=bucket, Key="dst")
    assert found["Body"].read() == b"hello"
    assert answer["CopyObjectResult"]["ETag"] == found["ETag"]
    assert (found["ContentType"], found["Metadata"], found["TagCount"]) == ("text/a", {"a": "1"}, 1)


def test_copy_ignores_new_metadata_unless_it_replaces(s3: Any, bucket: str, source: Any) -> None:
    name = {"Bucket": bucket, "Key": "dst", "CopySource": source}
    s3.copy_object(**name, Metadata={"b": "2"})
    assert s3.head_object(Bucket=bucket, Key="dst")["Metadata"] == {"a": "1"}
    s3.copy_object(**name, Metadata={"b": "2"}, MetadataDirective="REPLACE", ContentType="text/b")
    found = s3.head_object(Bucket=bucket, Key="dst")
    assert (found["Metadata"], found["ContentType"], found["TagCount"]) == ({"b": "2"}, "text/b", 1)
    s3.copy_object(**name, Tagging="x=1&y=2", TaggingDirective="REPLACE")
    found = s3.head_object(Bucket=bucket, Key="dst")
    assert (found["Metadata"], found["TagCount"]) == ({"a": "1"}, 2)


def test_copy_inside_a_party_moves_no_byte(gateway: Gateway, s3: Any, source: Any) -> None:
    s3.copy_object(Bucket=source["Bucket"], Key="dst", CopySource=source)

    async def extents(key: str) -> Any:
        held = await gateway.catalog.head("acme", ObjectRef(source["Bucket"], key))
        assert held is not None
        return held.version.extents

    assert gateway.run(extents("dst")) == gateway.run(extents("src"))


def test_copy_onto_itself_must_change_something(s3: Any, source: Any) -> None:
    with pytest.raises(ClientError) as error:
        s3.copy_object(**source, CopySource=source)
    assert code(error) == "InvalidRequest"
    s3.copy_object(
        **source, CopySource=source, Metadata={"mtime": "5"}, MetadataDirective="REPLACE"
    )
    assert s3.head_object(**source)["Metadata"] == {"mtime": "5"}


@pytest.mark.parametrize(
    "key", ["é b+c", "a?b=c", "%3F", "a//b", "/lead", "a%2Fb", "x&versionId=1"]
)
def test_source_key_is_decoded_once(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.copy_object(Bucket=bucket, Key="dst", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="dst")["Body"].read() == key.encode()


@pytest.mark.parametrize("form", ["/{b}/src", "{b}/src", "%2F{b}/src", "{b}/s%72c"])
def test_forms_of_a_source(gateway: Gateway, source: Any, form: str) -> None:
    bucket = source["Bucket"]
    headers = {"x-amz-copy-source": form.format(b=bucket)}
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}/dst", headers))
    assert reply.status == (404 if form.startswith("%2F") else 200)


@pytest.mark.parametrize("text", ["", "bucket", "bucket/", "/", "b/%zz", "orders/k?versionId="])
def test_malformed_sources_are_refused(gateway: Gateway, bucket: str, text: str) -> None:
    headers = {"x-amz-copy-source": text}
    assert ask(gateway, sign(gateway, "PUT", f"/{bucket}/dst", headers)).status in (400, 404)


def test_copy_of_an_older_version(s3: Any, versioned: str) -> None:
    name = {"Bucket": versioned, "Key": "k"}
    old = s3.put_object(**name, Body=b"old")["VersionId"]
    s3.put_object(**name, Body=b"new")
    answer = s3.copy_object(**name, CopySource={**name, "VersionId": old})
    assert answer["CopySourceVersionId"] == old
    assert answer["VersionId"] != old
    assert s3.get_object(**name)["Body"].read() == b"old"


def test_delete_marker_is_no_source(s3: Any, versioned: str) -> None:
    name = {"Bucket": versioned, "Key": "k"}
    s3.put_object(**name, Body=b"x")
    marker = s3.delete_object(**name)["VersionId"]
    for source, expected in (
        (name, "NoSuchKey"),
        ({**name, "VersionId": marker}, "InvalidRequest"),
    ):
        with pytest.raises(ClientError) as error:
            s3.copy_object(Bucket=versioned, Key="dst", CopySource=source)
        assert code(error) == expected


def test_conditions_on_the_source(s3: Any, bucket: str, source: Any) -> None:
    etag = s3.head_object(**source)["ETag"]
    past, future = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
    name = {"Bucket": bucket, "Key": "dst", "CopySource": source}
    s3.copy_object(**name, CopySourceIfMatch=etag, CopySourceIfUnmodifiedSince=future)
    s3.copy_object(**name, CopySourceIfModifiedSince=past, CopySourceIfNoneMatch='"x"')
    for bad in (
        {"CopySourceIfMatch": '"x"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfUnmodifiedSince": past},
    ):
        with pytest.raises(ClientError) as error:
            s3.copy_object(**name, **bad)
        assert code(error) == "PreconditionFailed"


def test_condition_on_the_target(gateway: Gateway, s3: Any, source: Any) -> None:
    bucket = source["Bucket"]
    s3.put_object(Bucket=bucket, Key="dst", Body=b"there")
    headers = {"x-amz-copy-source": f"{bucket}/src", "if-none-match": "*"}
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}/dst", headers))
    assert reply.code == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="dst")["Body"].read() == b"there"


def test_unknown_directive_is_refused(gateway: Gateway, source: Any) -> None:
    bucket = source["Bucket"]
    headers = {"x-amz-copy-source": f"{bucket}/src", "x-amz-metadata-directive": "MERGE"}
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}/dst", headers))
    assert reply.code == "InvalidArgument"


def test_copy_across_parties_outlives_its_source(gateway: Gateway, s3: Any) -> None:
    s3.put_object(Bucket="orders", Key="invoices/to-copy", Body=b"x" * 100_000)
    globex = gateway.client("globex/wms")
    own = fresh("globex-own")
    globex.create_bucket(Bucket=own)
    globex.copy_object(Bucket=own, Key="mine", CopySource="orders/invoices/to-copy")
    s3.delete_object(Bucket="orders", Key="invoices/to-copy")
    found = globex.get_object(Bucket=own, Key="mine")
    assert found["Body"].read() == b"x" * 100_000
    assert found["ResponseMetadata"]["HTTPHeaders"]["x-crossdock-author"] == "globex"


def test_source_that_one_may_not_read_is_not_there(gateway: Gateway, s3: Any) -> None:
    s3.put_object(Bucket="orders", Key="hidden", Body=b"x")
    globex = gateway.client("globex/wms")
    for key in ("orders/hidden", "orders/absent"):
        with pytest.raises(ClientError) as error:
            globex.copy_object(Bucket="orders", Key="acks/stolen", CopySource=key)
        assert code(error) == "NoSuchKey"
