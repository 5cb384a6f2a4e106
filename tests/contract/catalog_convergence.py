"""Behaviour suite for catalogs: where rules begin, and versions that are decided again."""

from __future__ import annotations

from gateway.model import Grant, Mode, Version
from tests.contract.catalog_kit import R1, SECOND, Bench, Tell, promise


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


class ConvergenceSuite(RuleStarts, Holding, FallingBack, Hiding):
    pass
