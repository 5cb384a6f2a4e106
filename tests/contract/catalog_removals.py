"""Behaviour suite for catalogs: copies that are to go, and what their owners are asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.catalog import Promise, Recall, Removal, Request
from gateway.errors import NoSuchVersion
from gateway.model import DeliveryKind, DeliveryState, Event, Grant, Mode, Version
from tests.contract.catalog_kit import R1, SECOND, Bench, Tell, event_of, promise

WMS = "globex"
RULE = "globex.yaml:3 (all)"
TARGET = "in/k"


async def copied(bench: Bench, key: str = "k", target: str = TARGET) -> Version:
    version = await bench.put(key, to=(WMS,), promises=[promise(target)])
    assert await bench.settle(await bench.claim_one())
    return version


async def deleted(bench: Bench, key: str = "k", *, agreed: bool = True, **how: str) -> Version:
    asked = event_of("request", readers=("acme", WMS))
    removal = Removal(WMS, RULE, agreed, asked, **how)
    change = bench.write(key, marker=True, etag="", size=0, inherit=True)
    return await bench.catalog.commit(replace(change, removals=(removal,)))


async def recalled(bench: Bench, version: Version, rule: str = RULE) -> tuple[int, str]:
    event = event_of("request", version=version.id)
    done = await bench.catalog.recall(Recall(version.ref, version.id, WMS, "acme", rule, event))
    return done.removals, done.request


async def answered(bench: Bench, request: str, answer: str = "yes") -> Request | None:
    def tell(found: Request) -> Event:
        return event_of("request", version=found.version, outcome=answer)

    return await bench.catalog.answer(request, WMS, answer, "", tell)


async def kinds(bench: Bench, version: Version) -> list[str]:
    made = await bench.catalog.deliveries_of(version.number)
    return [f"{each.kind.value} {each.state.value}" for each in made]


class RemovalSuite:
    def test_a_removal_is_promised_with_its_marker(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await copied(bench)
            size = await bench.catalog.size()
            marker = await deleted(bench)
            assert await bench.catalog.size() == size + 1
            assert await kinds(bench, marker) == ["removal pending"]
            (claim,) = await bench.claim()
            assert (claim.version.id, claim.delivery.target) == (marker.id, TARGET)
            assert claim.hidden is not None
            assert claim.hidden.id == version.id
            assert [each.version for each in claim.copies] == [version.id]
            assert await bench.settle(claim.delivery)
            (copy,) = await bench.catalog.deliveries_of(version.number)
            assert copy.receipt is not None
            assert (copy.gone, copy.receipt.replaced) == ("removal", True)
            assert await bench.catalog.backlog() == []

        tell(story)

    def test_what_never_was_claimed_needs_no_removal(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=(WMS,), promises=[promise(TARGET)])
            marker = await deleted(bench)
            assert await bench.states(version) == ["superseded"]
            assert await kinds(bench, marker) == []

        tell(story)

    def test_a_copy_under_way_is_waited_for(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=(WMS,), promises=[promise(TARGET)])
            under_way = await bench.claim_one()
            marker = await deleted(bench)
            assert await kinds(bench, marker) == ["removal pending"]
            assert await bench.claim() == []
            assert await bench.settle(under_way)
            assert await bench.settle(await bench.claim_one())
            (copy,) = await bench.catalog.deliveries_of(version.number)
            assert copy.gone == "removal"

        tell(story)

    def test_an_attempt_that_was_never_settled_may_have_left_a_copy(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=(WMS,), promises=[promise(TARGET)])
            lost = await bench.claim_one()
            bench.clock.now += 60 * SECOND
            marker = await deleted(bench)
            assert await bench.states(version) == ["superseded"]
            assert await kinds(bench, marker) == ["removal pending"]
            assert not await bench.settle(lost)

        tell(story)

    def test_a_copy_of_another_object_is_not_looked_at(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await copied(bench, "other")
            await bench.put("k", to=(WMS,))
            marker = await deleted(bench, store="home", target=TARGET)
            assert await kinds(bench, marker) == []

        tell(story)

    def test_an_older_copy_at_the_target_goes_too(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await copied(bench)
            await bench.put("k", to=(WMS,))
            marker = await deleted(bench, store="home", target=TARGET)
            assert await kinds(bench, marker) == ["removal pending"]
            assert await bench.settle(await bench.claim_one())
            (copy,) = await bench.catalog.deliveries_of(old.number)
            assert copy.gone == "removal"

        tell(story)

    @pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.PARKED])
    def test_a_newer_version_ends_it_and_another_delete_begins_anew(
        self, tell: Tell, state: DeliveryState
    ) -> None:
        async def story(bench: Bench) -> None:
            await copied(bench)
            first = await deleted(bench)
            assert await bench.settle(await bench.claim_one(), state)
            newer = await bench.put("k", to=(WMS,), promises=[promise(TARGET)])
            assert await kinds(bench, first) == ["removal superseded"]
            assert await bench.settle(await bench.claim_one())
            second = await deleted(bench)
            assert await bench.settle(await bench.claim_one())
            assert await kinds(bench, second) == ["removal done"]
            (copy,) = await bench.catalog.deliveries_of(newer.number)
            assert copy.gone == "removal"

        tell(story)

    def test_without_its_marker_the_copy_comes_back(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await copied(bench)
            await bench.unwrite(await deleted(bench))
            assert await bench.states(version) == ["done"]
            marker = await deleted(bench)
            assert await bench.settle(await bench.claim_one())
            await bench.unwrite(marker)
            assert await bench.states(version) == ["done", "pending"]

        tell(story)

    @pytest.mark.parametrize("state", [DeliveryState.DONE, DeliveryState.PENDING])
    def test_a_marker_that_goes_while_its_removal_runs(
        self, tell: Tell, state: DeliveryState
    ) -> None:
        async def story(bench: Bench) -> None:
            version = await copied(bench)
            marker = await deleted(bench)
            under_way = await bench.claim_one()
            await bench.unwrite(marker)
            assert await bench.settle(under_way, state)
            again = ["pending"] if state is DeliveryState.DONE else []
            assert await bench.states(version) == ["done", *again]

        tell(story)

    def test_whose_rules_do_not_agree_is_asked_once(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await copied(bench)
            marker = await deleted(bench, agreed=False)
            assert await kinds(bench, marker) == []
            (request,) = await bench.catalog.requests(party=WMS, open_only=True)
            assert (request.kind, request.version) == (DeliveryKind.REMOVAL, marker.id)
            assert await bench.catalog.request(request.id) == request
            done = await answered(bench, request.id)
            assert done is not None
            assert done.answer == "yes"
            assert await kinds(bench, marker) == ["removal pending"]
            assert await answered(bench, request.id) is None
            assert await bench.catalog.requests(party=WMS, open_only=True) == []

        tell(story)

    def test_who_has_no_copy_is_asked_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", to=(WMS,))
            size = await bench.catalog.size()
            await deleted(bench, agreed=False, store="home", target=TARGET)
            assert await bench.catalog.requests() == []
            assert await bench.catalog.size() == size + 1

        tell(story)

    def test_a_recall_ends_what_was_not_sent_and_removes_the_rest(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            sent = await copied(bench)
            unsent = await bench.put("k", to=(WMS,), promises=[promise(TARGET)])
            assert await recalled(bench, unsent) == (0, "")
            assert await bench.states(unsent) == ["cancelled"]
            assert await recalled(bench, sent) == (1, "")
            assert await bench.settle(await bench.claim_one())
            assert await kinds(bench, sent) == ["copy done", "recall done"]
            assert await recalled(bench, sent) == (0, "")

        tell(story)

    def test_a_recall_outlives_the_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await copied(bench)
            await recalled(bench, version)
            await bench.unwrite(version)
            assert await kinds(bench, version) == ["copy done", "recall pending"]
            assert await bench.settle(await bench.claim_one(), DeliveryState.PENDING)
            assert await kinds(bench, version) == ["copy done", "recall pending"]
            assert await bench.settle(await bench.claim_one())

        tell(story)

    def test_a_recall_outlives_a_change_of_tags(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await copied(bench)
            await recalled(bench, version)
            kept = Grant(WMS, Mode.COPY, RULE, R1)
            await bench.retag(version, kept, promises=[Promise(WMS, "home", TARGET, RULE)])
            assert await kinds(bench, version) == ["copy done", "recall pending"]
            assert await bench.settle(await bench.claim_one())

        tell(story)

    def test_a_recalled_copy_is_not_sent_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await copied(bench)
            await recalled(bench, version)
            assert await bench.settle(await bench.claim_one())
            newer = await bench.put("k", to=(WMS,))
            await bench.unwrite(newer)
            await bench.retag(version, promises=[Promise(WMS, "home", TARGET, RULE)])
            assert await kinds(bench, version) == ["copy done", "recall done"]

        tell(story)

    def test_a_request_stays_open_until_it_is_answered(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await copied(bench)
            size = await bench.catalog.size()
            count, request = await recalled(bench, version, rule="")
            assert (count, await recalled(bench, version, rule="")) == (0, (0, request))
            assert await bench.catalog.size() == size + 1
            assert await answered(bench, request, "no") is not None
            assert await kinds(bench, version) == ["copy done"]
            _, second = await recalled(bench, version, rule="")
            assert second != request
            every = await bench.catalog.requests(author="acme")
            assert [(each.id, each.answer) for each in every] == [(request, "no"), (second, "")]
            assert [r.id for r in await bench.catalog.requests(after=request)] == [second]
            assert await bench.catalog.requests(author="initech") == []
            with pytest.raises(NoSuchVersion):
                await recalled(bench, replace(version, id="none"))

        tell(story)
