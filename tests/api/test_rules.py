"""A party's staff asks about the rules: its own are told, a denial that rests on others' is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.app import Running
from tests.api.test_policy_file import STAFFED, told
from tests.cli.site import ACME, Site, first

EXPLAIN = "/-/api/v1/explain"
RULES = (
    ACME.replace("initech: share", "initech: copy-on-read")
    + """\
  - {bucket: orders, keys: ["tagged/**"], when: {tags: {out: ["yes"]}}, to: {globex: share}}
forbids:
  - {id: pii, when: {tags: {class: [pii]}}, to: ["*"]}
"""
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.make()
    lobby = "  lobby:\n    members: {acme: {write: ['**']}}\n"
    grants = STAFFED.replace('["invoices/**"]', '["invoices/**", "tagged/**", "own/**"]')
    made.write("policies/topology.yaml", grants + lobby)
    made.write("policies/acme.yaml", RULES)
    return made


def about(key: str, bucket: str = "orders", more: str = "") -> str:
    return f"{EXPLAIN}?bucket={bucket}&key={quote(key, safe='')}{more}"


def test_what_it_holds_and_what_it_may_write_is_explained(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        await asyncio.to_thread(acme.put_object, Bucket="orders", Key="invoices/1", Body=b"x")
        answer = (await asking("globex/staff", "GET", about("invoices/1"))).told
        assert (answer["allowed"], answer["mode"]) == (True, "copy")
        assert answer["why"] == "accepted by globex.yaml:3 (from-acme)"
        assert {rule["file"] for rule in answer["rules"]} == {"globex.yaml"}
        assert "acme.yaml" not in str(answer)
        assert gateway.house.mesh.revision not in str(answer)
        write = (await asking("globex/staff", "GET", about("invoices/1", more="&verb=write"))).told
        assert not write["allowed"]
        assert "globex may write nothing" in write["why"]

    told(site, story)


def test_absent_unshared_forbidden_withdrawn_and_hypothetical_read_alike(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")

        async def put(key: str, tags: str = "") -> str:
            done = await asyncio.to_thread(
                acme.put_object, Bucket="orders", Key=key, Body=b"x", Tagging=tags
            )
            return str(done["VersionId"])

        await put("tagged/unshared")
        version = await put("invoices/forbidden", "class=pii")
        await put("own/unsent")
        await put("invoices/deleted")
        await asyncio.to_thread(acme.delete_object, Bucket="orders", Key="invoices/deleted")
        keys = ("tagged/unshared", "invoices/forbidden", "own/unsent", "invoices/deleted")
        places = [about(key) for key in (*keys, "invoices/absent", "acks/never")]
        places += [about("invoices/forbidden", more=f"&versionId={version}")]
        places += [about("invoices/absent", more="&author=acme&tag=out%3Dyes&versionId=nix")]
        answers = [await asking("globex/staff", "GET", place) for place in places]
        for answer in answers:
            answer.told.pop("key")
        assert {answer.status for answer in answers} == {200}
        assert all(answer.told == answers[0].told for answer in answers)
        assert (answers[0].told["allowed"], answers[0].told["why"]) == (False, "not offered")
        assert [rule["outcome"] for rule in answers[0].told["rules"]] == ["accepts"]

    told(site, story)


def test_a_bucket_that_it_is_no_member_of_is_none(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        hidden = await asking("globex/staff", "GET", about("a", "lobby"))
        absent = await asking("globex/staff", "GET", about("a", "nobody-made-it"))
        assert (hidden.status, hidden.told["code"]) == (404, "NoSuchBucket")
        assert hidden.told == absent.told

    told(site, story)


def test_a_program_key_is_refused(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        for place in (about("invoices/1"), about("nix", "nobody-made-it")):
            refused = await asking("globex/wms", "GET", place)
            assert (refused.status, refused.told["code"]) == (403, "Denied")

    told(site, story)


@pytest.mark.parametrize(
    "place",
    [EXPLAIN, f"{EXPLAIN}?bucket=orders", about("a", more="&verb=eat"), about("a" * 1025)],
)
def test_a_question_that_makes_no_sense_is_bad_input(site: Site, place: str) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        assert (await asking("globex/staff", "GET", place)).status == 400

    told(site, story)
