"""The newest boto3, with its defaults and without its checksums."""

from __future__ import annotations

import io
import sys

import boto3
from awkward import DOTS, PLAIN, SLASHES
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1024**2
endpoint, access, secret, trusted, bucket = sys.argv[1:]


def client(checksums: str):  # type: ignore[no-untyped-def]
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        verify=trusted or True,
        config=Config(
            request_checksum_calculation=checksums, response_checksum_validation=checksums
        ),
    )


def refusal(s3, key: str) -> str:  # type: ignore[no-untyped-def]
    """The code that creating a key that is there is answered with."""
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=b"", IfNoneMatch="*")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


for checksums in ("when_supported", "when_required"):
    s3 = client(checksums)
    for key in (*PLAIN, *SLASHES, *DOTS):
        name = {"Bucket": bucket, "Key": key}
        body = key.encode()
        s3.put_object(**name, Body=body, Metadata={"n": "1"})
        found = s3.get_object(**name)
        assert found["Body"].read() == body, key
        assert found["Metadata"] == {"n": "1"}
        assert s3.head_object(**name)["ContentLength"] == len(body)
        assert s3.get_object(**name, Range="bytes=1-2")["Body"].read() == body[1:3]
    listed = {each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed == {*PLAIN, *SLASHES, *DOTS}, listed
    for key in (*PLAIN, *SLASHES, *DOTS):
        s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": key})
        assert s3.get_object(Bucket=bucket, Key="copied")["Body"].read() == key.encode()
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""
    transfer = TransferConfig(
        multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4
    )
    big = bytes(range(256)) * (16 * MIB // 256)
    s3.upload_fileobj(io.BytesIO(big), bucket, "big", Config=transfer)
    got = io.BytesIO()
    s3.download_fileobj(bucket, "big", got, Config=transfer)
    assert got.getvalue() == big
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "big copied", Config=transfer)
    large = {f"header-{i:02d}": "v" * 60 for i in range(28)}
    s3.put_object(Bucket=bucket, Key="headers", Body=b"x", Metadata=large)
    assert s3.head_object(Bucket=bucket, Key="headers")["Metadata"] == large
    assert refusal(s3, "empty") == "PreconditionFailed"
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 3}
    )
    keys = [each["Key"] for page in pages for each in page["Contents"]]
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert not gone.get("Errors"), gone
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
