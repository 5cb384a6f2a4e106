"""What must hold once a folder is opened again, told from the acknowledgements alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.audit.check import audit
from gateway.audit.notes import Checkpoint, open_checkpoint
from gateway.audit.records import decode
from gateway.audit.tiles import TILE_LEVELS, TILE_WIDTH
from gateway.catalog.values import Story
from gateway.errors import CrossdockError
from gateway.model import DeliveryKind, DeliveryState, Mode, Share
from gateway.policy.mesh import Mesh
from tests.model.crash_dock import FILES, LATER, PARTIES, SIGNER, Dock
from tests.model.crash_story import STORY, USED, USED_NOW, Acks, Step
from tests.model.world import mesh_of, ref

MESHES = MappingProxyType({m.revision: m for m in (mesh_of(dict(FILES)), mesh_of(dict(LATER)))})
KEYS = tuple(dict.fromkeys(step.writes[1] for step in STORY if step.writes))
CONVERGED = frozenset({"past/note"})
"""Keys that a later edit shares: seen when the walk has come by, at the latest at its end."""
UNSENT = frozenset({DeliveryState.CANCELLED, DeliveryState.WITHDRAWN, DeliveryState.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class Kept:
    """A version as the story says that it must be; `content` is None for a delete marker."""

    step: str
    author: str
    key: str
    content: bytes | None


class Findings:
    """Everything that is wrong. `kept` are the versions that must be there, in order of their
    writing: the acknowledged ones, and at most one that a crash cut off from its answer."""

    def __init__(self, dock: Dock, acks: Acks, kept: Mapping[str, Kept]) -> None:
        self.dock = dock
        self.acks = acks
        self.kept = kept
        self.unwritten: frozenset[str] = frozenset()
        self.stories: dict[str, Story] = {}

    @classmethod
    async def of(cls, dock: Dock, acks: Acks, extra: Mapping[str, Kept]) -> list[str]:
        found = cls(dock, acks, kept_versions(acks, extra))
        for key in KEYS:
            found.stories |= {s.version.id: s for s in await dock.catalog.story(ref(key))}
        found.unwritten = frozenset(found._undone())
        return [
            *found._versions(),
            *found._rows(),
            *[text async for text in found._contents()],
            *[text async for text in found._views()],
            *[text async for text in found._log()],
        ]

    def _undone(self) -> Iterator[str]:
        """What was unwritten: surely if that was acknowledged, perhaps if its answer was lost."""
        for at, step in enumerate(STORY):
            version = self.acks.get(step.undoes, "")
            lost = at == len(self.acks) and version and self.stories[version].unwritten
            if version and (step.name in self.acks or lost):
                yield version

    def _versions(self) -> Iterator[str]:
        for version in self.kept.keys() - self.stories.keys():
            yield f"acknowledged and lost: {self.kept[version]}"
        for version in self.stories.keys() - self.kept.keys():
            yield f"nobody's version: {self.stories[version].version}"

    def _rows(self) -> Iterator[str]:
        """A version and its promises are one transaction."""
        for story in self.stories.values():
            own = next((g for g in story.grants if g.mode is Mode.OWN), None)
            if own is None:
                yield f"no grant for the author of {story.version}"
                continue
            wanted = set() if story.version.marker else self._promised(story, own.revision)
            copies = [d for d in story.deliveries if d.kind is DeliveryKind.COPY]
            rows = [d.target for d in copies]
            # a copy that was superseded is promised again when its version is current again, one
            # that was found damaged or missing at once
            lasting = (d for d in copies if d.state is not DeliveryState.SUPERSEDED)
            again = Counter(d.target for d in lasting if not d.finding)
            if wanted != set(rows) or max(again.values(), default=0) > 1:
                yield f"promised {wanted}, rows for {rows}: {story.version}"

    def _promised(self, story: Story, revision: str) -> set[str]:
        mesh = MESHES[revision]
        shares = _at_commit(mesh, story)
        return {share.target for share in shares if share.target}

    async def _contents(self) -> AsyncIterator[str]:
        for version, kept in self.kept.items():
            if kept.content is None or version in self.unwritten or version not in self.stories:
                continue
            try:
                content = await self.dock.read(kept.author, kept.key, version)
            except CrossdockError as error:
                yield f"{kept.step} can't be read: {error!r}"
                continue
            if content != kept.content:
                yield f"{kept.step} reads {content[:40]!r}"

    async def _views(self) -> AsyncIterator[str]:
        """What is listed can be read, and is the newest that the party may see."""
        for party in PARTIES:
            expected = self._view(party)
            listed = await self.dock.listing(party)
            if listed != expected:
                yield f"{party} lists {listed}, not {expected}"
            for key, version in listed.items():
                content = await self.dock.read(party, key)
                if version in self.kept and content != self.kept[version].content:
                    yield f"{party} reads {content[:40]!r} under {key}"

    def _view(self, party: str) -> dict[str, str]:
        view: dict[str, str] = {}
        for version, kept in self.kept.items():
            story = self.stories.get(version)
            if version in self.unwritten or story is None:
                continue
            if kept.content is None:
                view.pop(kept.key, None)
            elif party == kept.author or self._may_see(party, story):
                view[kept.key] = version
        if party == "initech" and self._consumed(view.get(USED, "")):
            view[USED_NOW] = view.pop(USED)
        return view

    def _consumed(self, version: str) -> bool:
        """Surely if that was acknowledged, perhaps if its answer was lost."""
        return bool(version) and ("consume" in self.acks or bool(self.stories[version].consumed))

    def _may_see(self, party: str, story: Story) -> bool:
        if story.version.ref.key in CONVERGED:
            granted = any(g.party == party and not g.closed for g in story.grants)
            return granted or (party == "initech" and "converge" in self.acks)
        own = next(g for g in story.grants if g.mode is Mode.OWN)
        mesh = MESHES[own.revision]
        shares = _at_commit(mesh, story)
        return party in {share.party for share in shares}

    async def _log(self) -> AsyncIterator[str]:
        """The log is whole, goes on from every checkpoint that was seen, and tells each write and
        each delivery once."""
        catalog, size = self.dock.catalog, await self.dock.catalog.size()
        assert size <= TILE_WIDTH, "one tile a level is all that is read here"
        records = await catalog.records(0, TILE_WIDTH)
        published = await catalog.checkpoint()
        head = _opened(published[2]) if published else None
        tiles = await catalog.tiles([(level, 0) for level in range(TILE_LEVELS)])
        notes = [_opened(note) for name, note in self.acks.items() if "seal" in name]
        report = audit(records, lambda name: tiles.get(name, b""), head, kept=notes)
        if report.finding:
            yield f"the log: {report.finding}"
        told = Counter(
            (opened.value("kind"), opened.value("version"), opened.value("outcome"))
            for opened in (decode(record.openings) for record in records)
        )
        for version, story in self.stories.items():
            kind = "marker" if story.version.marker else "write"
            times = sum(n for (k, v, _), n in told.items() if (k, v) == (kind, version))
            done = sum(d.state is DeliveryState.DONE for d in story.deliveries)
            if times != 1:
                yield f"{version} was recorded {times} times"
            if told["delivery", version, "done"] != done:
                yield f"{version}: {done} receipts, other records"


async def unsettled(dock: Dock, acks: Acks, extra: Mapping[str, Kept]) -> list[str]:
    """Once all is drained and collected: the copies are right, no bytes lie about, no row waits."""
    kept = kept_versions(acks, extra)
    rows = [
        (row, kept[story.version.id].content)
        for key in KEYS
        for story in reversed(await dock.catalog.story(ref(key)))
        for row in story.deliveries
        if row.kind in (DeliveryKind.COPY, DeliveryKind.REMOVAL)
    ]
    removals = [each for each in rows if each[0].kind is DeliveryKind.REMOVAL]
    rows = [each for each in rows if each[0].kind is DeliveryKind.COPY]
    last = {row.target: row.number for row, _ in rows}
    expected = {
        _path(row.target): content
        for row, content in rows
        if row.state not in UNSENT and not row.gone
    }
    copies = dock.copies()
    return [
        *(f"still {row.state.value}: {row}" for row, _ in (*rows, *removals) if row.state.open),
        *(f"not removed: {row}" for row, _ in removals if row.state is not DeliveryState.DONE),
        *(
            f"superseded by nothing: {row}"
            for row, _ in rows
            if row.state is DeliveryState.SUPERSEDED and row.number == last[row.target]
        ),
        *(
            f"copy {name}: {copies.get(name, b'absent')[:40]!r}"
            for name in expected.keys() | copies.keys()
            if copies.get(name) != expected.get(name)
        ),
        *[
            f"an orphan: {place}"
            for place in await dock.extents()
            if not await dock.catalog.knows(*place)
        ],
    ]


async def extras(dock: Dock, acks: Acks, crashed: Step | None) -> dict[str, Kept]:
    """Versions that nobody was told of: only the step that was cut off may have left one."""
    known = set(acks.values())
    ids = [s.version.id for key in KEYS for s in await dock.catalog.story(ref(key))]
    left = [ident for ident in ids if ident not in known]
    if crashed is None or crashed.writes is None:
        return {}
    return {ident: Kept(crashed.name, *crashed.writes) for ident in left[:1]}


def kept_versions(acks: Acks, extra: Mapping[str, Kept]) -> dict[str, Kept]:
    kept: dict[str, Kept] = {}
    for step in STORY:
        kept |= {ident: each for ident, each in extra.items() if each.step == step.name}
        if step.writes and step.name in acks:
            kept[acks[step.name]] = Kept(step.name, *step.writes)
    return kept


def _at_commit(mesh: Mesh, story: Story) -> tuple[Share, ...]:
    """What policy said when the version was just being made."""
    facts = replace(story.version.facts, changed=0)
    return mesh.policy.decide(facts, mesh.buckets["orders"]).shares


def _opened(note: str) -> Checkpoint:
    return open_checkpoint(note, [SIGNER.verifier])[0]


def _path(target: str) -> str:
    return f"%keys/{target.replace('/', '%2F')}" if "//" in target else target
