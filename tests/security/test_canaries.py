"""acme's canaries never reach globex: in no listing, header, error, history, event or delivery."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.disclosure import open_for
from gateway.errors import CrossdockError
from gateway.exchange import Exchange
from gateway.identity import Secret
from gateway.model import Caller, ObjectRef
from gateway.telemetry import log_to
from tests.harness import key_of
from tests.s3.raw import Reply
from tests.security.attempts import ATTEMPTS, MEMBER, WITHDRAWN, Aim
from tests.security.test_hidden_is_absent import answer
from tests.security.trail import recorded
from tests.security.world import SECRET_KEY, Prey, Watched

CANARY = "canary7f3a"
TOPOLOGY = f"""
parties:
  acme:
    store: {{type: file, path: stores/{CANARY}-path}}
    create_buckets: ["acme-*"]
    principals: [{{name: erp}}, {{name: {CANARY}-person}}]
  globex:
    store: {{type: file, path: stores/globex}}
    create_buckets: ["globex-*"]
    principals: [{{name: wms}}]
  hooli:
    store: {{type: file, path: stores/hooli}}
    principals: [{{name: bot}}]
buckets:
  orders:
    owner: acme
    members: {{acme: {{write: ["**"]}}, globex: {{}}, hooli: {{}}}}
"""
ACME = f"""
party: acme
sends:
  - {{id: {CANARY}-rule, bucket: orders, keys: ["both/**"], to: {{globex: copy, hooli: copy}}}}
  - {{id: {CANARY}-other, bucket: orders, keys: ["{CANARY}/**"], to: {{hooli: share}}}}
forbids:
  - {{id: {CANARY}-forbid, keys: ["{CANARY}-no/**"], to: ["*"]}}
"""
GLOBEX = """
party: globex
accepts: [{id: all, from: [acme], bucket: orders, into: "in/{key}"}]
"""
HOOLI = f"""
party: hooli
accepts: [{{id: {CANARY}-accept, from: [acme], bucket: orders, into: "{CANARY}-target/{{key}}"}}]
"""
FILES = {"topology.yaml": TOPOLOGY, "acme.yaml": ACME, "globex.yaml": GLOBEX, "hooli.yaml": HOOLI}
HIDDEN = f"{CANARY}/secret.csv"
SHARED = "both/shared.csv"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with Watched(tmp_path_factory.mktemp("canaries"), FILES) as running:
        s3 = running.client(f"acme/{CANARY}-person")
        s3.create_bucket(Bucket=f"acme-{CANARY}")
        for key in (HIDDEN, f"{CANARY}-no/x", f"{CANARY}"):
            s3.put_object(
                Bucket="orders", Key=key, Body=CANARY.encode(), Metadata={CANARY: CANARY},
                Tagging=f"{CANARY}={CANARY}", ContentType=f"text/{CANARY}",
            )  # fmt: skip
        s3.put_object(Bucket="orders", Key=SHARED, Body=b"for both")
        s3.create_multipart_upload(Bucket="orders", Key=f"{CANARY}/upload")
        running.drain()
        s3.get_object(Bucket="orders", Key=SHARED)
        running.client("hooli/bot").get_object(Bucket="orders", Key=SHARED)
        yield running


def bare(reply: Reply, *asked: str) -> str:
    """All that a reply says, less what its reader has said itself."""
    text = repr(reply)
    for each in asked:
        text = text.replace(each, "")
    return text


def test_no_answer_of_the_s3_door_holds_a_canary(gateway: Watched) -> None:
    aim = Aim(HIDDEN, "0" * 32, "1" * 32, "2" * 32, "globex-mine/x", "3" * 32)
    gateway.client(MEMBER).create_bucket(Bucket="globex-mine")
    for attempt in ATTEMPTS:
        filled = attempt.filled(aim)
        reply = answer(gateway, filled, MEMBER)
        assert CANARY not in bare(reply, HIDDEN, HIDDEN.replace("/", "%2F")), attempt


def test_no_read_of_a_shared_version_tells_of_other_recipients(gateway: Watched) -> None:
    for target in (SHARED, f"{SHARED}?tagging", f"{SHARED}?partNumber=1"):
        for method in ("GET", "HEAD"):
            reply = gateway.ask(MEMBER, method, f"/orders/{target}")
            assert CANARY not in repr(reply)
            assert "hooli" not in repr(reply)
    for query in ("", "?list-type=2&fetch-owner=true", "?versions", "?uploads"):
        reply = gateway.ask(MEMBER, "GET", f"/orders{query}")
        assert reply.status == 200
        assert CANARY not in repr(reply)
        assert "hooli" not in repr(reply)


def test_history_holds_no_canary_and_no_counter(gateway: Watched) -> None:
    caller = gateway.caller(MEMBER)
    stories = gateway.run(gateway.exchange.history.of(caller, ObjectRef("orders", SHARED)))
    assert len(stories) == 1
    assert CANARY not in repr(stories)
    assert "hooli" not in repr(stories)
    assert {g.party for g in stories[0].grants} == {"globex"}
    assert [(d.party, d.id, d.rule) for d in stories[0].deliveries] == [("globex", 0, "")]
    assert not any(g.rule or g.revision for g in stories[0].grants)


def test_an_author_learns_no_partners_places_from_history(gateway: Watched) -> None:
    caller = gateway.caller("acme/erp")
    stories = gateway.run(gateway.exchange.history.of(caller, ObjectRef("orders", SHARED)))
    deliveries = stories[0].deliveries
    assert {d.party for d in deliveries} == {"globex", "hooli"}
    assert all(d.receipt for d in deliveries)
    assert not any(d.target or d.store or d.error or d.id for d in deliveries)


def test_health_is_bare(gateway: Watched) -> None:
    for path in ("/-/health", "/-/ready", "/-/metrics", "/-/api/v1/history"):
        assert gateway.ask(MEMBER, "GET", path).body == b""


def test_audit_openings_hold_no_canary(gateway: Watched) -> None:
    """But `both/` is shared: globex is told of that write, and of its own decision alone."""
    records = gateway.run(recorded(gateway.catalog, gateway.events))
    assert any(CANARY in repr(record) for record in records)
    told = [opening for record in records for opening in open_for(record, "globex")]
    assert any(o.field == "key" and o.value == SHARED for o in told)
    own = {o.value for record in records if record.value("party") == "globex"
           for o in record.fields if o.field == "key"}  # fmt: skip
    assert not [o for o in told if CANARY in str(o.value) and o.value not in own]
    assert not [o for o in told if o.value == "hooli" or o.field.endswith("/hooli")]


def test_ids_are_no_counters(gateway: Watched) -> None:
    """Two versions one after the other: nothing of the second follows from the first."""
    s3 = gateway.client("acme/erp")
    ids = [
        s3.put_object(Bucket="orders", Key=f"both/{n}", Body=b"x")["VersionId"] for n in range(20)
    ]
    uploads = [
        s3.create_multipart_upload(Bucket="orders", Key="both/u")["UploadId"] for _ in range(20)
    ]
    requests = [gateway.ask(MEMBER, "GET", "/").headers["x-amz-request-id"] for _ in range(20)]
    for kind in (ids, uploads, requests):
        numbers = [int(each, 16) for each in kind]
        steps = {b - a for a, b in itertools.pairwise(numbers)}
        assert len(steps) == 19
        assert min(map(abs, steps)) > 1 << 32


# --- logs --------------------------------------------------------------------------------------


def test_logs_hold_no_secret_whatever_is_asked(gateway: Watched, tmp_path: Path) -> None:
    secret = key_of(MEMBER)[1]
    path = tmp_path / "log"
    with path.open("w") as stream:
        undo = log_to(stream, "debug")
        try:
            reply = gateway.ask(MEMBER, "GET", f"/orders/{SHARED}")
            gateway.ask("nobody/here", "GET", "/orders?X-Amz-Signature=0123")
            signatures = [gateway.ask(MEMBER, "GET", f"/orders/{n}").code for n in range(5)]
        finally:
            undo()
    text = path.read_text()
    assert reply.status == 200
    assert signatures
    assert secret not in text
    assert "Signature=0123" not in text
    assert repr(Secret(secret)) == "***"


# --- time --------------------------------------------------------------------------------------

CALLS = 3000
RATIO_MAX = 1.5
WITHDRAWN_S_MAX = 0.0002
TRIES = 5


async def times(exchange: Exchange, caller: Caller, keys: tuple[str, str]) -> list[float]:
    """The median time of a refused look at each key; the calls alternate, so that what slows the
    machine slows both."""
    taken: tuple[list[float], list[float]] = ([], [])
    for n in range(CALLS):
        for which in (0, 1) if n % 2 else (1, 0):
            began = time.perf_counter()
            try:
                await exchange.objects.look(caller, ObjectRef("orders", keys[which]))
            except CrossdockError:
                taken[which].append(time.perf_counter() - began)
    assert len(taken[0]) == len(taken[1]) == CALLS
    return [statistics.median(each) for each in taken]


def test_hidden_and_absent_take_the_same_time(gateway: Watched) -> None:
    """A generous bound, tried again before it fails: the machine is shared."""
    caller, ratios = gateway.caller(MEMBER), []
    keys = (HIDDEN, HIDDEN.replace("secret", "absent"))
    for _ in range(TRIES):
        hidden, absent = gateway.run(times(gateway.exchange, caller, keys))
        ratios.append(max(hidden, absent) / min(hidden, absent))
        if ratios[-1] < RATIO_MAX:
            return
    pytest.fail(f"medians differ by {ratios}")


def test_withdrawn_takes_hardly_longer_than_absent(watched: Watched, prey: Prey) -> None:
    """The grant is still in the catalog, so policy is asked about the version: that costs some
    microseconds, which must stay far below what a network adds."""
    caller, differences = watched.caller(WITHDRAWN), []
    for key in (SECRET_KEY,) * TRIES:
        keys = (key, key.replace("secret", "absent"))
        hidden, absent = watched.run(times(watched.exchange, caller, keys))
        differences.append(hidden - absent)
        if differences[-1] < WITHDRAWN_S_MAX:
            return
    pytest.fail(f"medians differ by {differences} s; version {prey.version}")
