"""Behaviour suite for catalogs: listings, against a naive model that sorts and filters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.catalog import Entry, Query
from gateway.model import Facts
from tests.contract.catalog_kit import BUCKET, R2, SECOND, Bench, Tell, drained

EDGES = (
    "a",
    "b",
    "/",
    "é",
    "\x01",
    "\x7f",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
)
"""Characters around which an order by code units, or a successor by code points, goes wrong."""

KEYS = st.text(st.sampled_from(EDGES), min_size=1, max_size=4)
PREFIXES = st.text(st.sampled_from(EDGES), max_size=2)
DELIMITERS = st.sampled_from(("", "/", "a", "//", "é", "ab", "\ud7ff", "\U0010ffff"))
PARTIES = ("acme", "globex", "initech")


@dataclass(frozen=True)
class Row:
    """A grant as the model remembers it."""

    key: str
    version: str
    number: int
    marker: bool
    null: bool
    secret: bool
    revision: str


@dataclass
class Model:
    """Every party's grants, in the order of their commits."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {p: [] for p in PARTIES})

    def shown(self, party: str, as_of: int | None) -> list[Row]:
        """The party's rows that count, newest first: null versions replace each other."""
        kept: list[Row] = []
        for row in self.rows[party]:
            if as_of is None or row.number <= as_of:
                kept = [r for r in kept if not (row.null and r.null and r.key == row.key)]
                kept.append(row)
        return kept[::-1]

    def newest(self, party: str, as_of: int | None) -> list[Row]:
        found: dict[str, Row] = {}
        for row in self.shown(party, as_of):
            found.setdefault(row.key, row)
        return list(found.values())

    def listing(self, query: Query, rows: list[Row]) -> list[Row | str]:
        """All that a listing shows from `after` on: rows and common prefixes, in order."""
        items: list[Row | str] = []
        for row in sorted(rows, key=lambda r: (r.key.encode(), -r.number)):
            if row.revision != query.revision and row.secret:
                continue
            if not row.key.startswith(query.prefix):
                continue
            if query.within and not row.key.startswith(query.within):
                continue
            if _passed(query, row.key):
                continue
            head, cut, _ = row.key[len(query.prefix) :].partition(query.delimiter or "\0\0")
            item = query.prefix + head + cut if cut else row
            if item not in items:
                items.append(item)
        return items


def _passed(query: Query, key: str) -> bool:
    after, delimiter = query.after, query.delimiter
    common = delimiter and after.endswith(delimiter) and after.startswith(query.prefix)
    if common and len(after) > len(query.prefix) and key.startswith(after):
        return True
    return bool(after) and key.encode() <= after.encode()


def allows(facts: Facts) -> bool:
    return "secret" not in facts.metadata


@st.composite
def writes(draw: st.DrawFn) -> list[tuple[str, tuple[str, ...], bool, bool, bool]]:
    """(key, recipients, marker, null, secret) of each write; keys come again now and then."""
    keys = draw(st.lists(KEYS, min_size=1, max_size=8))
    flags = st.sampled_from((False, False, False, True))
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(keys),
                st.sampled_from(((), ("globex",), ("globex", "initech"))),
                *(flags, flags, flags),
            ),
            min_size=1,
            max_size=14,
        )
    )


QUERIES = st.builds(
    Query,
    party=st.sampled_from(PARTIES),
    bucket=st.just(BUCKET),
    revision=st.just(R2),
    prefix=PREFIXES,
    delimiter=DELIMITERS,
    limit=st.integers(1, 5),
    within=st.lists(PREFIXES.filter(bool), max_size=3).map(tuple),
)


async def write_all(
    bench: Bench, made: list[tuple[str, tuple[str, ...], bool, bool, bool]], stale: int
) -> Model:
    """Writes, the first `stale` of them under a policy that is then no longer in force."""
    model = Model()
    for place, (key, to, marker, null, secret) in enumerate(made):
        if place == stale:
            await bench.new_policy(R2)
        bench.clock.now += SECOND
        facts = {"secret": "1"} if secret else {}
        version = await bench.put(key, to=to, marker=marker, null=null, metadata=facts)
        for party in ("acme", *to):
            row = Row(key, version.id, version.number, marker, null, secret, bench.revision)
            model.rows[party].append(row)
    if bench.revision != R2:
        await bench.new_policy(R2)
    return model


def as_items(found: list[Entry | str], rows: list[Row]) -> list[Row | str]:
    by_id = {row.version: row for row in rows}
    return [item if isinstance(item, str) else by_id[item.version] for item in found]


def in_order(items: list[Row | str]) -> list[Row | str]:
    def place(item: Row | str) -> tuple[bytes, int]:
        return (item.encode(), 0) if isinstance(item, str) else (item.key.encode(), -item.number)

    return sorted(items, key=place)


class ListingSuite:
    @settings(
        max_examples=120,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
    )
    @given(
        made=writes(),
        stale=st.integers(0, 14),
        queries=st.lists(QUERIES, min_size=4, max_size=8),
        starts=st.lists(KEYS, min_size=8, max_size=8),
        moment=st.integers(-1, 14),
    )
    def test_listings_are_what_sorting_and_filtering_gives(
        self,
        tell: Tell,
        made: list[tuple[str, tuple[str, ...], bool, bool, bool]],
        stale: int,
        queries: list[Query],
        starts: list[str],
        moment: int,
    ) -> None:
        async def story(bench: Bench) -> None:
            begun = bench.clock.now
            model = await write_all(bench, made, stale)
            for query, start in zip(queries, starts, strict=False):
                for as_of in (None, begun + moment * SECOND):
                    await check(bench, model, query, start, as_of)

        tell(story)

    def test_an_empty_bucket_gives_an_empty_page(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for page in (await bench.page("acme"), await bench.versions("acme")):
                assert (page.entries, page.prefixes, page.truncated) == ((), (), False)

        tell(story)

    def test_no_rows_asked_for_none_given(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k")
            page = await bench.page("acme", limit=0)
            assert (page.entries, page.truncated) == ((), False)

        tell(story)

    def test_a_full_last_page_is_not_truncated(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for key in ("a", "b/1", "b/2", "c"):
                await bench.put(key)
            page = await bench.page("acme", delimiter="/", limit=3)
            assert (page.truncated, page.prefixes) == (False, ("b/",))
            page = await bench.page("acme", delimiter="/", limit=2)
            assert (page.truncated, page.last) == (True, "b/")
            assert [e.key for e in page.entries] == ["a"]

        tell(story)

    def test_a_key_that_equals_the_prefix_is_a_key(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for key in ("a/", "a/1", "a/b/2"):
                await bench.put(key)
            found = await drained(bench.page, party="acme", prefix="a/", delimiter="/", limit=1)
            assert [i if isinstance(i, str) else i.key for i in found] == ["a/", "a/1", "a/b/"]

        tell(story)

    def test_what_lies_below_after_is_skipped_as_one(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for key in ("a/1", "a/2", "a0"):
                await bench.put(key)
            assert await bench.keys("acme", delimiter="/", after="a/") == ["a0"]
            assert await bench.keys("acme", after="a/") == ["a/1", "a/2", "a0"]

        tell(story)

    def test_prefixes_within_each_other_give_a_key_once(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for key in ("a", "a/1", "b/1", "b/2", "c"):
                await bench.put(key)
            assert await bench.keys("acme", within=("b/", "a", "a/", "b/2", "a")) == [
                *("a", "a/1", "b/1", "b/2")
            ]
            assert await bench.keys("acme", within=("a/", "b/"), prefix="b") == ["b/1", "b/2"]
            assert await bench.keys("acme", within=("x",)) == []
            page = await bench.page("acme", within=("b/1", "b/2"), delimiter="/")
            assert (page.entries, page.prefixes) == ((), ("b/",))

        tell(story)

    def test_prefixes_bound_by_bytes(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            keys = [
                "\ud7ff",
                "\ud7ff/x",
                "\ue000",
                "\U0010ffff",
                "\U0010ffff/y",
                "\U0010ffff\U0010ffff",
            ]
            for key in keys:
                await bench.put(key)
            assert await bench.keys("acme", prefix="\ud7ff") == keys[:2]
            assert await bench.keys("acme", prefix="\U0010ffff") == keys[3:]
            page = await bench.page("acme", delimiter="\U0010ffff")
            assert [e.key for e in page.entries] == keys[:3]
            assert page.prefixes == ("\U0010ffff",)

        tell(story)

    def test_a_prefix_needs_a_visible_row_below_it(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for key in ("a/1", "a/2", "b/1", "b/2"):
                await bench.put(
                    key,
                    to=("globex",),
                    metadata={"secret": "1"} if "2" not in key or "b" in key else {},
                )
            await bench.new_policy(R2)
            page = await bench.page("globex", delimiter="/", sees=allows)
            assert page.prefixes == ("a/",)

        tell(story)

    def test_rows_under_the_policy_in_force_are_not_asked_about(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            asked: list[str] = []

            def sees(facts: Facts) -> bool:
                asked.append(facts.ref.key)
                return True

            await bench.put("old")
            await bench.new_policy(R2)
            await bench.put("new")
            assert (await bench.page("acme", sees=sees)).entries
            assert (await bench.versions("acme", sees=sees)).entries
            assert asked == ["old", "old"]

        tell(story)

    def test_policy_is_asked_with_all_the_facts(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            asked: list[Facts] = []

            def sees(facts: Facts) -> bool:
                asked.append(facts)
                return False

            version = await bench.put(
                "k", headers={"content-type": "text/csv"}, metadata={"m": "1"}, tags={"t": "2"}
            )
            tagged = await bench.retag(version)
            await bench.new_policy(R2)
            assert await bench.keys("acme", sees=sees) == []
            assert asked == [tagged.facts]

        tell(story)

    def test_a_hidden_head_hides_the_key(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", to=("globex",))
            await bench.put("k", to=("globex",), metadata={"secret": "1"})
            await bench.new_policy(R2)
            assert await bench.keys("globex", sees=allows) == []

        tell(story)

    def test_versions_go_on_inside_a_key(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [(await bench.put("k")).id for _ in range(5)]
            page = await bench.versions("acme", limit=2)
            assert (page.last, page.last_version) == ("k", made[3])
            found = await drained(bench.versions, party="acme", limit=2)
            assert [e.version for e in found if isinstance(e, Entry)] == made[::-1]

        tell(story)

    def test_versions_go_on_where_the_last_one_was_deleted_meanwhile(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [await bench.put("k", null=n == 1) for n in range(3)]
            await bench.unwrite(made[2])
            page = await bench.versions("acme", after="k", after_version=made[2].id)
            assert [e.version for e in page.entries] == [made[1].id, made[0].id]
            await bench.unwrite(made[1])
            page = await bench.versions("acme", after="k", after_version="null")
            assert [e.version for e in page.entries] == [made[0].id]

        tell(story)

    def test_null_names_the_null_version_as_a_start(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            made = [await bench.put("k", null=n == 1) for n in range(3)]
            page = await bench.versions("acme", after="k", after_version="null")
            assert [e.version for e in page.entries] == [made[0].id]

        tell(story)

    def test_an_unknown_version_as_a_start_is_the_end_of_its_key(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k")
            later = await bench.put("l")
            for unknown in ("v999", "null"):
                page = await bench.versions("acme", after="k", after_version=unknown)
                assert [e.version for e in page.entries] == [later.id]

        tell(story)

    def test_a_version_that_one_never_held_as_a_start_is_like_an_unknown_one(
        self, tell: Tell
    ) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.put("k", to=("globex",))
            for null in (False, True):
                hidden = await bench.put("k", null=null)
                for name in (hidden.id, "null", "v999"):
                    page = await bench.versions("globex", after="k", after_version=name)
                    assert not page.entries
                page = await bench.versions("acme", after="k", after_version=hidden.id)
                assert old.id in [e.version for e in page.entries]

        tell(story)

    def test_markers_are_listed_among_the_versions(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            await bench.put("k", to=("globex",))
            await bench.mark("k")
            entries = (await bench.versions("globex")).entries
            assert [(e.marker, e.latest) for e in entries] == [(True, True), (False, False)]

        tell(story)

    def test_a_listing_as_of_a_moment(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            first = await bench.put("a")
            bench.clock.now += SECOND
            await bench.put("b")
            await bench.mark("a")
            assert await bench.keys("acme", as_of=first.number) == ["a"]
            assert await bench.keys("acme", as_of=first.number - 1) == []
            assert await bench.keys("acme") == ["b"]
            then = await bench.versions("acme", as_of=first.number)
            assert [(e.key, e.latest) for e in then.entries] == [("a", True)]

        tell(story)

    def test_many_versions_of_a_key_are_one_row_as_of(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            for _ in range(90):
                last = await bench.put("a")
            await bench.put("b")
            page = await bench.page("acme", as_of=bench.clock.now + SECOND)
            assert [e.key for e in page.entries] == ["a", "b"]
            assert page.entries[0].version == last.id

        tell(story)

    def test_a_long_walk_lets_others_run_and_loses_nothing(self, tell: Tell) -> None:
        async def story(bench: Bench) -> None:
            keys = [f"k{n:03}" for n in range(300)]
            for key in keys:
                await bench.put(key, metadata={} if key == "k299" else {"secret": "1"})
            await bench.new_policy(R2)
            assert await bench.keys("acme", sees=allows) == ["k299"]
            assert await bench.keys("acme", sees=lambda _: True) == keys
            found = await bench.versions("acme", sees=lambda _: True)
            assert [e.key for e in found.entries] == keys
            assert [e.key for e in (await bench.versions("acme", sees=allows)).entries] == ["k299"]

        tell(story)


async def check(bench: Bench, model: Model, query: Query, start: str, as_of: int | None) -> None:
    how: dict[str, Any] = {
        "party": query.party,
        "sees": allows,
        "as_of": as_of,
        "prefix": query.prefix,
        "delimiter": query.delimiter,
        "within": query.within,
        "limit": query.limit,
    }
    live = [row for row in model.newest(query.party, as_of) if not row.marker]
    shown = model.shown(query.party, as_of)
    for page, rows in ((bench.page, live), (bench.versions, shown)):
        expected = model.listing(query, rows)
        assert in_order(as_items(await drained(page, **how), rows)) == expected
        inside = Query(
            query.party, BUCKET, R2, query.prefix, query.delimiter, start, within=query.within
        )
        one = await page(**(how | {"after": start}))
        expected = model.listing(inside, rows)
        found = in_order(as_items([*one.entries, *one.prefixes], rows))
        assert found == expected[: query.limit]
        assert one.truncated == (len(expected) > query.limit)
        newest = {row.version for row in model.newest(query.party, as_of)}
        assert all(e.latest == (e.version in newest) for e in one.entries)
