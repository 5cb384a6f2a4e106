"""Client libraries as companies use them, each in an interpreter of its own; see programs/."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.door import ACCESS, PROGRAMS, SECRET, Door, on_path, run, run_program
from tests.counterparts.servers import TOOLS


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("boto3", "boto3_round_trip"),
        ("minio", "minio_round_trip"),
        ("arrow", "arrow_parquet"),
        ("duckdb", "duckdb_parquet"),
        ("s3fs", "s3fs_files"),
    ],
)
def test_a_python_library_finds_s3(family: str, name: str, door: Door, tmp_path: Path) -> None:
    run_program(family, name, door, tmp_path)


def test_the_sdk_for_javascript_finds_s3(door: Door, tmp_path: Path) -> None:
    modules = TOOLS / "js" / "node_modules"
    if not (modules / "@aws-sdk" / "lib-storage").exists():
        pytest.skip(
            "the AWS SDK for JavaScript is not installed: run tests/counterparts/install.sh"
        )
    words = [door.endpoint, ACCESS, SECRET, door.trusted, door.bucket, str(modules)]
    run([on_path("node"), str(PROGRAMS / "round_trip.mjs"), *words], door, tmp_path)
