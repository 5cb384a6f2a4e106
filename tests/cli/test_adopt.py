"""`crossdock adopt` on a whole gateway: folders, buckets and containers that were there before."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from asyncio import to_thread
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from gateway.app import Running
from gateway.cli.session import Session
from gateway.errors import BadInput
from gateway.operations.adopting import address_of
from gateway.policy.document import load
from tests.cli.site import TOPOLOGY, Site, eventually, first, refused
from tests.counterparts import servers

STORES = """
parties:
  acme:
    store: {type: file, path: /srv/acme}
    principals: [{name: erp}]
  globex:
    store: {type: s3, bucket: globex-inbox, prefix: mesh/, region: eu-west-1}
    principals: [{name: wms}]
  umbra:
    store: {type: azure, account: umbra, container: files}
    former_stores: [{name: old, type: gcs, bucket: umbra-old, prefix: x/}]
    principals: [{name: desk}]
  hooli:
    store:
      {type: sftp, host: sftp.hooli.example, user: h, path: /in,
       host_key: "file:h", credentials: {key: "file:k"}}
    former_stores:
      - {name: old, type: sftp, host: h, port: 2222, user: h, path: /,
         host_key: "file:h", credentials: {key: "file:k"}}
buckets:
  orders: {owner: acme, members: {acme: {write: ["**"]}, globex: {}}}
"""


def lay(site: Site, *keys: str) -> None:
    for key in keys:
        path = site.folder / "acme" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"content of {key}".encode())


def content(client: Any, key: str) -> bytes:
    body: bytes = client.get_object(Bucket="orders", Key=key)["Body"].read()
    return body


@pytest.mark.parametrize(
    ("text", "store", "prefix"),
    [
        ("acme", "acme/home", ""),
        ("umbra/old", "umbra/old", ""),
        ("file:///srv/acme/invoices/", "acme/home", "invoices/"),
        ("s3://globex-inbox/mesh/2020/", "globex/home", "2020/"),
        ("gs://umbra-old/x/", "umbra/old", ""),
        ("az://umbra/files/in/", "umbra/home", "in/"),
        ("sftp://sftp.hooli.example/in/2020/", "hooli/home", "2020/"),
        ("sftp://h:2222/any/", "hooli/old", "any/"),
    ],
)
def test_an_address_names_a_declared_store(text: str, store: str, prefix: str) -> None:
    mesh = load({"topology.yaml": STORES}, base="/").mesh
    assert mesh is not None
    found = address_of(mesh, text)
    assert (f"{found.store.party}/{found.store.name}", found.prefix) == (store, prefix)


@pytest.mark.parametrize(
    "text",
    [
        "nix",
        "acme/nix",
        "acme/",
        "file:///srv/acmes",
        "file:///srv",
        "s3://globex-inbox/",
        "s3://globex-inbox/other/",
        "gs://globex-inbox/mesh/",
        "sftp://sftp.hooli.example/inside/",
        "sftp://h/any/",
        "https://globex-inbox/mesh/",
        "",
    ],
)
def test_what_nobody_declared_is_read_by_nobody(text: str) -> None:
    mesh = load({"topology.yaml": STORES}, base="/").mesh
    assert mesh is not None
    with pytest.raises(BadInput):
        address_of(mesh, text)


def test_files_are_cataloged_where_they_lie_and_shared_by_policy(site: Site) -> None:
    lay(site, "invoices/a", "invoices/deep/b", "private/c")

    async def story(gateway: Running) -> None:
        done = await to_thread(site.ask, "adopt", "acme", "orders", code=1)
        assert (done["adopted"], done["refused"]) == (2, 1)
        (left,) = done["left"]
        assert (left["key"], left["outcome"]) == ("private/c", "refused")
        acme, initech = first(gateway, "acme", "erp"), first(gateway, "initech")
        assert await to_thread(content, acme, "invoices/a") == b"content of invoices/a"
        assert await to_thread(content, initech, "invoices/a") == b"content of invoices/a"
        head = await to_thread(acme.head_object, Bucket="orders", Key="invoices/a")
        about = (site.folder / "acme/invoices/a").stat()
        assert head["LastModified"].timestamp() == int(about.st_mtime)
        assert head["ETag"].endswith('-1"')

        async def copied() -> bool:
            return (site.folder / "globex/in/invoices/deep/b").exists()

        await eventually(copied)
        again = await to_thread(site.ask, "adopt", "acme", "orders", "--prefix", "invoices/")
        assert (again["adopted"], again["known"]) == (0, 2)
        lay(site, "invoices/d")
        (site.folder / "acme/invoices/a").write_bytes(b"changed behind its back")
        assert await to_thread(refused, lambda: content(acme, "invoices/a")) == "InvalidObjectState"
        again = await to_thread(
            site.ask, "adopt", "acme/home", "orders", "--prefix", "invoices/", "--author", "erp"
        )
        assert (again["adopted"], again["known"]) == (2, 1)
        assert await to_thread(content, initech, "invoices/a") == b"changed behind its back"

    asyncio.run(site.running(story))
    rows = site.ask("history", "orders/invoices/a")["versions"]
    assert [(row["principal"], row["door"]) for row in rows] == [
        ("erp", "adopt"),
        ("adopt", "adopt"),
    ]
    assert not list((site.folder / "acme").glob(".crossdock/extents/*/*"))
    assert site.call("audit", "verify").exit_code == 0
    assert site.call("check").exit_code == 0


def test_without_a_gateway_it_goes_by_the_policy_in_force(site: Site) -> None:
    lay(site, "invoices/a")
    assert site.call("adopt", "acme", "orders").exit_code in (1, 2)  # no policy yet
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
    site.write("policies/acme.yaml", "party: acme\n")  # not applied by anybody yet
    assert site.ask("adopt", "acme", "orders")["adopted"] == 1
    holders = site.ask("who-has", "orders/invoices/a")["holders"]
    assert {each["party"] for each in holders} == {"acme", "globex", "initech"}


@pytest.mark.parametrize(
    "words", [("acme", "nix"), ("nix", "orders"), ("acme", "orders", "--author", "nix")]
)
def test_what_is_not_there_is_told(site: Site, words: tuple[str, ...]) -> None:
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
    result = site.call("adopt", *words)
    assert result.exit_code in (1, 2)
    assert "nix" in result.output


def test_killed_it_is_gone_on_with(site: Site) -> None:
    count = 3000
    lay(site, *(f"invoices/{n:05}" for n in range(count)))
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))
    command = [sys.executable, "-m", "gateway.cli", "adopt", "acme", "orders", "--json"]
    command += ["--config", str(site.folder / "gateway.yaml")]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    victim = subprocess.Popen(command, env=env, stdout=subprocess.PIPE)
    until = time.monotonic() + 30
    while adopted(site) == 0 and time.monotonic() < until:
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert victim.stdout is not None
    victim.stdout.close()
    before = adopted(site)
    assert 0 < before < count
    done = json.loads(subprocess.run(command, env=env, capture_output=True, check=True).stdout)
    assert (done["known"], done["adopted"]) == (before, count - before)
    assert adopted(site) == count


def adopted(site: Site) -> int:
    async def count(catalog: Any) -> int:
        row = catalog.reader.one("SELECT count(*) FROM adopted")
        return int(row[0])

    found: int = session_of(site).read(count)
    return found


def session_of(site: Site) -> Any:

    return Session(site.folder / "gateway.yaml", as_json=True)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with servers.moto() as endpoint:
        yield endpoint


def test_a_bucket_keeps_its_etags_headers_metadata_and_tags(site: Site, moto: str) -> None:
    client = boto3.client("s3", endpoint_url=moto, aws_access_key_id="k", aws_secret_access_key="s")
    client.create_bucket(Bucket="acme-old")
    for n in range(3):
        put = client.put_object(
            Bucket="acme-old",
            Key=f"mesh/invoices/{n}",
            Body=f"object {n}".encode(),
            ContentType="text/csv",
            Metadata={"class": "public"},
            Tagging="state=final",
        )
    client.put_object(
        Bucket="acme-old", Key="mesh/invoices/got", Body=b"x", Metadata={"crossdock-version": "v1"}
    )
    cloud = (
        f"{{type: s3, bucket: acme-old, prefix: mesh/, endpoint: '{moto}',"
        " credentials: {id: 'env:MOTO_KEY', secret: 'env:MOTO_KEY'}}"
    )
    site.write("policies/topology.yaml", TOPOLOGY.replace("{type: file, path: ../acme}", cloud))

    async def story(gateway: Running) -> None:
        done = await to_thread(site.ask, "adopt", "s3://acme-old/mesh/", "orders")
        assert (done["adopted"], done["copies"]) == (3, 1)
        acme, initech = first(gateway, "acme", "erp"), first(gateway, "initech")
        head = await to_thread(acme.head_object, Bucket="orders", Key="invoices/2")
        assert head["ETag"] == put["ETag"]
        assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"class": "public"})
        tags = await to_thread(acme.get_object_tagging, Bucket="orders", Key="invoices/2")
        assert tags["TagSet"] == [{"Key": "state", "Value": "final"}]
        assert await to_thread(content, initech, "invoices/2") == b"object 2"
        part = await to_thread(
            initech.get_object, Bucket="orders", Key="invoices/2", Range="bytes=2-4"
        )
        assert part["Body"].read() == b"jec"
        await to_thread(
            client.put_object, Bucket="acme-old", Key="mesh/invoices/2", Body=b"object X"
        )
        error = await to_thread(refused, lambda: content(initech, "invoices/2"))
        assert error == "InvalidObjectState"
        await to_thread(client.delete_object, Bucket="acme-old", Key="mesh/invoices/1")
        error = await to_thread(refused, lambda: content(initech, "invoices/1"))
        assert error == "InvalidObjectState"

        async def copied() -> bool:
            return (site.folder / "globex/in/invoices/0").exists()

        await eventually(copied)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_KEY", "k")
        asyncio.run(site.running(story))
