"""The policies folder while people edit it: the last good content of each file stays in force."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from gateway.errors import BadInput, CatalogUnavailable, DocumentErrors, Problem
from gateway.model import Event
from gateway.operations.folder import signature_of
from gateway.operations.reload import DUE, INTERVAL_SECONDS, By, Policies, Rows, Standing
from gateway.policy.mesh import Mesh

TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: ../data/acme}
    principals: [{name: erp}]
  globex:
    principals: [{name: wms}]
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["**"]}, globex: {}}
"""
ACME = """
party: acme
sends: [{id: all, bucket: orders, keys: ["**"], to: {globex: share}}]
"""
GLOBEX = """
party: globex
accepts: [{from: [acme]}]
"""


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110 - the condition is the code under test
            await asyncio.sleep(0.02)


@dataclass
class Kept:
    """The part of the catalog that matters here."""

    held: tuple[str, Mapping[str, str]] | None = None
    values: dict[str, bytes] = field(default_factory=dict)

    async def get(self, name: str) -> bytes | None:
        return self.values.get(name)

    async def put(self, name: str, value: bytes) -> None:
        self.values[name] = value

    async def policy(self) -> tuple[str, Mapping[str, str]] | None:
        return self.held

    async def put_policy(self, revision: str, files: Mapping[str, str], event: Event) -> None:
        self.held = (revision, files)


@dataclass
class Scene:
    folder: Path
    kept: Kept = field(default_factory=Kept)
    entered: list[Mesh] = field(default_factory=list)
    said: list[Standing] = field(default_factory=list)
    by: list[By] = field(default_factory=list)
    follow: bool = True
    missing: tuple[Problem, ...] = ()
    trouble: Exception | None = None
    interval: float = 0.1

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.write("topology.yaml", TOPOLOGY)
        self.write("acme.yaml", ACME)
        self.write("globex.yaml", GLOBEX)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    async def enter(self, mesh: Mesh, by: By) -> None:
        if self.trouble:
            raise self.trouble
        self.by.append(by)
        await self.kept.put_policy(mesh.revision, mesh.texts, Event("policy", 0))
        self.entered.append(mesh)

    async def guard(self, old: Mesh, new: Mesh) -> tuple[Problem, ...]:
        lost = old.buckets.keys() - new.buckets.keys()
        return tuple(Problem("topology.yaml", 1, 1, f"{name} is held") for name in lost)

    def policies(self) -> Policies:
        return Policies(
            folder=self.folder,
            kept=cast(Rows, self.kept),
            clock=lambda: len(self.entered) + 1,
            enter=self.enter,
            changed=self.said.append,
            guard=self.guard,
            missing=lambda _: self.missing,
            follow=self.follow,
            interval=self.interval,
        )

    async def until(self, count: int) -> None:
        """Until so many meshes were entered, or the time is over."""
        await eventually(lambda: len(self.entered) >= count)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "policies")


async def started(scene: Scene) -> tuple[Policies, asyncio.Task[None]]:
    policies = scene.policies()
    await policies.start()
    return policies, asyncio.create_task(policies.watch())


def modes(mesh: Mesh) -> list[str]:
    return [send.rule.id for send in mesh.policy.rules.sends.get("acme", ())]


def test_the_folder_is_in_force_after_the_start(scene: Scene) -> None:
    asyncio.run(scene.policies().start())
    assert modes(scene.entered[0]) == ["all"]
    assert scene.said[-1].problems == ()


def test_an_edit_is_in_force_within_two_seconds(scene: Scene) -> None:
    scene.interval = INTERVAL_SECONDS

    async def story() -> None:
        _, watch = await started(scene)
        await asyncio.sleep(0.1)
        scene.write("acme.yaml", ACME.replace("id: all", "id: edited"))
        await scene.until(2)
        watch.cancel()

    asyncio.run(story())
    assert modes(scene.entered[-1]) == ["edited"]
    assert scene.said[-1].entered == 3


def test_a_half_written_file_is_not_taken(scene: Scene) -> None:
    """Every reading differs from the one before, so none is acted upon."""

    async def story() -> None:
        _, watch = await started(scene)
        for number in range(12):
            scene.write("acme.yaml", ACME + "# still writing\n" * number)
            await asyncio.sleep(scene.interval / 3)
        assert len(scene.entered) == 1
        await scene.until(2)
        watch.cancel()

    asyncio.run(story())


def test_a_file_with_an_error_keeps_its_last_good_and_holds_up_no_other(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        _, watch = await started(scene)
        scene.write("acme.yaml", ACME.replace("sends", "sendz"))
        scene.write("globex.yaml", GLOBEX.replace("from", "id: new, from"))
        await scene.until(2)
        watch.cancel()

    asyncio.run(story())
    mesh = scene.entered[-1]
    assert modes(mesh) == ["all"]
    assert [accept.rule.id for accept in mesh.policy.rules.accepts] == ["new"]
    (problem,) = scene.said[-1].problems
    assert (problem.file, problem.line) == ("acme.yaml", 3)
    assert any("sendz" in str(vars(record)) for record in caplog.records)


def test_a_restart_starts_from_the_last_good_set(scene: Scene) -> None:
    asyncio.run(scene.policies().start())
    scene.write("acme.yaml", "party: [")
    scene.write("topology.yaml", "")
    asyncio.run(scene.policies().start())
    assert modes(scene.entered[-1]) == ["all"]
    assert {problem.file for problem in scene.said[-1].problems} == {"acme.yaml", "topology.yaml"}


def test_without_a_last_good_topology_it_does_not_start(scene: Scene) -> None:
    scene.write("topology.yaml", "partiez: {}\n")
    with pytest.raises(DocumentErrors, match=r"topology\.yaml:1:1: unknown field `partiez`"):
        asyncio.run(scene.policies().start())


def test_a_mended_file_clears_the_problem(scene: Scene) -> None:
    async def story() -> None:
        policies, watch = await started(scene)
        scene.write("acme.yaml", "party: [")
        await eventually(lambda: policies.standing.problems)
        scene.write("acme.yaml", ACME)
        await eventually(lambda: not policies.standing.problems)
        watch.cancel()

    asyncio.run(story())
    assert modes(scene.said[-1].mesh) == ["all"]


def test_a_catalog_that_is_not_well_is_tried_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def story() -> None:
        policies, watch = await started(scene)
        scene.trouble = CatalogUnavailable("disk full")
        scene.write("acme.yaml", ACME.replace("id: all", "id: edited"))
        await eventually(lambda: policies.standing.trouble)
        assert "disk full" in policies.standing.trouble
        scene.trouble = None
        await scene.until(2)
        watch.cancel()

    asyncio.run(story())
    assert scene.said[-1].trouble == ""


def test_a_fault_of_ours_does_not_end_the_watch(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def story() -> None:
        policies, watch = await started(scene)
        scene.trouble = RuntimeError("bug")
        scene.write("acme.yaml", ACME.replace("id: all", "id: edited"))
        await eventually(lambda: policies.standing.trouble)
        scene.trouble = None
        await scene.until(2)
        watch.cancel()

    asyncio.run(story())


def test_a_folder_that_vanishes_and_comes_back_changes_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def story() -> None:
        policies, watch = await started(scene)
        away = scene.folder.with_name("away")
        scene.folder.rename(away)
        await eventually(lambda: policies.standing.trouble)
        away.rename(scene.folder)
        await eventually(lambda: not policies.standing.trouble)
        watch.cancel()

    asyncio.run(story())
    assert len(scene.entered) == 1


def test_editors_leavings_are_not_policy(scene: Scene) -> None:
    scene.write(".acme.yaml.swp", "x")
    scene.write(".#acme.yaml", "party: [")
    scene.write("acme.yaml~", "party: [")
    scene.write("notes.txt", "x")
    asyncio.run(scene.policies().start())
    assert scene.said[-1].problems == ()


def test_a_file_that_is_not_text_is_a_problem_of_its_own(scene: Scene) -> None:
    asyncio.run(scene.policies().start())
    (scene.folder / "acme.yaml").write_bytes(b"party: acme\n# \xff\n")
    asyncio.run(scene.policies().start())
    assert modes(scene.entered[-1]) == ["all"]
    assert [problem.file for problem in scene.said[-1].problems] == ["acme.yaml"]


def test_a_topology_that_would_cut_something_off_waits_and_holds_up_no_other(scene: Scene) -> None:
    async def story() -> None:
        _, watch = await started(scene)
        scene.write("topology.yaml", TOPOLOGY.replace("orders", "ordres"))
        scene.write("acme.yaml", ACME.replace("id: all", "id: edited"))
        await scene.until(2)
        watch.cancel()

    asyncio.run(story())
    mesh = scene.entered[-1]
    assert set(mesh.buckets) == {"orders"}
    assert modes(mesh) == ["edited"]
    assert "orders is held" in [problem.text for problem in scene.said[-1].problems]


# --- applying ----------------------------------------------------------------------------------

EDITED = ACME.replace("id: all", "id: edited")
ME = By("command", principal="ops")


@pytest.fixture
def drafts(scene: Scene) -> Scene:
    """A gateway that takes the folder for a draft."""
    scene.follow = False
    return scene


def test_a_draft_is_not_in_force_until_it_is_applied(drafts: Scene) -> None:
    async def story() -> None:
        policies, watch = await started(drafts)
        drafts.write("acme.yaml", EDITED)
        await asyncio.sleep(4 * drafts.interval)
        assert len(drafts.entered) == 1
        verdict = await policies.apply(ME)
        watch.cancel()
        assert verdict.applied
        assert verdict.changed == ("acme.yaml",)
        assert (verdict.before, verdict.revision) == tuple(m.revision for m in drafts.entered)

    asyncio.run(story())
    assert modes(drafts.entered[-1]) == ["edited"]
    assert drafts.by[-1] == ME


def test_a_restart_begins_with_what_was_applied_and_not_with_the_draft(drafts: Scene) -> None:
    asyncio.run(drafts.policies().start())
    drafts.write("acme.yaml", EDITED)
    drafts.write("globex.yaml", "nonsense")
    standing = asyncio.run(drafts.policies().start())
    assert modes(standing.mesh) == ["all"]
    assert standing.problems == ()


def test_one_mistake_keeps_the_whole_folder_out(drafts: Scene) -> None:
    async def story() -> None:
        policies = drafts.policies()
        await policies.start()
        drafts.write("acme.yaml", EDITED)
        drafts.write("globex.yaml", "party: globex\nacepts: []\n")
        verdict = await policies.apply(ME)
        assert not verdict.applied
        assert [problem.file for problem in verdict.problems] == ["globex.yaml"]

    asyncio.run(story())
    assert len(drafts.entered) == 1


def test_secrets_that_nobody_has_and_what_would_be_cut_off_keep_it_out_too(drafts: Scene) -> None:
    async def story() -> None:
        policies = drafts.policies()
        await policies.start()
        drafts.missing = (Problem("topology.yaml", 3, 1, "not set"),)
        drafts.write("topology.yaml", TOPOLOGY.replace("  orders:", "  other:"))
        drafts.write("acme.yaml", "party: acme\n")
        verdict = await policies.apply(ME)
        assert [p.text for p in verdict.problems] == ["orders is held", "not set"]

    asyncio.run(story())
    assert len(drafts.entered) == 1


def test_a_stale_plan_is_not_carried_out(drafts: Scene) -> None:
    async def story() -> None:
        policies = drafts.policies()
        await policies.start()
        drafts.write("acme.yaml", EDITED)
        looked = await policies.apply(ME, expect="something else")
        assert looked.stale
        assert len(drafts.entered) == 1
        assert (await policies.apply(ME, revision="another")).stale
        assert (await policies.apply(ME, expect=looked.plan, revision=looked.revision)).applied
        assert (await policies.apply(ME, expect=looked.plan)).stale, "that step has been made"

    asyncio.run(story())
    assert len(drafts.entered) == 2


@pytest.mark.parametrize("follow", [True, False])
def test_a_change_from_elsewhere_is_written_into_the_folder(scene: Scene, follow: bool) -> None:
    scene.follow = follow

    async def story() -> None:
        policies, watch = await started(scene)
        changes = {"acme.yaml": EDITED, "globex.yaml": ""}
        verdict = await policies.change(changes, By("api", "acme", "staff"))
        assert verdict.applied
        assert verdict.changed == ("acme.yaml", "globex.yaml")
        await asyncio.sleep(4 * scene.interval)
        watch.cancel()

    asyncio.run(story())
    assert (scene.folder / "acme.yaml").read_text() == EDITED
    assert sorted(path.name for path in scene.folder.iterdir()) == ["acme.yaml", "topology.yaml"]
    assert modes(scene.entered[-1]) == ["edited"]
    assert len(scene.entered) == 2, "the folder that follows says the same"
    assert scene.kept.values[DUE] == b""


def test_a_file_that_somebody_is_at_work_on_is_left_alone(drafts: Scene) -> None:
    async def story() -> None:
        policies = drafts.policies()
        await policies.start()
        drafts.write("acme.yaml", ACME + "# a thought")
        verdict = await policies.change({"acme.yaml": EDITED}, ME)
        assert verdict.edited == ("acme.yaml",)
        assert not verdict.applied
        drafts.write("acme.yaml", EDITED)
        assert (await policies.change({"acme.yaml": EDITED}, ME)).applied, "the same thought"

    asyncio.run(story())
    assert len(drafts.entered) == 2


def test_a_folder_that_cannot_be_written_changes_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    async def story() -> None:
        policies = scene.policies()
        await policies.start()
        before = signature_of(scene.folder)
        monkeypatch.setattr("gateway.operations.folder.os.fsync", full)
        with pytest.raises(BadInput, match="No space left"):
            await policies.change({"acme.yaml": EDITED}, ME)
        assert signature_of(scene.folder) == before
        assert len(list(scene.folder.iterdir())) == 3, "no draft is left"

    asyncio.run(story())
    assert len(scene.entered) == 1


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("broken", ["enter", "settle"])
def test_a_crash_between_catalog_and_folder_leaves_one_of_the_two(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, follow: bool, broken: str
) -> None:
    """Before the commit nothing has happened; after it the next start writes the folder."""
    scene.follow = follow

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    async def crash() -> None:
        policies = scene.policies()
        await policies.start()
        if broken == "enter":
            monkeypatch.setattr(scene, "enter", dies)
            policies.enter = scene.enter
        else:
            monkeypatch.setattr("gateway.operations.folder.Staged.settle", dies)
        with pytest.raises(KeyboardInterrupt):
            await policies.change({"acme.yaml": EDITED}, ME)

    asyncio.run(crash())
    monkeypatch.undo()
    assert (scene.folder / "acme.yaml").read_text() == ACME
    standing = asyncio.run(scene.policies().start())
    wanted = ACME if broken == "enter" else EDITED
    assert (scene.folder / "acme.yaml").read_text() == wanted
    assert modes(standing.mesh) == ["all" if broken == "enter" else "edited"]
    assert scene.kept.values[DUE] == b""
