"""The policy in force: loaded off the event loop, entered whole, by following or by applying."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from gateway.catalog import Policies as Kept
from gateway.errors import CrossdockError, DocumentErrors, Problem, StartRefused
from gateway.model import EMPTY, Event
from gateway.operations.folder import (
    Changes,
    Signature,
    edited,
    read_folder,
    signature_of,
    stage,
)
from gateway.policy.document import Cache, Loaded, load, plan_hash
from gateway.policy.mesh import Mesh
from gateway.policy.topology import TOPOLOGY

INTERVAL_SECONDS = 0.5
"""Two equal readings this far apart: an editor or a copy has then finished writing."""
DUE = "policies folder due"
"""The setting that names what a crash kept from being written into the folder."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class By:
    """Who puts a policy in force, and through which door; no `party` for the operator."""

    door: str
    party: str = ""
    principal: str = ""


FOLDER = By("folder")
"""Whoever edited it: the folder does not tell."""


def policy_event(now: int, mesh: Mesh, by: By) -> Event:
    return Event("policy", now, by.party, by.principal, by.door, revision=mesh.revision)


Enter = Callable[[Mesh, By], Awaitable[None]]
Guard = Callable[[Mesh, Mesh], Awaitable[tuple[Problem, ...]]]
"""What of the mesh in force the next one would cut off; if anything, topology.yaml must wait."""
Missing = Callable[[Mesh], tuple[Problem, ...]]
"""Secrets that the mesh names and nobody has."""


class Rows(Kept, Protocol):
    """What is asked of the catalog."""

    async def get(self, name: str) -> bytes | None: ...
    async def put(self, name: str, value: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force, and what is wrong with what is not. `trouble` is the whole folder's."""

    mesh: Mesh
    entered: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of an apply: in force where there is no problem and it is not `stale`. `edited`
    are files that somebody is at work on in the folder."""

    before: str
    revision: str
    changed: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    stale: bool = False
    edited: tuple[str, ...] = ()

    @property
    def applied(self) -> bool:
        return not (self.problems or self.stale or self.edited)

    @property
    def plan(self) -> str:
        return plan_hash(self.before, self.revision)


@dataclass(slots=True)
class Policies:
    """Keeps a policy in force: with `follow` the folder's last good content, file by file, else
    what was applied last.

    `enter` puts a mesh in force everywhere; when it raises, the one before stays in force, and
    the next reading tries again. `changed` hears of everything that health and metrics show.
    What `guard` finds keeps the last good topology.yaml in force, as a mistake in it does.
    """

    folder: Path
    kept: Rows
    clock: Callable[[], int]
    enter: Enter
    changed: Callable[[Standing], None]
    guard: Guard
    missing: Missing = lambda _: ()
    follow: bool = True
    interval: float = INTERVAL_SECONDS
    _standing: Standing | None = None
    _cache: Cache | None = None
    _last_good: Mapping[str, str] = EMPTY
    _seen: Signature | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def standing(self) -> Standing:
        if self._standing is None:
            raise StartRefused("the policies folder has not been read yet")
        return self._standing

    async def start(self) -> Standing:
        """The policy is in force when this returns: the folder, with the last good set behind it,
        if it is followed or nothing was ever applied. DocumentErrors if that gives no mesh."""
        await self.resume()
        if self.follow or self._standing is None:
            await self._take(None)
        return self.standing

    async def resume(self) -> None:
        """What was in force last is so again; a folder that a crash kept from it is written."""
        kept = await self.kept.policy()
        if kept is None:
            return
        revision, self._last_good = kept
        await self._write_what_is_due(revision)
        if not self.follow:
            loaded = await asyncio.to_thread(self._load, self._last_good)
            if loaded.mesh is None:
                raise DocumentErrors(loaded.problems)
            await self._put(loaded.mesh, loaded, FOLDER)
            self._cache = loaded.cache

    async def watch(self) -> None:
        """Follows the folder until cancelled; a change is in force within 2 s."""
        before = self._seen
        while True:
            await asyncio.sleep(self.interval)
            if self.follow:
                before = await self._look(before)

    async def _look(self, before: Signature | None) -> Signature | None:
        """One reading; takes what equals the one before and is not in force yet."""
        try:
            now = await asyncio.to_thread(signature_of, self.folder)
            if now == before and now != self._seen:
                await self._take(now)
            elif now == self._seen:
                self._trouble("")
        except (CrossdockError, OSError) as error:
            self._trouble(f"the folder can't be taken: {error}")
            return None
        except Exception:
            # An edit must never take the gateway down, not even by a fault of ours.
            log.exception("the policies folder can't be taken")
            self._trouble("the folder can't be taken; the log says why")
            return None
        return now

    async def _take(self, signature: Signature | None) -> None:
        async with self._lock:
            before = signature or await asyncio.to_thread(signature_of, self.folder)
            files = await asyncio.to_thread(read_folder, self.folder)
            loaded = await self._guarded(files, await asyncio.to_thread(self._load, files))
            if loaded.mesh is None:
                raise DocumentErrors(loaded.problems)
            await self._put(loaded.mesh, loaded, FOLDER)
            self._cache = loaded.cache
            self._seen = before

    async def _guarded(self, files: Mapping[str, str], loaded: Loaded) -> Loaded:
        """The same with the last good topology.yaml, if this one would cut something off."""
        if loaded.mesh is None:
            return loaded
        problems = await self._cut_off(loaded.mesh)
        if not problems:
            return loaded
        good = self._last_good[TOPOLOGY]
        kept = await asyncio.to_thread(self._load, {**files, TOPOLOGY: good})
        return replace(kept, problems=(*problems, *kept.problems))

    async def _cut_off(self, mesh: Mesh) -> tuple[Problem, ...]:
        good = self._last_good.get(TOPOLOGY)
        if good is None or mesh.texts.get(TOPOLOGY) == good:
            return ()
        before = await asyncio.to_thread(self._load, self._last_good)
        return await self.guard(before.mesh, mesh) if before.mesh else ()

    def _load(self, files: Mapping[str, str]) -> Loaded:
        return self._loaded(files, self._last_good)

    def _loaded(self, files: Mapping[str, str], last_good: Mapping[str, str]) -> Loaded:
        base = str(self.folder.resolve())
        return load(files, base=base, last_good=last_good, cache=self._cache)

    async def _put(self, mesh: Mesh, loaded: Loaded, by: By) -> None:
        old = self._standing
        entered = old.entered if old else self.clock()
        if old is None or old.mesh.revision != mesh.revision:
            await self.enter(mesh, by)
            entered = self.clock()
            log.info("policy in force", extra={"revision": mesh.revision})
            self._last_good = mesh.texts
        self._say(Standing(mesh, entered, loaded.problems, loaded.warnings))

    def _trouble(self, text: str) -> None:
        old = self.standing
        if old.trouble != text:
            self._say(Standing(old.mesh, old.entered, old.problems, old.warnings, text))

    def _say(self, standing: Standing) -> None:
        self._standing = standing
        self.changed(standing)
        for problem in standing.problems:
            log.error("policy file not in force", extra={"problem": str(problem)})
        if standing.trouble:
            log.error("policies folder", extra={"problem": standing.trouble})

    # --- applying ------------------------------------------------------------------------------

    async def apply(self, by: By, *, expect: str = "", revision: str = "") -> Verdict:
        """Puts the folder in force as it lies there, wholly or not at all. `expect` is the plan's
        hash, `revision` the folder's as the caller has seen it: if another one it is stale, and
        nothing is done."""
        async with self._lock:
            files = await asyncio.to_thread(read_folder, self.folder)
            verdict, loaded = await self._judge(files, expect)
            moved = bool(revision and verdict.revision != revision)
            verdict = replace(verdict, stale=verdict.stale or moved)
            if verdict.applied and loaded.mesh:
                await self._put(loaded.mesh, loaded, by)
                self._cache = loaded.cache
            return verdict

    async def change(
        self, changes: Changes, by: By, *, expect: str = "", revision: str = ""
    ) -> Verdict:
        """Puts what is in force in force with these changes, and writes them into the folder, that
        it may not take them back. Files that somebody is at work on there are left alone, and
        nothing is changed then. `revision`: only if that one is in force still. BadInput where the
        folder can't be written."""
        async with self._lock:
            files = {**self._last_good, **changes}
            wanted = {name: text for name, text in files.items() if text}
            verdict, loaded = await self._judge(wanted, expect, about=changes.keys())
            moved = bool(revision and verdict.before != revision)
            verdict = replace(verdict, stale=verdict.stale or moved)
            args = (self.folder, self._last_good, changes)
            verdict = replace(verdict, edited=await asyncio.to_thread(edited, *args))
            if not verdict.applied or loaded.mesh is None:
                return verdict
            staged = await asyncio.to_thread(stage, self.folder, changes)
            due = {"revision": verdict.revision, "names": sorted(changes)}
            try:
                await self.kept.put(DUE, json.dumps(due).encode())
                await self._put(loaded.mesh, loaded, by)
            except BaseException:
                staged.discard()
                raise
            self._cache = loaded.cache
            await asyncio.to_thread(staged.settle)
            await self.kept.put(DUE, b"")
            return verdict

    async def _judge(
        self, files: Mapping[str, str], expect: str, about: Container[str] | None = None
    ) -> tuple[Verdict, Loaded]:
        """`about`: the mistakes of these files alone count; the others are in force as they are."""
        behind = EMPTY if about is None else self._last_good
        loaded = await asyncio.to_thread(self._loaded, files, behind)
        before = self._standing.mesh.revision if self._standing else ""
        if loaded.mesh is None:
            return Verdict(before, "", problems=loaded.problems), loaded
        lost = await self._cut_off(loaded.mesh)
        new, old = loaded.mesh.texts, self._last_good
        restated = new.get(TOPOLOGY) != old.get(TOPOLOGY)
        missing = self.missing(loaded.mesh) if restated else ()
        own = [p for p in loaded.problems if about is None or p.file in about]
        problems = (*own, *lost, *missing)
        changed = tuple(n for n in sorted(new.keys() | old.keys()) if new.get(n) != old.get(n))
        verdict = Verdict(
            before, loaded.mesh.revision, changed, tuple(sorted(problems)), loaded.warnings
        )
        return replace(verdict, stale=bool(expect) and expect != verdict.plan), loaded

    async def _write_what_is_due(self, revision: str) -> None:
        due = json.loads(await self.kept.get(DUE) or b"{}")
        if due and due["revision"] == revision:
            changes = {name: self._last_good.get(name, "") for name in due["names"]}
            staged = await asyncio.to_thread(stage, self.folder, changes)
            await asyncio.to_thread(staged.settle)
        if due:
            await self.kept.put(DUE, b"")
