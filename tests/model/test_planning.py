"""What a plan says is what convergence then does, over the real exchange and catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Denied
from gateway.exchange.costing import usage
from gateway.exchange.planning import Planning
from gateway.exchange.redeciding import ruling, same_rule
from gateway.model import Delivery, DeliveryKind, DeliveryState, Grant, ObjectRef, Version
from gateway.policy.costs import Usage, Use
from gateway.policy.mesh import Mesh
from gateway.policy.plan import SAMPLES_MAX, Effect, Line, Tallies
from tests.model.world import HOUR, World, mesh_of, ref

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, principals: [{name: erp}]}
  globex: {store: {type: s3, bucket: globex, endpoint: "https://s3.example", region: eu,
           credentials: {id: "env:A", secret: "env:B"}}, principals: [{name: erp}]}
  initech: {principals: [{name: erp}]}
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["**"]}, globex: {write: ["ours/**"]}, initech: {}}
"""
LESS = TOPOLOGY.replace(", initech: {}}\n", "}\n")
KEYS = ("a", "b", "ours/c")

Say = tuple[tuple[str, ...], tuple[str, ...], str, str]
"""Sends and forbids of acme's, what globex accepts, and the topology."""

RULES = st.builds(
    "{{id: {0}, bucket: orders, keys: ['{1}'], to: {{{2}}}, since: {3}{4}}}".format,
    st.sampled_from(["one", "two"]),
    st.sampled_from(["**", "a", "b"]),
    st.sampled_from(["globex: copy", "globex: share", "globex: copy-on-read", "'*': copy"]),
    st.sampled_from(["now", "always", "always"]),
    st.sampled_from(["", "", ", when: {tags: {final: ['yes']}}"]),
)
FORBIDS = st.sampled_from(
    ["{when: {tags: {class: [pii]}}, to: ['*']}", "{keys: [b], to: [globex]}"]
)
ACCEPTS = st.sampled_from(
    [
        "",
        "accepts: [{from: [acme], bucket: orders}]",
        "accepts: [{from: [acme], bucket: orders, into: 'in/{key}'}]",
        "accepts: [{from: ['*'], into: 'other/{bucket}/{key}'}]",
        "accepts: [{from: [acme], bucket: orders, into: 'in/{version}/{key}'}]",
    ]
)
POLICIES = st.tuples(
    st.lists(RULES, max_size=2, unique_by=lambda rule: rule[:9]).map(tuple),
    st.lists(FORBIDS, max_size=1).map(tuple),
    ACCEPTS,
    st.sampled_from([TOPOLOGY, TOPOLOGY, TOPOLOGY, LESS]),
)
PUTS = st.tuples(
    st.just("put"),
    st.sampled_from(KEYS),
    st.sampled_from([{}, {}, {"class": "pii"}, {"final": "yes"}]),
)
DEEDS = st.one_of(
    PUTS,
    PUTS,
    PUTS,
    st.tuples(st.just("theirs"), st.just("ours/c"), st.just({})),
    st.tuples(st.just("delete"), st.sampled_from(KEYS), st.just({})),
    st.tuples(st.just("unwrite"), st.sampled_from(KEYS), st.just({})),
    st.tuples(st.just("drain"), st.just(""), st.just({})),
    st.tuples(st.just("converge"), st.just(""), st.just({})),
    st.tuples(st.just("edit"), POLICIES, st.just({})),
)


def files(say: Say) -> dict[str, str]:
    sends, forbids, accepts, topology = say
    acme = "party: acme\n"
    for section, rules in (("sends", sends), ("forbids", forbids)):
        acme += f"{section}:\n" + "".join(f"  - {rule}\n" for rule in rules) if rules else ""
    return {
        "topology.yaml": topology,
        "acme.yaml": acme,
        "globex.yaml": f"party: globex\n{accepts}\n",
        "initech.yaml": "party: initech\naccepts: [{from: [acme]}]\n",
    }


def do(world: World, deed: tuple[object, ...]) -> None:
    what, key, tags = deed
    world.now += HOUR
    if what == "put":
        world.put("acme", str(key), b"x" * (world.now // HOUR % 7), dict(tags))  # type: ignore[call-overload]
    elif what == "theirs":
        world.put("globex", str(key), b"theirs", {})
    elif what == "delete":
        world.delete("acme", str(key))
    elif what == "unwrite":
        shown = [version for name, version in world.all_versions("acme") if name == key]
        with suppress(Denied):  # it is not acme's own
            world.delete("acme", str(key), shown[0] if shown else "")
    elif what == "drain":
        world.drain()
    elif what == "converge":
        world.converge()
    else:
        world.edit(files(key))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Seen:
    """One version with all that a plan speaks of."""

    version: Version
    grants: Mapping[str, Grant]
    deliveries: Sequence[Delivery]

    @property
    def copies(self) -> Iterator[Delivery]:
        return (each for each in self.deliveries if each.kind is DeliveryKind.COPY)


def snapshot(world: World) -> dict[str, Seen]:
    found = {}
    for key in KEYS:
        for story in world.run(world.catalog.story(ref(key))):
            if not story.unwritten and not story.purged:
                grants = {grant.party: grant for grant in story.grants if not grant.closed}
                found[story.version.id] = Seen(story.version, grants, story.deliveries)
    return found


def expected(
    old: Mesh, new: Mesh, before: Mapping[str, Seen], after: Mapping[str, Seen]
) -> Tallies:
    """The plan as it should have been, from what then happened."""
    tallies = Tallies()
    for name in sorted(before, key=lambda name: before[name].version.ref, reverse=True):
        one, other = before[name], after[name]
        if one.version.marker:
            continue
        for line in (*read_by(old, new, one, other), *copied(old, new, one, other)):
            gone = one.version.size if line.effect is Effect.COPY else 0
            tallies.add(line, one.version.ref, one.version.size, gone)
    return tallies


def sight(mesh: Mesh, seen: Seen) -> dict[str, Grant]:
    bucket = mesh.buckets["orders"]
    sees = mesh.policy.sees
    facts = seen.version.facts
    return {p: grant for p, grant in seen.grants.items() if sees(p, facts, bucket).allowed}


def read_by(old: Mesh, new: Mesh, one: Seen, other: Seen) -> Iterator[Line]:
    was, now = sight(old, one), sight(new, other)
    for party in now.keys() - was.keys():
        mode = now[party].mode.value
        yield Line(Effect.READABLE, party, ruling(now[party].rule), mode)
    for party in was.keys() - now.keys():
        yield Line(Effect.HIDDEN, party, ruling(was[party].rule), was[party].mode.value)
    for party in was.keys() & now.keys():
        first, then = was[party], now[party]
        if first.mode is not then.mode:
            how = f"{first.mode.value} to {then.mode.value}"
            yield Line(Effect.MODE, party, ruling(then.rule), how)
        elif not same_rule(first.rule, then.rule):
            yield Line(Effect.RULE, party, ruling(then.rule), then.mode.value)


def copied(old: Mesh, new: Mesh, one: Seen, other: Seen) -> Iterator[Line]:
    known = {delivery.id: delivery for delivery in one.copies}
    for copy in other.copies:
        way = f"{copy.author}/home to {copy.party}/{copy.store}"
        was = known.get(copy.id)
        if was is None and copy.state is DeliveryState.PENDING:
            yield Line(Effect.COPY, copy.party, ruling(copy.rule), way)
        elif was and was.state.open and copy.state is DeliveryState.WITHDRAWN:
            yield Line(Effect.WITHDRAWN, copy.party, ruling(copy.rule), way)
        elif was and was.receipt and not was.receipt.replaced:
            place = (copy.party, copy.store, copy.target)
            if place in places(old, one) and place not in places(new, one):
                yield Line(Effect.ORPHANED, copy.party, ruling(copy.rule), way)


def places(mesh: Mesh, seen: Seen) -> set[tuple[str, str, str]]:
    held = {party: grant.mode for party, grant in seen.grants.items()}
    decision = mesh.policy.decide(seen.version.facts, mesh.buckets["orders"], held)
    return {(each.party, each.store, each.target) for each in decision.shares}


def planned(world: World, mesh: Mesh) -> Planning:
    progress = world.run(world.catalog.progress())
    starts = world.run(world.catalog.rule_starts(mesh.policy.starting))
    reached = progress.reached if progress else 0
    walk = Planning(world.catalog, world.mesh, mesh.dated(starts), reached)
    world.run(walk.run(lambda done, total: None))
    return walk


def told(tallies: Tallies) -> dict[Line, tuple[object, ...]]:
    return {
        line: (tally.files, tally.versions, tally.bytes, tally.egress, tuple(tally.samples))
        for line, tally in tallies
    }


def uses(world: World) -> Usage:
    return world.run(usage(world.catalog, lambda done, total: None))


def total(*usages: Usage) -> dict[Use, tuple[int, int]]:
    found: dict[Use, tuple[int, int]] = {}
    for each in usages:
        for use, versions, size in each:
            was = found.get(use, (0, 0))
            found[use] = (was[0] + versions, was[1] + size)
    return {use: counts for use, counts in found.items() if any(counts)}


def states(seen: Seen, then: Seen) -> tuple[object, ...]:
    """What convergence changes of it by itself: newer ones may supersede what waits."""
    gone = {each.id for each in then.deliveries if each.state is DeliveryState.SUPERSEDED}
    kept = [(each.id, each.state) for each in seen.deliveries if each.id not in gone]
    bare = {(p, g.mode, ruling(g.rule)) for p, g in seen.grants.items()}
    return (bare, kept)


def foretold(world: World, edit: Mapping[str, str]) -> dict[Line, tuple[object, ...]]:
    """The plan of an edit, once it has come true in everything."""
    old, before, used = world.mesh, snapshot(world), uses(world)
    walk = planned(world, mesh_of(dict(edit)))
    assert snapshot(world) == before
    world.edit(dict(edit))
    world.converge()
    after = snapshot(world)
    assert told(walk.tallies) == told(expected(old, world.mesh, before, after))
    assert total(used, walk.usage) == total(uses(world))
    pairs = [(before[name], after[name]) for name in after]
    assert walk.changes == sum(states(one, two) != states(two, two) for one, two in pairs)
    return told(walk.tallies)


@given(POLICIES, st.lists(DEEDS, max_size=14), POLICIES)
@settings(max_examples=120, deadline=None)
def test_what_a_plan_says_is_what_then_happens(
    first: Say, deeds: list[tuple[object, ...]], edit: Say
) -> None:
    world = World(files(first))
    try:
        for deed in deeds:
            do(world, deed)
        foretold(world, files(edit))
    finally:
        world.close()


# --- what chance seldom finds --------------------------------------------------------------------

COPIES = "{id: one, bucket: orders, keys: ['**'], to: {globex: copy}, since: always}"
SHARES = COPIES.replace("copy", "share")
PII = "{when: {tags: {class: [pii]}}, to: ['*']}"
INTO = "accepts: [{from: [acme], bucket: orders, into: 'in/{key}'}]"


def effects(found: dict[Line, tuple[object, ...]]) -> dict[tuple[str, Effect], object]:
    """How many versions, by party and effect."""
    return {(line.party, line.effect): counts[1] for line, counts in found.items()}


def copying(*deeds: tuple[object, ...], forbids: tuple[str, ...] = ()) -> World:
    world = World(files(((COPIES,), forbids, INTO, TOPOLOGY)))
    world.converge()
    for deed in deeds:
        do(world, deed)
    return world


Deed = tuple[object, ...]
OLD: Deed = ("put", "a", {})
SECRET: Deed = ("put", "a", {"class": "pii"})
DRAIN: Deed = ("drain", "", {})


def test_an_older_version_is_not_copied_over_the_copy_of_a_newer_one() -> None:
    world = copying(OLD, SECRET, DRAIN)
    found = effects(foretold(world, files(((COPIES,), (PII,), INTO, TOPOLOGY))))
    assert found == {("globex", Effect.HIDDEN): 1, ("globex", Effect.ORPHANED): 1}
    world.close()


def test_an_older_version_is_copied_where_the_newer_one_was_never_sent() -> None:
    world = copying(OLD, SECRET)
    found = effects(foretold(world, files(((COPIES,), (PII,), INTO, TOPOLOGY))))
    assert found == {
        ("globex", Effect.HIDDEN): 1,
        ("globex", Effect.WITHDRAWN): 1,
        ("globex", Effect.COPY): 1,
    }
    world.close()


def test_a_copy_that_waits_is_superseded_by_a_newer_one() -> None:
    world = copying(OLD, SECRET, forbids=(PII,))
    found = effects(foretold(world, files(((COPIES,), (), INTO, TOPOLOGY))))
    assert found == {("globex", Effect.READABLE): 1, ("globex", Effect.COPY): 1}
    world.close()


def test_a_copy_that_was_replaced_is_not_left_behind() -> None:
    world = copying(OLD, DRAIN, OLD, DRAIN)
    found = effects(foretold(world, files(((COPIES,), (), INTO.replace("in/", "to/"), TOPOLOGY))))
    assert found == {("globex", Effect.COPY): 1, ("globex", Effect.ORPHANED): 1}
    world.close()


def test_a_copy_that_was_left_behind_before_is_none_of_the_next_edit() -> None:
    world = copying(OLD, DRAIN)
    found = effects(foretold(world, files(((), (), INTO, TOPOLOGY))))
    assert found == {("globex", Effect.HIDDEN): 1, ("globex", Effect.ORPHANED): 1}
    share = SHARES.replace("globex", "'*'")
    assert effects(foretold(world, files(((share,), (), INTO, TOPOLOGY)))) == {
        ("globex", Effect.READABLE): 1,
        ("initech", Effect.READABLE): 1,
    }
    world.close()


def test_a_rule_that_keeps_its_name_and_says_something_else_counts() -> None:
    world = copying(OLD, DRAIN)
    found = effects(foretold(world, files(((SHARES,), (), INTO, TOPOLOGY))))
    assert found == {("globex", Effect.MODE): 1, ("globex", Effect.ORPHANED): 1}
    world.close()


def test_an_author_that_is_no_member_any_more_reads_nothing() -> None:
    world = World(files(((), (), "", TOPOLOGY)))
    do(world, ("theirs", "ours/c", {}))
    alone = TOPOLOGY.replace(' globex: {write: ["ours/**"]},', "")
    found = effects(foretold(world, files(((), (), "", alone))))
    assert found == {("globex", Effect.HIDDEN): 1, ("acme", Effect.HIDDEN): 1}
    world.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World(files(((), (), "", TOPOLOGY)))
    yield world
    world.close()


def test_what_it_holds_does_not_depend_on_how_many_versions_there_are(world: World) -> None:
    edit = ("{bucket: orders, keys: ['**'], to: {'*': share}, since: always}",)
    mesh = mesh_of(files((edit, (), "accepts: [{from: [acme]}]", TOPOLOGY)))
    held = []
    for count in (20, 300):
        for i in range(count):
            world.put_at("acme", ObjectRef("orders", f"k{count}-{i % (count // 2)}"), b"x")
        tallies = planned(world, mesh).tallies
        held.append((len(tallies), sum(len(tally.samples) for _, tally in tallies)))
        assert sum(tally.versions for _, tally in tallies) >= 2 * count
    assert held[0] == held[1] == (2, 2 * SAMPLES_MAX)
