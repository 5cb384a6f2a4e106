"""MinIO's Python SDK."""

from __future__ import annotations

import io
import sys
from urllib.parse import urlsplit

import urllib3
from awkward import PLAIN, SLASHES
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject

MIB = 1024**2
endpoint, access, secret, trusted, bucket = sys.argv[1:]
url = urlsplit(endpoint)
pool = urllib3.PoolManager(ca_certs=trusted) if trusted else None
s3 = Minio(
    endpoint=url.netloc,
    access_key=access,
    secret_key=secret,
    secure=url.scheme == "https",
    http_client=pool,
    region="us-east-1",
)

assert s3.bucket_exists(bucket_name=bucket)
for key in (*PLAIN, *SLASHES):
    body = key.encode()
    s3.put_object(
        bucket_name=bucket,
        object_name=key,
        data=io.BytesIO(body),
        length=len(body),
        metadata={"n": "1"},
    )
    answer = s3.get_object(bucket_name=bucket, object_name=key)
    assert answer.read() == body, key
    answer.close()
    assert s3.stat_object(bucket_name=bucket, object_name=key).size == len(body)
    s3.copy_object(
        bucket_name=bucket,
        object_name="copied",
        source=CopySource(bucket_name=bucket, object_name=key),
    )
listed = {each.object_name for each in s3.list_objects(bucket_name=bucket, recursive=True)}
assert listed == {*PLAIN, *SLASHES, "copied"}, listed
big = bytes(range(256)) * (11 * MIB // 256)
s3.put_object(
    bucket_name=bucket,
    object_name="big",
    data=io.BytesIO(big),
    length=-1,
    part_size=5 * MIB,
)
answer = s3.get_object(bucket_name=bucket, object_name="big", offset=5 * MIB, length=7)
assert answer.read() == big[5 * MIB : 5 * MIB + 7]
answer.close()
link = s3.presigned_get_object(bucket_name=bucket, object_name="copied")
asked = (pool or urllib3.PoolManager()).request("GET", link)
assert asked.status == 200, asked.data
names = [each.object_name for each in s3.list_objects(bucket_name=bucket, recursive=True)]
errors = s3.remove_objects(
    bucket_name=bucket, delete_object_list=[DeleteObject(name=name) for name in names]
)
assert not list(errors)
assert not list(s3.list_objects(bucket_name=bucket))
