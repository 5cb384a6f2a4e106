"""Behaviour suite for catalogs: where rules begin, and versions that are decided again."""

from __future__ import annotations

from gateway.model import Grant, Mode
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
            (claim,) = await bench.claim(lease=0)
            assert claim.held is Mode.COPY
            await bench.retag(version)
            (claim,) = await bench.claim()
            assert claim.held is None

        tell(story)


class ConvergenceSuite(RuleStarts, Holding):
    pass
