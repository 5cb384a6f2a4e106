"""Behaviour suite for catalogs: copies held against their receipts, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway.catalog import CopyCheck, Finding, KeptCopy, Loss, Spot
from gateway.model import DeliveryState, Extent, Mode, Version
from tests.contract.catalog_kit import (
    FAR,
    SECOND,
    Bench,
    Tell,
    event_of,
    extent,
    promise,
    receipt_of,
)

WELL, MISSING, DAMAGED = Finding.WELL, Finding.MISSING, Finding.DAMAGED


async def delivered(bench: Bench, key: str = "k", target: str = "", **how: Any) -> Version:
    version = await bench.put(
        key, to=("globex",), mode=Mode.COPY, promises=[promise(target or f"in/{key}")], **how
    )
    for claim in await bench.claim():
        await bench.settle(claim.delivery)
    bench.clock.now += SECOND
    return version


async def kept(bench: Bench, before: int = FAR, **how: Any) -> Sequence[KeptCopy]:
    found, spot = await bench.catalog.kept_copies(before, Spot(), 100, **how)
    assert spot is None
    return found


async def note(
    bench: Bench, finding: Finding, *, again: bool = False, copy: KeptCopy | None = None, **how: Any
) -> int:
    copy = copy or (await kept(bench))[0]
    delivery = copy.claim.delivery
    event = event_of("check", outcome=finding.value, readers=("globex",))
    made = promise(delivery.target) if again else None
    check = CopyCheck(delivery.id, bench.clock.now, finding, again=made, event=event, **how)
    return await bench.catalog.note_checks([check])


class KeepingCopies:
    def test_a_delivered_copy_counts_as_checked_when_it_was_verified(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            verified = bench.clock.now
            version = await delivered(bench)
            (copy,) = await kept(bench)
            assert copy.claim.version.id == version.id
            assert copy.claim.held is Mode.COPY
            assert copy.current
            assert copy.checked == copy.claim.delivery.checked == verified
            assert await bench.catalog.oldest_check() == verified
            assert await bench.catalog.count_kept(verified + 1) == 1
            assert await kept(bench, before=verified) == []

        tell(story)

    def test_the_longest_unchecked_comes_first_page_by_page(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for key in "abcde":
                await delivered(bench, key)
            await note(bench, WELL)  # of `a`, which is now the last
            seen: list[str] = []
            spot: Spot | None = Spot()
            while spot is not None:
                page, spot = await bench.catalog.kept_copies(FAR, spot, 2)
                seen += [copy.claim.version.ref.key for copy in page]
            assert seen == ["b", "c", "d", "e", "a"]

        tell(story)

    def test_of_one_party_or_bucket(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await delivered(bench)
            assert len(await kept(bench, party="globex")) == 1
            assert await kept(bench, party="initech") == []
            assert len(await kept(bench, bucket="orders")) == 1
            assert await kept(bench, bucket="other") == []

        tell(story)

    def test_what_was_replaced_or_is_not_sent_is_no_copy(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await delivered(bench)
            new = await delivered(bench)
            await bench.put("other", promises=[promise("in/other")])
            assert [copy.claim.version.id for copy in await kept(bench)] == [new.id]

        tell(story)

    def test_nothing_is_kept_at_first(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            assert await kept(bench) == []
            assert await bench.catalog.oldest_check() == 0
            assert await bench.catalog.found_copies() == []

        tell(story)


class NotingChecks:
    def test_a_finding_is_noted_and_recorded_once(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await delivered(bench)
            size = await bench.catalog.size()
            for _ in range(2):
                assert await note(bench, MISSING) == 0
            (copy,) = await kept(bench)
            assert (copy.claim.delivery.finding, copy.checked) == ("missing", bench.clock.now)
            assert await bench.catalog.found_copies() == [("globex", MISSING, 1)]
            assert await bench.catalog.size() == size + 1
            await note(bench, WELL)
            assert await bench.catalog.found_copies() == []
            assert await bench.catalog.size() == size + 2

        tell(story)

    def test_what_is_well_is_no_record(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await delivered(bench)
            size = await bench.catalog.size()
            await note(bench, WELL)
            assert await bench.catalog.size() == size

        tell(story)

    def test_the_same_bytes_under_another_etag_are_the_copy(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await delivered(bench)
            await note(bench, WELL, receipt=replace(receipt_of(5), etag="moved"))
            (copy,) = await kept(bench)
            assert copy.claim.delivery.receipt == replace(receipt_of(5), etag="moved")

        tell(story)

    def test_a_copy_is_promised_again_once(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await delivered(bench)
            assert await note(bench, MISSING, again=True) == 1
            assert await bench.states(version) == ["done", "pending"]
            assert await note(bench, MISSING, again=True) == 0
            (claim,) = await bench.claim()
            await bench.settle(claim.delivery)
            old, new = await bench.catalog.deliveries_of(version.number)
            assert old.receipt is not None
            assert old.receipt.replaced
            assert new.receipt is not None
            assert not new.receipt.replaced
            (copy,) = await kept(bench)
            assert (copy.claim.delivery.id, copy.claim.delivery.finding) == (new.id, "")
            assert await bench.catalog.found_copies() == []

        tell(story)

    def test_not_where_one_that_was_is_parked(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await delivered(bench)
            await note(bench, MISSING, again=True)
            await bench.settle(await bench.claim_one(), DeliveryState.PARKED)
            assert await note(bench, MISSING, again=True) == 0
            assert await bench.states(version) == ["done", "parked"]

        tell(story)

    def test_nothing_is_noted_while_something_is_on_its_way_there(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await delivered(bench)
            await bench.put("k", to=("globex",), promises=[promise("in/k")])
            assert await note(bench, MISSING, again=True) == 0
            (copy,) = await kept(bench)
            assert (copy.claim.delivery.finding, copy.checked) == ("", bench.clock.now)
            assert not copy.current

        tell(story)

    def test_nor_of_a_copy_that_was_replaced_meanwhile(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await delivered(bench)
            (copy,) = await kept(bench)
            await delivered(bench)
            assert await note(bench, DAMAGED, again=True, copy=copy) == 0
            assert await bench.states(old) == ["done"]
            assert await bench.catalog.found_copies() == []

        tell(story)

    def test_an_older_version_is_not_sent_over_a_newer_parked_one(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await delivered(bench)
            await bench.put("k", to=("globex",), promises=[promise("in/k")])
            await bench.settle(await bench.claim_one(), DeliveryState.PARKED)
            assert await note(bench, MISSING, again=True) == 0
            assert await bench.states(old) == ["done"]
            assert await bench.catalog.found_copies() == [("globex", MISSING, 1)]

        tell(story)


class LosingExtents:
    def test_versions_whose_bytes_are_kept_newest_first(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("a", extents=(extent("one"),))
            new = await bench.put("b", extents=(extent("two"),))
            await bench.mark("b")
            found = await bench.catalog.stored_versions(FAR, 10)
            assert [version.id for version in found] == [new.id, old.id]
            assert [v.id for v in await bench.catalog.stored_versions(new.number, 10)] == [old.id]
            assert len(await bench.catalog.stored_versions(FAR, 1)) == 1

        tell(story)

    def test_a_loss_is_known_and_recorded_until_it_is_mended(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("a", extents=(extent("one"),))
            size = await bench.catalog.size()
            loss = Loss(Extent("acme", "home", extent("one").key, 0, 0), version.number, MISSING, 7)
            for _ in range(2):
                await bench.catalog.note_losses([(loss, event_of("check"))], [])
            assert await bench.catalog.losses() == [loss]
            assert await bench.catalog.size() == size + 1
            await bench.catalog.note_losses([], [extent("two")])
            assert await bench.catalog.losses() == [loss]
            await bench.catalog.note_losses([], [extent("one")])
            assert await bench.catalog.losses() == []

        tell(story)


class CheckSuite(KeepingCopies, NotingChecks, LosingExtents):
    pass
