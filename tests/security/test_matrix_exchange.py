"""The authorization matrix of the exchange itself: verb x actor, whatever door will call it.

The verbs are found by looking at the exchange's parts: one without a row fails, and so does a door
that calls what is no verb.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from gateway.catalog import Staged
from gateway.errors import CrossdockError, Denied, NotFound
from gateway.exchange import Completion, CopySource, Draft, Exchange, Expect, PartClaim, Span
from gateway.exchange.intake import EMPTY_CLAIMS
from gateway.locks import LockRule
from gateway.model import Caller, Chunks, ObjectRef, Principal, Upload, Versioning
from tests.security.attempts import (
    ACTORS,
    EMPTY,
    EXPECTED,
    SERVED,
    SKIPPED,
)
from tests.security.world import BUCKET_OF, LOUNGE, SECRET_KEY, VAULT, Prey, Watched

GATEWAY = Path(__file__).resolve().parents[2] / "gateway"
DOORS = ("s3", "api", "sftp")
INNER = frozenset(
    {
        *("objects.publish", "objects.visible", "objects.found", "objects.new_version"),
        *("consuming.deleted", "consuming.unnamed"),
        *("objects.renamed", "removals.marking", "staging.ready"),
    }
)
"""What the parts give to each other once the asking is done; no door may call these."""

PARTS = frozenset(
    [
        "objects",
        "consuming",
        "recalling",
        "removals",
        "staging",
        "tagging",
        "locking",
        "uploads",
        "listing",
        "buckets",
        "moving",
        "notifying",
        "history",
        "explaining",
    ]
)


class Unread:
    """A body that must not be touched."""

    size = 1
    algorithms: frozenset[str] = frozenset()
    claims: Mapping[str, bytes] = EMPTY_CLAIMS
    checksum = ""

    def __aiter__(self) -> Chunks:
        raise AssertionError("the body was read before policy was asked")


SECRET = ObjectRef("orders", SECRET_KEY)
SHARED = ObjectRef("orders", "shared/big")
FOLDER = ObjectRef("orders", "invoices/f/")
FROM = CopySource(SECRET)
PARTS_CLAIMED = Completion((PartClaim(1, "x"),))
NO_CONDITION, IF_ABSENT = Expect(), Expect(if_none_match=("*",))

Verb = Callable[[Exchange, Caller, Prey], Awaitable[Any]]


def staged(prey: Prey) -> Staged:
    """What somebody claims to have staged."""
    return Staged(Upload(prey.upload, SECRET, Principal("acme", "erp"), 1), 0, 0)


def own(caller: Caller) -> ObjectRef:
    """A key that the caller may write, where there is one."""
    bucket = BUCKET_OF.get(caller.party)
    return ObjectRef(bucket, "mine") if bucket else ObjectRef("orders", "other/mine")


# fmt: off
VERBS: tuple[tuple[str, str, Verb], ...] = (
    ("objects.put", "write",
     lambda e, c, p: e.objects.put(c, SECRET, Unread(), Draft(), IF_ABSENT)),
    ("objects.copy", "take", lambda e, c, p: e.objects.copy(c, FROM, own(c))),
    ("objects.copy", "take-version",
     lambda e, c, p: e.objects.copy(c, CopySource(SECRET, p.version), own(c))),
    ("objects.copy", "write",
     lambda e, c, p: e.objects.copy(c, CopySource(ObjectRef("orders", "other/seen.csv")), SECRET)),
    ("objects.look", "read", lambda e, c, p: e.objects.look(c, SECRET)),
    ("objects.peek", "bucket", lambda e, c, p: e.objects.peek(c, SECRET)),
    ("objects.look", "read-version", lambda e, c, p: e.objects.look(c, SECRET, version=p.version)),
    ("objects.look", "read", lambda e, c, p: e.objects.look(c, SECRET, as_of=1 << 62)),
    ("objects.read", "read", lambda e, c, p: e.objects.read(c, SECRET)),
    ("objects.read", "read-version", lambda e, c, p: e.objects.read(c, SECRET, version=p.version)),
    ("removals.delete", "write", lambda e, c, p: e.removals.delete(c, SECRET)),
    ("removals.delete", "write", lambda e, c, p: e.removals.delete(c, SECRET, version=p.version)),
    ("consuming.consume", "consume", lambda e, c, p: e.consuming.consume(c, SECRET)),
    ("consuming.consume", "consume",
     lambda e, c, p: e.consuming.consume(c, SECRET, moved_to="other/mine")),
    ("recalling.recall", "recall", lambda e, c, p: e.recalling.recall(c, SECRET, "globex")),
    ("recalling.recall", "recall-version",
     lambda e, c, p: e.recalling.recall(c, SECRET, "globex", version=p.version)),
    ("recalling.requests", "requests", lambda e, c, p: e.recalling.requests(c)),
    ("recalling.answer", "answer", lambda e, c, p: e.recalling.answer(c, "1", yes=True)),
    ("tagging.set_tags", "write", lambda e, c, p: e.tagging.set_tags(c, SECRET, Draft())),
    ("locking.authored", "write", lambda e, c, p: e.locking.authored(c, SECRET)),
    ("locking.set_retention", "write",
     lambda e, c, p: e.locking.set_retention(c, SECRET, ("GOVERNANCE", 1 << 62), bypass=True)),
    ("locking.set_hold", "write", lambda e, c, p: e.locking.set_hold(c, SECRET, "ON")),
    ("uploads.begin", "write", lambda e, c, p: e.uploads.begin(c, SECRET, Draft())),
    ("uploads.add_part", "write",
     lambda e, c, p: e.uploads.add_part(c, SECRET, p.upload, 2, Unread())),
    ("uploads.add_part", "coauthor",
     lambda e, c, p: e.uploads.add_part(c, SHARED, p.shared_upload, 2, Unread())),
    ("uploads.add_part_copy", "write",
     lambda e, c, p: e.uploads.add_part_copy(c, SECRET, p.upload, 2, FROM, None)),
    ("uploads.complete", "write",
     lambda e, c, p: e.uploads.complete(c, SECRET, p.upload, PARTS_CLAIMED, NO_CONDITION)),
    ("uploads.complete", "coauthor",
     lambda e, c, p: e.uploads.complete(c, SHARED, p.shared_upload, PARTS_CLAIMED, NO_CONDITION)),
    ("uploads.abort", "write", lambda e, c, p: e.uploads.abort(c, SECRET, p.upload)),
    ("uploads.abort", "coauthor", lambda e, c, p: e.uploads.abort(c, SHARED, p.shared_upload)),
    ("uploads.parts", "write", lambda e, c, p: e.uploads.parts(c, SECRET, p.upload, 0, 10)),
    ("uploads.parts", "coauthor",
     lambda e, c, p: e.uploads.parts(c, SHARED, p.shared_upload, 0, 10)),
    ("listing.keys", "list", lambda e, c, p: e.listing.keys(c, "orders", Span("invoices/"))),
    ("listing.keys", "vault-list", lambda e, c, p: e.listing.keys(c, VAULT, Span())),
    ("listing.versions", "list",
     lambda e, c, p: e.listing.versions(c, "orders", Span("invoices/"))),
    ("listing.uploads", "uploads",
     lambda e, c, p: e.listing.uploads(c, "orders", Span("invoices/"))),
    ("buckets.all", "service", lambda e, c, p: e.buckets.all(c)),
    ("buckets.one", "bucket", lambda e, c, p: e.buckets.one(c, "orders")),
    ("buckets.one", "vault", lambda e, c, p: e.buckets.one(c, VAULT)),
    ("buckets.own_policy", "told", lambda e, c, p: e.buckets.own_policy(c, "orders")),
    ("buckets.own_policy", "vault-told", lambda e, c, p: e.buckets.own_policy(c, VAULT)),
    ("buckets.refuse_policy", "own", lambda e, c, p: e.buckets.refuse_policy(c, "orders")),
    ("buckets.encrypted", "bucket", lambda e, c, p: e.buckets.encrypted(c, "orders")),
    ("buckets.cors", "open", lambda e, c, p: e.buckets.cors(VAULT)),
    ("buckets.owned", "owners", lambda e, c, p: e.buckets.owned(c, LOUNGE)),
    ("notifying.watches", "told", lambda e, c, p: e.notifying.watches(c, "orders")),
    ("notifying.watch", "watch",
     lambda e, c, p: e.notifying.watch(c, "orders", (), test=False)),
    ("buckets.create", "create", lambda e, c, p: e.buckets.create(c, "acme-fresh")),
    ("buckets.delete", "own", lambda e, c, p: e.buckets.delete(c, "orders")),
    ("buckets.set_versioning", "own",
     lambda e, c, p: e.buckets.set_versioning(c, "orders", Versioning.SUSPENDED)),
    ("buckets.ruled", "own", lambda e, c, p: e.buckets.ruled(c, "orders")),
    ("buckets.set_setting", "own",
     lambda e, c, p: e.buckets.set_setting(c, "orders", "cors", "x")),
    ("buckets.set_lock_rule", "own",
     lambda e, c, p: e.buckets.set_lock_rule(c, "orders", LockRule())),
    ("buckets.delete", "lounge", lambda e, c, p: e.buckets.delete(c, LOUNGE)),
    ("buckets.set_versioning", "lounge",
     lambda e, c, p: e.buckets.set_versioning(c, LOUNGE, Versioning.ENABLED)),
    ("staging.begin", "write", lambda e, c, p: e.staging.begin(c, SECRET, Draft())),
    ("staging.begin", "stage",
     lambda e, c, p: e.staging.begin(c, SECRET, Draft(), temporary=True)),
    ("staging.may_begin", "write", lambda e, c, p: e.staging.may_begin(c, SECRET)),
    ("staging.look", "bucket", lambda e, c, p: e.staging.look(c, SECRET)),
    ("staging.page", "bucket", lambda e, c, p: e.staging.page(c, "orders", "")),
    ("staging.append", "staged", lambda e, c, p: e.staging.append(c, staged(p), Unread())),
    ("staging.describe", "staged", lambda e, c, p: e.staging.describe(c, staged(p), {})),
    ("staging.move", "staged", lambda e, c, p: e.staging.move(c, staged(p), own(c))),
    ("staging.publish", "write",
     lambda e, c, p: e.staging.publish(c, staged(p), SECRET, NO_CONDITION)),
    ("staging.close", "staged", lambda e, c, p: e.staging.close(c, staged(p))),
    ("staging.show_time", "times", lambda e, c, p: e.staging.show_time(c, SECRET, 1)),
    ("staging.shown_times", "open", lambda e, c, p: e.staging.shown_times(c, [p.version])),
    ("staging.abandon", "staged", lambda e, c, p: e.staging.abandon(c, staged(p))),
    ("staging.dropped", "staged", lambda e, c, p: e.staging.dropped(c, staged(p))),
    ("staging.make_folder", "stage", lambda e, c, p: e.staging.make_folder(c, FOLDER)),
    ("staging.drop_folder", "stage", lambda e, c, p: e.staging.drop_folder(c, FOLDER)),
    ("staging.folders", "bucket", lambda e, c, p: e.staging.folders(c, FOLDER)),
    ("moving.rename", "consume",
     lambda e, c, p: e.moving.rename(c, SECRET, ObjectRef("orders", "invoices/y"), replaces=True)),
    ("moving.rename_folder", "list",
     lambda e, c, p: e.moving.rename_folder(c, ObjectRef("orders", "none/"), FOLDER)),
    ("history.of", "read", lambda e, c, p: e.history.of(c, SECRET)),
    ("explaining.explain", "own", lambda e, c, p: e.explaining.explain(c, "read", SECRET)),
    ("explaining.explain", "own",
     lambda e, c, p: e.explaining.explain(c, "read", SECRET, p.version)),
    ("explaining.explain", "own", lambda e, c, p: e.explaining.explain(c, "write", SECRET)),
)
# fmt: on


def verbs_of(exchange: Exchange) -> set[str]:
    """Every public method of the exchange's public parts."""
    parts = {name: part for name, part in vars(exchange).items() if not name.startswith("_")}
    assert parts.keys() == PARTS
    return {
        f"{name}.{verb}"
        for name, part in parts.items()
        for verb, _ in inspect.getmembers(type(part), inspect.isfunction)
        if not verb.startswith("_")
    }


def test_every_verb_has_a_row_in_the_matrix(watched: Watched) -> None:
    assert verbs_of(watched.exchange) == {name for name, _, _ in VERBS} | INNER


def test_no_door_reaches_what_the_worker_alone_does() -> None:
    """Lifecycle acts for a bucket's owner without being asked by anybody."""
    attributes = [
        node
        for door in DOORS
        for path in GATEWAY.joinpath(door).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
    ]
    assert attributes
    assert not [node for node in attributes if node.attr == "lifecycle"]
    assert not [node for node in attributes if getattr(node.value, "attr", "") == "lifecycle"]


def test_doors_call_verbs_alone() -> None:
    """The parts' inner steps ask nothing: a door that called one would pass by policy."""
    called = set()
    paths = [path for door in DOORS for path in GATEWAY.joinpath(door).rglob("*.py")]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                name = f"{node.value.attr}.{node.attr}"
                called |= {name} if node.value.attr in PARTS else set()
    assert called
    assert called <= {name for name, _, _ in VERBS}


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize(("name", "kind", "verb"), VERBS, ids=[f"{v[0]}-{v[1]}" for v in VERBS])
def test_verb_refuses_whoever_has_no_right(
    watched: Watched, prey: Prey, name: str, kind: str, verb: Verb, actor: str
) -> None:
    expected = EXPECTED[kind][actor]
    if expected == SKIPPED:
        return  # it may, and that would change what the other cells look at
    caller = watched.caller(actor, f"{name} by {actor}")
    watch = watched.watch()
    error: CrossdockError | None = None
    try:
        watched.run(called(verb, watched.exchange, caller, prey))
    except CrossdockError as raised:
        error = raised
    assert watch.journal == []
    if expected in (SERVED, EMPTY):
        assert error is None
        assert not watch.refusals
        return
    assert type(error).__name__ == NAMES.get(expected, expected)
    assert isinstance(error, Denied | NotFound)
    assert [event.request for event in watch.refusals] == [caller.request]
    assert watch.refusals[0].party == caller.party
    assert watch.refusals[0].principal == caller.principal.name


NAMES = MappingProxyType({"AccessDenied": "Denied"})


async def called(verb: Verb, exchange: Exchange, caller: Caller, prey: Prey) -> Any:
    return await verb(exchange, caller, prey)
