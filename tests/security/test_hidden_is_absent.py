"""What a party may not see is, for it, exactly what is not there: status, headers, body, effect."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.s3.raw import Reply, ask, posted, sign
from tests.security.attempts import ATTEMPTS, MEMBER, NARROWED, OUTSIDER, WITHDRAWN, Aim, Attempt
from tests.security.world import ACME, BUCKET_OF, FILES, SECRET_BODY, SECRET_KEY, Prey, Watched

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
    if attempt.operation == "PostObject":  # which carries its signature in its body
        return ask(gateway, *posted(gateway, "orders", {"key": attempt.body}, principal=principal))
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


class Noted:
    """The catalog, and the names of the calls that it got."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._inner, name)


@pytest.mark.parametrize("actor", [OUTSIDER, MEMBER, WITHDRAWN, NARROWED])
def test_hidden_and_absent_cost_the_same_calls(
    watched: Watched, prey: Prey, own_uploads: dict[str, tuple[str, str]], actor: str
) -> None:
    """What takes time is the catalog and the stores: neither is asked more for what is hidden."""
    own, upload = own_uploads[actor]
    hidden = Aim(SECRET_KEY, prey.version, prey.upload, prey.shared_upload, own, upload)
    absent = replace(hidden, key=ABSENT_KEY, version=ABSENT_ID, upload=ABSENT_ID)
    floor = watched.exchange._floor
    with pytest.MonkeyPatch.context() as patch:
        noted = Noted(floor.rows)
        patch.setattr(floor, "rows", noted)
        for attempt in ON_KEYS:
            calls = []
            for aim in (hidden, absent):
                noted.calls, watch = [], watched.watch()
                answer(watched, attempt.filled(aim), actor)
                calls.append((noted.calls, watch.journal))
            assert calls[0] == calls[1], attempt.name


# --- conditions, ranges and what else a header can ask of a key -----------------------------------

DATE = "Fri, 24 May 2013 00:00:00 GMT"
ASKED: tuple[dict[str, str], ...] = (
    {"if-match": "{etag}"}, {"if-match": "*"}, {"if-match": "other"}, {"if-none-match": "{etag}"},
    {"if-none-match": "*"}, {"if-modified-since": DATE}, {"if-unmodified-since": DATE},
    {"if-range": "{etag}", "range": "bytes=0-0"}, {"range": "bytes=999-"}, {"range": "bytes=-1"},
    {"x-amz-checksum-mode": "ENABLED"}, {"x-amz-expected-bucket-owner": "acme"},
    {"x-amz-expected-bucket-owner": "globex"}, {"x-crossdock-as-of": "2100-01-01T00:00:00Z"},
    {"x-amz-object-attributes": "ETag,Checksum,ObjectSize,ObjectParts,StorageClass"},
    {"x-amz-copy-source-if-match": "{etag}", "x-amz-copy-source": "/orders/{key}"},
    {"x-amz-copy-source-if-none-match": "{etag}", "x-amz-copy-source": "/orders/{key}"},
    {"x-amz-copy-source-if-unmodified-since": DATE, "x-amz-copy-source": "/orders/{key}"},
    {"x-amz-copy-source-range": "bytes=0-0", "x-amz-copy-source": "/orders/{key}"},
    {"x-amz-source-expected-bucket-owner": "acme", "x-amz-copy-source": "/orders/{key}"},
    {"x-amz-copy-source": "/orders/{key}", "x-amz-metadata-directive": "REPLACE"},
    {"x-crossdock-derived-from": "orders/{key}?versionId={version}"},
    {"x-amz-tagging": "a=b"}, {"x-amz-bypass-governance-retention": "true"},
)  # fmt: skip
PLACES = (
    ("GET", "/orders/{key}"), ("HEAD", "/orders/{key}"), ("GET", "/orders/{key}?partNumber=2"),
    ("GET", "/orders/{key}?versionId={version}"), ("HEAD", "/orders/{key}?versionId={version}"),
    ("GET", "/orders/{key}?versionId=null"), ("GET", "/orders/{key}?attributes"),
    ("GET", "/orders/{key}?tagging"), ("GET", "/orders/{key}?acl"), ("PUT", "/orders/{key}"),
    ("GET", "/orders/{key}?retention"), ("GET", "/orders/{key}?legal-hold"), ("PUT", "/{own}"),
    ("DELETE", "/orders/{key}"), ("DELETE", "/orders/{key}?versionId={version}"),
    ("PUT", "/{own}?uploadId={own_upload}&partNumber=1"), ("POST", "/orders/{key}?uploads"),
    ("GET", "/orders/{key}?uploadId={upload}"), ("GET", "/orders/{key}?response-expires=x"),
)  # fmt: skip


@pytest.mark.parametrize("actor", [OUTSIDER, MEMBER, WITHDRAWN, NARROWED])
@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_nothing_that_can_be_asked_of_a_key_tells_hidden_from_absent(
    watched: Watched,
    prey: Prey,
    own_uploads: dict[str, tuple[str, str]],
    place: tuple[str, str],
    actor: str,
) -> None:
    own, upload = own_uploads[actor]
    hidden = Aim(SECRET_KEY, prey.version, prey.upload, prey.shared_upload, own, upload)
    absent = replace(hidden, key=ABSENT_KEY, version=ABSENT_ID, upload=ABSENT_ID)
    etag = hashlib.md5(SECRET_BODY).hexdigest()
    for headers in ({}, *ASKED):
        replies = []
        for aim in (hidden, absent):
            named = {n: v.replace("{etag}", etag) for n, v in headers.items()}
            attempt = Attempt("", "", *place, headers=named).filled(aim)
            replies.append(comparable(answer(watched, attempt, actor), aim))
        assert replies[0] == replies[1], headers
        assert etag not in repr(replies)


MARKERS = (
    "versions&key-marker={key}", "versions&key-marker={key}&version-id-marker={version}",
    "versions&key-marker={key}&version-id-marker=null", "versions&prefix={key}&max-keys=1",
    "uploads&key-marker={key}", "uploads&key-marker={key}&upload-id-marker={upload}",
    "marker={key}", "list-type=2&start-after={key}", "list-type=2&prefix={key}&delimiter=t",
    "versions&key-marker={key}&version-id-marker={version}&delimiter=%2F",
)  # fmt: skip


@pytest.mark.parametrize("actor", [MEMBER, WITHDRAWN, NARROWED])
@pytest.mark.parametrize("query", MARKERS)
def test_markers_that_name_the_hidden_are_like_those_that_name_the_absent(
    watched: Watched, prey: Prey, actor: str, query: str
) -> None:
    hidden = Aim(SECRET_KEY, prey.version, prey.upload, prey.shared_upload)
    absent = replace(hidden, key=ABSENT_KEY, version=ABSENT_ID, upload=ABSENT_ID)
    replies = []
    for aim in (hidden, absent):
        escaped = replace(aim, key=aim.key.replace("/", "%2F"))
        attempt = Attempt("", "", "GET", f"/orders?{query}").filled(escaped)
        reply = answer(watched, attempt, actor)
        assert reply.status in (200, 400)
        replies.append(comparable(reply, aim))
    assert replies[0] == replies[1]


PROBES = (
    *((method, "", "") for method in ("PUT", "HEAD", "DELETE", "GET")),
    *(("GET", f"?{name}", "") for name in (
        "location", "acl", "tagging", "cors", "object-lock", "policyStatus", "lifecycle", "uploads",
        "publicAccessBlock", "ownershipControls", "versions", "versioning",
    )),
    *(("PUT", f"?{name}", "x") for name in ("acl", "tagging", "versioning", "cors", "lifecycle")),
    ("PUT", "", "<a/>"), ("POST", "?delete", "x"), ("PUT", "/k", "x"), ("GET", "/k", ""),
    ("POST", "/k?uploads", ""), ("DELETE", "/k", ""), ("HEAD", "/k", ""),
)  # fmt: skip


@pytest.mark.parametrize("actor", [OUTSIDER, MEMBER, WITHDRAWN])
def test_names_of_buckets_can_not_be_probed(watched: Watched, actor: str) -> None:
    """By whoever may not create buckets of such names, that is: who may learns what is taken."""
    for method, query, body in PROBES:
        replies = []
        for bucket in ("acme-vault", "acme-fault"):
            signed = sign(watched, method, f"/{bucket}{query}", body=body.encode(), principal=actor)
            reply = ask(watched, signed, body.encode(), f"Content-Length: {len(body)}")
            text = reply.body.replace(bucket.encode(), b"?")
            headers = {n: v for n, v in reply.headers.items() if n not in VARYING}
            replies.append((reply.status, headers, IDS.sub(b"", text)))
        assert replies[0] == replies[1], (method, query)


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
