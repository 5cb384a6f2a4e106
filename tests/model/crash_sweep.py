"""Kills a process at every fault site, time and again, and opens what it left: `python -m` this.

Forks from a parent that has imported everything, but has neither a thread nor an SQLite
connection: a point costs milliseconds, where a new process would take most of a second. Prints
one line of JSON: the sites that were hit, and what became of each point. With the name of a bug
it plants that bug first, and then dies at the sites alone where it shows: the sweep must find it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.catalog import Change, NoticeClaim, NoticeOutcome, Retag, Write
from gateway.catalog.sqlite import SqliteCatalog
from gateway.faults import arm
from gateway.herald.lane import LaneWorker
from gateway.model import Bucket, Version
from tests.model.crash_checks import Findings, extras, unsettled
from tests.model.crash_dock import Dock
from tests.model.crash_story import STORY, tell
from tests.model.crash_told import untold

KILLED = 137
HITS_MAX = 9
"""Points of one site, spread evenly over its hits."""
HITS_MAX_FOR_A_BUG = 27
"""Few sites, and a bug may show between two commits alone."""
LANES = 2
CHILD_SECONDS_MAX = 30
"""A life takes a tenth of a second; one that hangs is a finding."""

Say = Callable[[str, Any], None]


def child(work: Callable[[Say], Coroutine[Any, Any, None]]) -> tuple[int, list[tuple[str, Any]]]:
    """Runs `work` in a forked process; its exit code, and what it said before it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        signal.alarm(CHILD_SECONDS_MAX)

        def say(name: str, value: Any) -> None:
            os.write(writing, json.dumps([name, value]).encode() + b"\n")

        try:
            asyncio.run(work(say))
        except BaseException:  # noqa: BLE001 - the parent hears of it
            say("error", traceback.format_exc())
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        said = [tuple(json.loads(line)) for line in pipe if line.endswith("\n")]
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), said


async def live(folder: Path, say: Say) -> None:
    """One life, from an empty folder to the story's end."""
    dock = await Dock.open(folder, 1)
    await tell(dock, {}, say)
    await dock.close()


def survey() -> Counter[str]:
    """How often the story comes by each site."""
    hits: Counter[str] = Counter()

    async def count(say: Say) -> None:
        arm(lambda site: hits.update((site,)))
        with tempfile.TemporaryDirectory() as folder:
            await live(Path(folder), lambda *_: None)
        say("hits", hits)

    code, said = child(count)
    if code:
        sys.exit(f"the story does not end well: {said}")
    return Counter(dict(said)["hits"])


def points(hits: Counter[str], most: int = HITS_MAX) -> list[tuple[str, int]]:
    spread = {
        site: sorted({1 + n * count // most for n in range(most)} | {count})
        for site, count in hits.items()
    }
    return [(site, hit) for site, chosen in spread.items() for hit in chosen if hit <= hits[site]]


def point(site: str, hit: int) -> dict[str, Any]:
    """Dies at the hit-th time at this site; then another process opens what is left."""
    folder = Path(tempfile.mkdtemp())

    async def victim(say: Say) -> None:
        left = Counter({site: hit})

        def trap(here: str) -> None:
            left[here] -= 1
            if here == site and left[here] == 0:
                os._exit(KILLED)

        arm(trap)
        await live(folder, say)

    async def heir(say: Say) -> None:
        await inherit(folder, acks, say)

    code, said = child(victim)
    acks: dict[str, str] = dict(said)
    result: dict[str, Any] = {"site": site, "hit": hit, "code": code, "acked": len(acks)}
    if code in (0, KILLED):
        result["left"], result["found"] = child(heir)
    else:
        result["found"] = said
    shutil.rmtree(folder)
    return result


async def inherit(folder: Path, acks: dict[str, str], say: Say) -> None:
    """Opens the folder, checks it, goes on with the story where the answers ended, as clients
    that try again do, and checks its end."""
    dock = await Dock.open(folder, 2)
    crashed = STORY[len(acks)] if len(acks) < len(STORY) else None
    extra = await extras(dock, acks, crashed)
    for text in await Findings.of(dock, acks, extra):
        say("reopened", text)
    await tell(dock, acks, lambda *_: None)
    await dock.deliver()
    await dock.tell()
    await dock.collect()
    await dock.seal()
    for text in await Findings.of(dock, acks, extra):
        say("at the end", text)
    for text in await unsettled(dock, acks, extra):
        say("at the end", text)
    for text in await untold(dock, acks, extra):
        say("at the end", text)
    await dock.close()


def lane(work: Iterable[tuple[str, int]]) -> tuple[int, int]:
    """A process that does every other point: (its id, the pipe on which it tells of them)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        with open(writing, "w") as pipe:
            for site, hit in work:
                pipe.write(json.dumps(point(site, hit)) + "\n")
        os._exit(0)
    os.close(writing)
    return pid, reading


def sweep(bug: str = "") -> dict[str, Any]:
    plant, sites = BUGS.get(bug, (lambda: None, ""))
    plant()
    hits = survey()
    spread = points(hits, HITS_MAX_FOR_A_BUG if bug else HITS_MAX)
    chosen = [p for p in spread if p[0].startswith(sites)]
    lanes = [lane(chosen[at::LANES]) for at in range(LANES)]
    results = []
    for pid, reading in lanes:
        with open(reading) as pipe:
            results += [json.loads(line) for line in pipe]
        os.waitpid(pid, 0)
    return {"hits": hits, "points": results}


# --- bugs that the sweep must find -------------------------------------------------------------


def _promise_later() -> None:
    """The version in one transaction, what it promises in the next."""
    commit = SqliteCatalog.commit

    async def halved(self: SqliteCatalog, change: Change) -> Version:
        if not isinstance(change, Write) or not change.promises:
            return await commit(self, change)
        made = await commit(self, replace(change, promises=()))
        ref, revision, event = made.ref, change.revision, replace(change.event, kind="later")
        later = Retag(
            ref, made.id, made.author, made.tags, revision, event, change.grants, change.promises
        )
        await commit(self, later)
        return made

    _plant(halved)


def _answer_first() -> None:
    """The answer goes out while the commit still waits for its turn."""
    commit = SqliteCatalog.commit
    tasks: list[asyncio.Task[Version]] = []

    async def hasty(self: SqliteCatalog, change: Change) -> Version:
        if not isinstance(change, Write) or change.expect:
            return await commit(self, change)
        tasks.append(asyncio.create_task(commit(self, change)))
        return change.version

    _plant(hasty)


def _plant(commit: Callable[[SqliteCatalog, Change], Coroutine[Any, Any, Version]]) -> None:
    SqliteCatalog.commit = commit  # type: ignore[method-assign, assignment]


def _settle_first() -> None:
    """A notice is crossed off before it is sent."""
    send = LaneWorker._send

    async def hasty(self: LaneWorker, claim: NoticeClaim, bucket: Bucket) -> None:
        await self._notices.settle_notices([NoticeOutcome(claim.notice)])
        await send(self, claim, bucket)

    LaneWorker._send = hasty  # type: ignore[method-assign]


BUGS = MappingProxyType(
    {
        "promise later": (_promise_later, "catalog."),
        "answer first": (_answer_first, "catalog."),
        "settle first": (_settle_first, "herald."),
    }
)


if __name__ == "__main__":
    gc.disable()  # children live for a moment, and pages that are not touched are not copied
    print(json.dumps(sweep(*sys.argv[1:])))
