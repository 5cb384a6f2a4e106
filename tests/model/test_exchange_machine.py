"""Random histories on the real exchange, compared with the reference model after every step."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.errors import Conflict, Denied, NoSuchBucket, NoSuchKey, StoreUnavailable
from tests.model.mutants import MUTANTS
from tests.model.reference import PARTIES, WRITERS, Kept, Reference, Rules
from tests.model.world import BITE, HOUR, World

KEYS = {party: [f"{prefix}{n}" for prefix in WRITERS[party] for n in "12"] for party in WRITERS}
SWITCHES = [field.name for field in fields(Rules)]
EXAMPLES = 60
TAGS = st.sampled_from([{}, {"class": "pii"}, {"class": "open"}])


class ExchangeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Reference()
        self.world = self.make_world()
        self.count = 0

    def make_world(self) -> World:
        return World(self.model.rules.files())

    def teardown(self) -> None:
        self.world.close()

    def enter(self, rules: Rules) -> None:
        """An edit, unless all is as it is to be."""
        if rules.files() != self.model.rules.files():
            self.model.edit(rules)
            self.world.edit(rules.files())

    def count_step(self, kind: str) -> None:
        """For the run that counts how much of what it tries succeeds."""

    # --- what writers do -----------------------------------------------------------------------

    @rule(data=st.data(), party=st.sampled_from(sorted(WRITERS)), tags=TAGS)
    def put(self, data: st.DataObject, party: str, tags: dict[str, str]) -> None:
        key = data.draw(st.sampled_from(KEYS[party]))
        self.count += 1
        content = f"{party} {self.count}".encode()
        version = self.world.put(party, key, content, tags)
        self.count_step("done")
        self.model.put(Kept(version.id, party, key, content, tags=dict(tags)))

    @rule(content=st.binary(max_size=8), tags=TAGS)
    def put_shared(self, content: bytes, tags: dict[str, str]) -> None:
        """Aims at the one key that is both copied and shared."""
        version = self.world.put("acme", "a/1", content, tags)
        self.count_step("done")
        self.model.put(Kept(version.id, "acme", "a/1", content, tags=dict(tags)))

    @rule(party=st.sampled_from(PARTIES), key=st.sampled_from(["a/1", "c/1", "g/1", "x/1"]))
    def put_without_right(self, party: str, key: str) -> None:
        if self.model.may_write(party, key):
            return
        self.count_step("refused")
        before = list(self.world.stores["acme", "home"].calls)
        with pytest.raises(NoSuchBucket if party == "umbra" else Denied):
            self.world.put(party, key, b"no", {})
        assert self.world.stores["acme", "home"].calls == before

    @rule(party=st.sampled_from(sorted(WRITERS)))
    def put_on_a_failing_store(self, party: str) -> None:
        """Nothing of it may ever be seen: the invariants look."""
        self.count_step("refused")
        self.world.stores[party, "home"].orders.append("before")
        with pytest.raises(StoreUnavailable):
            self.world.put(party, KEYS[party][0], b"lost", {})

    @rule(data=st.data(), party=st.sampled_from(sorted(WRITERS)))
    def delete(self, data: st.DataObject, party: str) -> None:
        key = data.draw(st.sampled_from(KEYS[party]))
        marker = self.world.delete(party, key)
        self.count_step("done")
        self.model.delete(Kept(marker, party, key, b"", marker=True))

    @rule()
    def delete_shared(self) -> None:
        marker = self.world.delete("acme", "a/1")
        self.count_step("done")
        self.model.delete(Kept(marker, "acme", "a/1", b"", marker=True))

    @precondition(lambda self: any(v.alive for v in self.model.versions))
    @rule(data=st.data())
    def delete_by_version(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from([v for v in self.model.versions if v.alive]))
        self.world.delete(version.author, version.key, version.id)
        self.count_step("done")
        self.model.unwrite(version)

    @precondition(
        lambda self: any(v.author == "acme" and not v.marker for v in self.model.versions)
    )
    @rule(data=st.data(), agreed=st.booleans())
    def recall(self, data: st.DataObject, agreed: bool) -> None:
        """Of any version, those that are no more included; most often of one that was sent."""
        if agreed:
            self.enter(replace(self.model.rules, recall=True, globex_accepts=True))
        ours = [v for v in self.model.versions if v.author == "acme" and not v.marker]
        sent = [v for v in ours if v in (*self.model.owed, *self.model.copies.values())]
        version = data.draw(st.sampled_from(sent or ours))
        self.world.recall(version.key, version.id)
        self.count_step("done")
        self.model.recall(version)

    @precondition(lambda self: any(v.alive and not v.marker for v in self.model.versions))
    @rule(data=st.data(), tags=TAGS)
    def tag(self, data: st.DataObject, tags: dict[str, str]) -> None:
        candidates = [v for v in self.model.versions if v.alive and not v.marker]
        version = data.draw(st.sampled_from(candidates))
        self.world.tag(version.author, version.key, version.id, tags)
        self.count_step("done")
        self.model.retag(version, dict(tags))

    @rule(
        party=st.sampled_from(["globex", "initech", "acme"]),
        key=st.sampled_from(["a/1", "a/2", "z/1", "c/1"]),
        moved_to=st.sampled_from(["", "", "z/1", "a/2"]),
    )
    def consume(self, party: str, key: str, moved_to: str) -> None:
        """By a delete, or a rename; of what was moved before too."""
        if key == moved_to:
            return
        if not self.model.may_consume(party, key):
            self.count_step("refused")
            with pytest.raises((Denied, NoSuchKey)):
                self.world.consume(party, key, moved_to)
        elif moved_to and self.model.granted(party, moved_to):
            self.count_step("refused")
            with pytest.raises(Conflict):
                self.world.consume(party, key, moved_to)
        else:
            self.count_step("done")
            if moved_to:
                self.world.consume(party, key, moved_to)
            else:
                self.world.delete(party, key)
            self.model.consume(party, key, moved_to)

    # --- what operators, clocks and machines do ------------------------------------------------

    @rule(switches=st.sets(st.sampled_from(SWITCHES), min_size=1, max_size=3))
    def edit_policy(self, switches: set[str]) -> None:
        rules = self.model.rules
        self.model.edit(replace(rules, **{each: not getattr(rules, each) for each in switches}))
        self.world.edit(self.model.rules.files())
        self.count_step("done")

    @rule(deleted=st.booleans(), then=st.sets(st.sampled_from(SWITCHES), max_size=2), tags=TAGS)
    def a_file_from_before_the_rule(
        self, deleted: bool, then: set[str], tags: dict[str, str]
    ) -> None:
        """Written while nothing was sent, and perhaps deleted; then comes a rule."""
        for switches in ({"share": False, "copy": False}, {"share": True, "copy": True}):
            self.model.edit(replace(self.model.rules, **switches))
            self.world.edit(self.model.rules.files())
            if not switches["share"]:
                self.put_shared(f"{self.count} old".encode(), tags)
                if deleted:
                    self.delete_shared()
        if then:
            self.edit_policy(then)

    @rule(sent=st.booleans(), then=st.sets(st.sampled_from(SWITCHES), max_size=1))
    def a_copy_that_is_to_follow(self, sent: bool, then: set[str]) -> None:
        """A file is written, perhaps copied, and deleted while both sides let the copy follow."""
        switches = {"follow": True, "copy": True, "weak": False, "globex_accepts": True}
        self.enter(replace(self.model.rules, **switches))
        self.put_shared(f"{self.count} follows".encode(), {})
        if sent:
            self.drain([])
        self.delete_shared()
        if then:
            self.edit_policy(then)

    @rule(steps=st.integers(1, 3))
    def converge_a_little(self, steps: int) -> None:
        """What was decided again and what was not yet lie side by side for a while."""
        for _ in range(steps):
            self.world.run(self.world.convergence.step())
        self.model.converge(steps, BITE)
        self.count_step("done")

    @rule()
    def converge(self) -> None:
        """Then all is as if the policy in force had been asked about each version."""
        self.world.converge()
        self.model.converge(len(self.model.versions) + 1, BITE)
        self.count_step("done")
        assert self.world.run(self.world.catalog.version_count()) == len(self.model.versions)
        for version in self.model.versions:
            assert self.world.held(version.id) == version.held, version

    @rule()
    def restart(self) -> None:
        self.world.restart()
        self.model.reached = self.behind_the_restart()

    def behind_the_restart(self) -> int:
        """The walk goes on where it was last written down: what it has found to be right since
        then it finds so again."""
        saved = self.world.reached()
        if not saved:
            return 0
        numbers = {self.world.number(v.id): v.number for v in self.model.versions}
        return numbers.get(saved, self.model.edited)

    @rule(hours=st.integers(-3, 3))
    def clock_jumps(self, hours: int) -> None:
        self.world.now += hours * HOUR

    @rule(orders=st.lists(st.sampled_from(["before", "after", ""]), max_size=3))
    def drain(self, orders: list[str]) -> None:
        """After every failure has passed, each copy is the newest that its party may have."""
        self.world.stores["globex", "home"].orders.extend(orders)
        self.world.drain()
        self.world.stores["globex", "home"].orders.clear()
        self.model.deliver_all()
        self.count_step("done")
        expected = {f"in/{key}": v.content for key, v in self.model.copies.items()}
        assert self.world.copies() == expected

    # --- what must hold after every step -------------------------------------------------------

    @invariant()
    def every_party_lists_what_the_model_lists(self) -> None:
        for party in PARTIES:
            expected = [(key, v.id) for key, v in self.model.listing(party)]
            assert self.world.list(party) == expected, party
            assert self.world.all_versions(party) == self.model.versions_listing(party), party

    @invariant()
    def what_is_owed_is_what_the_model_owes(self) -> None:
        assert self.world.owed() == {version.id for version in self.model.owed}

    @invariant()
    def every_party_reads_what_the_model_reads(self) -> None:
        for party in PARTIES:
            for key in self.model.names():
                version = self.model.sees(party, key)
                assert self.world.read(party, key) == (version.content if version else None)


def run(machine: type[ExchangeMachine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=(Phase.generate,),
            print_blob=True,
        ),
    )


def test_the_exchange_agrees_with_the_reference_model() -> None:
    tally: Counter[str] = Counter()

    class Counting(ExchangeMachine):
        def count_step(self, kind: str) -> None:
            tally[kind] += 1

    run(Counting, EXAMPLES)
    assert tally["done"] >= tally["refused"], "at least half of the rules must succeed"


@pytest.mark.soak
def test_the_exchange_agrees_with_the_reference_model_for_long() -> None:
    run(ExchangeMachine, EXAMPLES * 100)


@pytest.mark.parametrize("bug", MUTANTS)
def test_a_planted_bug_is_found(bug: str) -> None:
    class Broken(ExchangeMachine):
        def make_world(self) -> World:
            return MUTANTS[bug](self.model.rules.files())

    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever breaks first
        run(Broken, EXAMPLES * 10)
