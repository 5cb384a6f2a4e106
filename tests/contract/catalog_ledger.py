"""Behaviour suite for catalogs: versions, grants, views, conditions, buckets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.audit.records import decode
from gateway.catalog import Expect
from gateway.errors import (
    BucketExists,
    BucketNotEmpty,
    CrossdockError,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    PolicyMoved,
    PreconditionFailed,
)
from gateway.model import Bucket, Grant, Mode, ObjectRef, Source, Version, Versioning
from tests.contract.catalog_kit import (
    BUCKET,
    R1,
    R2,
    SECOND,
    Bench,
    Tell,
    event_of,
    extent,
    promise,
    upload_of,
)


class Writes:
    def test_a_version_comes_back_as_it_went_in(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            full = replace(
                bench.version("k", extents=(extent("a"), extent("b")), tags={"a": "1"}),
                checksums={"crc32": "AAAA", "sha1": "BBBB"},
                checksum_type="COMPOSITE",
                sha256="ab" * 32,
                headers={"content-type": "text/csv"},
                metadata={"Klasse": "wörtlich"},
                parts=(5, 6),
                part_checksums=("x", "y"),
                sources=(Source("copy", ObjectRef("b", "é"), "v0"),),
                invocation="i-1",
            )
            write = replace(bench.write("k"), version=full)
            committed = await bench.catalog.commit(write)
            held = await bench.head("acme", "k")
            assert held is not None
            assert held.version == committed == replace(full, number=committed.number)
            assert held.latest

        tell(story)

    def test_numbers_follow_the_clock(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            bench.clock.now += 5 * SECOND
            assert (await bench.put("k")).number == bench.clock.now

        tell(story)

    def test_numbers_rise_when_the_clock_stands_or_jumps_back(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            second = await bench.put("other")
            bench.clock.now -= 3600 * SECOND
            third = await bench.put("k")
            assert (second.number, third.number) == (first.number + 1, first.number + 2)
            assert await bench.sees("acme", "k") == third.id

        tell(story)

    def test_a_refused_change_takes_no_number(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            with pytest.raises(PreconditionFailed):
                await bench.put("k", expect=Expect(if_none_match=("*",)))
            assert (await bench.put("k")).number == first.number + 1

        tell(story)

    def test_the_parent_is_what_the_writer_saw(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            marker = await bench.mark("k")
            assert first.parent == ""
            assert marker.parent == first.id
            assert (await bench.put("k")).parent == marker.id
            assert (await bench.put("k", author="globex")).parent == ""

        tell(story)

    def test_a_grant_is_all_that_lets_a_party_see(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",), mode=Mode.COPY)
            held = await bench.head("globex", "k")
            assert held is not None
            grant = Grant("globex", Mode.COPY, "rule for globex", R1, version.number)
            assert held.grant == grant
            assert await bench.head("initech", "k") is None
            assert await bench.keys("initech") == []
            entry = await bench.entry("globex", "k")
            assert (entry.author, entry.mode, entry.version) == ("acme", Mode.COPY, version.id)

        tell(story)

    def test_a_listing_row_holds_what_s3_shows(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put(
                "k", null=True, checksums={"crc32c": "x"}, checksum_type="FULL_OBJECT", size=77
            )
            entry = await bench.entry("acme", "k")
            assert (entry.size, entry.etag, entry.at) == (77, version.etag, version.at)
            assert (entry.null, entry.marker, entry.latest) == (True, False, True)
            assert (entry.algorithm, entry.checksum_type) == ("crc32c", "FULL_OBJECT")

        tell(story)

    def test_one_party_may_be_behind_another(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",))
            second = await bench.put("k")
            assert await bench.sees("globex", "k") == first.id
            assert await bench.sees("acme", "k") == second.id
            assert (await bench.entry("globex", "k")).version == first.id

        tell(story)

    def test_a_commit_under_a_revision_not_in_force_changes_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            write = bench.write("k", to=("globex",), extents=(extent("x"),))
            await bench.new_policy(R2)
            size = await bench.catalog.size()
            with pytest.raises(PolicyMoved):
                await bench.catalog.commit(write)
            assert await bench.keys("acme") == []
            assert await bench.catalog.size() == size
            assert not await bench.catalog.knows("acme", "home", extent("x").key)

        tell(story)

    def test_an_error_in_the_middle_leaves_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            size = await bench.catalog.size()
            write = bench.write("k", to=("globex",), promises=[promise("t")])
            crowded = {f"party-{n}": "share" for n in range(2000)}  # more than a record takes
            with pytest.raises(CrossdockError):
                await bench.catalog.commit(
                    replace(write, event=replace(write.event, recipients=crowded))
                )
            assert await bench.catalog.size() == size
            assert await bench.keys("globex") == []
            assert await bench.catalog.backlog() == []
            assert await bench.catalog.deliveries_of(write.version.number) == ()

        tell(story)

    def test_every_change_is_a_record_with_its_number(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            record = (await bench.catalog.records(await bench.catalog.size() - 1, 5))[0]
            opened = decode(record.openings)
            assert record.number == version.number
            assert opened.value("number") == str(version.number)
            assert opened.value("version") == version.id

        tell(story)


class Conditions:
    def test_if_none_match_any_refuses_what_is_there(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", expect=Expect(if_none_match=("*",)))
            with pytest.raises(PreconditionFailed):
                await bench.put("k", expect=Expect(if_none_match=("*",)))

        tell(story)

    def test_if_none_match_of_an_etag(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            with pytest.raises(PreconditionFailed):
                await bench.put("k", expect=Expect(if_none_match=("x", first.etag)))
            await bench.put("k", expect=Expect(if_none_match=("x",)))

        tell(story)

    def test_if_match_wants_the_current_etag(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            second = await bench.put("k", expect=Expect(if_match=(first.etag,)))
            with pytest.raises(PreconditionFailed):
                await bench.put("k", expect=Expect(if_match=(first.etag,)))
            await bench.put("k", expect=Expect(if_match=("x", second.etag)))
            await bench.put("k", expect=Expect(if_match=("*",)))

        tell(story)

    @pytest.mark.parametrize("etag", ["*", "some"])
    def test_if_match_on_nothing_is_no_such_key(self, tell: Tell, etag: str) -> None:
        async def story(bench: Bench) -> None:
            with pytest.raises(NoSuchKey):
                await bench.put("k", expect=Expect(if_match=(etag,)))

        tell(story)

    def test_a_delete_marker_counts_as_absent(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k")
            await bench.mark("k")
            with pytest.raises(NoSuchKey):
                await bench.put("k", expect=Expect(if_match=("*",)))
            await bench.put("k", expect=Expect(if_none_match=("*",)))

        tell(story)

    def test_conditions_are_judged_on_the_writers_view(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k")
            await bench.put("k", author="globex", expect=Expect(if_none_match=("*",)))

        tell(story)

    def test_what_the_writer_is_blind_to_counts_as_absent(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            hidden = await bench.put("k", to=("globex",))
            blind = frozenset({hidden.id})
            with pytest.raises(NoSuchKey):
                await bench.put("k", author="globex", expect=Expect(("*",), blind=blind))
            mine = await bench.put("k", author="globex", expect=Expect((), ("*",), blind))
            assert mine.parent == ""

        tell(story)

    @pytest.mark.parametrize(
        "wrong",
        [Expect(if_match=("x",)), Expect(if_size=9), Expect(if_modified=1)],
        ids=["etag", "size", "time"],
    )
    def test_a_delete_whose_condition_fails_changes_nothing(
        self, tell: Tell, wrong: Expect
    ) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            with pytest.raises(PreconditionFailed):
                await bench.mark("k", expect=wrong)
            with pytest.raises(PreconditionFailed):
                await bench.unwrite(version, expect=wrong)
            assert await bench.sees("acme", "k") == version.id

        tell(story)

    def test_a_delete_whose_conditions_hold_is_made(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            right = Expect((version.etag,), if_size=10, if_modified=version.at // SECOND)
            await bench.mark("k", expect=right)
            await bench.unwrite(version, expect=right)

        tell(story)

    def test_a_conditional_delete_of_nothing_succeeds(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.mark("k", expect=Expect(if_match=("x",), if_size=9))

        tell(story)

    def test_of_a_delete_marker_any_will_do_but_no_etag_and_no_size(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k")
            await bench.mark("k")
            await bench.mark("k", expect=Expect(if_match=("*",)))
            for wrong in (Expect(if_match=("x",)), Expect(if_size=0)):
                with pytest.raises(PreconditionFailed):
                    await bench.mark("k", expect=wrong)

        tell(story)

    def test_of_many_at_once_exactly_one_wins(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            only = Expect(if_none_match=("*",))
            outcomes = await asyncio.gather(
                *(bench.put("k", expect=only) for _ in range(40)), return_exceptions=True
            )
            won = [o for o in outcomes if isinstance(o, Version)]
            lost = [o for o in outcomes if isinstance(o, PreconditionFailed)]
            assert (len(won), len(lost)) == (1, 39)
            assert await bench.sees("acme", "k") == won[0].id
            assert len(await bench.catalog.story(ObjectRef(BUCKET, "k"))) == 1

        tell(story)

    def test_a_neighbour_that_fails_takes_nobody_with_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            outcomes = await asyncio.gather(
                *(
                    bench.put(f"k{n}", expect=Expect(if_match=("*",) if n % 3 == 0 else ()))
                    for n in range(30)
                ),
                return_exceptions=True,
            )
            failed = {n for n, o in enumerate(outcomes) if isinstance(o, NoSuchKey)}
            assert failed == set(range(0, 30, 3))
            assert len(await bench.keys("acme")) == 20
            numbers = [o.number for o in outcomes if isinstance(o, Version)]
            assert len(set(numbers)) == 20
            records = await bench.catalog.records(0, 100)
            assert [r.index for r in records] == list(range(await bench.catalog.size()))

        tell(story)

    def test_unwrite_judges_the_version_it_names(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            with pytest.raises(PreconditionFailed):
                await bench.unwrite(first, expect=Expect(if_match=("other",)))
            await bench.unwrite(first, expect=Expect(if_match=(first.etag,)))

        tell(story)


class Deleting:
    def test_a_marker_hides_the_key_from_every_holder(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", to=("globex", "initech"))
            marker = await bench.mark("k")
            for party in ("acme", "globex", "initech"):
                assert await bench.keys(party) == []
                held = await bench.head(party, "k")
                assert held is not None
                assert held.version == marker
                assert held.version.marker
            assert await bench.head("outsider", "k") is None

        tell(story)

    def test_a_marker_inherits_mode_and_rule(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", to=("globex",), mode=Mode.COPY)
            await bench.mark("k")
            held = await bench.head("globex", "k")
            assert held is not None
            assert (held.grant.mode, held.grant.rule) == (Mode.COPY, "rule for globex")

        tell(story)

    def test_a_marker_is_told_to_those_who_inherit_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", to=("globex",))
            await bench.mark("k")
            (record,) = await bench.catalog.records(await bench.catalog.size() - 1, 1)
            assert decode(record.openings).value("readers") == "acme,globex"

        tell(story)

    def test_a_marker_goes_only_to_holders_of_what_it_hides(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", to=("globex",))
            await bench.put("k")
            await bench.mark("k")
            assert await bench.sees("globex", "k") == old.id

        tell(story)

    def test_a_key_comes_back_with_a_new_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", to=("globex",))
            await bench.mark("k")
            again = await bench.put("k", to=("globex",))
            assert (await bench.entry("globex", "k")).version == again.id

        tell(story)

    def test_unwriting_a_marker_undeletes(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",))
            await bench.unwrite(await bench.mark("k"))
            assert await bench.sees("globex", "k") == first.id
            assert await bench.keys("globex") == await bench.keys("acme") == ["k"]

        tell(story)

    def test_unwriting_falls_back_to_what_is_then_newest(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",))
            second = await bench.put("k", to=("globex",))
            assert await bench.unwrite(second) == second
            assert (await bench.entry("globex", "k")).version == first.id
            await bench.unwrite(first)
            assert await bench.head("globex", "k") is None
            assert await bench.keys("acme") == []

        tell(story)

    def test_unwriting_an_old_version_leaves_the_view(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            second = await bench.put("k")
            await bench.unwrite(first)
            assert await bench.sees("acme", "k") == second.id
            assert await bench.head("acme", "k", version=first.id) is None

        tell(story)

    def test_unwriting_twice_is_no_such_version(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            await bench.unwrite(version)
            with pytest.raises(NoSuchVersion):
                await bench.unwrite(version)

        tell(story)

    @pytest.mark.parametrize("spoilt", [{"author": "globex"}, {"ref": ObjectRef(BUCKET, "x")}])
    def test_unwriting_what_one_does_not_hold(self, tell: Tell, spoilt: dict[str, str]) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            with pytest.raises(NoSuchVersion):
                await bench.unwrite(replace(version, **spoilt))  # type: ignore[arg-type]

        tell(story)

    def test_unwriting_cancels_what_was_not_sent(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",), promises=[promise("t")])
            await bench.unwrite(version)
            assert await bench.states(version) == ["cancelled"]
            assert await bench.claim() == []

        tell(story)

    def test_the_story_keeps_all_of_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",), promises=[promise("t")])
            second = await bench.put("k")
            await bench.unwrite(first)
            newest, oldest = await bench.catalog.story(ObjectRef(BUCKET, "k"))
            assert (newest.version, oldest.version) == (second, first)
            assert newest.unwritten == 0 < second.number < oldest.unwritten
            assert {g.party: g.closed for g in oldest.grants} == {
                "acme": oldest.unwritten,
                "globex": oldest.unwritten,
            }
            assert [g.closed for g in newest.grants] == [0]
            assert [d.state.value for d in oldest.deliveries] == ["cancelled"]
            limited = await bench.catalog.story(ObjectRef(BUCKET, "k"), limit=1)
            assert [s.version for s in limited] == [second]

        tell(story)


class NullVersions:
    """What S3 does in buckets that never were versioned, or whose versioning is suspended."""

    def test_null_versions_replace_each_other(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", null=True, to=("globex",))
            second = await bench.put("k", null=True, to=("globex",))
            for party in ("acme", "globex"):
                page = await bench.versions(party)
                assert [e.version for e in page.entries] == [second.id]
                assert await bench.sees(party, "k", version="null") == second.id
                assert await bench.sees(party, "k", version=first.id) == first.id

        tell(story)

    def test_a_versioned_one_stays_beside_them(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            named = await bench.put("k")
            null = await bench.put("k", null=True)
            later = await bench.put("k")
            page = await bench.versions("acme")
            assert [e.version for e in page.entries] == [later.id, null.id, named.id]
            assert [e.latest for e in page.entries] == [True, False, False]
            assert [e.null for e in page.entries] == [False, True, False]
            held = await bench.head("acme", "k", version="null")
            assert held is not None
            assert not held.latest

        tell(story)

    def test_a_replaced_null_version_does_not_come_back(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            named = await bench.put("k")
            await bench.put("k", null=True)
            second = await bench.put("k", null=True)
            await bench.unwrite(second)
            assert await bench.sees("acme", "k") == named.id
            assert (await bench.entry("acme", "k")).version == named.id
            assert await bench.head("acme", "k", version="null") is None

        tell(story)

    def test_a_party_keeps_the_null_version_that_it_has(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", null=True, to=("globex",))
            await bench.put("k", null=True)
            assert await bench.sees("globex", "k", version="null") == first.id
            page = await bench.versions("globex")
            assert [e.version for e in page.entries] == [first.id]

        tell(story)

    def test_an_unshown_marker_hides_and_leaves_nothing_to_see(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", null=True, to=("globex",))
            await bench.mark("k", null=True, shown=False)
            for party in ("acme", "globex"):
                assert await bench.keys(party) == []
                assert (await bench.versions(party)).entries == ()
            assert not await bench.catalog.has_shown(BUCKET)

        tell(story)

    def test_a_shown_null_marker_is_replaced_too(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.mark("k", null=True)
            version = await bench.put("k", null=True)
            page = await bench.versions("acme")
            assert [e.version for e in page.entries] == [version.id]
            await bench.unwrite(version)
            assert await bench.head("acme", "k") is None

        tell(story)

    def test_as_of_still_knows_a_replaced_one(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", null=True)
            bench.clock.now += SECOND
            second = await bench.put("k", null=True)
            assert await bench.sees("acme", "k", as_of=first.number) == first.id
            assert await bench.sees("acme", "k", as_of=second.number) == second.id
            page = await bench.page("acme", as_of=first.number)
            assert [e.version for e in page.entries] == [first.id]
            await bench.unwrite(second)
            assert await bench.sees("acme", "k", as_of=first.number) == first.id
            assert await bench.head("acme", "k", as_of=second.number) is None

        tell(story)

    def test_as_of_names_the_null_version_of_then(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", null=True)
            second = await bench.put("k", null=True)
            for version in (first, second):
                seen = await bench.sees("acme", "k", version="null", as_of=version.number)
                assert seen == version.id

        tell(story)


class Reading:
    def test_a_version_is_found_by_its_id_and_only_under_its_key(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",))
            await bench.put("k", to=("globex",))
            held = await bench.head("globex", "k", version=first.id)
            assert held is not None
            assert (held.version, held.latest) == (first, False)
            assert await bench.head("globex", "other", version=first.id) is None
            assert await bench.head("initech", "k", version=first.id) is None
            assert await bench.head("globex", "k", version="unknown") is None
            assert await bench.head("globex", "k", version="null") is None

        tell(story)

    def test_as_of_is_what_was_newest_then(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",))
            bench.clock.now += SECOND
            second = await bench.put("k", to=("globex",))
            bench.clock.now += SECOND
            await bench.mark("k")
            assert await bench.head("globex", "k", as_of=first.number - 1) is None
            assert await bench.sees("globex", "k", as_of=first.number) == first.id
            assert await bench.sees("globex", "k", as_of=second.number - 1) == first.id
            assert await bench.sees("globex", "k", as_of=second.number) == second.id
            held = await bench.head("globex", "k", version=first.id, as_of=first.number)
            assert held is not None
            assert held.latest
            assert await bench.head("globex", "k", version=second.id, as_of=first.number) is None

        tell(story)

    def test_as_of_needs_a_grant_that_is_still_open(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",))
            await bench.retag(first)
            assert await bench.head("globex", "k", as_of=first.number) is None

        tell(story)

    def test_as_of_needs_a_grant_that_was_open_then(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k")
            await bench.retag(first, Grant("globex", Mode.SHARE, "r", R1))
            assert await bench.sees("globex", "k") == first.id
            assert await bench.head("globex", "k", as_of=first.number) is None

        tell(story)

    def test_a_changed_grant_does_not_break_sight(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("k", to=("globex",))
            await bench.retag(first, Grant("globex", Mode.COPY, "another rule", R1))
            assert await bench.sees("globex", "k", as_of=first.number) == first.id

        tell(story)

    def test_keys_are_exact(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            keys = ["k", "K", "k ", "k/", "k\0", "k%2F", "é", "e\u0301", "\U0010ffff", "\ud7ff"]
            made = {key: await bench.put(key) for key in keys}
            for key in keys:
                assert await bench.sees("acme", key) == made[key].id
            assert await bench.keys("acme") == sorted(keys, key=str.encode)

        tell(story)


class Retagging:
    def test_tags_change_with_a_number_of_their_own(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", tags={"a": "1"})
            tagged = await bench.retag(version, tags={"b": "2"})
            assert tagged == replace(version, tags={"b": "2"}, tags_number=tagged.tags_number)
            assert tagged.tags_number > version.number
            held = await bench.head("acme", "k")
            assert held is not None
            assert held.version == tagged
            assert (await bench.retag(version, tags={})).tags == {}

        tell(story)

    def test_who_is_not_named_loses_the_grant(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", to=("globex",))
            version = await bench.put("k", to=("globex", "initech"))
            tagged = await bench.retag(version, Grant("initech", Mode.SHARE, "r", R1))
            assert await bench.sees("globex", "k") == old.id
            assert (await bench.entry("globex", "k")).version == old.id
            assert await bench.sees("initech", "k") == version.id
            story = (await bench.catalog.story(version.ref))[0]
            closed = {g.party: g.closed for g in story.grants if g.closed}
            assert closed["globex"] == tagged.tags_number

        tell(story)

    def test_who_is_new_gains_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            tagged = await bench.retag(version, Grant("globex", Mode.SHARE, "r", R1))
            held = await bench.head("globex", "k")
            assert held is not None
            assert held.grant.opened == tagged.tags_number
            assert await bench.keys("globex") == ["k"]

        tell(story)

    def test_an_old_version_does_not_become_the_newest(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", to=("globex",))
            new = await bench.put("k", to=("globex", "initech"))
            gains = [Grant(p, Mode.SHARE, "r", R1) for p in ("globex", "initech")]
            await bench.retag(old, *gains)
            assert await bench.sees("globex", "k") == await bench.sees("initech", "k") == new.id
            assert (await bench.entry("initech", "k")).version == new.id

        tell(story)

    def test_the_same_grant_stays_open_under_the_new_revision(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",))
            await bench.new_policy(R2)
            await bench.retag(version, Grant("globex", Mode.SHARE, "rule for globex", R2))
            held = await bench.head("globex", "k")
            assert held is not None
            assert (held.grant.opened, held.grant.revision) == (version.number, R2)
            never = await bench.page("globex", sees=lambda _: False)
            assert [e.key for e in never.entries] == ["k"]

        tell(story)

    def test_a_mode_that_changes_shows_in_the_listing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex",))
            await bench.retag(version, Grant("globex", Mode.COPY, "r", R1))
            assert (await bench.entry("globex", "k")).mode is Mode.COPY

        tell(story)

    def test_policy_moved(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            await bench.new_policy(R2)
            bench.revision = R1
            with pytest.raises(PolicyMoved):
                await bench.retag(version)

        tell(story)

    def test_only_of_what_the_author_holds(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k")
            await bench.unwrite(version)
            with pytest.raises(NoSuchVersion):
                await bench.retag(version)

        tell(story)


class Buckets:
    made = Bucket("acme-new", "acme", {"acme": ("**",)}, Versioning.OFF, history=5, created=9)

    def test_a_bucket_comes_back_as_it_went_in(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            assert await catalog.bucket("acme-new") is None
            await catalog.create_bucket(self.made, event_of("bucket"))
            assert await catalog.bucket("acme-new") == self.made
            assert await catalog.buckets() == [self.made]

        tell(story)

    def test_a_name_is_taken_once(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.create_bucket(self.made, event_of("bucket"))
            other = replace(self.made, owner="globex")
            with pytest.raises(BucketExists):
                await bench.catalog.create_bucket(other, event_of("bucket"))
            assert await bench.catalog.buckets() == [self.made]

        tell(story)

    def test_its_versioning_can_be_set(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.create_bucket(self.made, event_of("bucket"))
            await catalog.set_versioning("acme-new", Versioning.ENABLED, event_of("bucket"))
            bucket = await catalog.bucket("acme-new")
            assert bucket == replace(self.made, versioning=Versioning.ENABLED)
            with pytest.raises(NoSuchBucket):
                await catalog.set_versioning("none", Versioning.ENABLED, event_of("bucket"))

        tell(story)

    def _in_new(self, bench: Bench, key: str = "k", **how: bool) -> Version:
        return replace(bench.version(key, **how), ref=ObjectRef("acme-new", key))

    def test_it_can_go_only_while_nothing_is_shown(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.create_bucket(self.made, event_of("bucket"))
            write = replace(bench.write("k", to=("globex",)), version=self._in_new(bench))
            version = await catalog.commit(write)
            assert await catalog.has_shown("acme-new")
            with pytest.raises(BucketNotEmpty):
                await catalog.delete_bucket("acme-new", event_of("bucket"))
            await bench.unwrite(version)
            assert not await catalog.has_shown("acme-new")
            await catalog.delete_bucket("acme-new", event_of("bucket"))
            assert await catalog.bucket("acme-new") is None
            with pytest.raises(NoSuchBucket):
                await catalog.delete_bucket("acme-new", event_of("bucket"))

        tell(story)

    def test_an_open_upload_counts_as_shown(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.catalog.begin(upload_of("u"))
            assert await bench.catalog.has_shown(BUCKET)
            await bench.catalog.abort("u")
            assert not await bench.catalog.has_shown(BUCKET)

        tell(story)

    def test_a_shown_marker_counts_as_shown(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.mark("k")
            assert await bench.catalog.has_shown(BUCKET)

        tell(story)

    def test_deleting_it_closes_the_grants_that_are_left(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.create_bucket(self.made, event_of("bucket"))
            version = self._in_new(bench, null=True)
            await catalog.commit(replace(bench.write("k", to=("globex",)), version=version))
            marker = replace(self._in_new(bench, null=True), marker=True)
            await catalog.commit(
                replace(bench.write("k", inherit=True, shown=False), version=marker)
            )
            await catalog.delete_bucket("acme-new", event_of("bucket"))
            for party in ("acme", "globex"):
                assert await catalog.head(party, version.ref) is None
                assert await catalog.head(party, version.ref, version=version.id) is None
            for each in await catalog.story(version.ref):
                assert {g.party for g in each.grants if g.closed} == {"acme", "globex"}
                assert all(grant.closed for grant in each.grants)

        tell(story)

    def test_a_write_that_comes_too_late_finds_it_gone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.create_bucket(self.made, event_of("bucket"))
            late = replace(bench.write("k"), version=self._in_new(bench))
            await catalog.delete_bucket("acme-new", event_of("bucket"))
            with pytest.raises(NoSuchBucket):
                await catalog.commit(late)

        tell(story)

    def test_the_name_can_be_used_again(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            for _ in range(2):
                await catalog.create_bucket(self.made, event_of("bucket"))
                await catalog.delete_bucket("acme-new", event_of("bucket"))
            again = replace(self.made, owner="globex", members={"globex": ("**",)})
            await catalog.create_bucket(again, event_of("bucket"))
            assert await catalog.buckets() == [again]
            await catalog.commit(replace(bench.write("k"), version=self._in_new(bench)))

        tell(story)

    def test_topology_may_take_the_name_of_one_that_is_gone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            catalog = bench.catalog
            await catalog.create_bucket(self.made, event_of("bucket"))
            await catalog.delete_bucket("acme-new", event_of("bucket"))
            await bench.new_policy(R2)
            await catalog.commit(replace(bench.write("k"), version=self._in_new(bench)))

        tell(story)


class LedgerSuite(Writes, Conditions, Deleting, NullVersions, Reading, Retagging, Buckets):
    """Everything about versions and grants, for one catalog."""
