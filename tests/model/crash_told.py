"""What parties must have been told once all is over: everything at least once, in order, and
nothing of what they may not see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.model.crash_checks import Findings, Kept, kept_versions
from tests.model.crash_dock import Dock
from tests.model.crash_story import STORY, Acks
from tests.model.world import ref

WATCHING = ("acme", "globex")

News = tuple[str, str, str]
"""Party, version, and whether it came or went."""


async def untold(dock: Dock, acks: Acks, extra: Mapping[str, Kept]) -> list[str]:
    kept = kept_versions(acks, extra)
    found = Findings(dock, acks, kept)
    for key in {each.key for each in kept.values()}:
        found.stories |= {s.version.id: s for s in await dock.catalog.story(ref(key))}
    taken_back = {acks[step.undoes] for step in STORY if step.undoes}
    wanted = set(_wanted(found, taken_back))
    told = {(party, _version(record), _kind(record)) for party, record in dock.diary.read()}
    allowed = wanted | {(party, version, "came") for party in WATCHING for version in taken_back}
    waiting = await dock.catalog.notices()
    return [
        *(f"never told: {news}" for news in sorted(wanted - told)),
        *(f"told and not to be told: {news}" for news in sorted(told - allowed)),
        *(f"still waiting: {notice}" for notice in waiting),
        *_out_of_order(dock),
    ]


def _wanted(found: Findings, taken_back: set[str]) -> Iterator[News]:
    """A version that was taken back may or may not have been announced before."""
    for version, kept in found.kept.items():
        for party in WATCHING:
            story = found.stories[version]
            sees = party in {grant.party for grant in story.grants}
            if sees and version in taken_back:
                yield party, version, "went"
            elif sees:
                yield party, version, "went" if kept.content is None else "came"


def _version(record: Mapping[str, object]) -> str:
    return str(record["s3"]["object"]["versionId"])  # type: ignore[index]


def _kind(record: Mapping[str, object]) -> str:
    """Tags are of a version that is there."""
    return "went" if str(record["eventName"]).startswith("ObjectRemoved") else "came"


def _out_of_order(dock: Dock) -> Iterator[str]:
    """By what came first of each message: a repetition may come at any time."""
    last: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str]] = set()
    for party, record in dock.diary.read():
        thing = record["s3"]["object"]
        place, number = (party, thing["key"]), thing["sequencer"]
        if (party, number) in seen:
            continue
        seen.add((party, number))
        if number < last.get(place, ""):
            yield f"out of order: {place} {number}"
        last[place] = number
