"""No acknowledged commit is lost: by a power cut, a failing disk, or a process that is killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from gateway.catalog.opening import READ_WRITE, connect, open_reader
from gateway.catalog.sqlite import SqliteCatalog
from gateway.errors import CatalogUnavailable, StartRefused
from tests.contract.catalog_kit import R1, Bench, Clock, extent, promise
from tests.contract.catalog_vfs import BadVFS, Tape, TapingVFS, registered

CUTS = 60
COMMITS = 120
FAULTS = 90


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """apsw tells the interpreter's hooks of every error that a file system in Python raises."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)


async def put(bench: Bench, n: int) -> str:
    version = await bench.put(
        f"k{n % 40}", to=("globex",), promises=[promise(f"t{n % 40}")], extents=(extent(f"x{n}"),)
    )
    return version.id


async def work(path: Path, vfs: str, tape: Tape, *, loose: bool = False) -> int:
    """Eight clients that commit and note each acknowledgement; returns the tape's length before
    the first."""
    clock = Clock()
    catalog = await SqliteCatalog.open(path, clock=clock, vfs=vfs)
    if loose:
        _loosen(catalog)
    bench = Bench(catalog, clock)
    await bench.new_policy(R1)
    start = len(tape.ops)

    async def client(name: int) -> None:
        for n in range(name, COMMITS, 8):
            tape.ack(await put(bench, n))

    await asyncio.gather(*map(client, range(8)))
    tape.ack("end")
    await catalog.close()
    return start


def _loosen(catalog: SqliteCatalog) -> None:
    """The negative control: a writer that does not wait for the disk at each commit."""
    writer = catalog._writer
    assert writer is not None
    writer._connection.execute("PRAGMA synchronous = NORMAL")


def stored(path: Path) -> set[str]:
    """The versions of a catalog after a crash, which must be whole."""
    connection = connect(str(path), READ_WRITE)
    try:
        assert connection.pragma("integrity_check") == "ok"
        halves = """
            SELECT (SELECT count(*) FROM versions),
                   (SELECT count(*) FROM records) - 1,
                   (SELECT count(*) FROM deliveries),
                   (SELECT count(*) FROM extents),
                   (SELECT count(*) FROM grants) / 2"""
        counts = connection.execute(halves).fetchall()[0]
        assert len(set(counts)) == 1 or counts == (0, -1, 0, 0, 0), counts
        return {str(row[0]) for row in connection.execute("SELECT id FROM versions")}
    finally:
        connection.close()


def lost_in_cuts(tape: Tape, start: int, folder: Path, *, torn: bool) -> list[int]:
    """How many acknowledged commits each of many power cuts loses."""
    chance = random.Random(7)
    end = max(n for n, op in enumerate(tape.ops) if op.file == "end")
    losses = []
    for number in range(CUTS):
        cut = chance.randint(start, end)
        place = folder / f"cut-{number}"
        place.mkdir()
        tape.rebuild(cut, place, chance if torn else None)
        losses.append(len(tape.acked(cut) - stored(place / "catalog.db")))
    return losses


@pytest.mark.parametrize("torn", [False, True])
def test_a_power_cut_loses_no_acknowledged_commit(tmp_path: Path, torn: bool) -> None:
    tape = Tape()
    with registered(TapingVFS("taping", tape)):
        start = asyncio.run(work(tmp_path / "catalog.db", "taping", tape))
    assert sum(op.kind == "ack" for op in tape.ops) == COMMITS + 1
    assert lost_in_cuts(tape, start, tmp_path, torn=torn) == [0] * CUTS


def test_the_same_check_catches_a_writer_that_does_not_sync(tmp_path: Path) -> None:
    tape = Tape()
    with registered(TapingVFS("taping", tape)):
        start = asyncio.run(work(tmp_path / "catalog.db", "taping", tape, loose=True))
    losses = lost_in_cuts(tape, start, tmp_path, torn=False)
    assert sum(map(bool, losses)) > CUTS // 2


# --- a disk that fails -------------------------------------------------------------------------


class Nth:
    """Fails the Nth operation: once, or from then on until healed."""

    def __init__(self, n: int, *, lasting: bool) -> None:
        self.n = n
        self.lasting = lasting
        self.count = 0
        self.healed = False

    def __call__(self, operation: str) -> apsw.Error | None:
        self.count += 1
        hit = self.count >= self.n if self.lasting else self.count == self.n
        return apsw.IOError(f"injected at {operation}") if hit and not self.healed else None


async def commits_on_bad_disk(path: Path, trouble: Nth) -> tuple[set[str], bool]:
    """Ten commits, then ten more after the disk is well again; those acknowledged, and whether
    every one of the latter was."""
    acked: set[str] = set()
    clock = Clock()
    try:
        catalog = await SqliteCatalog.open(path, clock=clock, vfs="bad")
    except (CatalogUnavailable, StartRefused):
        return acked, True
    bench = Bench(catalog, clock)

    async def attempt(n: int) -> bool:
        try:
            acked.add(await put(bench, n))
        except CatalogUnavailable:
            return False
        return True

    try:
        try:
            await bench.new_policy(R1)
        except CatalogUnavailable:
            return acked, True
        for n in range(10):
            await attempt(n)
        trouble.healed = True
        return acked, all([await attempt(n) for n in range(10, 20)])
    finally:
        trouble.healed = True
        await catalog.close()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("lasting", [False, True])
def test_no_failing_operation_loses_an_acknowledged_commit(tmp_path: Path, lasting: bool) -> None:
    reached = 0
    for n in range(1, FAULTS):
        folder = tmp_path / str(n)
        folder.mkdir()
        trouble = Nth(n, lasting=lasting)
        with registered(BadVFS("bad", trouble)):
            acked, recovered = asyncio.run(commits_on_bad_disk(folder / "catalog.db", trouble))
        assert recovered, f"no commit after the disk was well again (fault {n})"
        if trouble.count >= n:
            reached += 1
        if acked:
            assert acked <= stored_at_all(folder / "catalog.db")
    assert reached > FAULTS // 2


def stored_at_all(path: Path) -> set[str]:
    connection = open_reader(str(path))
    try:
        assert connection.pragma("integrity_check") == "ok"
        return {str(row[0]) for row in connection.execute("SELECT id FROM versions")}
    finally:
        connection.close()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("error", [apsw.FullError, apsw.ReadOnlyError, apsw.IOError])
def test_a_full_or_read_only_disk_refuses_writes_and_goes_on_reading(
    tmp_path: Path, error: type[apsw.Error]
) -> None:
    down = False

    def trouble(operation: str) -> apsw.Error | None:
        return error("injected") if down and operation != "read" else None

    async def story() -> None:
        nonlocal down
        catalog = await SqliteCatalog.open(tmp_path / "catalog.db", clock=Clock(), vfs="bad")
        bench = Bench(catalog, Clock())
        await bench.new_policy(R1)
        before = await put(bench, 1)
        down = True
        size = await catalog.size()
        outcomes = await asyncio.gather(
            *(put(bench, n) for n in range(2, 9)), return_exceptions=True
        )
        assert all(isinstance(outcome, CatalogUnavailable) for outcome in outcomes)
        assert await bench.sees("acme", "k1") == before
        assert await bench.keys("globex") == ["k1"]
        assert await catalog.size() == size
        down = False
        after = await put(bench, 2)
        assert await bench.sees("acme", "k2") == after
        assert await catalog.size() == size + 1
        await catalog.close()

    with registered(BadVFS("bad", trouble)):
        asyncio.run(story())
    assert len(stored(tmp_path / "catalog.db")) == 2


# --- a process that is killed ------------------------------------------------------------------

CHILD = """
import asyncio, sys, time
from gateway.catalog.sqlite import SqliteCatalog
from tests.contract.catalog_kit import Bench, Clock, R1
from tests.contract.test_catalog_power import put

async def main():
    catalog = await SqliteCatalog.open(sys.argv[1], clock=time.time_ns)
    bench = Bench(catalog, Clock(), int(sys.argv[2]))
    if await catalog.policy() is None:
        await bench.new_policy(R1)
    async def client(name):
        for n in range(name, 10**9, 8):
            sys.stdout.write(await put(bench, n) + "\\n")
            sys.stdout.flush()
    await asyncio.gather(*map(client, range(8)))

asyncio.run(main())
"""


def test_a_killed_gateway_loses_no_acknowledged_commit(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    acked: set[str] = set()
    for start in (0, 1_000_000, 2_000_000):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(start)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(150)]
            os.kill(child.pid, signal.SIGKILL)
            lines += child.stdout.readlines()
        acked |= {line.strip() for line in lines if line.endswith("\n")}
        assert len(acked) >= 150
        assert acked <= stored_at_all(path)
    connection = connect(str(path), READ_WRITE)
    extra = {str(row[0]) for row in connection.execute("SELECT id FROM versions")} - acked
    connection.close()
    assert len(extra) <= 3 * 8  # one in flight for each client, at most
