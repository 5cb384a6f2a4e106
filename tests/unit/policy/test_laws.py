"""What holds for every policy: agreement with a plain evaluator, and the laws of sharing."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Decision, Facts, Mode, ObjectRef, Principal
from gateway.policy.mesh import Mesh

from . import naive
from .naive import Thing, World
from .worlds import PARTIES, accept, bucket, facts, forbid, mesh, send, thing, world

DAY = 86400 * 10**9
THINGS = 25  # versions looked at in each world
SEEDS = st.integers(0, 2**32).map(random.Random)
laws = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def decided(mesh: Mesh, thing: Thing) -> Decision:
    return mesh.policy.decide(facts(thing), bucket(mesh, thing.bucket))


def modes(mesh: Mesh, thing: Thing) -> dict[str, Mode]:
    return {share.party: share.mode for share in decided(mesh, thing).shares}


def changed(world: World, party: str, kind: str, rules: list[dict[str, Any]]) -> World:
    files = copy.deepcopy(world.files)
    files[party][kind] = rules
    return World(world.topology, files, world.made)


def never_weaker(more: dict[str, Mode], less: dict[str, Mode]) -> bool:
    return all(party in more and more[party].strength >= less[party].strength for party in less)


@laws
@given(SEEDS)
def test_decisions_agree_with_the_plain_evaluator(rnd: random.Random) -> None:
    plain = world(rnd)
    subject = mesh(plain)
    for _ in range(THINGS):
        case = thing(rnd)
        found = {party: mode.value for party, mode in modes(subject, case).items()}
        assert found == naive.given(plain, case)


@laws
@given(SEEDS)
def test_reads_and_writes_agree_with_the_plain_evaluator(rnd: random.Random) -> None:
    plain = world(rnd)
    subject = mesh(plain)
    for _ in range(THINGS):
        case, party = thing(rnd), rnd.choice(PARTIES)
        where = bucket(subject, case.bucket)
        sees = subject.policy.sees(party, facts(case), where).allowed
        assert sees is naive.sees(plain, party, case)
        ref = ObjectRef(case.bucket, case.key)
        write = subject.policy.may_write(Principal(party, "x"), ref, where).allowed
        assert write is naive.writes(plain, party, case.bucket, case.key)
        assert subject.policy.members(where) == naive.members(plain, case.bucket)


@laws
@given(SEEDS)
def test_who_receives_at_commit_is_who_may_read_later(rnd: random.Random) -> None:
    subject = mesh(world(rnd))
    for _ in range(THINGS):
        case = thing(rnd)
        where = bucket(subject, case.bucket)
        inside = subject.policy.members(where)
        readers = {p for p in PARTIES if subject.policy.sees(p, facts(case), where).allowed}
        assert readers == set(modes(subject, case)) | ({case.author} & inside)


@laws
@given(SEEDS)
def test_order_never_matters(rnd: random.Random) -> None:
    plain = world(rnd)
    files = {party: dict(file) for party, file in copy.deepcopy(plain.files).items()}
    for file in files.values():
        for kind in ("sends", "forbids", "accepts"):
            rnd.shuffle(file[kind])
            for rule in file[kind]:
                for name in {"keys", "from", "except"} & rule.keys():
                    rnd.shuffle(rule[name])
    names = list(files)
    rnd.shuffle(names)
    first, second = mesh(plain), mesh(World(plain.topology, {n: files[n] for n in names}, {}))
    for _ in range(THINGS):
        case = thing(rnd)
        assert outcome(first, case) == outcome(second, case)


def outcome(mesh: Mesh, case: Thing) -> list[tuple[str, ...]]:
    """Everything of a decision but the lines, which move with the rules."""
    return [
        (s.party, s.mode.value, s.rule.id, s.accept.id if s.accept else "", s.store, s.target)
        for s in decided(mesh, case).shares
    ]


@laws
@given(SEEDS)
def test_one_more_forbids_never_widens(rnd: random.Random) -> None:
    plain = world(rnd)
    party = rnd.choice(PARTIES)
    more = [*plain.files[party]["forbids"], forbid(rnd, party)]
    before, after = mesh(plain), mesh(changed(plain, party, "forbids", more))
    for _ in range(THINGS):
        case = thing(rnd)
        assert never_weaker(modes(before, case), modes(after, case))


@laws
@given(SEEDS)
def test_one_more_sends_never_narrows(rnd: random.Random) -> None:
    plain = world(rnd)
    party = rnd.choice(PARTIES)
    extra = send(rnd, party, plain.topology)
    more = [*plain.files[party]["sends"], *([extra] if extra else [])]
    before, after = mesh(plain), mesh(changed(plain, party, "sends", more))
    for _ in range(THINGS):
        case = thing(rnd)
        assert never_weaker(modes(after, case), modes(before, case))


@laws
@given(SEEDS)
def test_one_more_accepts_never_narrows(rnd: random.Random) -> None:
    plain = world(rnd)
    party = rnd.choice(PARTIES)
    more = [*plain.files[party]["accepts"], accept(rnd, party)]
    before, after = mesh(plain), mesh(changed(plain, party, "accepts", more))
    for _ in range(THINGS):
        case = thing(rnd)
        assert never_weaker(modes(after, case), modes(before, case))


@laws
@given(SEEDS)
def test_without_accepts_a_party_gets_only_what_it_may_write(rnd: random.Random) -> None:
    plain = world(rnd)
    party = rnd.choice(PARTIES)
    subject = mesh(changed(plain, party, "accepts", []))
    for _ in range(THINGS):
        case = thing(rnd)
        assert modes(subject, case).get(party, Mode.OWN) is Mode.OWN


@laws
@given(SEEDS)
def test_two_refs_never_get_one_target(rnd: random.Random) -> None:
    subject = mesh(world(rnd))
    taken: dict[tuple[str, str, str], ObjectRef] = {}
    for _ in range(4 * THINGS):
        case = thing(rnd)
        for share in decided(subject, case).shares:
            if share.mode is Mode.COPY:
                place = (share.party, share.store, share.target)
                ref = ObjectRef(case.bucket, case.key)
                assert taken.setdefault(place, ref) == ref


@laws
@given(SEEDS)
def test_what_an_edit_gives_and_leaves_of_an_older_version(rnd: random.Random) -> None:
    """`since` decides what is opened, and never closes what another rule still gives."""
    plain = world(rnd)
    for file in plain.files.values():
        for rule in file["sends"]:
            rule["since"] = rnd.choice(["always", "now", "1970-01-03"])
    subject = mesh(plain)
    starts = {identity: rnd.choice([10, 20]) for identity in sorted(subject.policy.starting)}
    subject = subject.dated(starts)
    for _ in range(THINGS):
        case, at, commit = thing(rnd), rnd.choice([DAY, 5 * DAY]), rnd.choice([0, 10, 15, 25])
        held = {p: rnd.choice(list(Mode)) for p in rnd.sample(PARTIES, 2)}
        old = replace(facts(case), at=at, changed=commit)
        found = subject.policy.decide(old, bucket(subject, case.bucket), held)

        def reaches(rule: dict[str, Any], case: Thing = case, old: Facts = old) -> bool:
            sends = subject.policy.rules.sends[case.author]
            start = starts.get(next(s.identity for s in sends if s.rule.id == rule["id"]), 0)
            of = {"always": True, "1970-01-03": old.at >= 2 * DAY}
            return of.get(rule["since"], old.changed == 0 or old.changed > start)

        plainly = naive.given(plain, case, {p: m.value for p, m in held.items()}, reaches)
        assert {s.party: s.mode.value for s in found.shares} == plainly
        assert_what_is_held_stays(subject, case, old, held)


def assert_what_is_held_stays(
    subject: Mesh, case: Thing, old: Facts, held: dict[str, Mode]
) -> None:
    """Whoever holds a version that policy lets it see goes on holding it, and deciding once more
    changes nothing."""
    where = bucket(subject, case.bucket)
    once = subject.policy.decide(old, where, held).shares
    modes = {share.party: share.mode for share in once}
    for party in held.keys() - {case.author}:
        assert (party in modes) is subject.policy.sees(party, old, where).allowed
    again = subject.policy.decide(old, where, {**held, **modes}).shares
    assert {s.party: s.mode for s in again if s.party in modes} == modes


def test_the_random_worlds_are_worth_looking_at() -> None:
    """The laws above prove nothing if nobody ever receives anything."""
    rnd = random.Random(1)
    seen: dict[str, int] = {}
    for _ in range(40):
        subject = mesh(world(rnd))
        for _ in range(THINGS):
            case = thing(rnd)
            for mode in modes(subject, case).values():
                seen[mode.value] = seen.get(mode.value, 0) + 1
    assert min(seen[mode.value] for mode in Mode) >= 20, seen
