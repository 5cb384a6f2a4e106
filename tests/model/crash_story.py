"""A short story in which everything happens once that a crash could spoil."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from gateway.catalog import Expect
from gateway.errors import BucketAlreadyYours, NoSuchKey, NoSuchUpload, PreconditionFailed
from gateway.exchange.listing import Span
from gateway.exchange.terms import Completion, CopySource, Draft, PartClaim
from gateway.habits import USUAL
from gateway.lifecycle import SETTING, Rule, text_of
from gateway.model import Event, ObjectRef, Versioning
from gateway.notifications import EVENTS, FILE_DOOR, Watch
from tests.model.crash_dock import DAY, LATER, Dock
from tests.model.world import Bytes, caller, ref

Acks = Mapping[str, str]
"""What was acknowledged so far: step name -> version id (or what else the step answers)."""

BIG = bytes(range(256)) * 5000
"""1.28 MB: more than the file store collects before it writes."""
LAIN, LAIN_THERE = "in/lain", b"it lay there already"
PART = b"first part,"
LAST_PART = b"last part"

AGING = "acme-aging"
AGED = ObjectRef(AGING, "k")
MOVING = "acme-moving"
LEFT = ObjectRef(MOVING, "left.tmp")
DRAFT, DRAFTED, MOVED = (ObjectRef(MOVING, key) for key in ("x.tmp", "x", "y"))
AGES = (Rule("all", days=1, noncurrent_days=1, upload_days=1), Rule("lone", lone_markers=True))
PASSES_MAX = 9
TRIES_MAX, TRY_S = 100, 0.01
USED, USED_NOW = "use/a", "used/a"


@dataclass(frozen=True, slots=True)
class Step:
    """`writes` is (author, key, content), with None as the content of a delete marker; `undoes`
    the step whose version this one unwrites."""

    name: str
    act: Callable[[Dock, Acks], Awaitable[str]]
    writes: tuple[str, str, bytes | None] | None = None
    undoes: str = ""


def put(name: str, party: str, key: str, content: bytes) -> Step:
    async def act(dock: Dock, _: Acks) -> str:
        body, draft = Bytes(content), Draft(metadata={"step": name})
        found = await dock.exchange.objects.put(caller(party), ref(key), body, draft, Expect())
        return found.version.id

    return Step(name, act, (party, key, content))


def copy(name: str, source: str, key: str, content: bytes) -> Step:
    async def act(dock: Dock, _: Acks) -> str:
        what = CopySource(ref(source))
        return (await dock.exchange.objects.copy(caller("acme"), what, ref(key))).version.id

    return Step(name, act, ("acme", key, content))


def delete(name: str, key: str) -> Step:
    async def act(dock: Dock, _: Acks) -> str:
        return (await dock.exchange.removals.delete(caller("acme"), ref(key))).label

    return Step(name, act, ("acme", key, None))


def unwrite(name: str, key: str, written: str) -> Step:
    async def act(dock: Dock, acks: Acks) -> str:
        version = acks[written]
        await dock.exchange.removals.delete(caller("acme"), ref(key), version=version)
        return version

    return Step(name, act, undoes=written)


def tag(name: str, key: str, value: str) -> Step:
    async def act(dock: Dock, _: Acks) -> str:
        draft = Draft(tags={"state": value})
        return (await dock.exchange.tagging.set_tags(caller("acme"), ref(key), draft)).version.id

    return Step(name, act)


def refused_put(name: str, key: str) -> Step:
    """Its bytes arrive whole; then the condition fails, and they are taken back."""

    async def act(dock: Dock, _: Acks) -> str:
        expect = Expect(if_none_match=("*",))
        body = Bytes(b"too late")
        try:
            await dock.exchange.objects.put(caller("acme"), ref(key), body, Draft(), expect)
        except PreconditionFailed:
            return "refused"
        raise AssertionError("the condition held")

    return Step(name, act)


def begin(name: str, key: str) -> Step:
    async def act(dock: Dock, _: Acks) -> str:
        draft = Draft(checksum="crc32c", checksum_type="FULL_OBJECT")
        return (await dock.exchange.uploads.begin(caller("acme"), ref(key), draft)).id

    return Step(name, act)


def part(name: str, upload: str, key: str, number: int, content: bytes) -> Step:
    async def act(dock: Dock, acks: Acks) -> str:
        body = Bytes(content)
        verb = dock.exchange.uploads.add_part(caller("acme"), ref(key), acks[upload], number, body)
        return (await verb).etag

    return Step(name, act)


def complete(name: str, upload: str, key: str, parts: tuple[str, ...], content: bytes) -> Step:
    async def act(dock: Dock, acks: Acks) -> str:
        claim = Completion(tuple(PartClaim(n, acks[p]) for n, p in enumerate(parts, 1)))
        verb = dock.exchange.uploads.complete(
            caller("acme"), ref(key), acks[upload], claim, Expect()
        )
        return (await verb).version.id

    return Step(name, act, ("acme", key, content))


def abort(name: str, upload: str, key: str) -> Step:
    async def act(dock: Dock, acks: Acks) -> str:
        try:
            await dock.exchange.uploads.abort(caller("acme"), ref(key), acks[upload])
        except NoSuchUpload:
            return "gone already"
        return "gone"

    return Step(name, act)


async def _edit(dock: Dock, _: Acks) -> str:
    await dock.edit(LATER)
    return dock.mesh.revision


async def _converge(dock: Dock, _: Acks) -> str:
    await dock.converge()
    return "converged"


async def _deliver(dock: Dock, _: Acks) -> str:
    await dock.deliver()
    return "delivered"


async def _spoil(dock: Dock, _: Acks) -> str:
    """One of globex's copies rots, and one is gone."""
    dock.rot("got/in/ack")
    (dock.folder / "globex" / "got" / "out" / "late").unlink(missing_ok=True)
    return "spoilt"


async def _scrub(dock: Dock, _: Acks) -> str:
    await dock.scrub()
    return "scrubbed"


async def _adopt(dock: Dock, _: Acks) -> str:
    """A file that acme put into its own folder becomes a version; looked at twice, it is one."""
    await dock.adopt(LAIN, LAIN_THERE)
    return (await dock.listing("acme"))[LAIN]


async def _tell(dock: Dock, _: Acks) -> str:
    await dock.tell()
    return "told"


async def _watch(dock: Dock, _: Acks) -> str:
    every = tuple(sorted(EVENTS))
    for party in ("acme", "globex"):
        watches = (Watch("w", "queue", "feed", every),)
        await dock.exchange.notifying.watch(caller(party), "orders", watches, test=False)
    return "watching"


async def _consume(dock: Dock, _: Acks) -> str:
    verb = dock.exchange.consuming.consume(caller("initech"), ref(USED), moved_to=USED_NOW)
    with suppress(NoSuchKey):  # the answer to an earlier one got lost
        await verb
    return "consumed"


async def _read(dock: Dock, _: Acks) -> str:
    content = await dock.read("initech", "in/big")
    dock.sealer.observe(Event("tick", dock.now))
    return str(len(content))


async def _seal(dock: Dock, _: Acks) -> str:
    return await dock.seal()


async def _collect(dock: Dock, _: Acks) -> str:
    await dock.collect()
    return "collected"


async def _age(dock: Dock, _: Acks) -> str:
    """A bucket whose rules take everything away, begun anew by whoever finds it half emptied."""
    exchange, acme = dock.exchange, caller("acme")
    with suppress(BucketAlreadyYours):
        await exchange.buckets.create(acme, AGING)
    await exchange.buckets.set_versioning(acme, AGING, Versioning.ENABLED)
    await exchange.buckets.set_setting(acme, AGING, SETTING, text_of(AGES))
    for content in (b"old", b"new"):
        await exchange.objects.put(acme, AGED, Bytes(content), Draft(), Expect())
    await exchange.uploads.begin(acme, AGED, Draft())
    dock.now += 3 * DAY
    (bucket,) = await exchange.lifecycle.buckets()
    passes = 0
    while await exchange.lifecycle.run(bucket):
        passes += 1
        assert passes <= PASSES_MAX, "lifecycle does not come to an end"
    assert not await dock.catalog.has_shown(AGING), "lifecycle left something"
    return "aged"


async def _move(dock: Dock, _: Acks) -> str:
    """A file written under one name and given another, in a bucket of its own: begun anew by
    whoever finds it half done, it ends as one file under the new name."""
    exchange, acme = dock.exchange, caller("acme")
    with suppress(BucketAlreadyYours):
        await exchange.buckets.create(acme, MOVING)
    staged = await exchange.staging.begin(acme, DRAFT, Draft())
    for content in (PART, LAST_PART):
        staged = await exchange.staging.append(acme, staged, Bytes(content))
    await exchange.staging.publish(acme, staged, DRAFTED, Expect())
    for _attempt in range(TRIES_MAX):  # a product that answers too early is not found out here
        with suppress(NoSuchKey):
            await exchange.moving.rename(acme, DRAFTED, MOVED, replaces=True)
            return "moved"
        await asyncio.sleep(TRY_S)
    raise AssertionError("what was published never came to be")


async def _moved(dock: Dock, _: Acks) -> str:
    exchange, acme = dock.exchange, caller("acme")
    page = await exchange.listing.keys(acme, MOVING, Span())
    assert [entry.key for entry in page.entries] == [MOVED.key], "renaming left something"
    assert await exchange.staging.look(acme, DRAFT) is None
    await exchange.staging.begin(acme, LEFT, Draft(), temporary=True)
    await exchange.settling(0).round(lambda _: USUAL, FILE_DOOR)
    assert await exchange.staging.look(acme, LEFT) is None, "what was left stays"
    return "seen"


STORY = (
    Step("watch", _watch),
    put("one", "acme", "in/a", b"one"),
    put("two", "acme", "in/a", b"two, before one was sent"),
    put("big", "acme", "in/big", BIG),
    put("empty", "acme", "in/empty", b""),
    put("followed", "acme", "follow/a", b"goes when it is deleted"),
    put("used", "acme", USED, b"initech is soon done with it"),
    Step("deliver", _deliver),
    put("three", "acme", "in/a", b"three, over a copy"),
    put("odd", "acme", "in/odd//name", b"no path can be that"),
    put("ack", "globex", "acks/a", b"globex got it"),
    refused_put("refused", "in/a"),
    tag("tag", "in/big", "final"),
    Step("seal", _seal),
    Step("tell", _tell),
    begin("upload", "in/multi"),
    part("part 1", "upload", "in/multi", 1, b"replaced by the next"),
    part("part 1 again", "upload", "in/multi", 1, PART),
    part("part 2", "upload", "in/multi", 2, LAST_PART),
    complete("multi", "upload", "in/multi", ("part 1 again", "part 2"), PART + LAST_PART),
    Step("deliver tags", _deliver),
    begin("vain", "in/vain"),
    part("vain part", "vain", "in/vain", 1, b"in vain"),
    abort("abort", "vain", "in/vain"),
    copy("own copy", "in/a", "out/copy", b"three, over a copy"),
    copy("taken copy", "acks/a", "in/ack", b"globex got it"),
    put("wrong", "acme", "in/a", b"sent by mistake"),
    unwrite("unwrite", "in/a", "wrong"),
    put("gone", "acme", "in/gone", b"soon gone"),
    delete("delete", "in/gone"),
    delete("follow", "follow/a"),
    Step("consume", _consume),
    put("early", "acme", "past/note", b"initech gets past/ later, and this too"),
    Step("edit", _edit),
    Step("converge", _converge),
    Step("adopt", _adopt, ("acme", LAIN, LAIN_THERE)),
    put("late", "acme", "out/late", b"globex gets out/ now"),
    Step("read", _read),
    Step("seal again", _seal),
    Step("deliver the rest", _deliver),
    Step("spoil", _spoil),
    Step("scrub", _scrub),
    Step("deliver again", _deliver),
    Step("tell the rest", _tell),
    Step("move", _move),
    Step("age", _age),
    Step("moved", _moved),
    Step("collect", _collect),
    Step("last seal", _seal),
)


async def tell(dock: Dock, acks: dict[str, str], said: Callable[[str, str], None]) -> None:
    """Goes on where `acks` ends; `said` hears of every step once it is acknowledged."""
    for step in STORY[len(acks) :]:
        acks[step.name] = await step.act(dock, acks)
        said(step.name, acks[step.name])
