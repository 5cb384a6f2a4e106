"""A party's staff and its own policy file, over signed HTTP against a whole gateway."""

import asyncio
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.api.door import ROUTES
from gateway.app import Running
from gateway.audit.records import decode
from gateway.operations import own_policy
from tests.cli.site import GATEWAY, GLOBEX, TOPOLOGY, Site, first, refused

STAFFED = TOPOLOGY.replace("[{name: wms}]", "[{name: wms}, {name: staff, may: policy}]").replace(
    "[{name: ledger}]", "[{name: ledger}, {name: staff, may: policy}]"
)
MINE = "/-/api/v1/policy"
SHARES_ALONE = GLOBEX.replace(', into: "in/{key}"', "")


class Reply(NamedTuple):
    status: int
    told: Any
    headers: Any


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.make()
    made.write("policies/topology.yaml", STAFFED)
    return made


def key_of(gateway: Running, who: str) -> tuple[str, str]:
    party, _, name = who.partition("/")
    made = next(c for c in gateway.made if (c.principal.party, c.principal.name) == (party, name))
    return made.id, made.secret.reveal()


def ask(
    gateway: Running, who: str, method: str, path: str, text: str | bytes = "", **headers: str
) -> Reply:
    body = text.encode() if isinstance(text, str) else text
    url = gateway.doors["s3"].listen.url + path
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, url, data=body, headers=named)
    if who:
        S3SigV4Auth(Credentials(*key_of(gateway, who)), "s3", "us-east-1").add_auth(request)
    plain = urllib.request.Request(url, body or None, dict(request.headers.items()), method=method)
    try:
        with urllib.request.urlopen(plain, timeout=10) as answer:
            return Reply(answer.status, json.loads(answer.read() or b"null"), answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, json.loads(error.read() or b"null"), error.headers)


def told(site: Site, story: Callable[[Callable[..., Awaitable[Reply]], Running], Any]) -> None:
    async def run(gateway: Running) -> None:
        async def asking(who: str, method: str, path: str = MINE, *rest: Any, **more: Any) -> Reply:
            return await asyncio.to_thread(ask, gateway, who, method, path, *rest, **more)

        await story(asking, gateway)

    asyncio.run(site.running(run))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("mode", ["watch", "command"])
def test_staff_reads_and_replaces_its_own_file(site: Site, mode: str) -> None:
    site.write("gateway.yaml", GATEWAY + f"apply: {mode}\n")

    async def story(asking: Any, gateway: Running) -> None:
        was = await asking("globex/staff", "GET")
        assert (was.status, was.told["text"]) == (200, GLOBEX)
        assert was.headers["ETag"] == f'"{digest(GLOBEX)}"'
        before = gateway.house.mesh.revision
        done = await asking("globex/staff", "PUT", MINE, SHARES_ALONE, if_match=was.headers["ETag"])
        assert (done.status, done.told["sha256"]) == (200, digest(SHARES_ALONE))
        assert gateway.house.mesh.revision != before
        assert (await asking("globex/staff", "GET")).told["text"] == SHARES_ALONE
        await asyncio.sleep(1.5)
        assert gateway.house.mesh.texts["globex.yaml"] == SHARES_ALONE, "the folder says so too"
        past = (await asking("globex/staff", "GET", f"{MINE}/history")).told
        assert [(p["sha256"], p["by"]) for p in past] == [
            (digest(SHARES_ALONE), "staff"),
            (digest(GLOBEX), None),
        ]
        old = await asking("globex/staff", "GET", f"{MINE}?sha256={digest(GLOBEX)}")
        assert old.told["text"] == GLOBEX

    told(site, story)
    assert (site.folder / "policies/globex.yaml").read_text() == SHARES_ALONE
    last = site.ask("policy", "history")[0]
    assert (last["door"], last["party"], last["principal"]) == ("api", "globex", "staff")


def test_it_is_on_the_log_with_who_did_it(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        await asking("globex/staff", "PUT", MINE, SHARES_ALONE)
        found = [decode(r.openings) for r in await gateway.house.catalog.records(0, 100)]
        fields = ("kind", "door", "party", "principal")
        assert ["policy", "api", "globex", "staff"] in [[e.value(f) for f in fields] for e in found]

    told(site, story)


def test_only_staff_may_and_staff_may_nothing_else(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        for method in ("GET", "PUT"):
            answer = await asking("globex/wms", method, MINE, GLOBEX if method == "PUT" else "")
            assert (answer.status, answer.told["code"]) == (403, "Denied")
        await asyncio.to_thread(
            first(gateway, "acme", "erp").put_object, Bucket="orders", Key="invoices/1", Body=b"x"
        )
        staff = first(gateway, "globex", "staff")
        for call, more in (
            (staff.get_object, {"Key": "invoices/1"}),
            (staff.put_object, {"Key": "invoices/2"}),
            (staff.list_objects_v2, {}),
        ):
            code = await asyncio.to_thread(refused, partial(call, Bucket="orders", **more))
            assert code == "AccessDenied"

    told(site, story)


def test_nothing_is_told_of_other_files(site: Site) -> None:
    site.write("policies/acme.yaml", "party: acme\nsends: [{bucket: nowhere}]\n")

    async def story(asking: Any, gateway: Running) -> None:
        own = await asking("initech/staff", "GET")
        assert own.told["problems"] == []
        assert gateway.house.mesh.revision not in json.dumps(own.told)
        other = f"{MINE}?sha256={digest(GLOBEX)}"
        assert (await asking("initech/staff", "GET", other)).status == 404
        for who in ("initech/staff", "globex/staff"):
            for path in (f"{MINE}/globex", f"{MINE}?party=globex"):
                text = json.dumps((await asking(who, "GET", path)).told)
                assert "inbox" not in text if who == "globex/staff" else GLOBEX not in text
        theirs = await asking("initech/staff", "PUT", MINE, GLOBEX)
        assert theirs.status == 422
        assert gateway.house.mesh.texts["globex.yaml"] == GLOBEX

    told(site, story)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("party: globex\nacepts: []\n", (2, 1), "did you mean `accepts`?"),
        ("party: globex\naccepts: [{from: [acne]}]\n", (2, 19), "unknown party `acne`"),
        ("party: globex\naccepts: [{from: [acme], bucket: order}]\n", (2, 34), "unknown bucket"),
        ("party: [", (2, 1), ""),
    ],
)
def test_a_mistake_is_told_with_its_place_and_changes_nothing(
    site: Site, text: str, place: tuple[int, int], said: str
) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        before = gateway.house.mesh.revision
        answer = await asking("globex/staff", "PUT", MINE, text)
        assert (answer.status, answer.told["code"]) == (422, "InvalidPolicy")
        problem = answer.told["problems"][0]
        assert (problem["line"], problem["column"]) == place
        assert said in problem["text"]
        for name in ("acme", "initech", "orders`?"):
            assert name not in problem["text"], "who else takes part is not told"
        assert gateway.house.mesh.revision == before

    told(site, story)
    assert (site.folder / "policies/globex.yaml").read_text() == GLOBEX


def test_a_bucket_of_others_reads_as_one_that_is_not_there(site: Site) -> None:
    vault = "  vault: {owner: acme, members: {acme: {write: ['**']}}}\n"
    site.write("policies/topology.yaml", STAFFED + vault)

    async def story(asking: Any, gateway: Running) -> None:
        seen = []
        for bucket in ("vault", "nowhere"):
            text = f"party: globex\naccepts: [{{from: [acme], bucket: {bucket}}}]\n"
            answer = await asking("globex/staff", "PUT", MINE, text)
            seen.append(json.dumps(answer.told).replace(bucket, "?"))
        assert seen[0] == seen[1]

    told(site, story)


def test_a_stale_expectation_changes_nothing(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        for tag in (f'"{digest("other")}"', '"nonsense"', '""'):
            answer = await asking("globex/staff", "PUT", MINE, SHARES_ALONE, if_match=tag)
            assert (answer.status, answer.told["code"]) == (412, "PreconditionFailed")
        assert gateway.house.mesh.texts["globex.yaml"] == GLOBEX
        assert (await asking("globex/staff", "PUT", MINE, SHARES_ALONE, if_match="*")).status == 200

    told(site, story)


def test_a_file_that_the_operator_works_on_is_left_alone(site: Site) -> None:
    site.write("gateway.yaml", GATEWAY + "apply: command\n")

    async def story(asking: Any, gateway: Running) -> None:
        site.write("policies/globex.yaml", GLOBEX + "# a thought\n")
        answer = await asking("globex/staff", "PUT", MINE, SHARES_ALONE)
        assert (answer.status, answer.told["code"]) == (409, "EditUnderWay")
        assert "thought" not in json.dumps(answer.told)

    told(site, story)
    assert "a thought" in (site.folder / "policies/globex.yaml").read_text()


def test_what_is_no_file_is_refused(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        for text, status in (("", 400), ("  \n", 400), (b"\xff\xfe", 400)):
            assert (await asking("globex/staff", "PUT", MINE, text)).status == status
        large = "# " + "x" * 4 * 1024**2
        assert (await asking("globex/staff", "PUT", MINE, large)).status == 400

    told(site, story)


def test_a_party_that_never_stops_is_slowed_down(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_policy, "REPLACED_MAX", 3)

    async def story(asking: Any, gateway: Running) -> None:
        texts = [f"{GLOBEX}# {n}\n" for n in range(4)]
        statuses = [(await asking("globex/staff", "PUT", MINE, text)).status for text in texts]
        assert statuses == [200, 200, 200, 503]
        other = "party: initech\n"
        assert (await asking("initech/staff", "PUT", MINE, other)).status == 200

    told(site, story)


def test_strangers_and_wrong_ways_in(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        stranger = await asking("", "GET")
        assert (stranger.status, stranger.told["code"]) == (403, "AccessDenied")
        missing = await asking("globex/staff", "GET", "/-/api/v1/nothing")
        assert (missing.status, missing.told["code"]) == (404, "NotFound")
        wrong = await asking("globex/staff", "DELETE")
        assert (wrong.status, wrong.headers["Allow"]) == (405, "GET, PUT")
        head = await asking("globex/staff", "HEAD")
        assert (head.status, head.told) == (200, None)

    told(site, story)


def test_the_api_describes_itself(site: Site) -> None:
    async def story(asking: Any, gateway: Running) -> None:
        found = (await asking("globex/wms", "GET", "/-/api/v1/openapi.json")).told
        there = {
            (method.upper(), path.removeprefix("/-/api/v1"))
            for path, methods in found["paths"].items()
            for method in methods
        }
        assert there == set(ROUTES)
        assert found["openapi"].startswith("3.1")

    told(site, story)


def test_the_page_names_every_request() -> None:
    page = (Path(__file__).parents[2] / "docs/api.md").read_text()
    for method, path in ROUTES:
        assert f"| `{method} {path}` |" in page


def test_a_mistake_in_another_file_holds_up_no_push(site: Site) -> None:
    """A party leaves the topology while another one's file, in force as it is, still names it."""
    umbra = "  umbra: {principals: [{name: desk}]}\nbuckets:"
    with_umbra = STAFFED.replace("buckets:", umbra).replace(
        "initech: {}}", "initech: {}, umbra: {}}"
    )
    site.write("policies/topology.yaml", with_umbra)
    acme = (
        (site.folder / "policies/acme.yaml").read_text().replace("initech: share", "umbra: share")
    )
    site.write("policies/acme.yaml", acme)

    async def story(asking: Any, gateway: Running) -> None:
        site.write("policies/topology.yaml", STAFFED)
        async with asyncio.timeout(5):
            while "umbra" in gateway.house.mesh.parties:  # noqa: ASYNC110 - the folder's watch
                await asyncio.sleep(0.05)
        done = await asking("globex/staff", "PUT", MINE, SHARES_ALONE)
        assert done.status == 200
        assert gateway.house.mesh.texts["globex.yaml"] == SHARES_ALONE
        assert gateway.house.mesh.texts["acme.yaml"] == acme
        wrong = await asking("globex/staff", "PUT", MINE, "party: globex\nacepts: []\n")
        assert wrong.status == 422
        assert "umbra" not in json.dumps(wrong.told)

    told(site, story)
