"""Behaviour suite for catalogs: promised deliveries, their order, leases and ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.catalog import Lane, Outcome
from gateway.model import (
    Bucket,
    DeliveryKind,
    DeliveryState,
    Grant,
    Mode,
    Version,
    Versioning,
)
from tests.contract.catalog_kit import (
    BUCKET,
    FAR,
    LANE,
    R1,
    SECOND,
    Bench,
    Tell,
    event_of,
    promise,
    receipt_of,
)

PENDING, PARKED, DONE = DeliveryState.PENDING, DeliveryState.PARKED, DeliveryState.DONE
OTHER = Lane("initech", "home")


class Promising:
    def test_a_promise_is_a_delivery(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",), promises=[promise("orders/k")])
            (made,) = await bench.catalog.deliveries_of(version.number)
            assert (made.version, made.ref, made.number) == (
                version.id,
                version.ref,
                version.number,
            )
            assert (made.author, made.party, made.store) == ("acme", "globex", "home")
            assert (made.target, made.rule) == ("orders/k", "rule for globex")
            assert (made.kind, made.state) == (DeliveryKind.COPY, PENDING)
            assert (made.attempts, made.token, made.receipt) == (0, 0, None)
            assert made.promised == version.number
            assert made.due == bench.clock.now
            assert await bench.catalog.deliveries_of(404) == ()

        tell(story)

    def test_a_newer_version_supersedes_what_was_not_sent(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", promises=[promise("t"), promise("t", "initech")])
            new = await bench.put("k", promises=[promise("t")])
            assert await bench.states(old) == ["superseded", "pending"]
            assert await bench.states(new) == ["pending"]
            assert (await bench.claim_one()).version == new.id

        tell(story)

    def test_and_what_was_parked(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", promises=[promise("t")])
            await bench.settle(await bench.claim_one(), PARKED)
            await bench.put("k", promises=[promise("t")])
            assert await bench.states(old) == ["superseded"]

        tell(story)

    def test_but_not_what_is_under_way(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", promises=[promise("t")])
            running = await bench.claim_one()
            new = await bench.put("k", promises=[promise("t")])
            assert await bench.states(old) == ["pending"]
            assert await bench.claim() == []
            assert await bench.settle(running)
            assert (await bench.claim_one()).version == new.id

        tell(story)

    def test_a_lease_that_ran_out_is_not_under_way(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", promises=[promise("t")])
            lost = await bench.claim_one()
            bench.clock.now += 31 * SECOND
            await bench.put("k", promises=[promise("t")])
            assert await bench.states(old) == ["superseded"]
            assert not await bench.settle(lost)

        tell(story)

    def test_another_object_ref_supersedes_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", promises=[promise("t")])
            await bench.put("other", promises=[promise("t")])
            assert await bench.states(first) == ["pending"]
            assert [c.delivery.version for c in await bench.claim()] == [first.id]

        tell(story)

    def test_what_waited_behind_a_superseded_one_has_its_turn(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t")])
            waiting = await bench.put("other", promises=[promise("t")])
            newer = await bench.put("k", promises=[promise("t")])
            for version in (waiting, newer):
                claimed = await bench.claim_one()
                assert claimed.version == version.id
                await bench.settle(claimed)

        tell(story)

    def test_another_target_supersedes_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", promises=[promise("t1")])
            await bench.put("k", promises=[promise("t2")])
            assert await bench.states(first) == ["pending"]
            assert len(await bench.claim()) == 2

        tell(story)

    @pytest.mark.parametrize("state", [PENDING, PARKED])
    def test_a_failed_attempt_gives_way_to_a_newer_version(
        self, tell: Tell, state: DeliveryState
    ) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", promises=[promise("t")])
            running = await bench.claim_one()
            new = await bench.put("k", promises=[promise("t")])
            assert await bench.settle(running, state, due=FAR)
            assert await bench.states(old) == ["superseded"]
            assert (await bench.claim_one()).version == new.id

        tell(story)

    @pytest.mark.parametrize("state", [PENDING, PARKED])
    def test_a_failed_attempt_of_an_unwritten_version_is_cancelled(
        self, tell: Tell, state: DeliveryState
    ) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", promises=[promise("t")])
            running = await bench.claim_one()
            await bench.unwrite(version)
            assert await bench.states(version) == ["pending"]
            assert await bench.settle(running, state)
            assert await bench.states(version) == ["cancelled"]

        tell(story)


class Claiming:
    def test_a_claim_holds_all_that_an_attempt_needs(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = Bucket(BUCKET, "acme", {"acme": ("**",)}, Versioning.ENABLED, created=5)
            await bench.catalog.create_bucket(made, event_of("bucket"))
            version = await bench.put("k", promises=[promise("t")])
            (claim,) = await bench.claim()
            assert (claim.version, claim.bucket) == (version, made)
            assert (claim.delivery.token, claim.delivery.target) == (1, "t")

        tell(story)

    def test_no_bucket_for_one_of_the_topology(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t")])
            (claim,) = await bench.claim()
            assert claim.bucket is None

        tell(story)

    def test_tags_are_as_they_are_now(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",), promises=[promise("t")])
            await bench.retag(version, Grant("globex", Mode.SHARE, "r", R1), tags={"now": "1"})
            (claim,) = await bench.claim()
            assert claim.version.tags == {"now": "1"}

        tell(story)

    def test_what_is_leased_is_not_claimed_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t")])
            assert len(await bench.claim()) == 1
            assert await bench.claim() == []
            assert await bench.catalog.lanes(bench.clock.now) == []

        tell(story)

    def test_a_lease_that_ran_out_is_claimed_with_a_higher_token(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t")])
            lost = await bench.claim_one()
            bench.clock.now += 30 * SECOND
            again = await bench.claim_one()
            assert (again.id, again.token) == (lost.id, lost.token + 1)
            assert not await bench.settle(lost)
            assert not await bench.catalog.renew(lost.id, lost.token, FAR)
            assert await bench.settle(again)

        tell(story)

    def test_a_lease_can_be_renewed(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t")])
            mine = await bench.claim_one()
            until = bench.clock.now + 60 * SECOND
            assert await bench.catalog.renew(mine.id, mine.token, until)
            bench.clock.now += 59 * SECOND
            assert await bench.claim() == []
            await bench.settle(mine)
            assert not await bench.catalog.renew(mine.id, mine.token, until)

        tell(story)

    def test_of_a_target_key_only_the_oldest(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [await bench.put(f"k{n}", promises=[promise("t")]) for n in range(3)]
            for version in made:
                running = await bench.claim_one()
                assert running.version == version.id
                await bench.settle(running)
            assert await bench.claim() == []

        tell(story)

    def test_a_parked_one_keeps_its_place(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k1", promises=[promise("t")])
            await bench.put("k2", promises=[promise("t")])
            first = await bench.claim_one()
            await bench.settle(first, PARKED)
            assert await bench.claim() == []
            assert await bench.catalog.resume(ids=[first.id], now=bench.clock.now) == 1
            assert (await bench.claim_one()).id == first.id

        tell(story)

    def test_a_retry_keeps_its_place(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k1", promises=[promise("t")])
            await bench.put("k2", promises=[promise("t")])
            first = await bench.claim_one()
            later = bench.clock.now + 10 * SECOND
            await bench.settle(first, PENDING, due=later)
            assert await bench.claim() == []
            assert await bench.catalog.next_due() == later
            bench.clock.now = later
            again = await bench.claim_one()
            assert (again.id, again.attempts) == (first.id, 1)

        tell(story)

    def test_lanes_wait_for_nobody(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t"), promise("t", "initech")])
            assert {*await bench.catalog.lanes(FAR)} == {LANE, OTHER}
            assert len(await bench.claim(LANE)) == 1
            assert await bench.catalog.lanes(bench.clock.now) == [OTHER]
            assert len(await bench.claim(OTHER)) == 1
            assert await bench.claim(Lane("globex", "elsewhere")) == []

        tell(story)

    def test_the_longest_due_come_first_up_to_the_limit(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [await bench.put(f"k{n}", promises=[promise(f"t{n}")]) for n in range(5)]
            bench.clock.now += SECOND
            first = await bench.claim(limit=2)
            rest = await bench.claim(limit=10)
            assert [c.version for c in [*first, *rest]] == made
            assert len(first) == 2

        tell(story)

    def test_not_before_they_are_due(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t")])
            due = bench.clock.now
            bench.clock.now -= 1
            assert await bench.catalog.lanes(bench.clock.now) == []
            assert await bench.claim() == []
            assert await bench.catalog.next_due() == due

        tell(story)

    def test_due_at_once_though_the_clock_jumped_back(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bench.clock.now -= 3600 * SECOND
            version = await bench.put("k", promises=[promise("t")])
            assert version.number > bench.clock.now
            assert (await bench.claim_one()).version == version.id

        tell(story)

    def test_many_couriers_never_share_one(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for n in range(20):
                await bench.put(f"k{n}", promises=[promise(f"t{n}")])
            bench.clock.now += SECOND
            claims = await asyncio.gather(*(bench.claim(limit=3) for _ in range(10)))
            ids = [c.delivery.id for some in claims for c in some]
            assert len(ids) == len(set(ids)) == 20

        tell(story)

    def test_nothing_due_when_nothing_is_promised(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k")
            assert await bench.catalog.next_due() is None
            assert await bench.catalog.lanes(FAR) == []

        tell(story)


class Settling:
    def test_a_receipt_is_kept(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", promises=[promise("t")])
            receipt = replace(receipt_of(7), attempts=3)
            await bench.settle(await bench.claim_one(), receipt=receipt)
            (done,) = await bench.catalog.deliveries_of(version.number)
            assert (done.state, done.receipt, done.attempts) == (DONE, receipt, 1)
            assert await bench.catalog.next_due() is None

        tell(story)

    def test_why_it_failed_is_kept(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", promises=[promise("t")])
            claimed = await bench.claim_one()
            await bench.settle(claimed, PARKED, code="AccessDenied", error="no such role")
            (parked,) = await bench.catalog.deliveries_of(version.number)
            assert (parked.code, parked.error) == ("AccessDenied", "no such role")
            assert parked.state is PARKED

        tell(story)

    def test_with_its_record_in_the_same_transaction(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", promises=[promise("t")])
            size = await bench.catalog.size()
            claimed = await bench.claim_one()
            outcome = Outcome(DONE, receipt=receipt_of(1))
            event = event_of("delivery")
            settle = bench.catalog.settle
            assert await settle(claimed.id, claimed.token, outcome, event)
            assert not await settle(claimed.id, claimed.token, outcome, event)
            assert await bench.catalog.size() == size + 1

        tell(story)

    @pytest.mark.parametrize(
        "state", [DONE, DeliveryState.WITHDRAWN, DeliveryState.SUPERSEDED, DeliveryState.CANCELLED]
    )
    def test_an_end_is_an_end(self, tell: Tell, state: DeliveryState) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", promises=[promise("t")])
            next_one = await bench.put("other", promises=[promise("t")])
            await bench.settle(await bench.claim_one(), state)
            assert await bench.states(version) == [state.value]
            assert (await bench.claim_one()).version == next_one.id

        tell(story)

    def test_a_newer_copy_marks_the_older_receipt_as_replaced(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", promises=[promise("t"), promise("t", "initech")])
            await bench.settle(await bench.claim_one())
            await bench.settle(await bench.claim_one(OTHER))
            new = await bench.put("k", promises=[promise("t")])
            await bench.settle(await bench.claim_one())
            replaced = [d.receipt and d.receipt.replaced for d in await _of(bench, old)]
            assert replaced == [True, False]
            assert [d.receipt and d.receipt.replaced for d in await _of(bench, new)] == [False]

        tell(story)

    def test_what_was_not_leased_can_not_be_settled(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", promises=[promise("t")])
            (made,) = await bench.catalog.deliveries_of(version.number)
            assert not await bench.settle(made)
            assert await bench.states(version) == ["pending"]

        tell(story)


async def _of(bench: Bench, version: Version) -> list:  # type: ignore[type-arg]
    return list(await bench.catalog.deliveries_of(version.number))


class Resuming:
    def test_by_id_by_lane_or_all(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for n in range(3):
                await bench.put(f"k{n}", promises=[promise(f"t{n}"), promise(f"t{n}", "initech")])
            bench.clock.now += SECOND
            mine, theirs = await bench.claim(), await bench.claim(OTHER)
            for claim in [*mine, *theirs]:
                await bench.settle(claim.delivery, PARKED, due=FAR)
            catalog = bench.catalog
            assert await catalog.resume(ids=[mine[0].delivery.id, 999], now=bench.clock.now) == 1
            assert len(await bench.claim()) == 1
            assert await catalog.resume(lane=LANE, now=bench.clock.now) == 2
            assert len(await bench.claim()) == 2
            assert await catalog.resume(now=bench.clock.now) == 3
            assert len(await bench.claim(OTHER)) == 3
            assert await catalog.resume(now=bench.clock.now) == 0

        tell(story)


class Counting:
    def test_the_backlog_is_what_is_open(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            assert await bench.catalog.backlog() == []
            made = [
                await bench.put(f"k{n}", promises=[promise(f"t{n}")], size=100 + n)
                for n in range(4)
            ]
            bench.clock.now += SECOND
            first, second, *_ = await bench.claim()
            await bench.settle(first.delivery)
            await bench.settle(second.delivery, PARKED)
            rows = {(b.lane, b.state): b for b in await bench.catalog.backlog()}
            pending, parked = rows[LANE, PENDING], rows[LANE, PARKED]
            assert (pending.count, pending.bytes, pending.oldest) == (2, 205, made[2].number)
            assert (parked.count, parked.bytes, parked.oldest) == (1, 101, made[1].number)
            await bench.catalog.resume(now=0)
            (pending,) = await bench.catalog.backlog()
            assert (pending.count, pending.bytes, pending.oldest) == (3, 306, made[1].number)
            for version in made[1:]:
                await bench.unwrite(version)
            assert sum(b.count for b in await bench.catalog.backlog()) == 2  # still leased

        tell(story)

    def test_they_are_listed_by_state_party_and_author(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for n in range(3):
                await bench.put(f"k{n}", promises=[promise(f"t{n}"), promise(f"t{n}", "initech")])
            await bench.put("x", author="globex", promises=[promise("x", "initech")])
            bench.clock.now += SECOND
            claims = await bench.claim()
            await bench.settle(claims[0].delivery)
            await bench.settle(claims[1].delivery, PARKED)
            listed = bench.catalog.deliveries
            assert [d.id for d in await listed()] == [1, 2, 3, 4, 5, 6, 7]
            assert [d.id for d in await listed(after=4, limit=2)] == [5, 6]
            assert [d.id for d in await listed(state=DONE)] == [1]
            assert [d.id for d in await listed(state=PARKED)] == [3]
            assert [d.id for d in await listed(state=PENDING)] == [2, 4, 5, 6, 7]
            assert [d.id for d in await listed(state=PENDING, limit=2, after=2)] == [4, 5]
            assert [d.id for d in await listed(state=PENDING, party="globex")] == [5]
            assert [d.id for d in await listed(party="initech")] == [2, 4, 6, 7]
            assert [d.id for d in await listed(author="globex")] == [7]
            assert [d.id for d in await listed(author="globex", state=PENDING)] == [7]

        tell(story)


class Tagging:
    """New tags follow the copies that were made."""

    def test_a_copy_that_was_made_gets_the_new_tags(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await self._delivered(bench)
            await bench.retag(version, Grant("globex", Mode.COPY, "r", R1))
            tags = await bench.claim_one()
            assert (tags.kind, tags.version, tags.target) == (DeliveryKind.TAGS, version.id, "t")
            await bench.settle(tags)
            copy, _ = await bench.catalog.deliveries_of(version.number)
            assert copy.receipt is not None
            assert not copy.receipt.replaced

        tell(story)

    def test_a_promise_of_what_is_there_is_one_of_tags(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await self._delivered(bench)
            grant = Grant("globex", Mode.COPY, "r", R1)
            await bench.retag(version, grant, promises=[promise("t")])
            await bench.retag(version, grant, promises=[promise("t")])
            assert await bench.states(version) == ["done", "superseded", "pending"]
            assert (await bench.claim_one()).kind is DeliveryKind.TAGS

        tell(story)

    def test_who_lost_the_grant_gets_no_tags(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await self._delivered(bench)
            await bench.retag(version)
            assert await bench.states(version) == ["done"]

        tell(story)

    def test_an_unsent_copy_carries_them_itself(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",), promises=[promise("t")])
            grant = Grant("globex", Mode.COPY, "r", R1)
            await bench.retag(version, grant, promises=[promise("t")])
            assert await bench.states(version) == ["pending"]

        tell(story)

    def test_a_copy_under_way_gets_them_after(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",), promises=[promise("t")])
            running = await bench.claim_one()
            await bench.retag(version, Grant("globex", Mode.COPY, "r", R1))
            assert await bench.claim() == []
            await bench.settle(running)
            assert (await bench.claim_one()).kind is DeliveryKind.TAGS

        tell(story)

    def test_a_replaced_copy_gets_none(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await self._delivered(bench)
            await bench.put("k", to=("globex",), promises=[promise("t")])
            await bench.retag(version, Grant("globex", Mode.COPY, "r", R1))
            assert await bench.states(version) == ["done"]

        tell(story)

    def test_new_tags_may_call_for_a_copy(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            await bench.retag(version, Grant("globex", Mode.COPY, "r", R1), promises=[promise("t")])
            assert (await bench.claim_one()).kind is DeliveryKind.COPY

        tell(story)

    async def _delivered(self, bench: Bench) -> Version:
        version = await bench.put("k", to=("globex",), mode=Mode.COPY, promises=[promise("t")])
        await bench.settle(await bench.claim_one())
        bench.clock.now += SECOND
        return version


class OutboxSuite(Promising, Claiming, Settling, Resuming, Counting, Tagging):
    """Everything about deliveries, for one catalog."""
