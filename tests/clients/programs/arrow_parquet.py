"""pyarrow's S3FileSystem: Parquet written, listed and read again."""

from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.parquet as pq
from awkward import NFC, NFD
from pyarrow import fs

endpoint, access, secret, trusted, bucket = sys.argv[1:]
trust = {"tls_ca_file_path": trusted} if trusted else {}
s3 = fs.S3FileSystem(
    access_key=access,
    secret_key=secret,
    endpoint_override=endpoint.partition("://")[2],
    scheme=endpoint.partition("://")[0],
    region="us-east-1",
    **trust,
)
table = pa.table({"id": list(range(10_000)), "name": [f"n{i}" for i in range(10_000)]})
for name in ("t.parquet", "a b+c/x.parquet", NFC, NFD):
    pq.write_table(table, f"{bucket}/{name}", filesystem=s3)
    assert pq.read_table(f"{bucket}/{name}", filesystem=s3).equals(table), name
assert pq.read_table(f"{bucket}/t.parquet", filesystem=s3, columns=["id"]).num_rows == 10_000
s3.create_dir(f"{bucket}/folder")
with s3.open_output_stream(f"{bucket}/folder/five") as out:
    out.write(b"bytes")
with s3.open_input_file(f"{bucket}/folder/five") as found:
    assert found.read_at(3, 1) == b"yte"
s3.move(f"{bucket}/folder/five", f"{bucket}/folder/moved")
infos = s3.get_file_info(fs.FileSelector(bucket, recursive=True))
files = {i.path.removeprefix(f"{bucket}/") for i in infos if i.type == fs.FileType.File}
assert files == {"t.parquet", "a b+c/x.parquet", NFC, NFD, "folder/moved"}, files
s3.delete_dir_contents(bucket)
assert not s3.get_file_info(fs.FileSelector(bucket, recursive=True))
