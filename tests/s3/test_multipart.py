"""Uploads in parts, and parts copied from other objects."""

from __future__ import annotations

import base64
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from gateway.s3.desk import Limits
from tests.harness import Gateway
from tests.s3.raw import ask, sign

MIB = 1024**2
PART = b"0123456789abcdef" * (5 * MIB // 16)


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


class Upload:
    """One upload of a bucket's key `big`."""

    def __init__(self, s3: Any, bucket: str, **more: Any) -> None:
        self.s3 = s3
        self.key = {"Bucket": bucket, "Key": "big"}
        self.id = s3.create_multipart_upload(**self.key, **more)["UploadId"]
        self.name = {**self.key, "UploadId": self.id}
        self.parts: dict[int, dict[str, Any]] = {}

    def add(self, number: int, body: bytes, **more: Any) -> Any:
        answer = self.s3.upload_part(**self.name, PartNumber=number, Body=body, **more)
        sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        self.parts[number] = {"PartNumber": number, "ETag": answer["ETag"], **sums}
        return answer

    def complete(self, *numbers: int, **more: Any) -> Any:
        parts = [self.parts[number] for number in numbers or sorted(self.parts)]
        return self.s3.complete_multipart_upload(
            **self.name, MultipartUpload={"Parts": parts}, **more
        )

    def read(self, **more: Any) -> Any:
        return self.s3.get_object(**self.key, **more)


def etag_of(*parts: bytes) -> str:
    joined = b"".join(hashlib.md5(part).digest() for part in parts)
    return f'"{hashlib.md5(joined).hexdigest()}-{len(parts)}"'


def test_parts_out_of_order_and_in_parallel_become_one_object(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: upload.add(n, PART if n < 3 else b"tail"), [3, 1, 2]))
    done = upload.complete()
    assert done["ETag"] == etag_of(PART, PART, b"tail")
    assert done["Location"].endswith(f"/{bucket}/big")
    found = upload.read()
    assert found["Body"].read() == PART + PART + b"tail"
    assert (found["ContentType"], found["Metadata"], found["TagCount"]) == ("text/x", {"a": "b"}, 1)


def test_upload_by_boto3s_transfer(s3: Any, bucket: str) -> None:
    body = PART * 2 + b"x" * 1000
    config = TransferConfig(multipart_threshold=MIB, multipart_chunksize=5 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=config)
    into = io.BytesIO()
    s3.download_fileobj(bucket, "big", into, Config=config)
    assert into.getvalue() == body


def test_repeated_complete_gives_the_same_answer(s3: Any, versioned: str) -> None:
    upload = Upload(s3, versioned)
    upload.add(1, b"x")
    first, second = upload.complete(), upload.complete()
    assert (first["ETag"], first["VersionId"]) == (second["ETag"], second["VersionId"])
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 1


def test_part_sent_again_replaces_the_older_one(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.add(1, b"old")
    stale = dict(upload.parts)
    upload.add(1, b"new")
    fresh = upload.parts
    upload.parts = stale
    with pytest.raises(ClientError) as error:
        upload.complete()
    assert code(error) == "InvalidPart"
    upload.parts = fresh
    upload.complete()
    assert upload.read()["Body"].read() == b"new"


def test_wrong_lists_of_parts(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.add(1, b"small")
    upload.add(2, PART)
    with pytest.raises(ClientError) as error:
        upload.complete(2, 1)
    assert code(error) == "InvalidPartOrder"
    with pytest.raises(ClientError) as error:
        upload.complete(1, 2)
    assert code(error) == "EntityTooSmall"
    upload.parts[3] = {"PartNumber": 3, "ETag": '"00000000000000000000000000000000"'}
    with pytest.raises(ClientError) as error:
        upload.complete(2, 3)
    assert code(error) == "InvalidPart"
    upload.complete(2)
    assert upload.read()["ContentLength"] == len(PART)


def test_empty_list_of_parts_is_malformed(gateway: Gateway, s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    for body in (b"", b"<CompleteMultipartUpload/>", b"not xml"):
        target = f"/{bucket}/big?uploadId={upload.id}"
        assert ask(gateway, sign(gateway, "POST", target, body=body), body).code == "MalformedXML"


def test_unknown_upload_is_not_found(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.add(1, b"x")
    other = {**upload.name, "UploadId": "nonsense"}
    wrong_key = {**upload.name, "Key": "other"}
    complete = {"MultipartUpload": {"Parts": [upload.parts[1]]}}
    for name in (other, wrong_key):
        for call, more in (
            (s3.upload_part, {"PartNumber": 1, "Body": b"x"}),
            (s3.list_parts, {}),
            (s3.abort_multipart_upload, {}),
            (s3.complete_multipart_upload, complete),
        ):
            with pytest.raises(ClientError) as error:
                call(**name, **more)
            assert code(error) == "NoSuchUpload"


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_numbers_have_limits(s3: Any, bucket: str, number: int) -> None:
    with pytest.raises(ClientError) as error:
        Upload(s3, bucket).add(number, b"x")
    assert code(error) == "InvalidArgument"


def test_parts_of_one_upload_can_be_limited(tmp_path: Any) -> None:
    with Gateway(tmp_path, limits=Limits(parts_max=2)) as gateway:
        upload = Upload(gateway.client(), "orders")
        upload.add(2, b"x")
        with pytest.raises(ClientError) as error:
            upload.add(3, b"x")
        assert code(error) == "InvalidArgument"


def test_aborted_upload_is_gone(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.add(1, b"x")
    s3.abort_multipart_upload(**upload.name)
    with pytest.raises(ClientError) as error:
        upload.complete()
    assert code(error) == "NoSuchUpload"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_condition_of_complete_is_judged_by_its_commit(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.add(1, b"mine")
    s3.put_object(**upload.key, Body=b"theirs")
    with pytest.raises(ClientError) as error:
        upload.complete(IfNoneMatch="*")
    assert code(error) == "PreconditionFailed"
    assert upload.read()["Body"].read() == b"theirs"
    upload.complete()
    assert upload.read()["Body"].read() == b"mine"


def test_object_size_that_is_not_the_sum_is_refused(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.add(1, b"12345")
    with pytest.raises(ClientError) as error:
        upload.complete(MpuObjectSize=6)
    assert code(error) == "InvalidRequest"
    upload.complete(MpuObjectSize=5)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
    ],
)
def test_checksums_of_parts_and_of_the_whole(
    s3: Any, bucket: str, algorithm: str, kind: str
) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    for number, body in ((1, PART), (2, b"tail")):
        upload.add(number, body, ChecksumAlgorithm=algorithm)
    done = upload.complete(ChecksumType=kind)
    name = f"Checksum{algorithm}"
    found = upload.read(ChecksumMode="ENABLED")
    assert found["Body"].read() == PART + b"tail"  # boto3 compares a full object's
    assert (found[name], found["ChecksumType"]) == (done[name], kind)
    assert done[name].endswith("-2") == (kind == "COMPOSITE")
    first = upload.read(ChecksumMode="ENABLED", PartNumber=1)
    expected = upload.parts[1][name]
    assert first.get(name) == expected
    parts = s3.head_object(**upload.key, PartNumber=2)
    assert parts["PartsCount"] == 2


def test_whole_sha256_is_the_hash_of_the_parts_hashes(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="SHA256")
    upload.add(1, PART, ChecksumAlgorithm="SHA256")
    upload.add(2, b"tail", ChecksumAlgorithm="SHA256")
    joined = hashlib.sha256(PART).digest() + hashlib.sha256(b"tail").digest()
    whole = base64.b64encode(hashlib.sha256(joined).digest()).decode()
    assert upload.complete()["ChecksumSHA256"] == f"{whole}-2"


def test_impossible_checksum_types_are_refused(s3: Any, bucket: str) -> None:
    for algorithm, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        with pytest.raises(ClientError) as error:
            Upload(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
        assert code(error) == "InvalidRequest"


def test_part_of_another_checksum_than_the_uploads_is_refused(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="SHA256")
    with pytest.raises(ClientError) as error:
        upload.add(1, b"x", ChecksumAlgorithm="CRC32")
    assert code(error) == "InvalidRequest"


def test_parts_that_send_no_checksum_get_the_uploads(gateway: Gateway, bucket: str) -> None:
    plain = gateway.client(request_checksum_calculation="when_required")
    upload = Upload(plain, bucket, ChecksumAlgorithm="SHA256")
    upload.add(1, b"x")
    assert upload.complete()["ChecksumSHA256"].endswith("-1")


@pytest.mark.parametrize("algorithm", ["SHA256", "CRC32"])
def test_parts_checksummed_without_a_word_at_the_start(
    gateway: Gateway, bucket: str, algorithm: str
) -> None:
    """SHA-256 digests of parts can't be joined to the whole's: it must not be tried."""
    plain = gateway.client(request_checksum_calculation="when_required")
    upload = Upload(plain, bucket)
    upload.add(1, PART, ChecksumAlgorithm=algorithm)
    upload.add(2, b"tail", ChecksumAlgorithm=algorithm)
    upload.complete()
    assert upload.read()["Body"].read() == PART + b"tail"


def test_wrong_checksum_of_the_whole_is_refused(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    upload.add(1, b"x", ChecksumAlgorithm="CRC32")
    with pytest.raises(ClientError) as error:
        upload.complete(ChecksumCRC32="AAAAAA==", ChecksumType="FULL_OBJECT")
    assert code(error) == "BadDigest"


def test_reading_by_part_number(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.add(1, PART)
    upload.add(7, b"tail")
    upload.complete()
    second = upload.read(PartNumber=2)
    size = len(PART)
    assert second["Body"].read() == b"tail"
    assert second["ContentRange"] == f"bytes {size}-{size + 3}/{size + 4}"
    assert second["PartsCount"] == 2
    assert second["ResponseMetadata"]["HTTPStatusCode"] == 206
    for more, expected in (
        ({"PartNumber": 3}, "InvalidPartNumber"),
        ({"PartNumber": 1, "Range": "bytes=0-1"}, "InvalidRequest"),
    ):
        with pytest.raises(ClientError) as error:
            upload.read(**more)
        assert code(error) == expected


def test_first_part_of_an_object_without_parts_is_all_of_it(s3: Any, bucket: str) -> None:
    for body, status in ((b"hello", 206), (b"", 200)):
        s3.put_object(Bucket=bucket, Key="k", Body=body)
        found = s3.get_object(Bucket=bucket, Key="k", PartNumber=1)
        assert found["Body"].read() == body
        assert found["ResponseMetadata"]["HTTPStatusCode"] == status
        assert "PartsCount" not in found


def test_list_parts_in_pages(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    for number in (1, 2, 5):
        upload.add(number, b"x" * number)
    page = s3.list_parts(**upload.name, MaxParts=2)
    assert [(p["PartNumber"], p["Size"]) for p in page["Parts"]] == [(1, 1), (2, 2)]
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 2)
    assert page["Owner"]["ID"] == "acme"
    rest = s3.list_parts(**upload.name, PartNumberMarker=2)
    assert [p["PartNumber"] for p in rest["Parts"]] == [5]
    assert rest["IsTruncated"] is False


def test_list_uploads_in_pages(s3: Any, bucket: str) -> None:
    begun = [
        s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        for key in ("a/1", "a/2", "b", "b", "c")
    ]
    found: list[str] = []
    markers: dict[str, str] = {}
    for _ in range(10):
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **markers)
        found += [upload["UploadId"] for upload in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        markers = {
            "KeyMarker": page["NextKeyMarker"],
            "UploadIdMarker": page["NextUploadIdMarker"],
        }
    assert sorted(found) == sorted(begun)
    folders = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in folders["CommonPrefixes"]] == ["a/"]
    assert [u["Key"] for u in folders["Uploads"]] == ["b", "b", "c"]


def test_uploads_of_other_parties_are_not_seen(gateway: Gateway, s3: Any) -> None:
    mine = Upload(s3, "orders")
    globex = gateway.client("globex/wms")
    listed = globex.list_multipart_uploads(Bucket="orders").get("Uploads", [])
    assert mine.id not in [upload["UploadId"] for upload in listed]
    with pytest.raises(ClientError) as error:
        globex.list_parts(**mine.name)
    assert code(error) in ("AccessDenied", "NoSuchUpload")


# --- parts copied ------------------------------------------------------------------------------


def test_part_copied_whole_and_in_part(s3: Any, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "src/é b"}
    s3.put_object(**source, Body=PART)
    upload = Upload(s3, bucket)
    for number, more in ((1, {}), (2, {"CopySourceRange": "bytes=10-14"})):
        answer = s3.upload_part_copy(**upload.name, PartNumber=number, CopySource=source, **more)
        etag = answer["CopyPartResult"]["ETag"]
        upload.parts[number] = {"PartNumber": number, "ETag": etag}
    upload.complete()
    assert upload.read()["Body"].read() == PART + PART[10:15]


@pytest.mark.parametrize(
    ("span", "expected"),
    [("bytes=0-99", "InvalidRange"), ("bytes=5", "InvalidArgument"), ("0-1", "InvalidArgument")],
)
def test_part_copy_range_must_lie_inside(s3: Any, bucket: str, span: str, expected: str) -> None:
    s3.put_object(Bucket=bucket, Key="src", Body=b"0123456789")
    upload = Upload(s3, bucket)
    with pytest.raises(ClientError) as error:
        s3.upload_part_copy(
            **upload.name, PartNumber=1, CopySource=f"{bucket}/src", CopySourceRange=span
        )
    assert code(error) == expected


def test_part_can_not_be_copied_from_what_one_may_not_read(gateway: Gateway, s3: Any) -> None:
    s3.put_object(Bucket="orders", Key="hidden", Body=b"x")
    globex = gateway.client("globex/wms")
    name = {"Bucket": "orders", "Key": "acks/mpu"}
    upload = globex.create_multipart_upload(**name)["UploadId"]
    with pytest.raises(ClientError) as error:
        globex.upload_part_copy(**name, UploadId=upload, PartNumber=1, CopySource="orders/hidden")
    assert code(error) == "NoSuchKey"
