"""Copies that are asked back, over the real exchange and courier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.catalog import Lane, Outcome, Request
from gateway.errors import BadInput, CrossdockError, Denied, NoSuchKey, NoSuchRequest, NoSuchVersion
from gateway.exchange import recalling
from gateway.exchange.recalling import recall_by_operator
from gateway.model import Caller, Delivery, DeliveryKind, DeliveryState, May, Principal
from tests.model.world import HOUR, World, caller, ref

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, principals: [{name: erp}]}
  globex: {store: {type: file, path: g}, principals: [{name: erp}]}
  hooli: {store: {type: file, path: h}, principals: [{name: erp}]}
  umbra: {principals: [{name: erp}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["**"]}, globex: {}, hooli: {}}}
"""
SENDS = (
    'party: acme\nsends:\n  - {bucket: orders, keys: ["**"], to: {globex: copy, hooli: share}}\n'
)
AGREES = (
    'party: globex\naccepts:\n  - {from: [acme], bucket: orders, into: "in/{key}", recall: yes}\n'
)
SILENT = AGREES.replace(", recall: yes", "")
HOOLI = "party: hooli\naccepts:\n  - {from: [acme], bucket: orders}\n"
FILES = {"topology.yaml": TOPOLOGY, "acme.yaml": SENDS, "globex.yaml": AGREES, "hooli.yaml": HOOLI}
RECALL = DeliveryKind.RECALL


@pytest.fixture
def world() -> Iterator[World]:
    world = World(FILES)
    yield world
    world.close()


@pytest.fixture
def silent() -> Iterator[World]:
    """A world where globex's rules say nothing of recalls."""
    world = World({**FILES, "globex.yaml": SILENT})
    world.put("acme", "k", b"one", {})
    world.drain()
    yield world
    world.close()


def recall(world: World, version: str = "", party: str = "globex") -> recalling.Outcome:
    verb = world.exchange.recalling.recall(caller("acme"), ref("k"), party, version=version)
    return world.run(verb)


def asked(world: World, party: str = "globex") -> list[Request]:
    verb = world.exchange.recalling.requests(caller(party), own=party == "acme")
    return list(world.run(verb))


def answer(world: World, request: str, party: str = "globex", *, yes: bool) -> Request:
    verb = world.exchange.recalling.answer(caller(party), request, yes=yes, note="as you wish")
    return world.run(verb)


def made(world: World, kind: DeliveryKind = RECALL) -> list[Delivery]:
    story = world.run(world.catalog.story(ref("k")))
    return [d for version in reversed(story) for d in version.deliveries if d.kind is kind]


def records(world: World) -> int:
    return world.run(world.catalog.size())


def test_a_copy_comes_back_where_its_owner_agrees(world: World) -> None:
    version = world.put("acme", "k", b"one", {})
    world.drain()
    done = recall(world)
    assert (done.version, done.removals, done.request, done.reads) == (version.id, 1, "", True)
    assert world.copies() == {"in/k": b"one"}
    world.drain()
    assert world.copies() == {}
    (removal,) = made(world)
    assert removal.state is DeliveryState.DONE
    assert removal.receipt is not None
    (copy,) = made(world, DeliveryKind.COPY)
    assert copy.gone == "recall"
    assert removal.receipt.sha256 == copy.receipt.sha256 if copy.receipt else ""
    world.converge()
    world.drain()
    assert world.copies() == {}  # it is not sent again
    assert world.read("globex", "k") == b"one"  # the grant is as it was
    world.put("acme", "k", b"two", {})
    world.drain()
    assert world.copies() == {"in/k": b"two"}


def test_what_was_not_sent_is_not_sent(world: World) -> None:
    world.put("acme", "k", b"one", {})
    done = recall(world)
    assert done.removals == 0
    world.drain()
    assert world.copies() == {}
    assert [d.state for d in made(world, DeliveryKind.COPY)] == [DeliveryState.CANCELLED]


def test_a_recall_works_after_a_withdrawal_and_after_a_delete(world: World) -> None:
    version = world.put("acme", "k", b"one", {})
    world.drain()
    world.edit({**FILES, "acme.yaml": "party: acme\n"})
    world.converge()
    world.delete("acme", "k")
    world.delete("acme", "k", version.id)
    done = recall(world)
    assert (done.removals, done.reads) == (1, False)
    world.converge()
    world.drain()
    assert world.copies() == {}


def test_what_was_called_back_unsent_is_not_sent_by_a_later_policy(world: World) -> None:
    world.put("acme", "k", b"one", {})
    recall(world)
    for acme in ("party: acme\n", SENDS.replace('["**"]', '["**"], since: always')):
        world.edit({**FILES, "acme.yaml": acme})
        world.converge()
    world.drain()
    assert world.copies() == {}


def test_a_delete_and_an_undelete_do_not_bring_it_back() -> None:
    world = World(
        {
            **FILES,
            "acme.yaml": SENDS.replace("share}", "share}, deletes: follow"),
            "globex.yaml": AGREES.replace("recall: yes", "recall: yes, deletes: follow"),
        }
    )
    for early in (False, True):  # the recall before the delete, or behind it
        world.put("acme", "k", b"one", {})
        world.drain()
        version = world.run(world.catalog.story(ref("k")))[0].version.id
        if not early:
            recall(world, version)
        marker = world.delete("acme", "k")
        if early:
            recall(world, version)
        world.drain()
        assert world.copies() == {}
        world.delete("acme", "k", marker)
        world.drain()
        assert world.copies() == {}
    world.close()


def test_a_recall_is_made_before_a_newer_version_comes(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    recall(world)
    newer = world.put("acme", "k", b"two", {})
    assert [d.state for d in made(world)] == [DeliveryState.PENDING]
    world.delete("acme", "k", newer.id)
    world.drain()
    assert world.copies() == {}
    world.put("acme", "k", b"three", {})
    world.drain()
    assert world.copies() == {"in/k": b"three"}


def test_a_copy_under_way_that_fails_is_not_tried_again(world: World) -> None:
    version = world.put("acme", "k", b"one", {})
    (claim,) = world.run(world.catalog.claim(Lane("globex", "home"), 9, world.now, HOUR))
    assert recall(world).removals == 1
    failed = Outcome(DeliveryState.PENDING, world.now)
    delivery = claim.delivery
    assert world.run(world.catalog.settle(delivery.id, delivery.token, failed, None))
    assert [d.state for d in made(world, DeliveryKind.COPY)] == [DeliveryState.CANCELLED]
    world.drain()
    assert world.copies() == {}
    assert made(world)[0].version == version.id


def test_only_that_version_is_taken_away(world: World) -> None:
    first = world.put("acme", "k", b"one", {})
    world.drain()
    world.put("acme", "k", b"two", {})
    assert recall(world, first.id).removals == 1
    world.drain()
    assert world.copies() == {"in/k": b"two"}
    assert recall(world, first.id).removals == 0


def test_consent_that_was_taken_back_ends_a_recall(world: World) -> None:
    world.put("acme", "k", b"one", {})
    world.drain()
    recall(world)
    world.edit({**FILES, "globex.yaml": SILENT})
    world.drain()
    assert world.copies() == {"in/k": b"one"}
    assert [d.state for d in made(world)] == [DeliveryState.WITHDRAWN]


def test_without_consent_the_owner_is_asked_once_and_says_yes(silent: World) -> None:
    done = recall(silent)
    assert done.removals == 0
    assert recall(silent).request == done.request != ""
    silent.drain()
    assert silent.copies() == {"in/k": b"one"}
    (request,) = asked(silent)
    assert (request.id, request.party, request.asked_by) == (done.request, "globex", "acme")
    assert asked(silent, "acme") == [request]
    before = records(silent)
    assert answer(silent, request.id, yes=True).answer == "yes"
    assert records(silent) == before + 1
    silent.drain()
    assert silent.copies() == {}
    (told,) = asked(silent, "acme")
    assert (told.answer, told.answerer, told.note) == ("yes", "globex", "as you wish")
    with pytest.raises(NoSuchRequest):
        answer(silent, request.id, yes=False)


def test_the_owner_may_say_no_and_be_asked_again(silent: World) -> None:
    first = recall(silent).request
    answer(silent, first, yes=False)
    silent.drain()
    assert silent.copies() == {"in/k": b"one"}
    assert recall(silent).request not in ("", first)


def test_a_request_that_a_delete_made_is_answered_alike() -> None:
    sends = SENDS.replace("share}", "share}, deletes: follow")
    world = World({**FILES, "acme.yaml": sends, "globex.yaml": SILENT})
    world.put("acme", "k", b"one", {})
    world.drain()
    world.delete("acme", "k")
    (request,) = asked(world)
    assert request.kind is DeliveryKind.REMOVAL
    answer(world, request.id, yes=True)
    world.drain()
    assert world.copies() == {}
    world.close()


def test_only_who_was_asked_answers(silent: World) -> None:
    request = recall(silent).request
    for party in ("acme", "hooli", "umbra"):
        with pytest.raises(NoSuchRequest):
            answer(silent, request, party, yes=True)
    assert asked(silent, "hooli") == asked(silent, "umbra") == []
    narrowed = Caller(Principal("globex", "erp", May.BOTH, ("other/",)), "test")
    assert silent.run(silent.exchange.recalling.requests(narrowed)) == []
    with pytest.raises(NoSuchRequest):
        silent.run(silent.exchange.recalling.answer(narrowed, request, yes=True))
    reader = Caller(Principal("globex", "erp", May.READ), "test")
    with pytest.raises(Denied):
        silent.run(silent.exchange.recalling.answer(reader, request, yes=True))


@pytest.mark.parametrize("version", ["", "own"])
def test_only_the_author_asks(silent: World, version: str) -> None:
    named = silent.run(silent.catalog.story(ref("k")))[0].version.id if version else ""
    before = records(silent)
    for party in ("globex", "hooli", "umbra"):
        verb = silent.exchange.recalling.recall(caller(party), ref("k"), "globex", version=named)
        with pytest.raises(CrossdockError) as error:
            silent.run(verb)
        absent = NoSuchVersion if version else NoSuchKey
        assert party == "umbra" or type(error.value) is absent
    assert records(silent) == before


def test_whom_nothing_was_sent_nothing_is_asked(silent: World) -> None:
    before = records(silent)
    done = recall(silent, party="hooli")
    assert (done.removals, done.request, done.reads) == (0, "", True)
    assert records(silent) == before
    for nonsense in ("acme", "nobody"):
        with pytest.raises(BadInput):
            recall(silent, party=nonsense)


def test_the_operator_may_ask_for_any_version(silent: World) -> None:
    verb = recall_by_operator(silent.catalog, silent.mesh, ref("k"), "globex", "", silent.now)
    done = silent.run(verb)
    (request,) = asked(silent)
    assert (request.id, request.asked_by) == (done.request, "")
    with pytest.raises(NoSuchKey):
        silent.run(
            recall_by_operator(silent.catalog, silent.mesh, ref("x"), "globex", "", silent.now)
        )
