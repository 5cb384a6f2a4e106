"""Doors with TLS: the certificate is used, old protocols are not, a bad one is refused."""

import asyncio
import ssl
import urllib.request
from asyncio import to_thread
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.app import Running
from gateway.errors import StartRefused
from tests.cli.site import Site

LISTEN = "listen: {s3: {address: '127.0.0.1:0', tls: {cert: cert.pem, key: key.pem}}}\n"


def certify(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_a_door_with_a_certificate_speaks_https(site: Site) -> None:
    certify(site.folder)
    site.write("gateway.yaml", LISTEN)

    async def story(gateway: Running) -> None:
        url = gateway.doors["s3"].listen.url
        assert url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(site.folder / "cert.pem"))

        def ready() -> int:
            with urllib.request.urlopen(f"{url}/-/ready", context=trusted, timeout=5) as answer:
                return int(answer.status)

        assert await to_thread(ready) == 200

    asyncio.run(site.running(story))


def test_a_certificate_that_can_not_be_used_is_refused(site: Site) -> None:
    site.write("cert.pem", "nonsense")
    site.write("key.pem", "nonsense")
    site.write("gateway.yaml", LISTEN)
    with pytest.raises(StartRefused, match=r"the certificate .*cert\.pem can't be used"):
        asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
