"""The policies folder in force: read, loaded off the event loop, entered whole; then watched."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.catalog import Settings
from gateway.errors import BadInput, CrossdockError, DocumentErrors, Problem, StartRefused
from gateway.model import EMPTY
from gateway.policy.document import Cache, Loaded, load
from gateway.policy.mesh import Mesh
from gateway.policy.topology import TOPOLOGY

INTERVAL_SECONDS = 0.5
"""Two equal readings this far apart: an editor or a copy has then finished writing."""
FILES_MAX = 10_000
FILE_BYTES_MAX = 4 * 1024**2

Signature = tuple[tuple[str, int, int, int], ...]
Enter = Callable[[Mesh], Awaitable[None]]
Guard = Callable[[Mesh, Mesh], Awaitable[tuple[Problem, ...]]]
"""What of the mesh in force the next one would cut off; if anything, topology.yaml must wait."""

log = logging.getLogger(__name__)


def signature_of(folder: Path) -> Signature:
    """What tells that the folder changed, without reading its files."""
    stats = ((path.name, path.stat()) for path in _files(folder))
    return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)


def read_folder(folder: Path) -> Mapping[str, str]:
    """Each policy file's text by its name. What is not UTF-8 stays recognisable as that, so that
    the file's own problem can be told with its place."""
    return {path.name: _text(path) for path in _files(folder)}


def _text(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise BadInput(f"{path.name} is larger than {FILE_BYTES_MAX} bytes")
    return raw.decode("utf-8", "surrogateescape")


def _files(folder: Path) -> list[Path]:
    """Hidden names are left out: editors keep their own copies under them."""
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
    )
    if len(found) > FILES_MAX:
        raise BadInput(f"{folder} holds more than {FILES_MAX} files")
    return [path for path in found if path.is_file()]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force, and what is wrong with what is not. `trouble` is the whole folder's."""

    mesh: Mesh
    entered: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    trouble: str = ""


@dataclass(slots=True)
class Policies:
    """Keeps the folder's last good content in force, file by file.

    `enter` puts a mesh in force everywhere; when it raises, the one before stays in force, and
    the next reading tries again. `changed` hears of everything that health and metrics show.
    What `guard` finds keeps the last good topology.yaml in force, as a mistake in it does.
    """

    folder: Path
    settings: Settings
    clock: Callable[[], int]
    enter: Enter
    changed: Callable[[Standing], None]
    guard: Guard
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
        """The folder, with the last good set behind it, is in force when this returns; raises
        DocumentErrors if the two together give no mesh."""
        kept = await self.settings.policy()
        self._last_good = kept[1] if kept else EMPTY
        await self._take(None)
        return self.standing

    async def watch(self) -> None:
        """Follows the folder until cancelled; a change is in force within 2 s."""
        before = self._seen
        while True:
            await asyncio.sleep(self.interval)
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
            await self._put(loaded.mesh, loaded)
            self._cache = loaded.cache
            self._seen = before

    async def _guarded(self, files: Mapping[str, str], loaded: Loaded) -> Loaded:
        """The same with the last good topology.yaml, if this one would cut something off."""
        good = self._last_good.get(TOPOLOGY)
        if loaded.mesh is None or good is None or loaded.mesh.texts.get(TOPOLOGY) == good:
            return loaded
        before = await asyncio.to_thread(self._load, self._last_good)
        problems = await self.guard(before.mesh, loaded.mesh) if before.mesh else ()
        if not problems:
            return loaded
        kept = await asyncio.to_thread(self._load, {**files, TOPOLOGY: good})
        return replace(kept, problems=(*problems, *kept.problems))

    def _load(self, files: Mapping[str, str]) -> Loaded:
        base = str(self.folder.resolve())
        return load(files, base=base, last_good=self._last_good, cache=self._cache)

    async def _put(self, mesh: Mesh, loaded: Loaded) -> None:
        old = self._standing
        entered = old.entered if old else self.clock()
        if old is None or old.mesh.revision != mesh.revision:
            await self.enter(mesh)
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
