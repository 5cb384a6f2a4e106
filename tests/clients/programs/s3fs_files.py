"""s3fs: files and folders over a bucket."""

from __future__ import annotations

import sys

import s3fs
from awkward import PLAIN

endpoint, access, secret, trusted, bucket = sys.argv[1:]
fs = s3fs.S3FileSystem(
    key=access,
    secret=secret,
    client_kwargs={
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        **({"verify": trusted} if trusted else {}),
    },
    default_block_size=5 * 1024**2,
)
for key in PLAIN:
    fs.pipe(f"{bucket}/{key}", key.encode())
    assert fs.cat(f"{bucket}/{key}") == key.encode(), key
assert len(fs.find(bucket)) == len(PLAIN)
with fs.open(f"{bucket}/folder/big", "wb") as out:
    for _ in range(3):
        out.write(b"x" * 5 * 1024**2)
with fs.open(f"{bucket}/folder/big", "rb") as found:
    found.seek(7)
    assert found.read(3) == b"xxx"
assert fs.du(f"{bucket}/folder") == 15 * 1024**2
fs.mv(f"{bucket}/folder/big", f"{bucket}/moved")
assert not fs.exists(f"{bucket}/folder/big")
fs.touch(f"{bucket}/empty")
assert fs.info(f"{bucket}/empty")["size"] == 0
fs.rm(fs.find(bucket))
fs.invalidate_cache()
assert fs.find(bucket) == []
