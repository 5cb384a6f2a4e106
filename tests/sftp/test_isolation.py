"""What a partner can learn through the sFTP door of what is not for it: nothing, by any answer, by
the text beside it, or by what the answer takes.

globex is a member of `orders` and sees `in/**`; its clerk is narrowed to `acks/`. hooli is a member
of no bucket. acme.second writes for acme as well: it sees what acme publishes, and nothing of what
acme.erp is still writing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncssh
import pytest

from gateway.errors import StoreUnavailable
from gateway.habits import Habits
from gateway.model import ObjectRef
from gateway.sftp import writing
from tests.security.test_hidden_is_absent import Noted
from tests.sftp import raw
from tests.sftp.bed import Bed
from tests.sftp.raw import Answer, Raw, channel, session, text, u32, u64

TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: a}
    principals: [{name: erp}, {name: second}, {name: reader, may: read}]
  globex: {store: {type: file, path: g}, principals: [{name: erp}, {name: clerk, keys: ["acks/"]}]}
  hooli: {principals: [{name: erp}]}
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["in/**", "out/**", "old/**"]}, globex: {write: ["acks/**"]}}
  vault: {owner: acme, members: {acme: {write: ["**"]}}}
"""
FILES = {
    "topology.yaml": TOPOLOGY,
    "acme.yaml": (
        "party: acme\nsends:\n  - {id: to-globex-canary, bucket: orders, keys: ['in/**'],"
        " to: {globex: share}}\n"
    ),
    "globex.yaml": "party: globex\naccepts:\n  - {from: [acme], bucket: orders}\n",
}
BODY = b"canary body"
CANARIES = (b"canary", b"secret.csv", b"acme.yaml", b"second", b"busy.csv", b"draft.tmp", b"vault")
"""Words that only acme's own may read."""


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed(tmp_path, FILES)
    bed.admit("acme.second", "globex.clerk", "hooli.erp")
    bed.put("acme", "in/seen.csv", b"seen", {})
    for key in ("out/secret.csv", "out/deep/secret.csv"):
        bed.put("acme", key, BODY, {})
    bed.put_at("acme", ObjectRef("vault", "secret.csv"), BODY)
    yield bed
    bed.close()


# --- hidden, and absent ------------------------------------------------------------------------

Pair = tuple[str, str, str]
PAIRS: tuple[Pair, ...] = (
    ("globex.erp", "/orders/out/secret.csv", "/orders/out/absent.csv"),
    ("globex.erp", "/orders/out/deep", "/orders/out/none"),
    ("globex.erp", "/orders/out/deep/secret.csv", "/orders/out/none/absent.csv"),
    ("globex.erp", "/orders/out", "/orders/not"),
    ("globex.erp", "/orders/in/draft.tmp", "/orders/in/other.tmp"),
    ("globex.erp", "/orders/in/busy.csv", "/orders/in/idle.csv"),
    ("globex.erp", "/orders/made", "/orders/none"),
    ("globex.erp", "/vault", "/fault"),
    ("globex.erp", "/vault/secret.csv", "/fault/secret.csv"),
    ("globex.clerk", "/orders/in/seen.csv", "/orders/in/none.csv"),
    ("globex.clerk", "/orders/in", "/orders/no"),
    ("hooli.erp", "/orders", "/brders"),
    ("hooli.erp", "/orders/in/seen.csv", "/brders/in/seen.csv"),
    ("hooli.erp", "/orders/out", "/brders/out"),
    ("acme.reader", "/orders/in/draft.tmp", "/orders/in/other.tmp"),
    ("acme.reader", "/orders/in/busy.csv", "/orders/in/idle.csv"),
)
"""Who looks, what is hidden from it, and what is not there."""

READS = u32(raw.FOR_READING) + raw.NO_ATTRS
TIMES = u32(8) + u32(1) + u32(1)
POSIX_RENAME = text("posix-rename@openssh.com")
ON_NAMES: Mapping[str, Callable[[bytes], tuple[int, bytes]]] = MappingProxyType(
    {
        "stat": lambda name: (raw.STAT, name),
        "lstat": lambda name: (raw.LSTAT, name),
        "read": lambda name: (raw.OPEN, name + READS),
        "write": lambda name: (raw.OPEN, name + u32(raw.CREATES) + raw.NO_ATTRS),
        "write into": lambda name: (raw.OPEN, name + u32(raw.FOR_WRITING) + raw.NO_ATTRS),
        "append": lambda name: (raw.OPEN, name + u32(0x0E) + raw.NO_ATTRS),
        "only new": lambda name: (raw.OPEN, name + u32(0x2A) + raw.NO_ATTRS),
        "chmod": lambda name: (raw.SETSTAT, name + u32(4) + u32(0o600)),
        "utime": lambda name: (raw.SETSTAT, name + TIMES),
        "truncate": lambda name: (raw.SETSTAT, name + u32(1) + u64(0)),
        "list": lambda name: (raw.OPENDIR, name),
        "remove": lambda name: (raw.REMOVE, name),
        "rmdir": lambda name: (raw.RMDIR, name),
        "rename": lambda name: (raw.RENAME, name + text("/orders/acks/taken")),
        "rename up": lambda name: (raw.RENAME, name + text("/taken")),
        "move": lambda name: (raw.EXTENDED, POSIX_RENAME + name + text("/orders/acks/taken")),
        "onto": lambda name: (raw.RENAME, text("/orders/acks/mine.tmp") + name),
        "over": lambda name: (raw.EXTENDED, POSIX_RENAME + text("/orders/acks/mine.tmp") + name),
        "realpath": lambda name: (raw.REALPATH, name),
        "readlink": lambda name: (raw.READLINK, name),
        "mkdir below": lambda name: (raw.MKDIR, text(name[4:] + b"/a") + raw.NO_ATTRS),
    }
)


async def under_way(bed: Bed, writer: asyncssh.SFTPClient) -> None:
    """acme.erp is in the middle of things."""
    async with writer.open("/orders/in/draft.tmp", "wb") as file:
        await file.write(BODY)
    await writer.mkdir("/orders/made")


async def answers(speaks: Raw, act: str, path: str) -> list[Answer]:
    """All that is answered, with what comes of a handle."""
    kind, fields = ON_NAMES[act](text(path))
    found = [await speaks.ask(kind, fields)]
    if found[0].kind == raw.HANDLE:
        handle = text(found[0].field)
        if kind == raw.OPENDIR:
            found.append(await speaks.ask(raw.READDIR, handle))
        else:
            found.append(await speaks.ask(raw.FSTAT, handle))
        await speaks.ask(raw.CLOSE, handle)
    return found


def told(found: list[Answer], path: str) -> list[tuple[int, bytes]]:
    """Without what differs between any two: ids, handles, and the name that was asked for."""
    return [
        (each.kind, b"" if each.kind == raw.HANDLE else nameless(each.body, path)) for each in found
    ]


def nameless(said: bytes, path: str) -> bytes:
    for own in (b"orders/acks/mine.tmp", b"orders/acks/taken"):
        said = said.replace(own, b"own")
    return said.replace(path[1:].encode(), b"?")


def cost(calls: list[str]) -> list[str]:
    """A bucket of topology.yaml has its settings looked up, of other names it is looked up whether
    there is one: one row either way."""
    return ["bucket" if each == "declared" else each for each in calls]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]} {pair[1]}")
def test_hidden_and_absent_are_answered_alike(
    bed: Bed, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status, text and attributes, the text aside, the calls of the catalog and of the stores."""
    user, hidden, absent = pair
    assert len(hidden) == len(absent)
    floor = bed.exchange._floor
    noted = Noted(floor.rows)

    async def acts() -> None:
        async with bed.client() as writer, bed.connection(user) as connection:
            await under_way(bed, writer)
            async with writer.open("/orders/in/busy.csv", "wb") as busy:
                await busy.write(BODY)
                monkeypatch.setattr(floor, "rows", noted)
                for act in ON_NAMES:
                    seen = []
                    for path in (hidden, absent):
                        noted.calls = []
                        stores = sum(len(store.calls) for store in bed.stores.values())
                        async with channel(connection) as speaks:
                            await speaks.begin()
                            found = told(await answers(speaks, act, path), path)
                            speaks.end()
                            aside = await speaks.process.stderr.read()
                        assert stores == sum(len(store.calls) for store in bed.stores.values())
                        seen.append((found, nameless(aside, path), cost(noted.calls)))
                    assert seen[0] == seen[1], act
                monkeypatch.undo()

    bed.run(acts())


@pytest.mark.parametrize("user", ["globex.erp", "globex.clerk", "hooli.erp"])
def test_nothing_that_a_partner_is_sent_has_a_word_of_what_is_not_its(bed: Bed, user: str) -> None:
    async def acts() -> None:
        heard: list[bytes] = []
        async with bed.client() as writer:
            await under_way(bed, writer)
            async with writer.open("/orders/in/busy.csv", "wb") as busy, session(bed, user) as mine:
                await busy.write(BODY)
                for path in ("/", "/orders", "/orders/in", "/orders/out", "/orders/acks", "/fault"):
                    for act in ON_NAMES:
                        heard += [each.body for each in await answers(mine, act, path)]
                mine.end()
                heard.append(await mine.process.stderr.read())
        assert sum(map(len, heard)) > 1000
        assert not [word for word in CANARIES if word in b"".join(heard)]

    bed.run(acts())


def test_a_listing_shows_what_is_granted_and_nothing_more(bed: Bed) -> None:
    async def lists(user: str, path: str) -> list[str]:
        async with bed.client(user) as sftp:
            return sorted(str(name) for name in await sftp.listdir(path) if name not in "..")

    async def acts() -> None:
        async with bed.client() as writer:
            await under_way(bed, writer)
            assert await lists("globex.erp", "/") == ["orders"]
            assert await lists("globex.erp", "/orders") == ["acks", "in"]
            assert await lists("globex.erp", "/orders/in") == ["seen.csv"]
            assert await lists("globex.clerk", "/orders") == ["acks"]
            assert await lists("hooli.erp", "/") == []
            assert await lists("acme.second", "/orders/in") == ["seen.csv"]
            assert await lists("acme.erp", "/orders/in") == ["draft.tmp", "seen.csv"]

    bed.run(acts())


def test_a_folder_looks_the_same_whatever_is_hidden_in_it(bed: Bed) -> None:
    async def look() -> bytes:
        async with session(bed, "globex.erp") as mine:
            return (await mine.ask(raw.STAT, text("/orders/in"))).body

    before = bed.run(look())
    bed.edit({**FILES, "acme.yaml": "party: acme\n"})
    bed.put("acme", "in/hidden.csv", BODY, {})
    bed.edit(FILES | {"acme.yaml": FILES["acme.yaml"].replace("in/**", "in/seen.csv")})
    assert bed.run(look()) == before


# --- what others are writing -------------------------------------------------------------------


def test_a_name_that_another_principal_is_writing_under_is_free(bed: Bed) -> None:
    """Two of one party write under one name at once: neither is told of the other, and both end."""

    async def acts() -> None:
        async with bed.client() as first, bed.client("acme.second") as second:
            async with first.open("/orders/in/x.csv", "xb") as one:
                await one.write(b"first")
                async with second.open("/orders/in/x.csv", "xb") as two:
                    await two.write(b"second's")
                    assert (await second.stat("/orders/in/x.csv")).size == 8
                assert (await first.stat("/orders/in/x.csv")).size == 5
            assert await second.getsize("/orders/in/x.csv") == 5

    bed.run(acts())
    assert bed.versions("in/x.csv") == 2


def test_a_draft_can_not_be_taken_removed_or_read_by_another(bed: Bed) -> None:
    async def acts() -> None:
        async with bed.client() as writer, bed.client("acme.second") as second:
            await under_way(bed, writer)
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await second.remove("/orders/in/draft.tmp")
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await second.rename("/orders/in/draft.tmp", "/orders/in/mine.csv")
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await second.open("/orders/in/draft.tmp", "rb")
            await writer.rename("/orders/in/draft.tmp", "/orders/in/done.csv")

    bed.run(acts())
    assert bed.read("acme", "in/done.csv") == BODY


# --- times -------------------------------------------------------------------------------------


def test_a_time_that_one_party_sets_no_other_sees(bed: Bed) -> None:
    async def acts() -> None:
        async with bed.client() as mine, bed.client("globex.erp") as theirs:
            before = (await theirs.stat("/orders/in/seen.csv")).mtime
            await mine.utime("/orders/in/seen.csv", (1, 1_600_000_000))
            assert (await mine.stat("/orders/in/seen.csv")).mtime == 1_600_000_000
            assert (await theirs.stat("/orders/in/seen.csv")).mtime == before
            await theirs_lists(theirs, before)

    async def theirs_lists(sftp: asyncssh.SFTPClient, before: int | None) -> None:
        (entry,) = [n for n in await sftp.readdir("/orders/in") if n.filename == "seen.csv"]
        assert entry.attrs.mtime == before

    bed.run(acts())


# --- conditions --------------------------------------------------------------------------------


def gives_old(bed: Bed) -> None:
    """The folder old/ is globex's to write now, and acme's no more."""
    topology = TOPOLOGY.replace(', "old/**"]', "]").replace('"acks/**"]', '"acks/**", "old/**"]')
    bed.edit(FILES | {"topology.yaml": topology})


def test_conditions_do_not_tell_of_a_hidden_file_under_a_name_that_one_may_write(bed: Bed) -> None:
    """acme wrote below old/, then globex got that folder: what lies there is hidden from it."""
    bed.put("acme", "old/x.csv", BODY, {})
    gives_old(bed)

    async def acts() -> None:
        async with bed.client("globex.erp") as sftp:
            for name in ("x.csv", "absent.csv"):
                with pytest.raises(asyncssh.SFTPNoSuchFile):
                    await sftp.stat(f"/orders/old/{name}")
                with pytest.raises(asyncssh.SFTPNoSuchFile):
                    await sftp.open(f"/orders/old/{name}", "r+b")
                async with sftp.open(f"/orders/old/{name}.tmp", "wb") as file:
                    await file.write(b"mine")
                await sftp.rename(f"/orders/old/{name}.tmp", f"/orders/old/{name}")
                assert await sftp.getsize(f"/orders/old/{name}") == 4

    bed.run(acts())
    assert bed.read("globex", "old/x.csv") == b"mine"


def test_only_new_does_not_tell_either(bed: Bed) -> None:
    bed.put("acme", "old/x.csv", BODY, {})
    gives_old(bed)

    async def acts() -> None:
        async with bed.client("globex.erp") as sftp:
            for name in ("x.csv", "absent.csv"):
                async with sftp.open(f"/orders/old/{name}", "xb") as file:
                    await file.write(b"mine")

    bed.run(acts())
    assert bed.read("globex", "old/x.csv") == b"mine"


# --- withdrawn in the middle -------------------------------------------------------------------


def test_a_withdrawal_bites_in_the_middle_of_a_session(bed: Bed) -> None:
    bed.put("acme", "in/long.csv", BODY * 100_000, {})

    async def acts() -> list[int]:
        async with session(bed, "globex.erp") as mine:
            handle = text(await mine.open("/orders/in/long.csv", raw.FOR_READING))
            folder = text((await mine.ask(raw.OPENDIR, text("/orders/in"))).field)
            first = await mine.ask(raw.READ, handle, u64(0), u32(1000))
            assert len(first.field) == 1000
            bed.exchange.enter(without, bed.stores)
            asked = [
                (raw.READ, handle + u64(1000) + u32(1000)),
                (raw.STAT, text("/orders/in/long.csv")),
                (raw.OPEN, text("/orders/in/long.csv") + READS),
                (raw.READDIR, folder),
            ]
            return [(await mine.ask(kind, fields)).status for kind, fields in asked]

    bed.edit(FILES | {"acme.yaml": "party: acme\n"})
    without = bed.mesh
    bed.edit(FILES)
    assert bed.run(acts()) == [raw.NO_SUCH_FILE] * 4


# --- what went wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError, StoreUnavailable])
def test_what_goes_wrong_inside_is_not_told(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise error("canary of https://store.acme.example")

    exchange = bed.exchange
    for part, verb in ((exchange.objects, "peek"), (exchange.objects, "read")):
        monkeypatch.setattr(part, verb, fails)
    monkeypatch.setattr(exchange.listing, "keys", fails)
    monkeypatch.setattr(exchange.staging, "may_begin", fails)

    async def acts() -> bytes:
        async with session(bed, "globex.erp") as mine:
            heard = []
            for act in ("stat", "read", "write", "list", "remove", "rename", "utime"):
                found = await answers(mine, act, "/orders/in/seen.csv")
                assert found[-1].status == raw.FAILURE, act
                heard.append(found[-1].body)
            mine.end()
            return b"".join([*heard, await mine.process.stderr.read()])

    heard = bed.run(acts())
    assert b"canary" not in heard
    assert b"xception" not in heard


def test_looking_for_what_is_not_there_leaves_no_line_on_the_jobs_log(bed: Bed) -> None:
    async def acts() -> bytes:
        async with session(bed, "globex.erp") as mine:
            for path in ("/orders/out/secret.csv", "/orders/acks/absent", "/vault"):
                assert (await mine.ask(raw.STAT, text(path))).status == raw.NO_SUCH_FILE
            mine.end()
            return await mine.process.stderr.read()

    assert bed.run(acts()) == b""


# --- the record of it --------------------------------------------------------------------------


def test_looking_is_no_refusal_and_being_refused_is_one(bed: Bed) -> None:
    """An everyday upload leaves none; each refused act leaves one, for its own party to read."""

    async def everyday() -> None:
        async with bed.client("globex.erp") as sftp:
            await sftp.stat("/orders/in")
            await sftp.listdir("/orders/acks")
            await sftp.mkdir("/orders/acks/new")
            async with sftp.open("/orders/acks/new/x.csv", "xb") as file:
                await file.write(b"x")

    async def refused() -> None:
        async with bed.client("globex.erp") as sftp:
            for act in (sftp.stat, sftp.remove, sftp.rmdir, sftp.listdir):
                with pytest.raises((asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied)):
                    await act("/orders/out/secret.csv")

    bed.events.clear()
    bed.run(everyday())
    assert [e.key for e in bed.events if e.kind == "refusal"] == []
    bed.run(refused())
    refusals = [e for e in bed.events if e.kind == "refusal"]
    assert len(refusals) == 4
    assert {(e.party, e.principal, e.door) for e in refusals} == {("globex", "erp", "sftp")}
    assert all("globex" in e.readers for e in refusals)


# --- what one takes from the others ------------------------------------------------------------


def test_a_party_whose_store_is_stuck_holds_up_no_other(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """acme has as many parts on their way as it can get; none of them arrives."""
    monkeypatch.setattr(writing, "GROWTH", ((10_000, 1000),))
    stuck = asyncio.Event()
    arrives = bed.stores["acme", "home"].write

    async def hangs(*args: Any, **more: Any) -> Any:
        await stuck.wait()
        return await arrives(*args, **more)

    monkeypatch.setattr(bed.stores["acme", "home"], "write", hangs)

    async def takes_all(theirs: Raw) -> None:
        for number in range(40):
            handle = text(await theirs.open(f"/orders/in/{number}.csv", raw.CREATES))
            for part in range(3):
                await theirs.ask(raw.WRITE, handle, u64(part * 1000), text(b"x" * 1000))

    async def acts() -> None:
        async with session(bed) as theirs, bed.client("globex.erp") as mine:
            taking = asyncio.create_task(takes_all(theirs))
            await asyncio.wait((taking,), timeout=1)
            assert not taking.done()
            async with asyncio.timeout(5), mine.open("/orders/acks/x.csv", "wb") as file:
                for _ in range(20):
                    await file.write(b"y" * 1000)
            stuck.set()
            await taking

    bed.run(acts())
    bed.run(bed.left())
    assert bed.read("globex", "acks/x.csv") == b"y" * 20_000


# --- folders that things are only put into -----------------------------------------------------


def test_what_was_put_can_not_be_read_by_another_name(bed: Bed) -> None:
    """But a draft there may get its final name, within the folder or from elsewhere."""
    bed.habits["acme.erp"] = Habits(upload_only=("/orders/in",))

    async def acts() -> None:
        async with bed.client() as sftp:
            for path in ("/orders/in/seen.csv", "/orders/in"):
                for rename in (sftp.rename, sftp.posix_rename):
                    with pytest.raises(asyncssh.SFTPPermissionDenied):
                        await rename(path, "/orders/out/taken")
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.open("/orders/in/seen.csv", "rb")
            assert await sftp.listdir("/orders/in") == [".", ".."]
            for draft in ("/orders/in/a.tmp", "/orders/tmp/a"):
                async with sftp.open(draft, "wb") as file:
                    await file.write(b"x")
                await sftp.posix_rename(draft, "/orders/in/a")

    bed.run(acts())
    assert bed.keys("acme") == ["in/a", "in/seen.csv", "out/deep/secret.csv", "out/secret.csv"]
