"""Behaviour suite for catalogs: the copy that a party's first read of a version promises it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.catalog import FirstRead
from gateway.errors import NoSuchVersion, PolicyMoved
from gateway.model import DeliveryState, Mode, Version
from tests.contract.catalog_kit import SECOND, Bench, Tell, event_of, promise

ON_READ = Mode.COPY_ON_READ


async def shared(bench: Bench, key: str = "k") -> Version:
    return await bench.put(key, to=("globex",), mode=ON_READ)


async def read(bench: Bench, version: Version, party: str = "globex") -> None:
    event = event_of("promise", version=version.id, party=party)
    made = promise(f"in/{version.ref.key}", party)
    await bench.catalog.commit(FirstRead(version.ref, version.id, bench.revision, made, event))


class FirstReadSuite:
    def test_the_first_read_promises_a_copy_and_leaves_a_record(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await shared(bench)
            size = await bench.catalog.size()
            bench.clock.now += SECOND
            await read(bench, version)
            assert await bench.states(version) == ["pending"]
            (made,) = await bench.catalog.deliveries_of(version.number)
            assert made.promised >= bench.clock.now  # its day begins now, not with the version
            assert await bench.catalog.size() == size + 1

        tell(story)

    def test_many_first_reads_at_once_promise_one_copy(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await shared(bench)
            size = await bench.catalog.size()
            await asyncio.gather(*(read(bench, version) for _ in range(9)))
            assert await bench.states(version) == ["pending"]
            assert await bench.catalog.size() == size + 1

        tell(story)

    @pytest.mark.parametrize("state", [DeliveryState.PARKED, DeliveryState.DONE])
    def test_what_was_promised_once_is_not_promised_again(
        self, tell: Tell, state: DeliveryState
    ) -> None:
        async def story(bench: Bench) -> None:
            version = await shared(bench)
            await read(bench, version)
            assert await bench.settle(await bench.claim_one(), state)
            await read(bench, version)
            assert await bench.states(version) == [state.value]

        tell(story)

    def test_a_withdrawn_promise_may_be_made_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await shared(bench)
            await read(bench, version)
            assert await bench.settle(await bench.claim_one(), DeliveryState.WITHDRAWN)
            await read(bench, version)
            assert await bench.states(version) == ["withdrawn", "pending"]

        tell(story)

    def test_reading_an_older_version_never_puts_it_over_a_newer_one(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old, new = await shared(bench), await shared(bench)
            await read(bench, new)
            await read(bench, old)
            assert await bench.states(new) == ["pending"]
            assert await bench.states(old) == ["superseded"]
            await read(bench, old)
            assert await bench.states(old) == ["superseded"]

        tell(story)

    def test_each_party_has_a_first_read_of_its_own(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex", "initech"), mode=ON_READ)
            await read(bench, version)
            await read(bench, version, "initech")
            assert await bench.states(version) == ["pending", "pending"]

        tell(story)

    def test_who_holds_no_grant_is_promised_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await shared(bench)
            with pytest.raises(NoSuchVersion):
                await read(bench, version, "initech")
            assert await bench.states(version) == []

        tell(story)

    def test_a_promise_under_another_policy_is_not_made(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await shared(bench)
            old = bench.revision
            await bench.new_policy()
            bench.revision = old
            with pytest.raises(PolicyMoved):
                await read(bench, version)
            assert await bench.states(version) == []

        tell(story)
