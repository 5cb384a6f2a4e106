"""What a party may not see is, for it, exactly what is not there: status, headers, body, effect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.s3.raw import Reply, ask, sign
from tests.security.attempts import ATTEMPTS, MEMBER, NARROWED, OUTSIDER, WITHDRAWN, Aim, Attempt
from tests.security.world import ACME, BUCKET_OF, FILES, SECRET_KEY, Prey, Watched

ABSENT_KEY = "invoices/absent.csv"
ABSENT_ID = "0123456789abcdef0123456789abcdef"
ON_KEYS = [a for a in ATTEMPTS if "{key}" in a.target + a.body + "".join(a.headers.values())]
VARYING = frozenset({"date", "x-amz-request-id"})
IDS = re.compile(rb"<RequestId>[^<]*</RequestId>|<UploadId>[^<]*</UploadId>")


@pytest.fixture(scope="module")
def own_uploads(watched: Watched) -> dict[str, tuple[str, str]]:
    """By actor: a key of its own, and an open upload for it."""
    found = {}
    for actor in (OUTSIDER, MEMBER, WITHDRAWN, NARROWED):
        bucket = BUCKET_OF.get(actor.partition("/")[0], "orders")
        key = "hidden" if bucket != "orders" else "other/hidden"
        begun = watched.client(actor).create_multipart_upload(Bucket=bucket, Key=key)
        found[actor] = (f"{bucket}/{key}", begun["UploadId"])
    return found


def answer(gateway: Watched, attempt: Attempt, principal: str) -> Reply:
    body = attempt.body.encode()
    signed = sign(
        gateway,
        attempt.method,
        attempt.target,
        dict(attempt.headers),
        body=body,
        principal=principal,
    )
    return ask(gateway, signed, body)


def comparable(reply: Reply, aim: Aim) -> tuple[object, ...]:
    """The answer without what differs between any two: ids, the date, and what was asked for."""
    body = reply.body
    for asked in (aim.key, aim.key.replace("/", "%2F"), aim.version, aim.upload):
        body = body.replace(asked.encode(), b"?")
    headers = {name: value for name, value in reply.headers.items() if name not in VARYING}
    headers["content-length"] = "" if body != reply.body else headers.get("content-length", "")
    return reply.status, headers, IDS.sub(b"", body)


@pytest.mark.parametrize("actor", [OUTSIDER, MEMBER, WITHDRAWN, NARROWED])
@pytest.mark.parametrize("attempt", ON_KEYS, ids=lambda a: a.name)
def test_hidden_and_absent_are_answered_alike(
    watched: Watched,
    prey: Prey,
    own_uploads: dict[str, tuple[str, str]],
    attempt: Attempt,
    actor: str,
) -> None:
    own, upload = own_uploads[actor]
    hidden = Aim(SECRET_KEY, prey.version, prey.upload, prey.shared_upload, own, upload)
    absent = replace(hidden, key=ABSENT_KEY, version=ABSENT_ID, upload=ABSENT_ID)
    assert len(ABSENT_KEY) == len(SECRET_KEY)
    replies = [
        comparable(answer(watched, attempt.filled(aim), actor), aim) for aim in (hidden, absent)
    ]
    assert replies[0] == replies[1]


@pytest.mark.parametrize("actor", [MEMBER, WITHDRAWN])
@pytest.mark.parametrize(
    "query",
    [
        "prefix={p}", "list-type=2&prefix={p}", "versions&prefix={p}", "uploads&prefix={p}",
        "delimiter=%2F", "prefix={p}&delimiter=%2F", "prefix={p}&max-keys=1",
        "list-type=2&prefix={p}&max-keys=1", "list-type=2&prefix={p}&max-keys=0",
        "marker={p}", "list-type=2&start-after={p}", "versions&key-marker={p}",
    ],
)  # fmt: skip
def test_lists_of_hidden_and_absent_prefixes_are_alike(
    watched: Watched, actor: str, query: str
) -> None:
    bodies = []
    for prefix in ("invoices%2Fsecre", "invoices%2Fabsen"):
        reply = watched.ask(actor, "GET", f"/orders?{query.format(p=prefix)}")
        assert reply.status == 200
        bodies.append(reply.body.replace(b"secre", b"?").replace(b"absen", b"?"))
    assert bodies[0] == bodies[1]
    assert b"<Contents>" not in bodies[0]
    assert b"<CommonPrefixes>" not in bodies[0]
    assert b"<IsTruncated>true" not in bodies[0]


def test_hidden_buckets_are_like_absent_ones(watched: Watched) -> None:
    for actor in (OUTSIDER, MEMBER, WITHDRAWN):
        for query in ("", "?location", "?versioning", "?list-type=2", "?versions", "?uploads"):
            there = watched.ask(actor, "GET", f"/acme-vault{query}")
            nowhere = watched.ask(actor, "GET", f"/acme-fault{query}")
            assert (
                (there.status, there.code)
                == (nowhere.status, nowhere.code)
                == (
                    404,
                    "NoSuchBucket",
                )
            )
            assert IDS.sub(b"", there.body) == IDS.sub(b"", nowhere.body).replace(
                b"fault", b"vault"
            )


# --- conditions --------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with Watched(tmp_path_factory.mktemp("shared")) as running:
        yield running


def lose_authorship(gateway: Watched) -> None:
    """acme may write shared/ no more: what it wrote there hooli holds, but no longer sees."""
    text = FILES["topology.yaml"].replace('"shared/**", "canary/**"', '"canary/**"')
    gateway.edit_policy("topology.yaml", text)


def test_conditional_writes_do_not_tell_of_a_hidden_version(shared: Watched) -> None:
    acme, hooli = shared.client("acme/erp"), shared.client("hooli/bot")
    etag = acme.put_object(Bucket="orders", Key="shared/k", Body=b"hidden")["ETag"]
    assert hooli.head_object(Bucket="orders", Key="shared/k")["ETag"] == etag
    lose_authorship(shared)
    for key in ("shared/k", "shared/absent"):
        with pytest.raises(hooli.exceptions.ClientError, match="NoSuchKey"):
            hooli.put_object(Bucket="orders", Key=key, Body=b"x", IfMatch=etag)
        hooli.put_object(Bucket="orders", Key=key, Body=b"mine", IfNoneMatch="*")
    assert hooli.get_object(Bucket="orders", Key="shared/k")["Body"].read() == b"mine"


def test_deleting_a_hidden_version_by_its_id_is_like_deleting_none(shared: Watched) -> None:
    acme = shared.client("acme/erp")
    version = acme.put_object(Bucket="orders", Key="shared/k", Body=b"hidden")["VersionId"]
    lose_authorship(shared)
    replies = [
        shared.ask("hooli/bot", "DELETE", f"/orders/shared/k?versionId={name}")
        for name in (version, ABSENT_ID)
    ]
    shown = [
        (r.status, {n: v for n, v in r.headers.items() if n not in VARYING}, r.body)
        for r in replies
    ]
    shown[1][1]["x-amz-version-id"] = version
    assert shown[0] == shown[1]
    assert acme.get_object(Bucket="orders", Key="shared/k")["Body"].read() == b"hidden"


def test_deleting_what_one_may_not_see_hides_it_from_nobody(shared: Watched) -> None:
    acme = shared.client("acme/erp")
    acme.put_object(Bucket="orders", Key="shared/k", Body=b"hidden")
    lose_authorship(shared)
    assert shared.ask("hooli/bot", "DELETE", "/orders/shared/k").status == 204
    assert acme.get_object(Bucket="orders", Key="shared/k")["Body"].read() == b"hidden"


def test_a_marker_over_a_hidden_version_is_hidden_too(shared: Watched) -> None:
    """hooli held the version until a `forbids` on its tag; the marker that acme then sets is over
    something that hooli may not know of."""
    acme, hooli = shared.client("acme/erp"), shared.client("hooli/bot")
    acme.put_object(Bucket="orders", Key="invoices/k", Body=b"x", Tagging="class=pii")
    assert hooli.head_object(Bucket="orders", Key="invoices/k")
    shared.edit_policy("acme.yaml", f"{ACME}forbids:\n  - {FORBID}\n")
    acme.delete_object(Bucket="orders", Key="invoices/k")
    for target in ("/orders/invoices/k", "/orders/invoices/absent"):
        reply = shared.ask("hooli/bot", "GET", target)
        assert (reply.status, reply.code) == (404, "NoSuchKey")
        assert "x-amz-delete-marker" not in reply.headers
    listed = shared.ask("hooli/bot", "GET", "/orders?versions")
    assert b"<DeleteMarker>" not in listed.body


FORBID = '{id: pii, when: {tags: {class: [pii]}}, to: ["*"]}'
