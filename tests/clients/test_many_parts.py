"""An upload of as many parts as S3 allows, by boto3's threads; the part minimum is lowered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.model import PART_NUMBER_MAX
from tests.harness import Gateway

THREADS = 16


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_ten_thousand_parts_are_one_object(tmp_path: Path) -> None:
    with Gateway(tmp_path, part_bytes_min=1) as gateway:
        s3 = gateway.client(max_pool_connections=THREADS)
        name = {"Bucket": "orders", "Key": "many"}
        upload = s3.create_multipart_upload(**name)["UploadId"]

        def send(number: int) -> dict[str, object]:
            answer = s3.upload_part(
                **name, UploadId=upload, PartNumber=number, Body=b"%05d\n" % number
            )
            sums = {key: answer[key] for key in answer if key.startswith("Checksum")}
            return {"PartNumber": number, "ETag": answer["ETag"], **sums}

        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(send, range(1, PART_NUMBER_MAX + 1)))
        s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
        seen = s3.head_object(**name, PartNumber=PART_NUMBER_MAX)
        assert seen["PartsCount"] == PART_NUMBER_MAX
        body = s3.get_object(**name)["Body"].read()
        assert body == b"".join(b"%05d\n" % n for n in range(1, PART_NUMBER_MAX + 1))
        assert s3.get_object(**name, Range="bytes=59994-59999")["Body"].read() == b"10000\n"
