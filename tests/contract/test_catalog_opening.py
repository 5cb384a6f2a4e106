"""Opening the SQLite catalog: what is refused and why, and how a backup takes its place."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from gateway.audit.records import seal
from gateway.catalog import (
    NoticeClaim,
    NoticeLane,
    NoticeOutcome,
    changes,
    ledger,
    listing,
    notices,
    opening,
    outbox,
    promises,
    removing,
    surveying,
    telling,
    uploads,
    views,
)
from gateway.catalog.sqlite import SqliteCatalog
from gateway.errors import CatalogInUse, CatalogUnavailable, SchemaTooNew, StartRefused
from gateway.model import Bucket, ObjectRef
from gateway.notifications import Watch
from tests.contract.catalog_kit import BUCKET, FAR, R1, Bench, Clock, event_of, promise

SOUND = [
    (3, 44, 6),
    (3, 44, 9),
    (3, 50, 7),
    (3, 51, 3),
    (3, 51, 9),
    (3, 52, 1),
    (3, 54, 1),
    (4, 0, 0),
]
UNSOUND = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 2), (3, 52, 0)]


@pytest.mark.parametrize("version", SOUND)
def test_a_sound_sqlite_is_taken(version: tuple[int, int, int]) -> None:
    assert opening.is_sound(version)
    opening.check_sqlite(".".join(map(str, version)))


@pytest.mark.parametrize("version", UNSOUND)
def test_a_sqlite_with_the_wal_reset_bug_is_refused(version: tuple[int, int, int]) -> None:
    text = ".".join(map(str, version))
    with pytest.raises(StartRefused, match=rf"SQLite {text} .* install apsw"):
        opening.check_sqlite(text)


def test_the_sqlite_in_use_is_sound() -> None:
    opening.check_sqlite(apsw.sqlite_lib_version())


def opened(path: Path, story: Callable[[SqliteCatalog], Awaitable[None]], **how: bool) -> None:
    async def told() -> None:
        catalog = await SqliteCatalog.open(path, clock=Clock(), **how)  # type: ignore[arg-type]
        try:
            await story(catalog)
        finally:
            await catalog.close()

    asyncio.run(told())


async def nothing(_: SqliteCatalog) -> None:
    pass


async def with_one_key(catalog: SqliteCatalog) -> None:
    bench = Bench(catalog, Clock())
    await bench.new_policy(R1)
    await bench.put("k")


async def has_one_key(catalog: SqliteCatalog) -> None:
    assert await Bench(catalog, Clock()).sees("acme", "k") == "v1"


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    opened(tmp_path / "c.db", with_one_key)
    opened(tmp_path / "c.db", has_one_key)


def test_numbers_go_on_after_a_restart_with_an_earlier_clock(tmp_path: Path) -> None:
    async def later(catalog: SqliteCatalog) -> None:
        bench = Bench(catalog, Clock(5), first=2)
        bench.revision = R1
        before = await bench.head("acme", "k")
        assert before is not None
        assert (await bench.put("k")).number > before.version.number

    opened(tmp_path / "c.db", with_one_key)

    async def told() -> None:
        catalog = await SqliteCatalog.open(tmp_path / "c.db", clock=Clock(5))
        await later(catalog)
        await catalog.close()

    asyncio.run(told())


def test_commits_are_synced(tmp_path: Path) -> None:
    connection = opening.open_writer(str(tmp_path / "c.db"))
    assert connection.pragma("synchronous") == 2  # FULL
    assert connection.pragma("journal_mode") == "wal"
    connection.close()


def test_a_second_gateway_is_refused(tmp_path: Path) -> None:
    async def story(_: SqliteCatalog) -> None:
        with pytest.raises(CatalogInUse):
            await SqliteCatalog.open(tmp_path / "c.db", clock=Clock())

    opened(tmp_path / "c.db", story)
    opened(tmp_path / "c.db", nothing)


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    script = (
        "import sys; from gateway.catalog.opening import Lock; lock = Lock(sys.argv[1]);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "c.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(CatalogInUse):
            opened(tmp_path / "c.db", nothing)
        child.kill()
    opened(tmp_path / "c.db", nothing)


def test_reading_beside_a_running_gateway(tmp_path: Path) -> None:
    async def story(catalog: SqliteCatalog) -> None:
        reader = await SqliteCatalog.open(tmp_path / "c.db", clock=Clock(), read_only=True)
        await with_one_key(catalog)
        await has_one_key(reader)
        with pytest.raises(CatalogUnavailable):
            await reader.put("a", b"b")
        await reader.close()

    opened(tmp_path / "c.db", story)
    opened(tmp_path / "c.db", has_one_key, read_only=True)


def test_a_reader_walks_over_all_versions_beside_a_running_gateway(tmp_path: Path) -> None:
    async def story(catalog: SqliteCatalog) -> None:
        bench = Bench(catalog, Clock())
        await bench.new_policy(R1)
        reader = await SqliteCatalog.open(tmp_path / "c.db", clock=Clock(), read_only=True)
        written = await bench.put("k")
        page = await reader.survey(FAR, 10)
        assert [each.number for each in page.versions] == [written.number]
        assert await reader.version_count() == 1
        await reader.close()

    opened(tmp_path / "c.db", story)


def test_an_older_catalog_is_counted_and_its_markers_hide_what_they_hid(tmp_path: Path) -> None:
    path = str(tmp_path / "c.db")
    connection = opening.connect(path, opening.READ_WRITE)
    opening.migrate(connection, [each for each in opening.editions() if each[0] <= 4])
    row = "(?, ?, 'b', 'k', 'acme', 0, ?, 0, 0, '', '', '', ?, '', 0, 1, 0, 0, 0, '')"
    for number, marker, rest in ((1, 0, "{}"), (2, 1, '{"parent": "v1"}'), (3, 1, "{}")):
        values = (number, f"v{number}", marker, rest)
        connection.execute(f"INSERT INTO versions VALUES {row}", values)
    connection.close()

    async def story(catalog: SqliteCatalog) -> None:
        assert await catalog.version_count() == 3
        hidden = catalog.reader.all("SELECT hides FROM versions ORDER BY number")
        assert hidden == [(0,), (1,), (0,)]

    opened(tmp_path / "c.db", story)


def test_policies_of_older_editions_stay_whole_under_newer_ones(tmp_path: Path) -> None:
    connection = opening.connect(str(tmp_path / "c.db"), opening.READ_WRITE)
    opening.migrate(connection, [each for each in opening.editions() if each[0] <= 9])
    for number, files in ((5, '{"a.yaml": "one"}'), (6, '{"a.yaml": "two", "b.yaml": "b"}')):
        row = (number, f"r{number}", files)
        connection.execute("INSERT INTO policies (number, revision, files) VALUES (?, ?, ?)", row)
    connection.close()

    async def story(catalog: SqliteCatalog) -> None:
        await catalog.put_policy("r7", {"a.yaml": "two", "c.yaml": "c"}, event_of("policy"))
        newest, *older = await catalog.policies(2**62, 9)
        assert newest.changed == ("b.yaml", "c.yaml")
        assert await catalog.policy() == ("r7", {"a.yaml": "two", "c.yaml": "c"})
        assert [await catalog.policy_files(each.number) for each in older] == [
            {"a.yaml": "two", "b.yaml": "b"},
            {"a.yaml": "one"},
        ]

    opened(tmp_path / "c.db", story)


def test_there_must_be_something_to_read(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="no catalog"):
        opened(tmp_path / "c.db", nothing, read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "c.db"
    opened(path, with_one_key)
    set_edition(path, 99)
    with pytest.raises(SchemaTooNew, match="schema 99"):
        opened(path, nothing, read_only=read_only)
    set_edition(path, opening.editions()[-1][0])
    opened(path, has_one_key)


def test_every_edition_has_a_number_of_its_own() -> None:
    assert [number for number, _ in opening.editions()] == list(
        range(1, len(opening.editions()) + 1)
    )


def test_an_older_schema_is_brought_on(tmp_path: Path) -> None:
    connection = opening.connect(str(tmp_path / "c.db"), opening.READ_WRITE)
    opening.migrate(connection, [(1, "CREATE TABLE a (x); CREATE TABLE b (y);")])
    opening.migrate(connection, [(1, "boom"), (2, "DROP TABLE b; ALTER TABLE a ADD COLUMN z")])
    assert opening.edition_of(connection) == 2
    connection.execute("SELECT x, z FROM a")
    connection.close()


def test_a_migration_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    connection = opening.connect(str(tmp_path / "c.db"), opening.READ_WRITE)
    with pytest.raises(apsw.SQLError):
        opening.migrate(connection, [(1, "CREATE TABLE a (x)"), (2, "CREATE TABLE a (x)")])
    assert opening.edition_of(connection) == 0
    assert connection.execute("SELECT * FROM sqlite_schema").fetchall() == []
    connection.close()


def test_a_reader_does_not_migrate(tmp_path: Path) -> None:
    opened(tmp_path / "c.db", nothing)
    set_edition(tmp_path / "c.db", 0)
    with pytest.raises(StartRefused, match="older schema"):
        opened(tmp_path / "c.db", nothing, read_only=True)


def test_what_is_no_catalog_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_bytes(b"not a database" * 100)
    with pytest.raises(CatalogUnavailable):
        opened(tmp_path / "c.db", nothing)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnavailable):
        opened(tmp_path / "none" / "c.db", nothing)


def test_a_closed_catalog_takes_nothing_more(tmp_path: Path) -> None:
    async def story(catalog: SqliteCatalog) -> None:
        queued = asyncio.create_task(catalog.put("a", b"b"))
        await asyncio.sleep(0)
        await catalog.close()
        await queued  # what was asked for before is still committed
        with pytest.raises(CatalogUnavailable):
            await catalog.put("a", b"b")
        await catalog.close()

    opened(tmp_path / "c.db", story)


def test_a_wait_that_is_cancelled_harms_nobody(tmp_path: Path) -> None:
    async def story(catalog: SqliteCatalog) -> None:
        given_up = asyncio.create_task(catalog.put("a", b"1"))
        await asyncio.sleep(0)
        given_up.cancel()
        await catalog.put("b", b"2")
        assert await catalog.get("b") == b"2"
        with pytest.raises(asyncio.CancelledError):
            await given_up

    opened(tmp_path / "c.db", story)


# --- backup and restore ------------------------------------------------------------------------


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    async def story(catalog: SqliteCatalog) -> None:
        await with_one_key(catalog)
        await catalog.backup(str(tmp_path / "backup"))

    opened(tmp_path / "first.db", story)
    return tmp_path / "backup"


def test_a_backup_is_one_file_that_restores(tmp_path: Path, backup: Path) -> None:
    assert not list(tmp_path.glob("backup-*"))
    assert not list(tmp_path.glob("backup.partial*"))
    opening.restore(str(backup), str(tmp_path / "second.db"))
    opened(tmp_path / "second.db", has_one_key)
    assert backup.exists()


def test_restore_never_overwrites(tmp_path: Path, backup: Path) -> None:
    with pytest.raises(StartRefused, match="already"):
        opening.restore(str(backup), str(tmp_path / "first.db"))
    (tmp_path / "second.db-wal").touch()
    with pytest.raises(StartRefused, match="already"):
        opening.restore(str(backup), str(tmp_path / "second.db"))


def test_restore_refuses_a_live_catalog(tmp_path: Path, backup: Path) -> None:
    async def story(_: SqliteCatalog) -> None:
        with pytest.raises(CatalogInUse):
            opening.restore(str(backup), str(tmp_path / "first.db"))

    opened(tmp_path / "first.db", story)


def test_restore_refuses_a_damaged_backup(tmp_path: Path, backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xaa" * 64
    backup.write_bytes(content)
    with pytest.raises(StartRefused):
        opening.restore(str(backup), str(tmp_path / "second.db"))
    assert not (tmp_path / "second.db").exists()


def test_restore_refuses_what_is_none(tmp_path: Path, backup: Path) -> None:
    shutil.copyfile(backup, tmp_path / "newer")
    set_edition(tmp_path / "newer", 99)
    (tmp_path / "text").write_text("hello" * 1000)
    for name, error in (("newer", SchemaTooNew), ("text", StartRefused), ("none", StartRefused)):
        with pytest.raises(error):
            opening.restore(str(tmp_path / name), str(tmp_path / "second.db"))


def test_a_backup_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    async def story(catalog: SqliteCatalog) -> None:
        with pytest.raises(CatalogUnavailable):
            await catalog.backup(str(tmp_path / "none" / "backup"))

    opened(tmp_path / "c.db", story)


def set_edition(path: Path, edition: int) -> None:
    connection = opening.connect(str(path), opening.READ_WRITE)
    connection.execute(f"PRAGMA user_version = {edition}")
    connection.close()


# --- plans: what stays fast however much there is ----------------------------------------------

HOT = {
    "head": ledger.NEWEST,
    "head of a name": ledger.NAMED,
    "newest of a key": views.HEAD_AGE,
    "null version": ledger.NULL,
    "page": listing.LIVE,
    "moved as of": listing.MOVED_THEN,
    "moved": ledger.MOVED,
    "view row of what was moved": views.SHOW_MOVED,
    "page of versions": listing.VERSIONS,
    "page as of": listing.THEN,
    "page of versions as of": listing.VERSIONS_THEN,
    "holders": views.HOLDERS,
    "story": ledger.OF_REF,
    "shown": ledger.SHOWN,
    "cors": ledger.CORS_OF,
    "policy in force": changes.IN_FORCE,
    "first due": outbox.FIRST_DUE,
    "claim": outbox.DUE,
    "at a target": promises.AT_TARGET,
    "promote": promises.PROMOTE,
    "unsent": promises.UNSENT,
    "newer": outbox.NEWER,
    "replace": outbox.REPLACE,
    "open deliveries": outbox.OPEN,
    "open uploads": uploads.OPEN,
    "first notice": notices.FIRST_DUE,
    "notices due": notices.DUE,
    "next notice of a key": notices.PROMOTE,
    "stale notices": notices.STALE,
    "parked notices": notices.PARKED,
    "a notice's room": telling.OWED,
    "a notice's turn": telling.WAITING,
    "oldest parked notice": telling.DROP_OLDEST_PARKED,
    "survey": surveying.BELOW,
    "requests": f"{removing.EVERY}{removing.IN_ORDER}",
    "requests of a party": f"{removing.OF_PARTY}{removing.IN_ORDER}",
    "open requests": f"{removing.OF_PARTY}{removing.OPEN_ONLY}{removing.IN_ORDER}",
    "requests of an author": f"{removing.OF_AUTHOR}{removing.IN_ORDER}",
    "an open request": removing.OPEN,
    "copies of a version": removing.COPIES_OF,
    "copies that were removed": outbox.REMOVED,
    "copies that are there": outbox.COPIES_THERE,
    "survey grants": surveying.GRANTED,
    "survey deliveries": surveying.PROMISED,
}


@pytest.mark.parametrize("name", sorted(HOT))
def test_hot_statements_walk_no_table_and_sort_nothing(tmp_path: Path, name: str) -> None:
    connection = opening.open_writer(str(tmp_path / "c.db"))
    blanks = dict.fromkeys(map(str, range(1, 12)))
    values = (None,) * HOT[name].count("?") if "?1" not in HOT[name] else blanks
    plan = connection.execute(f"EXPLAIN QUERY PLAN {HOT[name]}", values)
    steps = [str(row[3]) for row in plan]
    connection.close()
    walks = [
        s for s in steps if s.startswith("SCAN") and s not in ("SCAN policies", "SCAN CONSTANT ROW")
    ]
    assert walks == []
    assert not [s for s in steps if "TEMP B-TREE" in s]


def test_a_million_deleted_keys_cost_a_listing_nothing(tmp_path: Path) -> None:
    """By structure rather than by the clock: hidden keys have no row that a listing could walk."""

    async def story(catalog: SqliteCatalog) -> None:
        bench = Bench(catalog, Clock())
        await bench.new_policy(R1)
        for n in range(20):
            await bench.put(f"k{n}", null=True)
            await bench.mark(f"k{n}", null=True, shown=False)
        assert catalog.reader.all("SELECT count(*) FROM views") == [(0,)]
        shown = (
            "SELECT count(*) FROM grants INDEXED BY grants_shown WHERE shown = 1 AND replaced = 0"
        )
        assert catalog.reader.all(shown) == [(0,)]
        assert await catalog.head("acme", ObjectRef(BUCKET, "k1")) is not None

    opened(tmp_path / "c.db", story)


def test_records_are_sealed_by_what_was_handed_in(tmp_path: Path) -> None:
    async def told() -> None:
        sealed = []

        def sealer(event, number, salts):  # type: ignore[no-untyped-def]
            sealed.append((event, number))
            return seal(event, number, salts)

        catalog = await SqliteCatalog.open(
            tmp_path / "c.db", clock=Clock(), salts=bytes, sealer=sealer
        )
        await catalog.append([replace(event_of("start"), outcome="x")])
        (record,) = await catalog.records(0, 1)
        assert sealed[0][1] == record.number
        assert record.entry == seal(*sealed[0], bytes).entry
        await catalog.close()

    asyncio.run(told())


def test_leases_of_a_process_that_died_are_free_at_the_next_start(tmp_path: Path) -> None:
    async def die_with_a_lease(catalog: SqliteCatalog) -> None:
        bench = Bench(catalog, Clock())
        await bench.new_policy(R1)
        await bench.put("k", to=["globex"], promises=[promise("in/k")])
        assert await bench.claim_one()
        assert await bench.claim() == []

    async def take_up(catalog: SqliteCatalog) -> None:
        bench = Bench(catalog, Clock(), first=2)
        delivery = await bench.claim_one()
        stale = replace(delivery, token=delivery.token - 2)
        assert not await bench.settle(stale)
        assert await bench.settle(delivery)

    opened(tmp_path / "c.db", die_with_a_lease)
    opened(tmp_path / "c.db", take_up)


def test_who_watches_and_whose_turn_it_is_outlive_a_process_that_died(tmp_path: Path) -> None:
    lane = NoticeLane("acme", "feed")
    watch = Watch("w", "queue", "feed", ("s3:ObjectCreated:*",))
    lost: list[NoticeClaim] = []

    async def die_with_a_lease(catalog: SqliteCatalog) -> None:
        bench = Bench(catalog, Clock())
        await bench.new_policy(R1)
        bucket = Bucket(BUCKET, "acme", {"acme": ("**",)})
        await catalog.set_watches(bucket, "acme", (watch,), event_of("bucket"), test=False)
        await bench.put("k")
        lost.extend(await catalog.claim_notices(lane, 9, bench.clock.now, FAR - bench.clock.now))

    async def take_up(catalog: SqliteCatalog) -> None:
        bench = Bench(catalog, Clock(), first=2)
        await bench.put("other")
        assert await catalog.settle_notices([NoticeOutcome(lost[0].notice)]) == 0
        claims = await catalog.claim_notices(lane, 9, bench.clock.now, 1)
        assert [claim.notice.ref.key for claim in claims] == ["k", "other"]
        assert claims[0].notice.name == lost[0].notice.name

    opened(tmp_path / "c.db", die_with_a_lease)
    opened(tmp_path / "c.db", take_up)
