"""Behaviour suite for catalogs: where rules begin, and versions that are decided again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from gateway.audit.records import decode
from gateway.catalog import Promise, Redecided, Step
from gateway.errors import PolicyMoved
from gateway.model import DeliveryState, Facts, Grant, Mode, Version
from tests.contract.catalog_kit import (
    FAR,
    R1,
    R2,
    SECOND,
    Bench,
    Tell,
    event_of,
    promise,
)


class RuleStarts:
    def test_a_rule_starts_with_the_commit_that_first_brought_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            before = await bench.put("k")
            await bench.new_policy("b", starting=("one", "two"))
            after = await bench.put("k")
            starts = await bench.catalog.rule_starts(["one", "two", "three"])
            assert starts.keys() == {"one", "two"}
            assert before.number < starts["one"] == starts["two"] < after.number

        tell(story)

    def test_nothing_moves_a_rules_start(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.new_policy("b", starting=("one",))
            first = await bench.catalog.rule_starts(["one"])
            for revision, starting in (("c", ("one", "two")), ("d", ()), ("e", ("one",))):
                bench.clock.now += SECOND
                await bench.new_policy(revision, starting=starting)
                assert await bench.catalog.rule_starts(["one"]) == first
            assert (await bench.catalog.rule_starts(["two"]))["two"] > first["one"]

        tell(story)

    def test_many_rules_are_looked_up_at_once(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            many = [f"rule-{n:05}" for n in range(2500)]
            await bench.new_policy("b", starting=many)
            assert (await bench.catalog.rule_starts(many)).keys() == set(many)
            assert await bench.catalog.rule_starts([]) == {}

        tell(story)


class Holding:
    def test_the_open_grants_of_a_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex", "initech"))
            await bench.retag(version, Grant("globex", Mode.SHARE, "rule for globex", R1))
            grants = await bench.catalog.grants_of(version.number)
            assert [grant.party for grant in grants] == ["acme", "globex"]
            assert grants[1].mode is Mode.SHARE
            assert await bench.catalog.grants_of(1) == []

        tell(story)

    def test_a_claim_tells_how_its_party_holds_the_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = (promise("in/k"),)
            version = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=made)
            other = await bench.put("j", promises=[promise("in/j")])
            held = {claim.version.id: claim.held for claim in await bench.claim()}
            assert held == {version.id: Mode.COPY, other.id: None}

        tell(story)


class FallingBack:
    """A party's view falls back to an older version, and so does the copy that it is owed."""

    async def superseded(self, bench: Bench) -> tuple[Version, Version]:
        first = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=[promise("in/k")])
        second = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=[promise("in/k")])
        assert await bench.states(first) == ["superseded"]
        return first, second

    def test_what_a_deleted_version_superseded_is_promised_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first, second = await self.superseded(bench)
            await bench.unwrite(second)
            assert await bench.states(first) == ["superseded", "pending"]
            assert await bench.states(second) == ["cancelled"]
            (claim,) = await bench.claim()
            assert claim.version.id == first.id
            assert claim.delivery.rule == "rule for globex"

        tell(story)

    def test_what_a_forbidden_version_superseded_is_promised_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first, second = await self.superseded(bench)
            await bench.retag(second)
            assert await bench.sees("globex", "k") == first.id
            assert await bench.states(first) == ["superseded", "pending"]

        tell(story)

    def test_a_newer_copy_that_was_sent_is_not_gone_back_on(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first, second = await self.superseded(bench)
            assert await bench.settle(await bench.claim_one())
            await bench.unwrite(second)
            assert await bench.states(first) == ["superseded"]

        tell(story)

    def test_nothing_is_promised_twice_or_of_what_is_not_current(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first, second = await self.superseded(bench)
            third = await bench.put("k", to=("globex",))
            await bench.unwrite(second)
            assert await bench.states(first) == ["superseded"]  # the third is shared
            await bench.unwrite(third)
            marker = await bench.mark("k")
            await bench.unwrite(marker)
            assert await bench.states(first) == ["superseded", "pending"]

        tell(story)


class Hiding:
    """Delete markers go to whoever holds what they hid."""

    async def given(self, bench: Bench, version: Version, *parties: str) -> None:
        grants = [Grant(party, Mode.SHARE, f"rule for {party}", R1) for party in parties]
        await bench.retag(version, *grants)

    def test_new_tags_bring_nothing_back_that_was_deleted(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            markers = [await bench.mark("k"), await bench.mark("k")]
            await self.given(bench, version, "globex")
            assert await bench.sees("globex", "k") == markers[1].id
            assert await bench.keys("globex") == []
            await bench.unwrite(markers[1])
            assert await bench.sees("globex", "k") == markers[0].id
            await bench.unwrite(markers[0])
            assert await bench.keys("globex") == ["k"]

        tell(story)

    def test_a_marker_leaves_with_what_it_hid(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex", "initech"))
            marker = await bench.mark("k")
            await self.given(bench, version, "initech")
            assert await bench.sees("globex", "k") == ""
            assert await bench.sees("initech", "k") == marker.id
            assert await bench.sees("acme", "k") == marker.id

        tell(story)

    def test_a_marker_on_nothing_and_one_that_is_gone_follow_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            await bench.unwrite(await bench.mark("k"))
            lonely = await bench.mark("j")
            await self.given(bench, version, "globex")
            assert await bench.keys("globex") == ["k"]
            assert await bench.sees("globex", "j") == ""
            assert await bench.sees("acme", "j") == lonely.id

        tell(story)


# --- versions decided again ----------------------------------------------------------------------

SHARED = Grant("globex", Mode.SHARE, "acme.yaml:3 (out)", R2)
COPIED = Grant("globex", Mode.COPY, "acme.yaml:3 (out)", R2)


async def again(
    bench: Bench,
    version: Version,
    *grants: Grant,
    promises: Iterable[Promise] = (),
    keeping: Iterable[str] = (),
    **how: Any,
) -> None:
    """One step, over this version alone: what it is to have from now on."""
    own = next(g for g in await bench.catalog.grants_of(version.number) if g.mode is Mode.OWN)
    made = tuple(promises)
    change = Redecided(
        version.number,
        how.get("tags_number", version.tags_number),
        (replace(own, opened=0), *grants),
        frozenset(("globex", "home", each) for each in (*keeping, *(p.target for p in made))),
        made,
        event_of("grants", version=version.id, readers=("acme", *(g.party for g in grants))),
    )
    await step(bench, change)


async def step(bench: Bench, *changes: Redecided, **how: Any) -> None:
    progress = await bench.catalog.progress()
    assert progress is not None
    above = how.get("above", progress.reached)
    made = Step(bench.revision, above, how.get("reached", above - 1), 1, changes)
    await bench.catalog.redecide(made)


class DecidingAgain:
    def test_grants_open_and_close_with_the_number_of_the_commit(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("initech",))
            await bench.new_policy()
            bench.clock.now += SECOND
            await again(bench, version, SHARED)
            (found,) = await bench.catalog.story(version.ref)
            grants = {grant.party: grant for grant in found.grants}
            assert grants["globex"] == replace(SHARED, opened=bench.clock.now)
            assert grants["initech"].closed == bench.clock.now
            assert grants["acme"].opened == version.number
            assert await bench.keys("globex") == ["k"]
            assert await bench.keys("initech") == []
            assert await bench.head("globex", "k", as_of=bench.clock.now - 1) is None

        tell(story)

    def test_what_stays_stays_as_it_was(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",))
            before = await bench.catalog.grants_of(version.number)
            await bench.new_policy()
            kept = next(grant for grant in before if grant.party == "globex")
            await again(bench, version, replace(kept, opened=0))
            assert await bench.catalog.grants_of(version.number) == before
            assert (await bench.catalog.story(version.ref))[0].grants == tuple(before)

        tell(story)

    def test_another_mode_or_rule_is_another_grant_with_unbroken_sight(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",))
            await bench.new_policy()
            await again(bench, version, COPIED)
            (found,) = await bench.catalog.story(version.ref)
            ended, now = (g for g in found.grants if g.party == "globex")
            assert (ended.mode, ended.closed) == (Mode.SHARE, now.opened)
            assert (now.mode, now.rule) == (Mode.COPY, COPIED.rule)
            assert await bench.head("globex", "k", as_of=version.number) is not None

        tell(story)

    def test_views_show_the_newest_that_each_party_then_holds(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old, new = await bench.put("k"), await bench.put("k", to=("globex",))
            await bench.new_policy()
            await again(bench, old, SHARED)
            assert await bench.sees("globex", "k") == new.id
            await again(bench, new)
            assert await bench.sees("globex", "k") == old.id
            assert (await bench.entry("globex", "k")).version == old.id

        tell(story)

    def test_a_null_version_that_was_replaced_comes_to_nobody_as_current(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", null=True, to=("initech",))
            await bench.put("k", null=True)
            await bench.new_policy()
            await again(bench, old, SHARED, replace(SHARED, party="initech"))
            assert await bench.sees("globex", "k") == ""
            assert await bench.sees("globex", "k", version=old.id) == old.id
            assert await bench.sees("initech", "k") == old.id  # it never saw the newer one

        tell(story)

    def test_each_change_is_a_record_of_its_own(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            await bench.new_policy()
            size = await bench.catalog.size()
            await again(bench, version, SHARED)
            assert await bench.catalog.size() == size + 1
            (record,) = await bench.catalog.records(size, 9)
            opened = decode(record.openings)
            assert opened.value("kind") == "grants"
            assert opened.value("version") == version.id
            assert set(opened.value("readers").split(",")) == {"acme", "globex"}

        tell(story)

    def test_what_was_tagged_or_deleted_meanwhile_is_left_alone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            tagged, gone = await bench.put("k"), await bench.put("j", to=("globex",))
            await bench.new_policy()
            await bench.retag(tagged, Grant("initech", Mode.SHARE, "rule", R2))
            own = Grant("acme", Mode.OWN, "author", R1)
            changes = [
                Redecided(v.number, 0, (own, SHARED), frozenset(), (), event_of("grants"))
                for v in (tagged, gone)
            ]
            await bench.unwrite(gone)
            size = await bench.catalog.size()
            await step(bench, *changes)
            assert await bench.sees("globex", "k") == ""
            assert await bench.sees("initech", "k") == tagged.id
            assert await bench.catalog.grants_of(gone.number) == []
            assert await bench.catalog.size() == size

        tell(story)

    def test_a_step_under_another_policy_or_taken_twice_changes_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            await bench.new_policy()
            progress = await bench.catalog.progress()
            assert progress is not None
            bench.revision = R1
            with pytest.raises(PolicyMoved):
                await again(bench, version, SHARED)
            bench.revision = R2
            await step(bench, reached=version.number)
            with pytest.raises(PolicyMoved):
                await step(bench, above=progress.reached, reached=0)
            after = await bench.catalog.progress()
            assert after == replace(progress, reached=version.number, seen=1)
            assert await bench.sees("globex", "k") == ""

        tell(story)

    def test_progress_begins_anew_with_each_policy(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.catalog.progress()
            assert first is not None
            assert (first.revision, first.reached, first.total) == (R1, first.number, 0)
            await bench.put("k")
            await step(bench, reached=0)
            for revision in (R2, R1):
                await bench.new_policy(revision)
                now = await bench.catalog.progress()
                assert now is not None
                assert (now.revision, now.reached, now.seen, now.total) == (
                    *(revision, now.number, 0, 1),
                )

        tell(story)


class PromisingAgain:
    def test_the_copy_of_the_current_version_is_promised(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old, new = await bench.put("k"), await bench.put("k")
            await bench.new_policy()
            bench.clock.now += SECOND
            for version in (new, old):
                await again(bench, version, COPIED, promises=[promise("in/k")])
            assert await bench.states(new) == ["pending"]
            assert await bench.states(old) == ["superseded"]
            (made,) = await bench.catalog.deliveries_of(new.number)
            assert made.promised == bench.clock.now  # its day to be made begins now
            await again(bench, old, COPIED, promises=[promise("in/k")])
            assert await bench.states(old) == ["superseded"]
            await bench.unwrite(new)
            assert await bench.states(old) == ["superseded", "pending"]

        tell(story)

    def test_a_deleted_file_is_not_sent(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            marker = await bench.mark("k")
            await bench.new_policy()
            await again(bench, marker, COPIED)
            await again(bench, version, COPIED, promises=[promise("in/k")])
            assert await bench.states(version) == ["superseded"]
            await bench.unwrite(marker)
            assert await bench.states(version) == ["superseded", "pending"]

        tell(story)

    def test_target_keys_of_their_own_take_every_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old, new = await bench.put("k"), await bench.put("k")
            await bench.new_policy()
            for version in (new, old):
                made = replace(promise(f"in/{version.id}"), lone=True)
                await again(bench, version, COPIED, promises=[made])
                assert await bench.states(version) == ["pending"]

        tell(story)

    def test_no_copy_is_promised_twice_or_over_a_newer_one(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [promise("in/k")]
            old = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=made)
            assert await bench.settle(await bench.claim_one())
            await bench.new_policy()
            await again(bench, old, COPIED, promises=made)
            assert await bench.states(old) == ["done"]
            new = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=made)
            assert await bench.settle(await bench.claim_one())
            await bench.new_policy("revision-3")
            await again(bench, new, promises=())  # globex loses the newer one, and keeps its copy
            await again(bench, old, COPIED, promises=made)
            assert await bench.sees("globex", "k") == old.id
            assert await bench.states(old) == ["done"]

        tell(story)

    def test_what_is_no_longer_promised_and_was_not_sent_ends_withdrawn(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [promise("waits"), promise("parked"), promise("kept"), promise("sending")]
            version = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=made)
            for claim in await bench.claim(limit=4):
                delivery = claim.delivery
                if delivery.target in ("waits", "kept"):
                    now = bench.clock.now
                    assert await bench.catalog.renew(delivery.id, delivery.token, now)
                if delivery.target == "parked":
                    await bench.settle(delivery, DeliveryState.PARKED)
            await bench.new_policy()
            await again(bench, version, COPIED, keeping=["kept"])
            states = dict(zip((p.target for p in made), await bench.states(version), strict=True))
            assert states == {
                "waits": "withdrawn",
                "parked": "withdrawn",
                "kept": "pending",
                "sending": "pending",
            }

        tell(story)

    def test_a_promise_that_was_withdrawn_can_be_made_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [promise("in/k")]
            version = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=made)
            await bench.new_policy()
            await again(bench, version)
            assert await bench.states(version) == ["withdrawn"]
            await bench.new_policy("revision-3")
            await again(bench, version, COPIED, promises=made)
            assert await bench.states(version) == ["withdrawn", "pending"]

        tell(story)


class Settled:
    def test_a_listing_asks_about_what_was_not_decided_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old, new = await bench.put("a", to=("globex",)), await bench.put("b", to=("globex",))
            await bench.new_policy()
            asked: list[str] = []

            def hides(facts: Facts) -> bool:
                asked.append(facts.ref.key)
                return False

            for settled, left in (
                ((0, 0), []),
                ((new.number, FAR), ["b"]),
                ((old.number, new.number), ["a"]),
                ((0, FAR), ["a", "b"]),
            ):
                asked.clear()
                page = await bench.page("globex", hides, settled=settled)
                assert [entry.key for entry in page.entries] == left
                assert sorted([*asked, *left]) == ["a", "b"]
                versions = await bench.versions("globex", hides, settled=settled)
                assert [entry.key for entry in versions.entries] == left

        tell(story)

    def test_a_view_that_fell_back_is_settled_by_what_it_shows(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old, new = await bench.put("k", to=("globex",)), await bench.put("k", to=("globex",))
            await bench.unwrite(new)
            await bench.new_policy()
            for settled, keys in (((new.number, FAR), []), ((old.number, old.number + 1), ["k"])):
                page = await bench.page("globex", lambda _: False, settled=settled)
                assert [entry.key for entry in page.entries] == keys

        tell(story)


class ConvergenceSuite(
    RuleStarts, Holding, FallingBack, Hiding, DecidingAgain, PromisingAgain, Settled
):
    pass
