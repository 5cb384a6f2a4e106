"""Behaviour suite for catalogs: who is told of what, in which order, and how notices end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.catalog import Expect, NoticeClaim, NoticeLane, NoticeOutcome, Redecided, Step
from gateway.errors import NoSuchBucket, PreconditionFailed
from gateway.lifecycle import Judged
from gateway.model import Bucket, DeliveryState, Grant, Mode, ObjectRef, Source
from gateway.notifications import EVENTS, QUEUE_MAX, TEST, Watch
from tests.contract.catalog_kit import (
    BUCKET,
    LANE,
    R1,
    SECOND,
    Bench,
    Tell,
    event_of,
    promise,
)

ORDERS = Bucket(BUCKET, "acme", {"acme": ("**",)})
HOOK = NoticeLane("globex", "feed")
EVERYTHING = tuple(sorted(EVENTS))
DAY = 24 * 3600 * SECOND


def watch(*events: str, webhook: str = "feed", **how: Any) -> Watch:
    return Watch(f"to-{webhook}", "queue", webhook, events or EVERYTHING, **how)


async def watching(bench: Bench, party: str = "globex", *watches: Watch) -> None:
    event = event_of("bucket", party=party)
    await bench.catalog.set_watches(ORDERS, party, watches or (watch(),), event, test=False)


async def told(bench: Bench, party: str = "globex") -> list[tuple[str, str]]:
    waiting = await bench.catalog.notices(party=party)
    return [(each.event.removeprefix("s3:"), each.ref.key) for each in waiting]


async def claimed(bench: Bench, lane: NoticeLane = HOOK, limit: int = 100) -> list[NoticeClaim]:
    return list(await bench.catalog.claim_notices(lane, limit, bench.clock.now, 30 * SECOND))


async def settle(bench: Bench, claim: NoticeClaim, **how: Any) -> int:
    return await bench.catalog.settle_notices([NoticeOutcome(claim.notice, **how)])


class Telling:
    def test_a_configuration_is_kept_for_each_party_and_bucket(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            mine = (watch("s3:ObjectCreated:*", prefix="in/", suffix=""), watch(webhook="b"))
            await watching(bench, "globex", *mine)
            assert await bench.catalog.watches(BUCKET, "globex") == mine
            assert await bench.catalog.watches(BUCKET, "acme") == ()
            assert await bench.catalog.watches("other", "globex") == ()
            event = event_of("bucket")
            await bench.catalog.set_watches(ORDERS, "globex", (), event, test=False)
            assert await bench.catalog.watches(BUCKET, "globex") == ()
            await bench.put("k", to=("globex",))
            assert await told(bench) == []

        tell(story)

    def test_a_version_is_told_to_the_watchers_that_see_it_alone(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for party in ("acme", "globex", "initech"):
                await watching(bench, party)
            await bench.put("both", to=("globex",))
            await bench.put("own")
            assert await told(bench, "acme") == [
                ("ObjectCreated:Put", "both"),
                ("ObjectCreated:Put", "own"),
            ]
            assert await told(bench, "globex") == [("ObjectCreated:Put", "both")]
            assert await told(bench, "initech") == []

        tell(story)

    def test_by_event_and_filter(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = watch("s3:ObjectCreated:Copy", prefix="in/", suffix=".csv")
            await watching(bench, "globex", made)
            copied = (Source("copy", ObjectRef(BUCKET, "x"), "v0"),)
            await bench.put("in/a.csv", to=("globex",))
            for key in ("in/b.csv", "in/b.txt", "out/b.csv"):
                await bench.put(key, to=("globex",), sources=copied)
            assert await told(bench) == [("ObjectCreated:Copy", "in/b.csv")]

        tell(story)

    def test_how_a_version_came_to_be(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench, "acme")
            await bench.put("put")
            await bench.put("form", door="s3-form")
            await bench.put("copy", sources=(Source("copy", ObjectRef(BUCKET, "x"), "v0"),))
            assert await told(bench, "acme") == [
                ("ObjectCreated:Put", "put"),
                ("ObjectCreated:Post", "form"),
                ("ObjectCreated:Copy", "copy"),
            ]

        tell(story)

    def test_what_goes_is_told_to_whoever_held_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            gone = await bench.put("unwritten", to=("globex",))
            await bench.put("marked", to=("globex",))
            await bench.put("plain", to=("globex",))
            await bench.put("hidden")
            await watching(bench)
            await bench.unwrite(gone)
            await bench.mark("marked")
            await bench.mark("plain", shown=False)
            await bench.mark("hidden")
            assert await told(bench) == [
                ("ObjectRemoved:Delete", "unwritten"),
                ("ObjectRemoved:DeleteMarkerCreated", "marked"),
                ("ObjectRemoved:Delete", "plain"),
            ]

        tell(story)

    def test_lifecycle_has_names_of_its_own(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = Bucket(BUCKET, "acme", {"acme": ("**",)}, created=1)
            await bench.catalog.create_bucket(made, event_of("bucket"))
            await watching(bench, "acme")
            judged = Judged(made, "r", lambda _: True)
            one = await bench.put("one")
            await bench.put("two")
            await bench.unwrite(one, judged=judged)
            await bench.mark("two", judged=judged)
            assert (await told(bench, "acme"))[2:] == [
                ("LifecycleExpiration:Delete", "one"),
                ("LifecycleExpiration:DeleteMarkerCreated", "two"),
            ]

        tell(story)

    def test_new_tags_are_told_to_who_keeps_it_and_made_it_to_who_gets_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            version = await bench.put("k", to=("globex", "initech"))
            for party in ("acme", "globex", "initech", "umbra"):
                await watching(bench, party)
            grants = [Grant(p, Mode.SHARE, "rule", bench.revision) for p in ("globex", "umbra")]
            await bench.retag(version, *grants)
            await bench.retag(version, *grants, tags={})
            tagged = [("ObjectTagging:Put", "k"), ("ObjectTagging:Delete", "k")]
            assert await told(bench, "acme") == tagged
            assert await told(bench, "globex") == tagged
            assert await told(bench, "umbra") == [("ObjectCreated:Put", "k"), tagged[1]]
            assert await told(bench, "initech") == []

        tell(story)

    def test_an_older_version_that_comes_into_view_is_told_where_it_shows(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            older = await bench.put("k")
            await bench.put("k", to=("globex",))
            await watching(bench, "globex")
            await watching(bench, "initech")
            grants = [Grant(p, Mode.SHARE, "rule", bench.revision) for p in ("globex", "initech")]
            await bench.retag(older, *grants)
            assert await told(bench, "globex") == []
            assert await told(bench, "initech") == [("ObjectCreated:Put", "k")]

        tell(story)

    def test_convergence_tells_who_gets_it_and_not_who_loses_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            older = await bench.put("k")
            newer = await bench.put("k", to=("initech",))
            for party in ("acme", "globex", "initech"):
                await watching(bench, party)
            await bench.new_policy()
            own = Grant("acme", Mode.OWN, "author", R1)
            given = (own, Grant("globex", Mode.SHARE, "rule", bench.revision))
            changes = [
                Redecided(v.number, 0, given, frozenset(), (), event_of("grants", principal="p"))
                for v in (newer, older)
            ]
            progress = await bench.catalog.progress()
            assert progress is not None
            step = Step(bench.revision, progress.reached, 0, 2, tuple(changes))
            await bench.catalog.redecide(step)
            assert await told(bench, "globex") == [("ObjectCreated:Put", "k")]
            (claim,) = await claimed(bench)
            assert claim.version is not None
            assert claim.version.id == newer.id
            assert await told(bench, "initech") == []
            assert await told(bench, "acme") == []

        tell(story)

    def test_a_refused_write_tells_nobody(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench, "acme")
            await bench.put("k")
            with pytest.raises(PreconditionFailed):
                await bench.put("k", expect=Expect(if_none_match=("*",)))
            assert len(await told(bench, "acme")) == 1

        tell(story)

    def test_only_ones_own_act_names_principal_and_request(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench, "acme")
            await watching(bench, "globex")
            write = bench.write("k", to=("globex",))
            event = event_of("write", principal="erp", request="R1")
            await bench.catalog.commit(replace(write, event=event))
            (own,) = await bench.catalog.notices(party="acme")
            (other,) = await bench.catalog.notices(party="globex")
            assert (own.principal, own.request) == ("erp", "R1")
            assert (other.principal, other.request) == ("", "")
            assert own.name != other.name
            assert len(own.name) == 32

        tell(story)

    def test_a_bucket_made_through_a_door_takes_its_configurations_along(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = Bucket(BUCKET, "acme", {"acme": ("**",)}, created=1)
            await bench.catalog.create_bucket(made, event_of("bucket"))
            event = event_of("bucket")
            await bench.catalog.set_watches(made, "acme", (watch(),), event, test=False)
            await bench.catalog.delete_bucket(BUCKET, event)
            assert await bench.catalog.watches(BUCKET, "acme") == ()
            with pytest.raises(NoSuchBucket):
                await bench.catalog.set_watches(made, "acme", (watch(),), event, test=False)
            await bench.catalog.create_bucket(made, event)
            await bench.put("k")
            assert await told(bench, "acme") == []

        tell(story)

    def test_a_test_is_sent_once_to_each_webhook(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            puts = watch("s3:ObjectCreated:Put", webhook="a")
            copies = watch("s3:ObjectCreated:Copy", webhook="a")
            tags = watch("s3:ObjectTagging:*", webhook="b")
            event = event_of("bucket", party="globex", request="R2")
            await bench.catalog.set_watches(
                ORDERS, "globex", (puts, copies, tags), event, test=True
            )
            made = await bench.catalog.notices()
            assert [(n.webhook, n.event, n.ref.bucket, n.request) for n in made] == [
                ("a", TEST, BUCKET, "R2"),
                ("b", TEST, BUCKET, "R2"),
            ]
            (claim,) = await claimed(bench, NoticeLane("globex", "a"))
            assert (claim.version, claim.held) == (None, False)

        tell(story)


class Copies:
    """What an author is told of the copies that others were promised."""

    def test_a_parked_copy_failed(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench, "acme")
            await watching(bench, "globex")
            await bench.put("k", to=("globex",), promises=[promise("t")])
            delivery = await bench.claim_one()
            await bench.settle(delivery, DeliveryState.PARKED, code="DstObjectOccupied", error="e")
            _, failed = await bench.catalog.notices(party="acme")
            assert failed.event == "s3:Replication:OperationFailedReplication"
            assert failed.copy == {
                "to": "globex",
                "rule": "rule for globex",
                "code": "DstObjectOccupied",
            }
            assert await told(bench, "globex") == [("ObjectCreated:Put", "k")]

        tell(story)

    def test_a_copy_in_time_is_not_worth_a_notice(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench, "acme")
            await bench.put("k", promises=[promise("t")])
            await bench.put("d", promises=[timed("u")])
            for claim in await bench.claim():
                await bench.settle(claim.delivery)
            assert len(await told(bench, "acme")) == 2

        tell(story)

    def test_a_deadline_that_passes_and_what_comes_after_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench, "acme")
            await bench.put("k", promises=[timed("t")])
            bench.clock.now += 61 * SECOND
            for _ in range(2):
                await bench.catalog.miss(bench.clock.now, 10, lambda _: event_of("delivery"))
            delivery = await bench.claim_one()
            await bench.settle(delivery, DeliveryState.PENDING, due=bench.clock.now)
            await bench.settle(await bench.claim_one())
            events = await bench.catalog.notices(party="acme")
            assert [each.event.rpartition(":")[2] for each in events[1:]] == [
                "OperationMissedThreshold",
                "OperationReplicatedAfterThreshold",
            ]
            assert events[2].copy["threshold"] == "60"
            assert events[2].copy["took"] == "61000"

        tell(story)

    @pytest.mark.parametrize("how", ["superseded", "withdrawn", "cancelled"])
    def test_a_timed_copy_that_will_not_come_is_no_longer_tracked(
        self, tell: Tell, how: str
    ) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench, "acme", watch("s3:Replication:*"))
            version = await bench.put("k", promises=[timed("t"), promise("u", "initech")])
            if how == "superseded":
                await bench.put("k", promises=[promise("t"), promise("u", "initech")])
            elif how == "withdrawn":
                await bench.settle(await bench.claim_one(LANE), DeliveryState.WITHDRAWN)
            else:
                await bench.unwrite(version)
            assert await told(bench, "acme") == [("Replication:OperationNotTracked", "k")]

        tell(story)


class Sending:
    def test_a_claim_has_all_that_a_message_needs(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench)
            version = await bench.put("k", to=("globex",))
            (claim,) = await claimed(bench)
            assert claim.version is not None
            assert claim.version.id == version.id
            assert claim.held
            assert (claim.bucket, claim.missed) == (None, 0)
            assert (claim.notice.attempts, claim.notice.token) == (0, 1)
            await bench.unwrite(version)
            await settle(bench, claim)
            (claim,) = await claimed(bench)
            assert not claim.held

        tell(story)

    def test_notices_of_a_key_go_in_order_and_others_beside_them(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench)
            for key in ("a", "a", "b"):
                await bench.put(key, to=("globex",))
            first, other = await claimed(bench)
            assert [first.notice.ref.key, other.notice.ref.key] == ["a", "b"]
            assert await claimed(bench) == []
            await settle(bench, first, due=bench.clock.now + SECOND, error="500")
            assert await claimed(bench) == []  # the second waits for the first
            bench.clock.now += SECOND
            (again,) = await claimed(bench)
            assert (again.notice.id, again.notice.attempts) == (first.notice.id, 1)
            assert again.notice.name == first.notice.name
            await settle(bench, again)
            (second,) = await claimed(bench)
            assert second.notice.id > first.notice.id

        tell(story)

    def test_webhooks_do_not_wait_for_each_other(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            puts = watch("s3:ObjectCreated:*", webhook="a")
            await watching(bench, "globex", puts, watch("s3:ObjectRemoved:*", webhook="b"))
            await bench.put("k", to=("globex",))
            await bench.mark("k")
            a, b = NoticeLane("globex", "a"), NoticeLane("globex", "b")
            assert await bench.catalog.notice_lanes(bench.clock.now) == [a, b]
            assert len(await claimed(bench, a)) == len(await claimed(bench, b)) == 1

        tell(story)

    def test_a_lease_that_ran_out_is_claimed_again_and_its_holder_no_longer_counts(
        self, tell: Tell
    ) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench)
            await bench.put("k", to=("globex",))
            (lost,) = await claimed(bench)
            assert await claimed(bench) == []
            assert await bench.catalog.next_notice() == bench.clock.now + 30 * SECOND
            bench.clock.now += 30 * SECOND
            (held,) = await claimed(bench)
            assert await settle(bench, lost) == 0
            assert await settle(bench, held) == 1
            assert await told(bench) == []
            assert await bench.catalog.next_notice() is None

        tell(story)

    def test_what_was_given_back_counts_no_attempt(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench)
            await bench.put("k", to=("globex",))
            (claim,) = await claimed(bench)
            await settle(bench, claim, due=bench.clock.now, tried=False)
            (claim,) = await claimed(bench)
            assert claim.notice.attempts == 0

        tell(story)

    def test_a_parked_one_holds_up_nobody_and_comes_back_before_what_is_newer(
        self, tell: Tell
    ) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench)
            for _ in range(3):
                await bench.put("k", to=("globex",))
            (claim,) = await claimed(bench)
            await settle(bench, claim, parked=True, error="410")
            (backlog,) = await bench.catalog.notice_backlog()
            assert (backlog.pending, backlog.parked, backlog.missed) == (2, 1, 0)
            assert backlog.oldest == claim.notice.id
            (parked,) = await bench.catalog.notices(parked=True)
            assert (parked.id, parked.parked, parked.error) == (claim.notice.id, True, "410")
            (second,) = await claimed(bench)
            now = bench.clock.now
            assert await bench.catalog.resume_notices(now=now, limit=10) == 1
            assert await claimed(bench) == []  # one of its key is under way
            await settle(bench, second, due=now)
            (first,) = await claimed(bench)
            assert first.notice.id == claim.notice.id

        tell(story)

    def test_resuming_by_id_by_lane_and_in_steps(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench)
            await watching(bench, "acme")
            for key in ("a", "b", "c"):
                await bench.put(key, to=("globex",))
            for lane in (HOOK, NoticeLane("acme", "feed")):
                for claim in await claimed(bench, lane):
                    await settle(bench, claim, parked=True)
            resume, now = bench.catalog.resume_notices, bench.clock.now
            second = (await bench.catalog.notices(parked=True, party="globex"))[1].id
            assert await resume(ids=[second, 404], now=now, limit=10) == 1
            assert [c.notice.id for c in await claimed(bench)] == [second]
            assert await resume(lane=HOOK, now=now, limit=1) == 1
            assert await resume(lane=HOOK, now=now, limit=10) == 1
            assert await resume(lane=HOOK, now=now, limit=10) == 0
            assert await resume(now=now, limit=10) == 3
            assert await resume(now=now, limit=10) == 0

        tell(story)

    def test_what_is_old_is_parked_but_for_what_is_under_way(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await watching(bench)
            for key in ("a", "b", "b"):
                await bench.put(key, to=("globex",))
            (running,) = await claimed(bench, limit=1)
            bench.clock.now += DAY
            await bench.put("b", to=("globex",))
            park, before = bench.catalog.park_notices, bench.clock.now
            assert await park(HOOK, before, "dead", 1) == 1
            assert await park(HOOK, before, "dead", 10) == 1
            assert await park(HOOK, before, "dead", 10) == 0
            assert [n.ref.key for n in await bench.catalog.notices(parked=True)] == ["b", "b"]
            again, young = await claimed(bench)
            assert again.notice.id == running.notice.id  # its lease ran out
            assert young.notice.ref.key == "b"

        tell(story)

    def test_a_full_queue_drops_the_oldest_parked_then_counts_what_it_misses(
        self, tell: Tell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert QUEUE_MAX == 100_000
        monkeypatch.setattr("gateway.catalog.telling.QUEUE_MAX", 2)

        async def story(bench: Bench) -> None:
            await watching(bench)
            await bench.put("a", to=("globex",))
            (claim,) = await claimed(bench)
            await settle(bench, claim, parked=True)
            for key in ("b", "c", "d"):
                await bench.put(key, to=("globex",))
            assert [key for _, key in await told(bench)] == ["b", "c"]
            (backlog,) = await bench.catalog.notice_backlog()
            assert (backlog.pending, backlog.parked, backlog.missed) == (2, 0, 2)
            assert {c.missed for c in await claimed(bench)} == {2}

        tell(story)

    def test_who_sends_is_woken_by_the_commit(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            woken = asyncio.Event()
            bench.catalog.on_notice(woken.set)
            await watching(bench)
            await bench.put("own")
            await bench.put("own too")
            assert not woken.is_set()
            await bench.put("k", to=("globex",))
            await asyncio.wait_for(woken.wait(), 5)

        tell(story)


class NoticeSuite(Telling, Copies, Sending):
    pass


def timed(target: str) -> Any:
    return replace(promise(target), deadline=60)
