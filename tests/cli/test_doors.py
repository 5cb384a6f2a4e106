"""Doors with TLS: the certificate is used, old protocols are not, a bad one is refused."""

import asyncio
import ssl
import urllib.request
from asyncio import to_thread
from pathlib import Path

import pytest

from gateway.app import Running
from gateway.errors import StartRefused
from tests.certificates import certificate
from tests.cli.site import Site

LISTEN = "listen: {s3: {address: '127.0.0.1:0', tls: {cert: cert.pem, key: key.pem}}}\n"


def certify(folder: Path) -> None:
    """As two files: a PEM reader takes from one file what it looks for."""
    whole = certificate(folder).read_bytes()
    for name in ("cert.pem", "key.pem"):
        (folder / name).write_bytes(whole)


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
