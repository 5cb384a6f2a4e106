"""`crossdock rebuild`: a catalog where there is none, out of what lies in the stores."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from gateway.catalog import Catalog, opening
from gateway.catalog.sqlite import SqliteCatalog
from gateway.config import Config
from gateway.errors import BadInput, StartRefused
from gateway.exchange.applying import put_in_force
from gateway.exchange.rebuilding import DOOR, LOST, Means, Options, Rebuild
from gateway.identity import resolve
from gateway.model import Event
from gateway.operations.control import Progress
from gateway.operations.offline import mesh_of_folder
from gateway.operations.outside import PRIVATE, Outside
from gateway.operations.reload import By, policy_event
from gateway.operations.storerooms import Storerooms
from gateway.policy.mesh import Mesh
from gateway.stores.build import build, fitted

STORE_THREADS = 16
ENDS = ("", "-wal", "-shm")
UNSAID = (
    "the policy has rules with `since: now` (which is what a rule without `since` says), and when "
    "they began is lost: say --rules-since always, or a date before which they are to reach nothing"
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator says. `rules_from` is a moment, 0 for always, None where nothing was said;
    `checkpoint` is the last one known of the lost log, as text."""

    report: Path
    options: Options
    rules_said: bool
    checkpoint: str = ""


def rebuild(config: Config, wish: Wish, progress: Progress) -> Mapping[str, Any]:
    """Makes the catalog beside its place, and moves it there when it is whole: broken off, it
    leaves nothing, and is begun anew. StartRefused where a catalog lies there."""
    config.catalog.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = opening.Lock(str(config.catalog))
    draft = f"{config.catalog}.rebuilding"
    try:
        for end in ENDS:
            opening.check_free(str(config.catalog) + end)
            opening.discard(draft + end)
        mesh = mesh_of_folder(config)
        if mesh.policy.starting and not wish.rules_said:
            raise BadInput(UNSAID)
        os.close(os.open(draft, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
        with wish.report.open("x", encoding="utf-8") as report:
            counts = asyncio.run(_drafted(config, mesh, draft, wish, report, progress))
        opening.settle(draft, str(config.catalog))
    except FileExistsError as error:
        raise StartRefused(f"{wish.report} is there already: move it away first") from error
    finally:
        for end in (*ENDS, ".lock"):
            opening.discard(draft + end)
        lock.release()
    return {"catalog": str(config.catalog), "report": str(wish.report), **counts, "lost": LOST}


async def _drafted(
    config: Config, mesh: Mesh, draft: str, wish: Wish, report: TextIO, progress: Progress
) -> Mapping[str, int]:
    catalog = await SqliteCatalog.open(draft, clock=lambda: 0)
    try:
        return await _filled(config, mesh, catalog, wish, report, progress)
    finally:
        await catalog.close()


async def _filled(
    config: Config,
    mesh: Mesh,
    catalog: Catalog,
    wish: Wish,
    report: TextIO,
    progress: Progress,
) -> Mapping[str, int]:
    outside = Outside()
    now = outside.clock()
    detail = {"checkpoint": wish.checkpoint} if wish.checkpoint else {}
    await catalog.append([Event("rebuild", now, door=DOOR, outcome="new log", detail=detail)])
    dated = await put_in_force(catalog, mesh, policy_event(now, mesh, By(DOOR)))
    if wish.options.rules_from:
        starting = mesh.policy.starting
        dated = mesh.dated(dict.fromkeys(starting, wish.options.rules_from))

    def tell(what: str, about: Mapping[str, str]) -> None:
        report.write(json.dumps({"what": what, **about}) + "\n")

    for text in LOST:
        tell("lost", {"why": text})
    with ThreadPoolExecutor(STORE_THREADS, "store") as pool:
        rooms = Storerooms(
            lambda spec, secrets: fitted(build(spec, secrets, pool), _unmeasured, outside.draw),
            partial(resolve, folder=config.policies),
        )
        stores = rooms.enter(mesh)
        for problem in rooms.problems:
            tell("store", {"why": problem})
        means = Means(catalog, dated, stores, outside.clock, _offload, tell, progress)
        try:
            counts = await Rebuild(means, wish.options).run()
        finally:
            await rooms.close()
    return {**counts, "left_store": counts["left_store"] + len(rooms.problems)}


async def _offload(work: Callable[[], None]) -> None:
    await asyncio.to_thread(work)


def _unmeasured(verb: str, seconds: float, read: int, error: str) -> None:
    """Nobody asks a command how its stores did."""
