"""Random stories of deliveries against a small model: failing stores, deaths, edits, owners' hands.

Always: nobody's file is overwritten, no copy goes back to an older version, nothing is sent to a
party that the policy leaves out, every copy's bytes are a version's. After a heal: every promise
has ended, and each copy is the newest version that its party was to have.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.errors import Damaged, StoreFault, StoreRefused, StoreUnavailable
from gateway.faults import arm
from gateway.model import DeliveryState
from tests.unit.courier.bench import Bench
from tests.unit.courier.test_courier import SITES, KilledError

T = TypeVar("T")

PARTIES = ("globex", "initech")
KEYS = ("a", "b")
THEIRS = b"theirs"
FAILURES = (
    ("deliver", "before", StoreUnavailable),
    ("deliver", "after", StoreUnavailable),  # it arrived, and the answer was lost
    ("deliver", "before", StoreRefused),
    ("deliver", "before", StoreFault),
    ("deliver", "after", ValueError),
    ("examine", "before", StoreUnavailable),
    ("read_copy", "before", StoreUnavailable),
    ("read_copy", "before", Damaged),
    ("lie", "", Damaged),  # the store keeps other bytes than it was given
)
HEAL_ROUNDS_MAX = 40


class Deliveries(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda *_: None)  # the dead say nothing
        self.stack = AsyncExitStack()
        self.bench = self.play(self.stack.enter_async_context(Bench.open()))
        self.contents: dict[str, list[bytes]] = {key: [] for key in KEYS}
        self.promised: dict[tuple[str, str], bytes] = {}  # the newest promise of each copy
        self.touched: set[tuple[str, str]] = set()  # where an owner's own file lies
        self.ever_touched: set[tuple[str, str]] = set()
        self.highest: dict[tuple[str, str], int] = {}
        self.sent: dict[str, int] = {}

    def play(self, story: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(story)

    def teardown(self) -> None:
        self.play(self.stack.aclose())
        self.loop.close()

    # what happens

    @rule(key=st.sampled_from(KEYS), to=st.just(set(PARTIES)))
    def put(self, key: str, to: set[str]) -> None:
        data = f"{key}{len(self.contents[key])}".encode()
        self.contents[key].append(data)
        self.promised |= {(party, key): data for party in to}
        self.play(self.bench.put(key, data, *sorted(to)))

    @rule(
        key=st.sampled_from(KEYS),
        party=st.sampled_from(PARTIES),
        failures=st.lists(st.sampled_from(FAILURES), max_size=3),
    )
    def put_into_trouble(
        self, key: str, party: str, failures: list[tuple[str, str, type[Exception]]]
    ) -> None:
        """Something to deliver, and what its store will do: aimed, for chance seldom hits."""
        inbox = self.bench.inbox(party)
        for verb, when, error in failures:
            if verb == "lie":
                self.bench.store(party).lies += 1
            else:
                (inbox.fails if when == "before" else inbox.fails_after)(verb, error("told to"))
        self.put(key, {party})
        self.play(self.bench.courier.drain())

    @rule(seconds=st.sampled_from((1, 3, 31, 400)))
    def time_passes(self, seconds: int) -> None:
        self.bench.pass_time(seconds)
        self.play(self.bench.courier.drain())

    @rule(site=st.sampled_from(SITES), nth=st.integers(1, 3))
    def die(self, site: str, nth: int) -> None:
        """Killed at a point, if it comes there; a new courier knows what the catalog knows."""
        self.put(KEYS[nth % 2], set(PARTIES))
        seen = 0

        def trap(name: str) -> None:
            nonlocal seen
            seen += name == site
            if seen >= nth:
                raise KilledError

        async def doomed() -> None:
            context = contextvars.copy_context()
            context.run(arm, trap)
            task = asyncio.create_task(self.bench.courier.drain(), context=context)
            await asyncio.wait([task])
            if not isinstance(task.exception(), KilledError | None):
                await task
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(others, timeout=1) if others else None

        self.play(doomed())
        self.bench.courier = self.bench.another()

    @rule(party=st.sampled_from(PARTIES))
    def policy_edit(self, party: str) -> None:
        self.bench.withdrawn ^= {party}
        self.sent[party] = self.bench.inbox(party).calls.count("deliver")

    @rule(party=st.sampled_from(PARTIES), key=st.sampled_from(KEYS))
    def owner_writes(self, party: str, key: str) -> None:
        self.touched.add((party, key))
        self.ever_touched.add((party, key))
        self.highest.pop((party, key), None)
        self.bench.store(party).put(self.bench.target(key), THEIRS)

    @rule(party=st.sampled_from(PARTIES), key=st.sampled_from(KEYS))
    def owner_makes_room(self, party: str, key: str) -> None:
        if (party, key) in self.touched:
            self.touched.discard((party, key))
            self.bench.store(party).lose(self.bench.target(key))

    @rule()
    def heal(self) -> None:
        """Stores and policy are well again, and people resume what is parked."""
        self.bench.withdrawn.clear()
        for party in PARTIES:
            self.bench.inbox(party).before.clear()
            self.bench.inbox(party).after.clear()
            self.bench.store(party).lies = 0
            self.take_damaged_copies_away(party)
        for _ in range(HEAL_ROUNDS_MAX):
            self.play(self.bench.catalog.resume(now=self.bench.now))
            self.bench.pass_time(400)
            self.play(self.bench.courier.drain())
            rows = self.play(self.bench.open_rows())
            if all((row.party, row.ref.key) in self.touched for row in rows):
                break
        else:
            raise AssertionError(f"still open: {rows}")
        self.everything_arrived()

    def take_damaged_copies_away(self, party: str) -> None:
        """Left by a store that lied, when the courier died before it saw; people must look."""
        for key in KEYS:
            ours = (party, key) not in self.touched and not self.lost(party, key)
            if ours and self.content(party, key) not in self.contents[key]:
                self.ever_touched.add((party, key))
                self.bench.store(party).lose(self.bench.target(key))

    def everything_arrived(self) -> None:
        rows = self.play(self.bench.deliveries())
        for (party, key), data in self.promised.items():
            ends = [row for row in rows if (row.party, row.ref.key) == (party, key)]
            newest = max(ends, key=lambda row: row.number)
            if (party, key) in self.touched:
                assert self.content(party, key) == THEIRS
            elif newest.state is DeliveryState.DONE and not self.lost(party, key):
                assert self.content(party, key) == data
            else:
                assert newest.state in (DeliveryState.WITHDRAWN, DeliveryState.DONE)

    def content(self, party: str, key: str) -> bytes:
        return self.play(self.bench.content(key, party))

    def lost(self, party: str, key: str) -> bool:
        """Its owner took it away after it had arrived."""
        return self.play(self.bench.store(party).examine(self.bench.target(key))) is None

    # what must always hold

    @invariant()
    def owners_files_are_theirs(self) -> None:
        for party, key in self.touched:
            assert self.content(party, key) == THEIRS

    @invariant()
    def copies_are_versions_and_only_grow_newer(self) -> None:
        for party in PARTIES:
            for key in KEYS:
                if (party, key) in self.touched or self.lost(party, key):
                    continue
                content = self.content(party, key)
                if content not in self.contents[key] and not self.done_with(party, key):
                    continue  # damaged by a store that lied, and nobody was told that it arrived
                number = self.contents[key].index(content)
                assert number >= self.highest.get((party, key), 0)
                self.highest[party, key] = number

    def done_with(self, party: str, key: str) -> bool:
        """Whether the newest promise of this copy was reported as kept."""
        rows = self.play(self.bench.deliveries())
        mine = [row for row in rows if (row.party, row.ref.key) == (party, key)]
        return max(mine, key=lambda row: row.number).state is DeliveryState.DONE

    @invariant()
    def each_version_arrives_once(self) -> None:
        for party in PARTIES:
            touched = tuple(key for whose, key in self.ever_touched if whose == party)
            arrived = [v for v in self.bench.arrived(party) if not v.startswith(touched)]
            assert len(arrived) == len(set(arrived))

    @invariant()
    def the_left_out_are_sent_nothing(self) -> None:
        for party in self.bench.withdrawn:
            assert self.bench.inbox(party).calls.count("deliver") == self.sent[party]

    @invariant()
    def receipts_are_for_what_was_promised(self) -> None:
        for row in self.play(self.bench.deliveries()):
            assert (row.receipt is not None) == (row.state is DeliveryState.DONE)


Deliveries.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestDeliveries = Deliveries.TestCase
