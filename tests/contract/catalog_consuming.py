"""Behaviour suite for catalogs: what a party consumed, and the names that it gave."""

from __future__ import annotations

import pytest

from gateway.catalog import Consume, Expect
from gateway.errors import Conflict, NoSuchVersion, PolicyMoved, PreconditionFailed
from gateway.model import Grant, Mode, ObjectRef, Version
from tests.contract.catalog_kit import BUCKET, Bench, Tell, event_of, promise

WMS = "globex"
BOTH = (WMS, "initech")


async def consume(
    bench: Bench,
    version: Version,
    moved_to: str = "",
    key: str = "",
    party: str = WMS,
    **how: Expect,
) -> Version:
    ref = ObjectRef(BUCKET, key or version.ref.key)
    event = event_of("consumed", version=version.id, party=party)
    change = Consume(ref, version.id, party, bench.revision, event, moved_to, **how)
    return await bench.catalog.commit(change)


class ConsumingSuite:
    def test_what_is_consumed_leaves_that_view_alone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            await bench.put("in/y", to=BOTH)
            size = await bench.catalog.size()
            await consume(bench, version)
            assert await bench.keys(WMS) == ["in/y"]
            assert await bench.head(WMS, "in/x") is None
            assert await bench.catalog.size() == size + 1
            for party in ("acme", "initech"):
                assert await bench.keys(party) == ["in/x", "in/y"]
                assert await bench.sees(party, "in/x") == version.id

        tell(story)

    def test_it_is_read_by_its_version_and_stays_among_the_versions(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            await consume(bench, version)
            assert await bench.sees(WMS, "in/x", version=version.id) == version.id
            (entry,) = (await bench.versions(WMS)).entries
            assert (entry.version, entry.latest) == (version.id, False)
            (entry,) = (await bench.versions("initech")).entries
            assert entry.latest

        tell(story)

    def test_older_versions_do_not_come_back_and_newer_ones_come(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("in/x", to=BOTH)
            second = await bench.put("in/x", to=BOTH)
            await consume(bench, second)
            assert await bench.keys(WMS) == []
            await bench.unwrite(second)
            assert await bench.keys(WMS) == []
            third = await bench.put("in/x", to=BOTH)
            assert await bench.sees(WMS, "in/x") == third.id
            assert (await bench.entry(WMS, "in/x")).version == third.id
            await bench.unwrite(third)
            assert await bench.keys(WMS) == []

        tell(story)

    def test_a_moved_version_has_its_new_name_until_its_grant_ends(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH, size=7)
            await consume(bench, version, "archive/x")
            assert await bench.keys(WMS) == ["archive/x"]
            entry = await bench.entry(WMS, "archive/x")
            assert (entry.version, entry.size, entry.etag) == (version.id, 7, version.etag)
            held = await bench.head(WMS, "archive/x")
            assert held is not None
            assert held.version.ref.key == "in/x"
            assert await bench.keys("initech") == ["in/x"]
            newer = await bench.put("in/x", to=BOTH)
            assert await bench.keys(WMS) == ["archive/x", "in/x"]
            await bench.mark("in/x")
            assert newer.ref.key not in await bench.keys(WMS)
            assert await bench.sees(WMS, "archive/x") == version.id  # the marker hides the key
            await bench.unwrite(version)
            assert await bench.keys(WMS) == []
            assert await bench.head(WMS, "archive/x") is None

        tell(story)

    def test_a_version_that_is_granted_under_the_name_is_shown_there(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            moved = await bench.put("in/x", to=BOTH)
            await consume(bench, moved, "archive/x")
            granted = await bench.put("archive/x", to=BOTH)
            assert (await bench.entry(WMS, "archive/x")).version == granted.id
            assert await bench.sees(WMS, "archive/x") == granted.id
            marker = await bench.mark("archive/x")
            assert (await bench.entry(WMS, "archive/x")).version == moved.id
            assert await bench.sees(WMS, "archive/x") == moved.id
            await bench.unwrite(marker)
            assert (await bench.entry(WMS, "archive/x")).version == granted.id
            await bench.unwrite(granted)
            assert (await bench.entry(WMS, "archive/x")).version == moved.id
            again = await bench.put("archive/x", to=BOTH)
            await consume(bench, again)
            assert (await bench.entry(WMS, "archive/x")).version == moved.id
            assert await bench.sees(WMS, "archive/x") == moved.id

        tell(story)

    def test_nothing_is_moved_over_what_is_granted(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            await bench.put("archive/x", to=BOTH)
            size = await bench.catalog.size()
            with pytest.raises(Conflict):
                await consume(bench, version, "archive/x")
            assert await bench.sees(WMS, "in/x") == version.id
            assert await bench.catalog.size() == size

        tell(story)

    def test_what_was_moved_is_moved_on_moved_over_and_dropped(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("in/x", to=BOTH)
            second = await bench.put("in/y", to=BOTH)
            await consume(bench, first, "archive/x")
            await consume(bench, first, "archive/z", key="archive/x")
            assert await bench.keys(WMS) == ["archive/z", "in/y"]
            await consume(bench, second, "archive/z")
            assert await bench.keys(WMS) == ["archive/z"]
            assert await bench.sees(WMS, "archive/z") == second.id
            await consume(bench, second, key="archive/z")
            assert await bench.keys(WMS) == []
            assert await bench.head(WMS, "archive/z") is None

        tell(story)

    def test_moved_back_it_is_there_until_a_newer_version_comes(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            await consume(bench, version, "archive/x")
            await consume(bench, version, "in/x", key="archive/x")
            assert await bench.keys(WMS) == ["in/x"]
            newer = await bench.put("in/x", to=BOTH)
            assert (await bench.entry(WMS, "in/x")).version == newer.id
            assert await bench.sees(WMS, "in/x") == newer.id

        tell(story)

    @pytest.mark.parametrize("moved_to", ["", "archive/x"])
    def test_the_same_again_changes_nothing(self, tell: Tell, moved_to: str) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            await consume(bench, version, moved_to)
            size = await bench.catalog.size()
            await consume(bench, version, moved_to)
            assert await bench.catalog.size() == size
            with pytest.raises(NoSuchVersion):
                await consume(bench, version, "elsewhere")

        tell(story)

    def test_only_what_the_view_has_is_consumed(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            for party, key in (("umbra", "in/x"), (WMS, "in/other")):
                with pytest.raises(NoSuchVersion):
                    await consume(bench, version, key=key, party=party)
            with pytest.raises(PreconditionFailed):
                await consume(bench, version, expect=Expect(if_match=("other",)))
            old = bench.revision
            await bench.new_policy()
            bench.revision = old
            with pytest.raises(PolicyMoved):
                await consume(bench, version)
            assert not await bench.catalog.consumed(WMS, version.ref)

        tell(story)

    def test_a_view_as_of_a_moment_has_what_it_had_then(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            other = await bench.put("in/y", to=BOTH)
            moments = [bench.clock.now]
            for moved_to, key in (
                ("archive/x", "in/x"),
                ("archive/z", "archive/x"),
                ("", "archive/z"),
            ):
                bench.clock.now += 10**9
                await consume(bench, version, moved_to, key)
                bench.clock.now += 10**9
                moments.append(bench.clock.now)
            shown = [["in/x", "in/y"], ["archive/x", "in/y"], ["archive/z", "in/y"], ["in/y"]]
            for moment, keys in zip(moments, shown, strict=True):
                assert await bench.keys(WMS, as_of=moment + 10**8) == keys
                assert await bench.keys("initech", as_of=moment + 10**8) == ["in/x", "in/y"]
                for key in ("in/x", "archive/x", "archive/z"):
                    there = version.id if key in keys else ""
                    assert await bench.sees(WMS, key, as_of=moment + 10**8) == there
                first = await bench.page(WMS, as_of=moment + 10**8, limit=1)
                rest = await bench.keys(WMS, as_of=moment + 10**8, after=first.last)
                assert [e.key for e in first.entries] + (rest if first.truncated else []) == keys
            assert await bench.sees(WMS, "in/y", as_of=moments[0] + 10**8) == other.id

        tell(story)

    def test_then_too_a_granted_version_was_shown_under_its_name(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            await consume(bench, version, "archive/x")
            bench.clock.now += 10**9
            granted = await bench.put("archive/x", to=BOTH)
            bench.clock.now += 10**9
            await bench.mark("archive/x")
            bench.clock.now += 10**9
            now = bench.clock.now
            for moment, there in (
                (now, version),
                (now - 10**9 - 1, granted),
                (now - 2 * 10**9 - 1, version),
            ):
                page = await bench.page(WMS, as_of=moment)
                assert [entry.version for entry in page.entries] == [there.id]
                assert await bench.sees(WMS, "archive/x", as_of=moment) == there.id

        tell(story)

    def test_new_grants_keep_the_marks(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            gone = await bench.put("in/y", to=BOTH)
            await consume(bench, version, "archive/x")
            await consume(bench, gone)
            copied = Grant(WMS, Mode.COPY, "another rule", bench.revision)
            for each in (version, gone):
                await bench.retag(each, copied)
            assert await bench.keys(WMS) == ["archive/x"]
            assert (await bench.entry(WMS, "archive/x")).mode is Mode.COPY
            await bench.retag(version)
            assert await bench.keys(WMS) == []
            await bench.retag(version, copied)
            assert await bench.keys(WMS) == ["archive/x"]

        tell(story)

    def test_a_writer_judges_what_its_view_has(self, tell: Tell) -> None:
        """A party that consumed a key, and was then let write it."""

        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            await consume(bench, version, "archive/x")
            absent, there = Expect(if_none_match=("*",)), Expect(if_match=(version.etag,))
            with pytest.raises(PreconditionFailed):
                await bench.put("archive/x", author=WMS, expect=absent)
            await bench.put("archive/x", author=WMS, expect=there)
            await bench.put("in/x", author=WMS, expect=absent)
            assert await bench.keys(WMS) == ["archive/x", "in/x"]

        tell(story)

    def test_what_is_promised_is_kept_and_nothing_more_is_promised(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=(WMS,), promises=[promise("in/x")])
            await consume(bench, version)
            assert await bench.states(version) == ["pending"]
            newer = await bench.put("in/x", to=(WMS,), promises=[promise("in/x")])
            assert await bench.states(version) == ["superseded"]
            await bench.unwrite(newer)
            assert await bench.states(version) == ["superseded"]

        tell(story)

    def test_the_story_of_a_key_tells_who_is_done_with_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("in/x", to=BOTH)
            await consume(bench, version, party="initech")
            bench.clock.now += 10**9
            first = bench.clock.now
            await consume(bench, version, "archive/x")
            bench.clock.now += 10**9
            await consume(bench, version, "archive/y", key="archive/x")
            (told,) = await bench.catalog.story(version.ref)
            assert [(c.party, c.moved_to) for c in told.consumed] == [
                (WMS, "archive/y"),
                ("initech", ""),
            ]
            assert told.consumed[0].at == first
            assert await bench.catalog.consumed(WMS, version.ref)
            assert await bench.catalog.consumed(WMS, ObjectRef(BUCKET, "archive/x"))
            assert not await bench.catalog.consumed("acme", version.ref)

        tell(story)
