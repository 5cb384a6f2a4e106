"""A catalog is deleted, and made again from the stores: every party sees what it saw."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio import to_thread
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from gateway.app import Running
from gateway.audit.records import decode
from gateway.cli.session import Session
from gateway.extents import Label, encode_label
from gateway.model import ObjectRef
from tests.cli.site import TOPOLOGY, Site, eventually, first
from tests.counterparts import servers

MIB = 1024 * 1024
PARTIES = ("acme", "globex", "initech")
ALWAYS = ("--rules-since", "always")
View = dict[str, tuple[bytes, dict[str, str], str]]


def write(client: Any) -> None:
    for n in range(3):
        body = f"version {n}".encode()
        client.put_object(Bucket="orders", Key="invoices/a", Body=body, Metadata={"n": str(n)})
    client.put_object(Bucket="orders", Key="invoices/deep/b", Body=b"", ContentType="text/csv")
    client.put_object(Bucket="orders", Key="invoices/tagged", Body=b"x", Tagging="state=final")
    begun = client.create_multipart_upload(Bucket="orders", Key="invoices/big", Metadata={"a": "b"})
    upload = {"Bucket": "orders", "Key": "invoices/big", "UploadId": begun["UploadId"]}
    parts = [
        {
            "PartNumber": number,
            "ETag": client.upload_part(**upload, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in ((1, b"1" * 5 * MIB), (2, b"the rest"))
    ]
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    open_ = client.create_multipart_upload(Bucket="orders", Key="invoices/unfinished")
    client.upload_part(
        Bucket="orders",
        Key="invoices/unfinished",
        UploadId=open_["UploadId"],
        PartNumber=1,
        Body=b"never completed",
    )


def view(client: Any) -> View:
    """All that a party sees: content, metadata and ETag of each key."""
    found: View = {}
    for each in client.list_objects_v2(Bucket="orders").get("Contents", ()):
        answer = client.get_object(Bucket="orders", Key=each["Key"])
        found[each["Key"]] = (answer["Body"].read(), answer["Metadata"], answer["ETag"])
    return found


def lose(site: Site) -> None:
    for file in (site.folder / "data").glob("catalog.db*"):
        file.unlink()


def report(site: Site, name: str = "report.jsonl") -> list[dict[str, str]]:
    return [json.loads(line) for line in (site.folder / name).read_text().splitlines()]


def ask(site: Site, *words: str, code: int = 0, name: str = "report.jsonl") -> Any:
    return site.ask("rebuild", "--report", str(site.folder / name), *words, code=code)


async def settled(site: Site, count: int) -> None:
    async def done() -> bool:
        rows = await to_thread(site.ask, "deliveries")
        return len(rows) >= count and all(row["state"] != "pending" for row in rows)

    await eventually(done, 15)


def seen(site: Site, story: Any = None) -> dict[str, View]:
    """Each party's view in a run of the gateway; `story` is told before."""
    views: dict[str, View] = {}

    async def run(gateway: Running) -> None:
        if story is not None:
            await story(gateway)
        for party in PARTIES:
            views[party] = await to_thread(
                view, first(gateway, party, "erp" if party == "acme" else "")
            )

    asyncio.run(site.running(run))
    return views


def written(site: Site) -> dict[str, View]:
    async def story(gateway: Running) -> None:
        await to_thread(write, first(gateway, "acme", "erp"))
        await settled(site, 6)

    return seen(site, story)


def told_first(site: Site) -> tuple[str, str, str]:
    """What the new log begins with."""

    async def first_record(catalog: Any) -> Any:
        return (await catalog.records(0, 1))[0]

    record = Session(site.folder / "gateway.yaml", as_json=True).read(first_record)
    opened = decode(record.openings)
    return opened.value("kind"), opened.value("outcome"), opened.value("detail/checkpoint")


def test_every_party_sees_what_it_saw(site: Site) -> None:
    before = written(site)
    checkpoint = site.ask("audit", "checkpoint")["checkpoint"]
    (site.folder / "kept").write_text(checkpoint)
    versions = {row["version"] for row in site.ask("history", "orders/invoices/a")["versions"]}
    lose(site)
    done = ask(site, *ALWAYS, "--checkpoint", str(site.folder / "kept"), code=1)
    assert (done["versions"], done["copies"]) == (6, 4)
    assert done.get("copies_waiting", 0) == 0
    left = [each for each in report(site) if each["what"] not in ("lost", "bucket")]
    assert [(each["what"], each["object"]) for each in left] == [
        ("upload", "orders/invoices/unfinished")
    ]
    again = {row["version"] for row in site.ask("history", "orders/invoices/a")["versions"]}
    assert again == versions
    holders = site.ask("who-has", "orders/invoices/big")["holders"]
    copy = next(each for each in holders if each["party"] == "globex")
    assert copy["copy"] == "home:in/invoices/big done"
    assert copy["verified"]
    assert seen(site) == before
    assert site.call("audit", "verify").exit_code == 0
    assert site.call("audit", "verify", "--checkpoint", str(site.folder / "kept")).exit_code != 0
    assert told_first(site) == ("rebuild", "new log", checkpoint)
    assert site.ask("repair")["checked"] == 4


def test_a_rebuilt_gateway_goes_on(site: Site) -> None:
    written(site)
    lose(site)
    ask(site, *ALWAYS, code=1)

    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        await to_thread(acme.put_object, Bucket="orders", Key="invoices/a", Body=b"newest")

        async def replaced() -> bool:
            return (site.folder / "globex/in/invoices/a").read_bytes() == b"newest"

        await eventually(replaced)
        versions = await to_thread(acme.list_object_versions, Bucket="orders", Prefix="invoices/a")
        assert len(versions["Versions"]) == 4

    assert seen(site, story)["initech"]["invoices/a"][0] == b"newest"


def test_copies_that_are_not_there_wait_for_a_word(site: Site) -> None:
    written(site)
    (site.folder / "globex/in/invoices/a").unlink()
    (site.folder / "globex/in/invoices/tagged").write_bytes(b"its own now")
    lose(site)
    done = ask(site, *ALWAYS, code=1)
    assert (done["copies"], done["copies_waiting"]) == (2, 2)
    parked = site.ask("deliveries", "--state", "parked")
    assert {row["object"] for row in parked} == {"orders/invoices/a", "orders/invoices/tagged"}
    assert site.ask("deliveries", "retry")["resumed"] == 2

    async def story(gateway: Running) -> None:
        async def back() -> bool:
            path = site.folder / "globex/in/invoices/a"
            return path.exists() and path.read_bytes() == b"version 2"

        await eventually(back)

    seen(site, story)
    assert (site.folder / "globex/in/invoices/tagged").read_bytes() == b"its own now"


def test_an_upload_that_no_copy_proves_is_one_only_if_asked(site: Site) -> None:
    before = written(site)
    shutil.rmtree(site.folder / "globex")
    lose(site)
    done = ask(site, *ALWAYS, code=1)
    assert (done["versions"], done["left_upload"]) == (5, 2)
    lose(site)
    done = ask(site, *ALWAYS, "--uploads", name="second.jsonl")
    assert done["versions"] == 7
    views = seen(site)
    assert views["acme"]["invoices/big"] == before["acme"]["invoices/big"]
    assert views["acme"]["invoices/unfinished"][0] == b"never completed"


def test_a_label_counts_in_its_authors_own_store_alone(site: Site) -> None:
    """Whoever owns a store can write what it likes there."""
    written(site)
    lose(site)
    for store, author, key in (
        ("globex", "acme", "invoices/forged"),
        ("globex", "globex", "invoices/not-mine"),
        ("acme", "acme", "elsewhere/x"),
    ):
        label = Label(ObjectRef("orders", key), f"forged-{store}-{author}", author, 2**62)
        folder = site.folder / store / ".crossdock/extents/f"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{author}{len(key)}").write_bytes(encode_label(label) + b"forged")
    (site.folder / "acme/.crossdock/extents/f/junk").write_bytes(b"no extent")
    done = ask(site, *ALWAYS, code=1)
    assert (done["versions"], done["left_extent"]) == (6, 4)
    assert not any("forged" in str(v) for v in seen(site).values())


def test_rules_that_began_some_time_want_a_word(site: Site) -> None:
    written(site)
    lose(site)
    result = site.call("rebuild", "--report", str(site.folder / "report.jsonl"))
    assert result.exit_code == 2
    assert "--rules-since" in result.output
    assert not (site.folder / "data/catalog.db").exists()
    ask(site, "--rules-since", "2200-01-01", code=1)
    views = seen(site)
    assert views["initech"] == {}
    assert set(views["acme"]) == {f"invoices/{k}" for k in ("a", "deep/b", "tagged", "big")}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with servers.moto() as endpoint:
        yield endpoint


def test_from_buckets_of_an_s3_server(site: Site, moto: str) -> None:
    client = boto3.client("s3", endpoint_url=moto, aws_access_key_id="k", aws_secret_access_key="s")
    topology = TOPOLOGY
    for party in ("acme", "globex"):
        client.create_bucket(Bucket=f"rebuilt-{party}")
        cloud = (
            f"{{type: s3, bucket: rebuilt-{party}, prefix: mesh/, endpoint: '{moto}',"
            " credentials: {id: 'env:MOTO_KEY', secret: 'env:MOTO_KEY'}}"
        )
        topology = topology.replace(f"{{type: file, path: ../{party}}}", cloud)
    site.write("policies/topology.yaml", topology)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_KEY", "k")
        before = written(site)
        lose(site)
        done = ask(site, *ALWAYS, code=1)
        assert (done["versions"], done["copies"], done["left_upload"]) == (6, 4, 1)
        assert seen(site) == before


@pytest.mark.parametrize("words", [("--rules-since", "never"), ("--rules-since", "2999-01-01")])
def test_a_date_that_is_none_is_bad_input(site: Site, words: tuple[str, ...]) -> None:
    assert site.call("rebuild", *words).exit_code == 2


def test_where_a_catalog_lies_nothing_is_rebuilt(site: Site) -> None:
    written(site)
    result = site.call("rebuild", "--report", str(site.folder / "r"), *ALWAYS)
    assert result.exit_code == 2
    assert "move it away" in result.output
    assert not (site.folder / "r").exists()


def test_broken_off_it_is_begun_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written(site)
    lose(site)

    async def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.exchange.rebuilding.Rebuild._copies", dies)
        site.call("rebuild", "--report", str(site.folder / "first.jsonl"), *ALWAYS)
    assert not (site.folder / "data/catalog.db").exists()
    ask(site, *ALWAYS, code=1)
    assert seen(site) == before
    assert [p.name for p in Path(site.folder / "data").glob("*rebuilding*")] == []
