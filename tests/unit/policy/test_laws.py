"""What holds for every policy: agreement with a plain evaluator, and the laws of sharing."""

from __future__ import annotations

import copy
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Decision, Mode, ObjectRef, Principal
from gateway.policy.mesh import Mesh

from . import naive
from .naive import Thing, World
from .worlds import PARTIES, accept, bucket, facts, forbid, mesh, send, thing, world

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
