"""The authorization matrix of the S3 door, made from its route table: route x attempt x actor.

A refusal has the right code, leaves one audit event and touches no store. A route that is built
and has no attempt in the table fails.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.s3.address import Resource
from gateway.s3.errors import CODES
from gateway.s3.routes import OPERATIONS, Operation, Right
from tests.s3.raw import Reply, Signed, Socket, ask, posted, sign
from tests.security.attempts import (
    ACTORS,
    ATTEMPTS,
    EMPTY,
    EXPECTED,
    NARROWED,
    OPEN,
    SERVED,
    SKIPPED,
    UNSET,
    Aim,
    Attempt,
)
from tests.security.world import BUCKET_OF, SECRET_KEY, Prey, Watch, Watched

BUILT = tuple(row for row in OPERATIONS if row.built)
UNBUILT = tuple(row for row in OPERATIONS if not row.built)
ACMES = (b"secret.csv", b"shared/big", b"acme-vault")
ENTRIES = (b"<Key>", b"<CommonPrefixes>", b"<Upload>", b"<Version>", b"<DeleteMarker>")


@pytest.fixture(scope="module")
def aims(watched: Watched, prey: Prey) -> Mapping[str, Aim]:
    """By actor. Each that may write somewhere has an upload there, to copy parts into."""
    found = {}
    for actor in ACTORS:
        party = actor.partition("/")[0]
        bucket, key = BUCKET_OF.get(party, "orders"), "mine" if party in BUCKET_OF else "other/mine"
        upload = prey.upload
        if actor != "acme/auditor":
            begun = watched.client(actor).create_multipart_upload(Bucket=bucket, Key=key)
            upload = begun["UploadId"]
        found[actor] = Aim(
            SECRET_KEY, prey.version, prey.upload, prey.shared_upload, f"{bucket}/{key}", upload
        )
    return found


def signed(watched: Watched, attempt: Attempt, principal: str) -> Signed:
    body = attempt.body.encode()
    headers = dict(attempt.headers)
    return sign(watched, attempt.method, attempt.target, headers, body=body, principal=principal)


def answer(watched: Watched, attempt: Attempt, principal: str) -> Reply:
    if attempt.operation == "PostObject":  # which carries its signature in its body
        return ask(watched, *posted(watched, "orders", {"key": attempt.body}, principal=principal))
    return ask(watched, signed(watched, attempt, principal), attempt.body.encode())


def test_every_built_route_has_a_row_in_the_matrix() -> None:
    tried = {attempt.operation for attempt in ATTEMPTS}
    assert tried == {row.name for row in BUILT}


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda a: a.name)
def test_route_refuses_whoever_has_no_right(
    watched: Watched, aims: Mapping[str, Aim], attempt: Attempt, actor: str
) -> None:
    expected = EXPECTED[attempt.kind][actor]
    if expected == SKIPPED:
        return  # it may, and that would change what the other cells look at
    watch = watched.watch()
    reply = answer(watched, attempt.filled(aims[actor]), actor)
    if expected in (SERVED, EMPTY):
        assert reply.status in (200, 206, 304), reply
        assert not watch.refusals
        assert expected == SERVED or shows_nothing(reply, actor)
        return
    if expected == UNSET:
        assert reply.status == 404, reply
        assert not watch.refusals
        assert reply.code != "NoSuchBucket"
        return
    check_refusal(reply, attempt, expected)
    assert watch.journal == []
    check_event(watch, reply, actor)


def check_refusal(reply: Reply, attempt: Attempt, code: str) -> None:
    """DeleteObjects refuses key by key in a 200; a HEAD has no body to name the code in."""
    if attempt.operation == "DeleteObjects" and code == "AccessDenied":
        assert (reply.status, reply.code) == (200, code)
        assert b"<Deleted>" not in reply.body
        return
    assert reply.status == CODES[code][0], reply
    assert reply.code == ("" if attempt.method == "HEAD" else code)


def shows_nothing(reply: Reply, actor: str) -> bool:
    """A narrowed principal still sees what its prefixes cover."""
    more = () if actor == NARROWED else (*ENTRIES, b"<ID>acme")
    return not any(word in reply.body for word in (*ACMES, *more))


def check_event(watch: Watch, reply: Reply, actor: str) -> None:
    """One, the actor's own, under the request's id; nobody else may open it but the author of
    what it was about."""
    assert len(watch.refusals) == 1
    event = watch.refusals[0]
    assert f"{event.party}/{event.principal}" == actor
    assert event.request == reply.headers["x-amz-request-id"]
    assert event.bucket
    assert set(event.readers) <= {event.party, event.detail.get("author", event.party)}


# --- without a valid signature -----------------------------------------------------------------

STRANGERS = {
    "anonymous": "AccessDenied",
    "wrong-signature": "SignatureDoesNotMatch",
    "unknown-key": "InvalidAccessKeyId",
    "revoked-key": "InvalidAccessKeyId",
}


def strange(watched: Watched, attempt: Attempt, how: str) -> bytes:
    """The request's head: unsigned, spoilt, or signed by a key that is not in force."""
    principal = {"unknown-key": "nobody/here", "revoked-key": "acme/leaver"}.get(how, "acme/erp")
    made = signed(watched, attempt, principal)
    headers = dict(made.headers)
    if how == "anonymous":
        del headers["Authorization"]
    if how == "wrong-signature":
        last = headers["Authorization"][-1]
        headers["Authorization"] = headers["Authorization"][:-1] + ("0" if last != "0" else "1")
    return Signed(made.method, made.target, headers).head(f"Content-Length: {len(attempt.body)}")


@pytest.mark.parametrize("how", STRANGERS)
@pytest.mark.parametrize("attempt", [a for a in ATTEMPTS if a.kind != OPEN], ids=lambda a: a.name)
def test_route_refuses_strangers_before_anything_is_asked(
    watched: Watched, aims: Mapping[str, Aim], attempt: Attempt, how: str
) -> None:
    filled = attempt.filled(aims["acme/scanner"])
    watch = watched.watch()
    with Socket(watched) as connection:
        head = strange(watched, filled, how)
        reply = connection.ask(head + filled.body.encode(), attempt.method)
    assert reply.status == 403
    assert reply.code == ("" if attempt.method == "HEAD" else STRANGERS[how])
    assert watch.events == []
    assert watch.journal == []
    assert watch.strangers == ["127.0.0.1"]


@pytest.mark.parametrize("how", STRANGERS)
@pytest.mark.parametrize("attempt", [a for a in ATTEMPTS if a.kind == OPEN], ids=lambda a: a.name)
def test_what_needs_no_right_is_told_to_strangers_as_to_members(
    watched: Watched, attempt: Attempt, how: str
) -> None:
    watch = watched.watch()
    with Socket(watched) as connection:
        told = connection.ask(strange(watched, attempt, how), attempt.method)
    known = answer(watched, attempt, "acme/erp")
    varying = {"date": "", "x-amz-request-id": ""}
    assert (told.status, {**told.headers, **varying}) == (200, {**known.headers, **varying})
    assert (watch.events, watch.journal, watch.strangers) == ([], [], [])


def test_only_preflights_need_no_right() -> None:
    free = [row.name for row in OPERATIONS if row.right is Right.NONE]
    assert sorted(free) == ["PreflightBucket", "PreflightObject"]
    assert {a.operation for a in ATTEMPTS if a.kind == OPEN} == {*free}


@pytest.mark.parametrize("row", UNBUILT, ids=lambda row: row.name)
def test_unbuilt_route_is_told_to_signers_alone_and_does_nothing(
    watched: Watched, row: Operation
) -> None:
    path = {Resource.SERVICE: "/", Resource.BUCKET: "/orders"}.get(row.resource, "/orders/a")
    query = "&".join(f"{name}={value}" for name, value in row.params.items())
    headers = {row.header: "x"} if row.header else {}
    attempt = Attempt(row.name, "", row.method, f"{path}?{query}", headers)
    watch = watched.watch()
    with Socket(watched) as connection:
        assert connection.ask(strange(watched, attempt, "anonymous")).code == "AccessDenied"
    assert answer(watched, attempt, "acme/erp").code == "NotImplemented"
    assert (watch.events, watch.journal) == ([], [])
