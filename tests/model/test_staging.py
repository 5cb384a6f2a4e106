"""Files written name by name over the real exchange and courier: one upload, one version."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from gateway.catalog import Expect
from gateway.errors import BadInput, Conflict, Denied, NoSuchKey, NoSuchUpload, PreconditionFailed
from gateway.exchange import Bytes, Draft, Span, Staged
from gateway.exchange.moving import FOLDER_KEYS_MAX
from gateway.habits import USUAL, Habits, Settle, is_temporary
from gateway.model import ObjectRef
from tests.model.world import World, caller, ref

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, principals: [{name: erp}]}
  globex: {store: {type: file, path: g}, principals: [{name: erp}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["**"]}, globex: {}}}
"""
SENDS = (
    'party: acme\nsends:\n  - {bucket: orders, keys: ["**"], except: ["**/*.tmp"], '
    "to: {globex: copy}}\n"
)
INTO = 'party: globex\naccepts:\n  - {from: [acme], bucket: orders, into: "in/{key}"}\n'
FILES = {"topology.yaml": TOPOLOGY, "acme.yaml": SENDS, "globex.yaml": INTO}
ACME, GLOBEX = caller("acme"), caller("globex")


@pytest.fixture
def world() -> Iterator[World]:
    world = World(FILES)
    yield world
    world.close()


def keys(world: World, party: str, prefix: str = "") -> list[str]:
    page = world.run(
        world.exchange.listing.keys(caller(party), ref("").bucket, Span(prefix=prefix))
    )
    return [entry.key for entry in page.entries]


def stage(world: World, key: str, *pieces: bytes) -> Staged:
    staging = world.exchange.staging
    staged = world.run(staging.begin(ACME, ref(key), Draft()))
    for piece in pieces:
        staged = world.run(staging.append(ACME, staged, Bytes(piece)))
    return staged


def versions(world: World, key: str) -> int:
    return len(world.run(world.catalog.story(ref(key))))


def test_one_upload_under_a_temporary_name_is_one_version_and_one_delivery(world: World) -> None:
    staged = stage(world, "in/x.tmp", b"one", b"two", b"three")
    world.drain()
    assert keys(world, "acme") == []
    assert world.copies() == {}
    world.run(world.exchange.staging.publish(ACME, staged, ref("in/x"), Expect()))
    world.drain()
    assert (keys(world, "acme"), keys(world, "globex")) == (["in/x"], ["in/x"])
    assert world.read("globex", "in/x") == b"onetwothree"
    assert world.copies() == {"in/in/x": b"onetwothree"}
    assert (versions(world, "in/x"), versions(world, "in/x.tmp")) == (1, 0)


def test_what_is_one_part_is_as_if_it_had_been_put_at_once(world: World) -> None:
    world.put("acme", "put", b"same", {})
    staged = stage(world, "staged", b"same")
    found = world.run(world.exchange.staging.publish(ACME, staged, ref("staged"), Expect()))
    put = world.run(world.exchange.objects.look(ACME, ref("put"))).version
    for field in ("etag", "sha256", "size", "checksums", "checksum_type", "parts"):
        assert getattr(found.version, field) == getattr(put, field), field


def test_an_empty_file_is_a_file(world: World) -> None:
    staged = stage(world, "empty")
    world.run(world.exchange.staging.publish(ACME, staged, ref("empty"), Expect()))
    assert world.read("acme", "empty") == b""


def test_nobody_else_sees_it_and_its_writer_goes_on_with_it(world: World) -> None:
    stage(world, "x", b"12345")
    staging = world.exchange.staging
    assert world.run(staging.look(GLOBEX, ref("x"))) is None
    found = world.run(staging.look(ACME, ref("x")))
    assert found is not None
    assert (found.size, found.parts) == (5, 1)
    more = world.run(staging.append(ACME, found, Bytes(b"678")))
    world.run(staging.publish(ACME, more, ref("x"), Expect()))
    assert world.read("acme", "x") == b"12345678"
    assert world.run(staging.look(ACME, ref("x"))) is None


def test_a_file_may_go_on_from_what_is_published(world: World) -> None:
    world.put("acme", "log", b"monday ", {})
    old = world.run(world.exchange.objects.look(ACME, ref("log"))).version
    staging = world.exchange.staging
    staged = world.run(staging.begin(ACME, ref("log"), Draft(), onto=old))
    assert staged.size == 7
    staged = world.run(staging.append(ACME, staged, Bytes(b"tuesday")))
    assert world.read("acme", "log") == b"monday ", "until it is published"
    world.run(staging.publish(ACME, staged, ref("log"), Expect()))
    assert world.read("acme", "log") == b"monday tuesday"


def test_what_was_let_go_or_published_can_not_go_on(world: World) -> None:
    staging = world.exchange.staging
    for end in ("abandon", "publish"):
        staged = stage(world, "x", b"1")
        if end == "abandon":
            world.run(staging.abandon(ACME, staged))
        else:
            world.run(staging.publish(ACME, staged, ref("x"), Expect()))
        with pytest.raises(NoSuchUpload):
            world.run(staging.append(ACME, staged, Bytes(b"2")))


def test_a_refused_condition_leaves_it_staged(world: World) -> None:
    world.put("acme", "x", b"old", {})
    staged = stage(world, "x.tmp", b"new")
    absent = Expect(if_none_match=("*",))
    with pytest.raises(PreconditionFailed):
        world.run(world.exchange.staging.publish(ACME, staged, ref("x"), absent))
    assert world.run(world.exchange.staging.look(ACME, ref("x.tmp"))) is not None


# --- renaming ----------------------------------------------------------------------------------


def rename(world: World, old: str, new: str, *, replaces: bool = True, by: str = "acme") -> None:
    moving = world.exchange.moving
    world.run(moving.rename(caller(by), ref(old), ref(new), replaces=replaces))


def test_a_renamed_file_is_one_version_over_the_same_bytes(world: World) -> None:
    world.put("acme", "a", b"body", {})
    before = world.run(world.exchange.objects.look(ACME, ref("a"))).version
    rename(world, "a", "b")
    assert keys(world, "acme") == ["b"]
    after = world.run(world.exchange.objects.look(ACME, ref("b"))).version
    assert (after.extents, after.metadata) == (before.extents, before.metadata)
    assert [(s.kind, s.ref.key, s.version) for s in after.sources] == [("rename", "a", before.id)]
    world.drain()
    assert keys(world, "globex") == ["b"]


def test_a_name_that_is_taken_is_replaced_or_kept(world: World) -> None:
    world.put("acme", "a", b"new", {})
    world.put("acme", "b", b"old", {})
    with pytest.raises(PreconditionFailed):
        rename(world, "a", "b", replaces=False)
    assert (world.read("acme", "a"), world.read("acme", "b")) == (b"new", b"old")
    rename(world, "a", "b")
    assert (keys(world, "acme"), world.read("acme", "b")) == (["b"], b"new")
    with pytest.raises(NoSuchKey):
        rename(world, "a", "c")
    with pytest.raises(BadInput):
        rename(world, "b", "b")


def test_who_may_not_write_renames_nothing_of_others(world: World) -> None:
    world.put("acme", "a", b"x", {})
    with pytest.raises(Denied):
        rename(world, "a", "archive/a", by="globex")
    assert keys(world, "globex") == ["a"]


def test_a_recipient_that_consumes_renames_in_its_own_view_alone(world: World) -> None:
    world.edit({**FILES, "globex.yaml": INTO.replace("}\n", ", consume: true}\n")})
    world.put("acme", "in/a", b"x", {})
    rename(world, "in/a", "archive/a", by="globex")
    assert (keys(world, "globex"), keys(world, "acme")) == (["archive/a"], ["in/a"])
    assert world.read("globex", "archive/a") == b"x"


def test_a_folder_is_renamed_whole_or_not_at_all(world: World) -> None:
    for key in ("old/1", "old/2", "old/sub/3", "other"):
        world.put("acme", key, key.encode(), {})
    moving = world.exchange.moving
    world.put("acme", "taken/2", b"there", {})
    with pytest.raises(PreconditionFailed):
        world.run(moving.rename_folder(ACME, ref("old/"), ref("taken/")))
    assert keys(world, "acme", "old/") == ["old/1", "old/2", "old/sub/3"]
    assert world.run(moving.rename_folder(ACME, ref("old/"), ref("new/"))) == 3
    assert keys(world, "acme", "new/") == ["new/1", "new/2", "new/sub/3"]
    assert keys(world, "acme", "old/") == []
    assert world.read("acme", "new/sub/3") == b"old/sub/3"
    with pytest.raises(BadInput):
        world.run(moving.rename_folder(ACME, ref("new/"), ref("new/x/")))


# --- folders -----------------------------------------------------------------------------------


def test_folders_are_the_partys_own(world: World) -> None:
    staging = world.exchange.staging
    folder = ObjectRef(ref("").bucket, "in/new/")
    assert world.run(staging.make_folder(ACME, folder))
    assert not world.run(staging.make_folder(ACME, folder))
    assert world.run(staging.folders(ACME, ref("in/"))) == ["in/new/"]
    assert world.run(staging.folders(GLOBEX, ref("in/"))) == []
    assert keys(world, "acme") == []
    with pytest.raises(Denied):
        world.run(staging.make_folder(GLOBEX, folder))
    assert world.run(staging.drop_folder(ACME, folder))
    assert world.run(staging.folders(ACME, ref(""))) == []


# --- what was left -----------------------------------------------------------------------------


def test_a_folder_of_files_being_written_is_released_whole(world: World) -> None:
    staging, moving = world.exchange.staging, world.exchange.moving
    for key in ("tmp/batch/1", "tmp/batch/2", "tmp/batch/3.part"):
        world.run(staging.close(ACME, stage(world, key, b"x")))
    stage(world, "tmp/batch/open", b"half")
    world.put("acme", "in/taken/2", b"there", {})
    temporary = partial(is_temporary, USUAL)

    def release(target: str) -> int:
        work = moving.rename_folder(ACME, ref("tmp/batch/"), ref(target), stays=temporary)
        return world.run(work)

    with pytest.raises(PreconditionFailed):
        release("in/taken/")
    assert keys(world, "acme") == ["in/taken/2"], "none of them, or all"
    assert release("in/batch/") == 4
    world.drain()
    assert keys(world, "acme", "in/batch/") == ["in/batch/1", "in/batch/2"]
    assert keys(world, "globex", "in/batch/") == ["in/batch/1", "in/batch/2"]
    left = world.run(staging.page(ACME, ref("").bucket, "in/batch/"))
    assert [each.upload.ref.key for each in left] == ["in/batch/3.part", "in/batch/open"]


def test_what_rests_is_published_where_that_is_the_habit(world: World) -> None:
    staging = world.exchange.staging
    settling = world.exchange.settling(3600)
    quiet = Habits(settle=Settle.QUIET, quiet_s=30)
    world.run(staging.close(ACME, stage(world, "in/done", b"whole")))
    world.run(staging.close(ACME, stage(world, "in/done.tmp", b"whole")))
    stage(world, "in/broken", b"half")
    assert world.run(settling.round(lambda _: quiet, "sftp")) == 0, "it does not rest yet"
    world.now += 31 * 10**9
    assert world.run(settling.round(lambda _: USUAL, "sftp")) == 0
    assert world.run(settling.round(lambda _: quiet, "sftp")) == 1
    assert keys(world, "acme") == ["in/done"]
    assert world.read("acme", "in/done") == b"whole"


def test_what_nobody_touches_goes_in_the_end(world: World) -> None:
    staging = world.exchange.staging
    settling = world.exchange.settling(3600)
    staged = stage(world, "in/x", b"half")
    world.now += 3599 * 10**9
    world.run(staging.append(ACME, staged, Bytes(b" more")))
    world.now += 3599 * 10**9
    world.run(settling.round(lambda _: USUAL, "sftp"))
    assert world.run(staging.look(ACME, ref("in/x"))) is not None, "it was touched meanwhile"
    world.now += 10**9
    world.run(settling.round(lambda _: USUAL, "sftp"))
    assert world.run(staging.look(ACME, ref("in/x"))) is None


def test_a_temporary_name_may_be_one_that_could_not_be_published(world: World) -> None:
    world.edit({**FILES, "topology.yaml": TOPOLOGY.replace('write: ["**"]', 'write: ["in/*"]')})
    staging = world.exchange.staging
    draft = ref("upload/x.tmp")
    with pytest.raises(Denied):
        world.run(staging.begin(ACME, draft, Draft()))
    staged = world.run(staging.begin(ACME, draft, Draft(), temporary=True))
    staged = world.run(staging.append(ACME, staged, Bytes(b"x")))
    with pytest.raises(Denied):
        world.run(staging.publish(ACME, staged, draft, Expect()))
    world.run(staging.publish(ACME, staged, ref("in/x.csv"), Expect()))
    found = world.run(world.exchange.objects.look(ACME, ref("in/x.csv")))
    assert found.version.content_type == "text/csv"
    with pytest.raises(Denied):
        world.run(staging.begin(GLOBEX, draft, Draft(), temporary=True))


def test_bytes_count_in_the_order_in_which_they_were_appended(world: World) -> None:
    """A later part may be stored before an earlier one is; it must not count before that."""
    staging = world.exchange.staging

    async def story() -> Staged:
        begun = await staging.begin(ACME, ref("in/x"), Draft())
        gate: asyncio.Future[Staged] = asyncio.get_running_loop().create_future()
        later = asyncio.create_task(
            staging.append(ACME, replace(begun, size=3, parts=1), Bytes(b"two"), after=gate)
        )
        await asyncio.sleep(0.05)
        found = await staging.look(ACME, ref("in/x"))
        assert found is not None
        assert found.size == 0
        gate.set_result(await staging.append(ACME, begun, Bytes(b"one")))
        return await later

    assert world.run(story()).size == 6


def test_what_lacks_bytes_that_its_writer_counted_is_no_version(world: World) -> None:
    staged = stage(world, "in/x", b"one")
    with pytest.raises(Conflict, match="not all of this file has arrived"):
        world.run(
            world.exchange.staging.publish(ACME, replace(staged, size=6), ref("in/x"), Expect())
        )
    assert keys(world, "acme") == []


def test_a_shown_time_changes_no_version(world: World) -> None:
    staging = world.exchange.staging
    world.put("acme", "in/x", b"x", {})
    version = world.run(world.exchange.objects.look(ACME, ref("in/x"))).version.id
    world.run(staging.show_time(ACME, ref("in/x"), 86_400))
    assert world.run(staging.shown_times(ACME, [version])) == {version: 86_400}
    assert world.run(staging.shown_times(GLOBEX, [version])) == {}
    assert versions(world, "in/x") == 1
    with pytest.raises(NoSuchKey):
        world.run(staging.show_time(ACME, ref("in/none"), 1))


def test_more_folders_than_one_step_moves_are_listed_and_not_moved(world: World) -> None:
    staging, moving = world.exchange.staging, world.exchange.moving
    made = [f"in/{number:04}/" for number in range(FOLDER_KEYS_MAX + 1)]
    for key in made:
        world.run(staging.make_folder(ACME, ref(key)))
    assert world.run(staging.folders(ACME, ref("in/"))) == made
    assert world.run(staging.folders(ACME, ref("in/"), 2)) == made[:2]
    with pytest.raises(BadInput, match="can't be renamed at once"):
        world.run(moving.rename_folder(ACME, ref("in/"), ref("out/")))
    world.run(staging.drop_folder(ACME, ref(made[0])))
    assert world.run(moving.rename_folder(ACME, ref("in/"), ref("out/"))) == FOLDER_KEYS_MAX
    assert world.run(staging.folders(ACME, ref("in/"))) == []
