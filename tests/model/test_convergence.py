"""What an edit of the policy makes of the files that are there already, over the real exchange."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from gateway.audit.disclosure import open_for
from gateway.audit.records import Opened, decode
from gateway.exchange.listing import Span
from gateway.model import Mode, ObjectRef, Version
from gateway.policy.rules import Policy
from tests.model.world import BITE, HOUR, START, World, caller, ref

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, create_buckets: ["acme-*"], principals: [{name: erp}]}
  globex: {store: {type: file, path: g}, principals: [{name: erp}]}
  initech: {principals: [{name: erp}]}
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["**"]}, globex: {write: ["ours/**"]}, initech: {}}
"""
GLOBEX = 'party: globex\naccepts: [{from: [acme], bucket: orders, into: "in/{key}"}]\n'
INITECH = "party: initech\naccepts: [{from: [acme]}]\n"


def sends(*rules: str) -> str:
    lines = [f"  - {{bucket: orders, keys: ['**'], {rule}}}\n" for rule in rules]
    return "party: acme\n" + ("sends:\n" + "".join(lines) if lines else "")


def files(*rules: str, **others: str) -> Mapping[str, str]:
    more = {f"{name}.yaml": text for name, text in others.items()}
    return {
        "topology.yaml": TOPOLOGY,
        "acme.yaml": sends(*rules),
        "globex.yaml": GLOBEX,
        "initech.yaml": INITECH,
        **more,
    }


@pytest.fixture
def world() -> Iterator[World]:
    world = World(dict(files()))
    yield world
    world.close()


def edit(world: World, *rules: str, **others: str) -> None:
    world.edit(dict(files(*rules, **others)))


def put(world: World, key: str = "k", content: bytes = b"one", **tags: str) -> Version:
    world.now += HOUR
    return world.put("acme", key, content, tags)


def modes(world: World, version: Version) -> dict[str, str]:
    """Who holds it, its author left out."""
    grants = world.run(world.catalog.grants_of(version.number))
    return {grant.party: grant.mode.value for grant in grants if grant.party != version.author}


def states(world: World, version: Version) -> list[str]:
    made = world.run(world.catalog.deliveries_of(version.number))
    return [delivery.state.value for delivery in made]


def converged(world: World, *rules: str, **others: str) -> None:
    edit(world, *rules, **others)
    world.converge()


# --- opening -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "opened"),
    [("always", {"k", "j"}), ("now", set()), ("2027-01-17", {"j"}), ("2027-01-18", set())],
)
def test_old_files_are_opened_as_far_back_as_the_rule_says(
    world: World, since: str, opened: set[str]
) -> None:
    assert START == 1_800_000_000 * 10**9  # 2027-01-15
    put(world, "k")
    world.now += 48 * HOUR
    put(world, "j")
    converged(world, f"to: {{initech: share}}, since: {since}")
    assert {key for key, _ in world.list("initech")} == opened
    world.now += 48 * HOUR
    put(world, "new")
    assert world.read("initech", "new") == b"one"


def test_files_written_since_the_rule_are_opened_when_consent_comes_later(world: World) -> None:
    put(world, "before")
    edit(world, "to: {initech: share}", initech="party: initech\n")
    put(world, "after")
    converged(world, "to: {initech: share}")
    assert [key for key, _ in world.list("initech")] == ["after"]


def test_an_edited_rule_takes_nothing_from_those_who_hold_old_files(world: World) -> None:
    edit(world, "to: {initech: share}")
    old = put(world)
    converged(world, "to: {initech: share, globex: share}")
    assert modes(world, old) == {"initech": "share"}
    assert world.read("initech", "k") == b"one"
    assert world.read("globex", "k") is None


def test_a_rule_that_comes_back_word_for_word_counts_from_its_first_day(world: World) -> None:
    edit(world, "to: {initech: share}")
    old = put(world)
    converged(world)
    meanwhile = put(world, "j")
    assert modes(world, old) == {}
    converged(world, "to: {initech: share}")
    assert modes(world, old) == modes(world, meanwhile) == {"initech": "share"}


def test_a_file_written_while_the_walk_goes_on_is_as_it_was_decided(world: World) -> None:
    old = put(world)
    edit(world, "to: {initech: share}, since: always")
    new = put(world, "k", b"two")
    grants = world.run(world.catalog.grants_of(new.number))
    world.converge()
    assert world.run(world.catalog.grants_of(new.number)) == grants
    assert modes(world, old) == {"initech": "share"}
    assert world.read("initech", "k") == b"two"


# --- closing -------------------------------------------------------------------------------------


def test_a_withdrawal_is_obeyed_at_once_and_then_written_down(world: World) -> None:
    edit(world, "to: {initech: share}")
    old = put(world)
    edit(world)
    assert world.read("initech", "k") is None
    assert world.list("initech") == []
    assert modes(world, old) == {"initech": "share"}
    world.converge()
    assert modes(world, old) == {}
    assert world.list("initech") == []
    (story,) = world.run(world.catalog.story(old.ref))
    assert [grant.closed > 0 for grant in story.grants if grant.party == "initech"] == [True]


def test_a_mode_gets_weaker_where_no_rule_gives_it_any_more(world: World) -> None:
    edit(world, "to: {globex: copy}")
    old = put(world)
    world.drain()
    converged(world, "to: {globex: share}")
    assert modes(world, old) == {"globex": "share"}
    assert states(world, old) == ["done"]
    assert world.copies() == {"in/k": b"one"}  # what it owns it keeps
    assert world.read("globex", "k") == b"one"


def test_a_share_becomes_a_copy_as_far_back_as_the_stronger_rule_says(world: World) -> None:
    edit(world, "to: {globex: share}")
    old = put(world)
    converged(world, "to: {globex: copy}")
    new = put(world, "j")
    world.converge()
    assert (modes(world, old), modes(world, new)) == ({"globex": "share"}, {"globex": "copy"})
    converged(world, "to: {globex: copy}, since: always")
    world.drain()
    assert modes(world, old) == {"globex": "copy"}
    assert world.copies() == {"in/k": b"one", "in/j": b"one"}


def test_nothing_is_asked_about_once_the_walk_has_passed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(world, "to: {initech: share}")
    put(world)
    edit(world, "to: {initech: share, globex: share}")
    asked: list[str] = []
    sees = Policy.sees

    def counting(self: Policy, party: str, *rest: object) -> object:
        asked.append(party)
        return sees(self, party, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Policy, "sees", counting)
    assert [key for key, _ in world.list("initech")] == ["k"]
    assert world.read("initech", "k") == b"one"
    assert asked == ["initech", "initech"]
    world.converge()
    asked.clear()
    assert [key for key, _ in world.list("initech")] == ["k"]
    assert world.read("initech", "k") == b"one"
    assert asked == []
    edit(world)
    assert world.list("initech") == []
    assert asked == ["initech"]


def test_common_prefixes_of_what_is_withdrawn_vanish_at_once(world: World) -> None:
    edit(world, "to: {initech: share}")
    put(world, "secret/a")
    put(world, "open/b")
    edit(world, "to: {initech: share}, except: ['secret/**']")

    def prefixes() -> tuple[str, ...]:
        span = Span(delimiter="/")
        return world.run(world.exchange.listing.keys(caller("initech"), "orders", span)).prefixes

    assert prefixes() == ("open/",)
    world.converge()
    assert prefixes() == ("open/",)


# --- copies --------------------------------------------------------------------------------------


def test_missing_copies_are_made_of_what_is_current(world: World) -> None:
    old, new, other = put(world), put(world, "k", b"two"), put(world, "j")
    converged(world, "to: {globex: copy}, since: always")
    assert (states(world, old), states(world, new)) == (["superseded"], ["pending"])
    world.drain()
    assert world.copies() == {"in/k": b"two", "in/j": b"one"}
    converged(world, "to: {globex: copy, initech: share}, since: always")
    assert (states(world, new), states(world, other)) == (["done"], ["done"])
    assert modes(world, old) == {"globex": "copy", "initech": "share"}


def test_where_the_target_key_names_the_version_each_has_a_copy(world: World) -> None:
    made = [put(world), put(world, "k", b"two")]
    each = GLOBEX.replace("{key}", "{key}/{version}")
    converged(world, "to: {globex: copy}, since: always", globex=each)
    world.drain()
    assert sorted(world.copies()) == sorted(f"in/k/{version.id}" for version in made)


def test_a_deleted_file_is_not_sent_but_comes_back_with_its_copy(world: World) -> None:
    old = put(world)
    marker = world.delete("acme", "k")
    converged(world, "to: {globex: copy}, since: always")
    world.drain()
    assert (world.list("globex"), world.copies()) == ([], {})
    world.delete("acme", "k", marker)
    assert world.read("globex", "k") == b"one"
    world.drain()
    assert world.copies() == {"in/k": b"one"}
    assert states(world, old) == ["superseded", "done"]


def test_promises_that_policy_makes_no_more_end_withdrawn(world: World) -> None:
    edit(world, "to: {globex: copy}")
    old = put(world)
    converged(world)
    assert states(world, old) == ["withdrawn"]
    converged(world, "to: {globex: copy}")
    assert states(world, old) == ["withdrawn", "pending"]


def test_a_copy_that_is_owed_survives_an_edit_of_its_rule(world: World) -> None:
    """The courier asks before it sends: the rule is newer than the file, and yet keeps it."""
    edit(world, "to: {globex: copy}")
    old = put(world)
    converged(world, "to: {globex: copy}, except: ['*.tmp']")
    world.drain()
    assert states(world, old) == ["done"]
    assert world.copies() == {"in/k": b"one"}


def test_another_target_is_another_copy(world: World) -> None:
    edit(world, "to: {globex: copy}")
    old, late = put(world), put(world, "j")
    world.run(world.courier.drain())
    new = put(world, "new")
    converged(world, "to: {globex: copy}", globex=GLOBEX.replace("in/", "in/box/"))
    assert (states(world, old), states(world, new)) == (
        ["done", "pending"],
        ["withdrawn", "pending"],
    )
    world.drain()
    expected = {f"in/{key}" for key in ("k", "j", "box/k", "box/j", "box/new")}
    assert set(world.copies()) == expected
    assert states(world, late) == ["done", "done"]


def test_what_a_forbidden_version_had_superseded_is_sent(world: World) -> None:
    edit(world, "to: {globex: copy}")
    first, second = put(world), put(world, "k", b"secret", kind="pii")
    forbids = "forbids: [{when: {tags: {kind: [pii]}}, to: [globex]}]\n"
    edit(world, acme=sends("to: {globex: copy}") + forbids)
    world.converge()
    assert (states(world, first), states(world, second)) == (
        ["superseded", "pending"],
        ["withdrawn"],
    )
    world.drain()
    assert world.copies() == {"in/k": b"one"}


def test_an_older_copy_is_never_sent_over_a_newer_one(world: World) -> None:
    edit(world, "to: {globex: copy}")
    first, second = put(world), put(world, "k", b"two", kind="pii")
    world.drain()
    forbids = "forbids: [{when: {tags: {kind: [pii]}}, to: [globex]}]\n"
    edit(world, acme=sends("to: {globex: copy}") + forbids)
    world.converge()
    world.drain()
    assert world.copies() == {"in/k": b"two"}
    assert world.read("globex", "k") == b"one"
    assert states(world, first) == ["superseded"]
    assert states(world, second) == ["done"]


def test_a_promise_of_copy_on_read_stays_promised(world: World) -> None:
    edit(world, "to: {globex: copy-on-read}")
    read, unread = put(world), put(world, "j")
    assert world.read("globex", "k") == b"one"
    converged(world, "to: {globex: copy-on-read}, except: ['*.tmp']")
    assert (states(world, read), states(world, unread)) == (["pending"], [])
    world.drain()
    assert world.copies() == {"in/k": b"one"}
    assert world.read("globex", "j") == b"one"
    assert states(world, unread) == ["pending"]


# --- markers, null versions, co-authors ----------------------------------------------------------


def test_a_delete_marker_follows_what_it_hid(world: World) -> None:
    old = put(world)
    marker = world.delete("acme", "k")
    again = world.delete("acme", "k")
    converged(world, "to: {initech: share}, since: always")
    shown = {each.version.id for each in world.run(world.catalog.story(ref("k"))) if each.grants}
    assert shown == {old.id, marker, again}
    assert world.list("initech") == []
    held = world.run(world.catalog.head("initech", ref("k")))
    assert held is not None
    assert (held.version.id, held.grant.mode) == (again, Mode.SHARE)
    converged(world)
    assert world.run(world.catalog.head("initech", ref("k"))) is None


def test_what_a_co_author_deleted_stays_deleted_for_everybody(world: World) -> None:
    put(world, "ours/k")
    world.delete("globex", "ours/k")
    converged(world, "to: {initech: share}, since: always")
    assert world.list("initech") == []
    assert world.read("initech", "ours/k") is None


def test_co_authors_come_and_go_with_the_topology(world: World) -> None:
    old = put(world, "ours/k")
    assert modes(world, old) == {"globex": "own"}
    alone = TOPOLOGY.replace("ours/**", "theirs/**")
    edit(world, topology=alone)
    assert world.read("globex", "ours/k") is None
    world.converge()
    assert modes(world, old) == {}
    converged(world)
    assert modes(world, old) == {"globex": "own"}


def test_an_overwritten_null_version_comes_back_for_nobody(world: World) -> None:
    acme = caller("acme")
    world.run(world.exchange.buckets.create(acme, "acme-lab"))
    lab = ObjectRef("acme-lab", "k")
    for content in (b"one", b"two"):
        world.put_at("acme", lab, content)
    rule = "sends: [{bucket: acme-lab, keys: ['**'], to: {initech: share}, since: always}]\n"
    edit(world, acme="party: acme\n" + rule)
    world.converge()
    assert world.read_at("initech", lab) == b"two"
    newest = world.run(world.catalog.head("acme", lab))
    assert newest is not None
    world.delete_at("acme", lab, newest.version.id)
    assert world.read_at("initech", lab) is None


# --- the walk ------------------------------------------------------------------------------------


def test_a_walk_goes_on_after_a_restart(world: World) -> None:
    count = 10 * BITE
    for number in range(count):
        world.put("acme", f"k{number:03}", b"x", {})
    edit(world, "to: {initech: share}, since: always")
    for _ in range(2):
        assert world.run(world.convergence.step())
    before = world.convergence.headway
    assert before is not None
    world.restart()
    world.run(world.convergence.step())
    after = world.convergence.headway
    assert after is not None
    assert 0 < after.reached < before.reached
    assert after.seen > before.seen >= BITE
    world.converge()
    assert len(world.list("initech", limit=1000)) == count
    done = world.convergence.headway
    assert done is not None
    assert (done.done, done.seen, done.total, done.left_s) == (True, count, count, 0.0)


def test_an_edit_in_the_middle_begins_anew(world: World) -> None:
    for number in range(3 * BITE):
        world.put("acme", f"k{number:03}", b"x", {})
    edit(world, "to: {initech: share}, since: always")
    assert world.run(world.convergence.step())
    converged(world, "to: {globex: share}, since: always")
    assert world.list("initech") == []
    assert len(world.list("globex", limit=1000)) == 3 * BITE
    assert not world.run(world.convergence.step())


def test_two_gateways_at_once_do_no_harm(world: World) -> None:
    made = [put(world, f"k{number:03}") for number in range(2 * BITE)]
    edit(world, "to: {globex: copy}, since: always")
    other = world.exchange.converging(lambda: 0.0)
    more = True
    while more:
        steps = [world.run(walk.step()) for walk in (other, world.convergence)]
        more = any(steps)
    assert [states(world, version) for version in made] == [["pending"]] * len(made)
    grants = [len(world.run(world.catalog.story(v.ref))[0].grants) for v in made]
    assert set(grants) == {2}


def test_a_second_walk_finds_nothing_to_change(world: World) -> None:
    edit(world, "to: {globex: copy, initech: share}")
    for number in range(3):
        put(world, f"k{number}")
    world.delete("acme", "k1")
    world.drain()
    size = world.run(world.catalog.size())
    moved = "# another line\n" + sends("to: {globex: copy, initech: share}")
    converged(world, acme=moved)
    assert world.run(world.catalog.size()) == size + 1  # the record of the edit alone


def test_each_change_is_told_to_the_parties_that_it_touches(world: World) -> None:
    old = put(world)
    size = world.run(world.catalog.size()) + 1  # behind the record of the edit
    converged(world, "to: {initech: share}, since: always")
    (record,) = (decode(r.openings) for r in world.run(world.catalog.records(size, 9)))
    assert (record.value("kind"), record.value("version")) == ("grants", old.id)
    assert said(record, "acme")["to/initech"] == "share"
    assert said(record, "acme")["by/initech"].startswith("acme.yaml:3 ")
    assert said(record, "initech")["to/initech"] == "share"
    assert "by/initech" not in said(record, "initech")
    assert said(record, "globex") == {}
    converged(world)
    (*_, record) = (decode(r.openings) for r in world.run(world.catalog.records(size, 9)))
    assert said(record, "initech")["to/initech"] == "withdrawn"


def test_whom_policy_denies_a_version_is_told_nothing_of_it_before_the_walk_comes(
    world: World,
) -> None:
    edit(world, "to: {initech: share, globex: share}")
    old, other = put(world), put(world, "j")
    edit(world, "to: {globex: share}")
    size = world.run(world.catalog.size())
    world.tag("acme", "k", old.id, {"a": "b"})
    world.delete("acme", "j")
    world.delete("acme", "j", other.id)
    records = [decode(r.openings) for r in world.run(world.catalog.records(size, 9))]
    assert [record.value("kind") for record in records] == ["tags", "marker", "unwrite"]
    assert [said(record, "initech") for record in records] == [{}, {}, {}]
    assert all(said(record, "globex") for record in records)


def said(record: Opened, party: str) -> dict[str, str]:
    return {item.field: item.value or "" for item in open_for(record, party)}
