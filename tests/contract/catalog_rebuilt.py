"""Behaviour suite for catalogs: rows that are written again from what the stores told."""

from __future__ import annotations

from gateway.catalog import Restored, RestoredCopy
from gateway.model import Bucket, DeliveryState, Grant, Mode, Receipt, Version
from tests.contract.catalog_kit import R2, SECOND, Bench, Tell, receipt_of

FIRST = 2_000 * SECOND


async def restored(bench: Bench, *keys: str) -> list[Version]:
    made = []
    for at, key in enumerate(keys):
        write = bench.write(key, to=("globex",), mode=Mode.COPY)
        await bench.catalog.restore([Restored(write, FIRST + at * SECOND)])
        (story, *_) = await bench.catalog.story(write.version.ref)
        made.append(story.version)
    return made


def copy_of(
    version: Version, receipt: Receipt | None = None, *, lone: bool = False
) -> RestoredCopy:
    return RestoredCopy(
        version.id, "globex", "home", f"in/{version.id}", "rule", receipt, lone=lone
    )


class RebuildSuite:
    def test_versions_get_the_numbers_that_they_are_to_have(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old, new, other = await restored(bench, "k", "k", "x")
            assert [v.number for v in (old, new, other)] == [
                FIRST,
                FIRST + SECOND,
                FIRST + 2 * SECOND,
            ]
            assert new.parent == old.id
            assert await bench.sees("globex", "k") == new.id

        tell(story)

    def test_found_copies_have_receipts_and_others_wait_if_they_are_current(
        self, tell: Tell
    ) -> None:
        async def story(bench: Bench) -> None:
            old, new, other = await restored(bench, "k", "k", "x")
            done = await bench.catalog.restore_copies(
                [copy_of(old), copy_of(new), copy_of(other, receipt_of(7))]
            )
            assert done == (1, 1)
            rows = await bench.catalog.deliveries()
            assert [(row.version, row.state) for row in rows] == [
                (new.id, DeliveryState.PARKED),
                (other.id, DeliveryState.DONE),
            ]
            assert rows[1].receipt == receipt_of(7)
            assert await bench.catalog.resume() == 1
            bench.clock.now = FIRST * 2
            assert [claim.version.id for claim in await bench.claim()] == [new.id]
            assert await bench.catalog.restore_copies([copy_of(old, lone=True)]) == (0, 1)

        tell(story)

    def test_a_bucket_that_was_made_through_a_door(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bucket = Bucket("acme-x", "acme", {}, created=5)
            await bench.catalog.restore_bucket(bucket)
            await bench.catalog.restore_bucket(Bucket("acme-x", "globex", {}, created=6))
            assert await bench.catalog.bucket("acme-x") == bucket

        tell(story)

    def test_rules_count_from_the_moment_that_is_said(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.new_policy(R2, ["rule"])
            await bench.catalog.date_rules(77)
            assert await bench.catalog.rule_starts(["rule"]) == {"rule": 77}
            version = await bench.put("k")
            own = Grant("acme", Mode.OWN, "author", R2, opened=version.number)
            assert await bench.catalog.grants_of(version.number) == [own]

        tell(story)
