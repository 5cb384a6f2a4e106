"""DuckDB's httpfs: COPY TO, read_parquet, glob."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

endpoint, access, secret, trusted, bucket = sys.argv[1:]
folder = Path(duckdb_extension_httpfs.__file__).parent / "extensions"
(extension,) = folder.rglob("httpfs.duckdb_extension")
db = duckdb.connect()
db.execute(f"LOAD '{extension}'")
if trusted:
    db.execute(f"SET ca_cert_file = '{trusted}'")
db.execute(
    f"""CREATE SECRET (TYPE s3, KEY_ID '{access}', SECRET '{secret}', REGION 'us-east-1',
    ENDPOINT '{endpoint.partition("://")[2]}', URL_STYLE 'path',
    USE_SSL {"true" if trusted else "false"})"""
)
for name in ("one", "two"):
    db.execute(f"COPY (SELECT range AS i FROM range(50000)) TO 's3://{bucket}/t/{name}.parquet'")
rows = db.execute(f"SELECT count(*), sum(i) FROM 's3://{bucket}/t/*.parquet'").fetchone()
assert rows == (100_000, 2 * sum(range(50_000))), rows
db.execute(f"COPY (SELECT 1 AS a) TO 's3://{bucket}/a b.csv'")
assert db.execute(f"SELECT a FROM 's3://{bucket}/a b.csv'").fetchall() == [(1,)]
