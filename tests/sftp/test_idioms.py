"""What jobs written ten years ago do, with OpenSSH's own client: each works as it always did, and
is one version, one event and one delivery for each recipient."""

from __future__ import annotations

import os

import asyncssh
import pytest

from gateway.habits import Habits, Settle
from gateway.model import ObjectRef
from tests.sftp.bed import Bed, Ran

DATA = b"a line of an invoice\n" * 4000


def ok(ran: Ran) -> str:
    assert ran.code == 0, ran.err
    return ran.out


def one_of_each(bed: Bed, key: str, content: bytes = DATA) -> None:
    """One version, seen by author and recipient alike, delivered once; nothing is left staged."""
    bed.drain()
    assert bed.versions(key) == 1
    assert bed.read("acme", key) == content
    assert bed.read("globex", key) == content
    assert bed.copies()[f"in/orders/{key}"] == content
    made = bed.run(bed.catalog.deliveries(limit=100))
    assert [d.ref.key for d in made if d.ref.key == key] == [key]


def test_a_file_is_put(bed: Bed) -> None:
    bed.local("x.csv", DATA)
    ok(bed.batch("put x.csv /orders/in/x.csv"))
    one_of_each(bed, "in/x.csv")
    found = bed.run(bed.exchange.objects.look(bed.standing(), ObjectRef("orders", "in/x.csv")))
    assert (found.version.door, found.version.principal) == ("sftp", "erp")
    assert found.version.content_type == "text/csv"


@pytest.mark.parametrize("draft", ["x.csv.tmp", "x.csv.part", "x.csv.filepart", ".x.csv.Ab3"])
def test_a_temporary_name_then_the_final_one(bed: Bed, draft: str) -> None:
    bed.local("x.csv", DATA)
    ok(bed.batch(f"put x.csv /orders/in/{draft}"))
    assert bed.keys("globex") == bed.keys("acme") == []
    assert draft in ok(bed.batch("ls -la /orders/in"))
    ok(bed.batch(f"rename /orders/in/{draft} /orders/in/x.csv"))
    one_of_each(bed, "in/x.csv")
    assert bed.staged() == []


def test_a_staging_folder_then_the_final_one(bed: Bed) -> None:
    bed.local("x.csv", DATA)
    ok(
        bed.batch(
            "mkdir /orders/tmp",
            "put x.csv /orders/tmp/x.csv",
            "rename /orders/tmp/x.csv /orders/in/x.csv",
            "rmdir /orders/tmp",
        )
    )
    one_of_each(bed, "in/x.csv")
    assert bed.keys("acme") == ["in/x.csv"]


def test_a_whole_folder_is_uploaded_and_renamed(bed: Bed) -> None:
    for name in ("1.csv", "2.csv"):
        bed.local(name, name.encode())
    ok(bed.batch("mkdir /orders/tmp", "mkdir /orders/tmp/b", "put *.csv /orders/tmp/b/"))
    assert bed.keys("acme") == []
    ok(bed.batch("rename /orders/tmp/b /orders/in/b"))
    for name in ("1.csv", "2.csv"):
        one_of_each(bed, f"in/b/{name}", name.encode())


def test_a_flag_file_releases_the_file(bed: Bed) -> None:
    bed.habits["acme.erp"] = Habits(settle=Settle.FLAG_FILE)
    bed.local("x.csv", DATA)
    bed.local("x.csv.done", b"")
    ok(bed.batch("put x.csv /orders/in/x.csv"))
    assert bed.keys("acme") == []
    ok(bed.batch("put x.csv.done /orders/in/x.csv.done"))
    one_of_each(bed, "in/x.csv")
    assert bed.keys("globex") == ["in/x.csv"]
    assert "x.csv.done" in ok(bed.batch("ls /orders/in"))


def test_a_flag_file_that_comes_first_releases_it_too(bed: Bed) -> None:
    bed.habits["acme.erp"] = Habits(settle=Settle.FLAG_FILE)
    bed.local("x.csv", DATA)
    bed.local("ok", b"")
    ok(bed.batch("put ok /orders/in/x.csv.ok", "put x.csv /orders/in/x.csv"))
    one_of_each(bed, "in/x.csv")


def test_only_a_rename_counts_where_that_is_the_habit(bed: Bed) -> None:
    bed.habits["acme.erp"] = Habits(settle=Settle.RENAME)
    bed.local("x.csv", DATA)
    ok(bed.batch("put x.csv /orders/in/y.csv"))
    assert bed.keys("acme") == []
    ok(bed.batch("rename /orders/in/y.csv /orders/in/x.csv"))
    one_of_each(bed, "in/x.csv")


def test_what_rests_counts_where_that_is_the_habit(bed: Bed) -> None:
    quiet = Habits(settle=Settle.QUIET, quiet_s=30)
    bed.habits["acme.erp"] = quiet
    bed.local("x.csv", DATA)
    ok(bed.batch("put x.csv /orders/in/x.csv"))
    assert bed.keys("acme") == []
    bed.now += 31 * 10**9
    bed.run(bed.exchange.settling(3600).round(lambda _: quiet, "sftp"))
    one_of_each(bed, "in/x.csv")


def test_times_and_modes_before_and_after(bed: Bed) -> None:
    bed.local("x.csv", DATA)
    ok(bed.batch("put -p x.csv /orders/in/x.csv", "chmod 600 /orders/in/x.csv"))
    one_of_each(bed, "in/x.csv")
    kept = int((bed.folder / "x.csv").stat().st_mtime)
    found = bed.run(bed.exchange.objects.look(bed.standing(), ObjectRef("orders", "in/x.csv")))
    assert found.version.metadata == {"mtime": str(kept)}
    (bed.folder / "x.csv").unlink()
    ok(bed.batch("get -p /orders/in/x.csv x.csv"))
    assert int((bed.folder / "x.csv").stat().st_mtime) == kept


def test_a_time_goes_along_when_a_file_is_renamed(bed: Bed) -> None:
    bed.local("x.csv", DATA)
    os.utime(bed.folder / "x.csv", (1_000_000_000, 1_000_000_000))
    ok(bed.batch("put -p x.csv /orders/in/a.csv", "rename /orders/in/a.csv /orders/in/b.csv"))
    assert "Sep  9  2001" in ok(bed.batch("ls -l /orders/in/b.csv"))


def test_an_upload_that_broke_off_is_resumed(bed: Bed) -> None:
    bed.local("x.csv", DATA)
    half = len(DATA) // 2

    async def breaks() -> None:
        async with bed.connection() as connection, connection.start_sftp_client() as sftp:
            file = await sftp.open("/orders/in/x.csv", "wb")
            await file.write(DATA[:half])
            connection.abort()

    bed.run(breaks())
    bed.run(bed.left())
    assert bed.keys("acme") == bed.keys("globex") == []
    assert [e.outcome for e in bed.events if e.kind == "upload"] == ["dropped"]
    assert str(half) in ok(bed.batch("ls -l /orders/in"))
    ok(bed.batch("reput x.csv /orders/in/x.csv"))
    one_of_each(bed, "in/x.csv")


def test_an_upload_that_broke_off_is_not_completed_by_its_rename(bed: Bed) -> None:
    """A job that does not look whether its put went well goes on with the rename."""
    bed.local("x.csv", DATA)

    async def breaks() -> None:
        async with bed.connection() as connection, connection.start_sftp_client() as sftp:
            file = await sftp.open("/orders/in/x.csv.tmp", "wb")
            await file.write(DATA[:1000])
            connection.abort()

    bed.run(breaks())
    bed.run(bed.left())
    rename = "rename /orders/in/x.csv.tmp /orders/in/x.csv"
    ran = bed.batch(rename)
    assert ran.code == 1
    assert "its upload broke off: resume it, or put it anew" in ran.err
    assert bed.keys("acme") == []
    ok(bed.batch("reput x.csv /orders/in/x.csv.tmp", rename))
    one_of_each(bed, "in/x.csv")


def test_the_same_name_every_day(bed: Bed) -> None:
    for day in (b"monday", b"tuesday", b"wednesday"):
        bed.local("x", day)
        ok(bed.batch("put x /orders/in/daily.csv"))
    bed.drain()
    assert bed.versions("in/daily.csv") == 3
    assert bed.copies()["in/orders/in/daily.csv"] == b"wednesday"


def test_the_old_one_is_removed_and_the_new_one_renamed(bed: Bed) -> None:
    bed.put("acme", "in/x.csv", b"old", {})
    bed.local("x", DATA)
    ok(
        bed.batch(
            "put x /orders/in/x.csv.tmp",
            "rm /orders/in/x.csv",
            "rename /orders/in/x.csv.tmp /orders/in/x.csv",
        )
    )
    bed.drain()
    assert bed.copies()["in/orders/in/x.csv"] == DATA
    assert bed.read("globex", "in/x.csv") == DATA


def test_a_consumer_moves_what_it_has_read_into_its_archive(bed: Bed) -> None:
    bed.put("acme", "in/x.csv", DATA, {})
    ok(
        bed.batch(
            "get /orders/in/x.csv got.csv",
            "rename /orders/in/x.csv /orders/archive/x.csv",
            "ls /orders/archive",
            user="globex.erp",
        )
    )
    assert (bed.folder / "got.csv").read_bytes() == DATA
    assert bed.keys("globex") == ["archive/x.csv"]
    assert bed.keys("acme") == ["in/x.csv"]


def test_a_consumer_deletes_what_it_has_read(bed: Bed) -> None:
    bed.put("acme", "in/x.csv", DATA, {})
    ok(bed.batch("get /orders/in/x.csv got.csv", "rm /orders/in/x.csv", user="globex.erp"))
    assert bed.keys("globex") == []
    assert bed.keys("acme") == ["in/x.csv"]
    assert bed.versions("in/x.csv") == 1


def test_many_files_are_taken_by_pattern(bed: Bed) -> None:
    for name in ("a.csv", "b.csv", "c.txt"):
        bed.put("acme", f"in/{name}", name.encode(), {})
    ok(bed.batch("lcd " + str(bed.folder), "mget /orders/in/*.csv", user="globex.erp"))
    assert (bed.folder / "a.csv").read_bytes() == b"a.csv"
    assert not (bed.folder / "c.txt").exists()


def test_an_empty_file_is_a_file(bed: Bed) -> None:
    bed.local("x", b"")
    ok(bed.batch("put x /orders/in/x"))
    one_of_each(bed, "in/x", b"")
    ok(bed.batch("get /orders/in/x y"))
    assert (bed.folder / "y").read_bytes() == b""


def test_ls_shows_what_there_is(bed: Bed) -> None:
    bed.put("acme", "in/a.csv", b"12345", {})
    bed.put("acme", "in/sub/b.csv", b"x", {})
    out = ok(bed.batch("ls -1 /", "ls -1 /orders", "ls -l /orders/in", user="acme.erp"))
    lines = out.splitlines()
    assert "/orders" in lines
    assert "/vault" in lines
    assert "/orders/in" in lines
    assert "/orders/out" in lines, "what it may write is there, empty or not"
    assert any(line.startswith("-") and " 5 " in line and line.endswith("a.csv") for line in lines)
    assert any(line.startswith("d") and line.endswith("sub") for line in lines)


def test_pieces_of_all_sizes_make_one_file(bed: Bed) -> None:
    sizes = [1, 4095, 4096, 3, 70_000, 1, 1, 200_000, 0, 17] * 40
    content = bytes(n % 251 for n in range(sum(sizes)))

    async def writes() -> None:
        async with bed.client() as sftp, sftp.open("/orders/in/x.csv", "wb") as file:
            at = 0
            for size in sizes:
                await file.write(content[at : at + size])
                at += size

    bed.run(writes())
    one_of_each(bed, "in/x.csv", content)


def test_many_files_are_written_at_once_through_one_session(bed: Bed) -> None:
    """Together they are more than what a session may hold: each is sent on in few parts."""
    names, piece, rounds = [f"{n}.csv" for n in range(10)], 256 * 1024, 28

    async def writes() -> None:
        async with bed.client() as sftp:
            files = [await sftp.open(f"/orders/in/{name}", "wb", block_size=0) for name in names]
            for number in range(rounds):
                for file in files:
                    await file.write(bytes([number]) * piece)
            for file in files:
                await file.close()

    bed.run(writes())
    content = b"".join(bytes([number]) * piece for number in range(rounds))
    for name in names:
        assert bed.read("acme", f"in/{name}") == content
        found = bed.run(
            bed.exchange.objects.look(bed.standing(), ObjectRef("orders", f"in/{name}"))
        )
        assert len(found.version.parts) <= 4


def test_a_time_may_be_set_by_name_before_the_file_is_closed(bed: Bed) -> None:
    async def writes() -> None:
        async with bed.client() as sftp, sftp.open("/orders/in/x.csv", "wb") as file:
            await file.write(DATA)
            await sftp.utime("/orders/in/x.csv", (1, 1_700_000_000))

    bed.run(writes())
    found = bed.run(bed.exchange.objects.look(bed.standing(), ObjectRef("orders", "in/x.csv")))
    assert found.version.metadata == {"mtime": "1700000000"}


def test_a_file_that_is_being_written_is_as_old_as_its_upload_or_as_its_writer_says(
    bed: Bed,
) -> None:
    """Never of 1970: jobs that clean up by age would take it away."""

    async def writes() -> None:
        async with bed.client() as sftp, sftp.open("/orders/in/x.csv", "wb") as file:
            now = (await file.stat()).mtime
            assert now == (await sftp.stat("/orders/in/x.csv")).mtime
            await file.write(DATA)
            assert now == bed.now // 10**9
            await file.utime((1, 1_700_000_000))
            assert (await file.stat()).mtime == 1_700_000_000

    bed.run(writes())


def test_an_open_file_shows_the_time_that_its_name_shows(bed: Bed) -> None:
    """A job that compares both would else take the file for one that was just changed."""
    bed.put("acme", "in/x.csv", DATA, {})

    async def reads() -> None:
        async with bed.client() as sftp:
            await sftp.utime("/orders/in/x.csv", (1, 1_600_000_000))
            async with sftp.open("/orders/in/x.csv", "rb") as file:
                assert (await file.stat()).mtime == 1_600_000_000
            assert (await sftp.stat("/orders/in/x.csv")).mtime == 1_600_000_000

    bed.run(reads())


def test_a_file_that_is_being_written_may_be_removed(bed: Bed) -> None:
    """By another session of the same user: the upload is void, and there is no file."""

    async def acts() -> None:
        async with bed.client() as first, bed.client() as second:
            file = await first.open("/orders/in/x.csv", "wb")
            await file.write(b"half")
            await second.remove("/orders/in/x.csv")
            assert not await second.exists("/orders/in/x.csv")
            with pytest.raises(asyncssh.SFTPFailure, match="replaced"):
                await file.close()

    bed.run(acts())
    assert bed.keys("acme") == bed.staged() == []
