"""Client libraries as companies use them, each in an interpreter of its own; see programs/."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

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


def test_the_sdk_for_go_finds_s3(door: Door, tmp_path: Path) -> None:
    client = TOOLS / "bin" / "sdk-go"
    if not client.exists():
        pytest.skip("the AWS SDK for Go is not installed: run tests/counterparts/install.sh")
    words = [door.endpoint, ACCESS, SECRET, door.trusted, door.bucket]
    trust = {"SSL_CERT_FILE": door.trusted} if door.trusted else {}
    run([str(client), *words], door, tmp_path, trust)


def test_the_sdk_for_java_finds_s3(door: Door, tmp_path: Path) -> None:
    libraries = TOOLS / "java"
    if not (libraries / "pom.xml").exists():
        pytest.skip("the AWS SDK for Java is not installed: run tests/counterparts/install.sh")
    trust = []
    if door.trusted:
        store, word = str(tmp_path / "trust.p12"), "changeit"
        named = ["-keystore", store, "-storepass", word, "-storetype", "PKCS12"]
        (alone,) = x509.load_pem_x509_certificates(Path(door.trusted).read_bytes())
        (tmp_path / "door.pem").write_bytes(alone.public_bytes(Encoding.PEM))  # without the key
        made = ["-importcert", "-noprompt", "-alias", "door", "-file", "door.pem"]
        run([on_path("keytool"), *made, *named], door, tmp_path)
        trust = [
            f"-Djavax.net.ssl.trustStore={store}",
            f"-Djavax.net.ssl.trustStorePassword={word}",
        ]
    words = [door.endpoint, ACCESS, SECRET, door.trusted, door.bucket]
    source = str(PROGRAMS / "java" / "Client.java")
    command = [on_path("java"), *trust, "-cp", f"{libraries}/*", source, *words]
    run(command, door, tmp_path)
