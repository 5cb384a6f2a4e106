"""The policies folder while people edit it: the last good content of each file stays in force."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from gateway.catalog import Settings
from gateway.errors import CatalogUnavailable, DocumentErrors, Problem
from gateway.model import Event
from gateway.operations.reload import INTERVAL_SECONDS, Policies, Standing
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
    """The part of the catalog's settings that matters here."""

    held: tuple[str, Mapping[str, str]] | None = None

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
    trouble: Exception | None = None
    interval: float = 0.1

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.write("topology.yaml", TOPOLOGY)
        self.write("acme.yaml", ACME)
        self.write("globex.yaml", GLOBEX)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    async def enter(self, mesh: Mesh) -> None:
        if self.trouble:
            raise self.trouble
        await self.kept.put_policy(mesh.revision, mesh.texts, Event("policy", 0))
        self.entered.append(mesh)

    async def guard(self, old: Mesh, new: Mesh) -> tuple[Problem, ...]:
        lost = old.buckets.keys() - new.buckets.keys()
        return tuple(Problem("topology.yaml", 1, 1, f"{name} is held") for name in lost)

    def policies(self) -> Policies:
        return Policies(
            folder=self.folder,
            settings=cast(Settings, self.kept),
            clock=lambda: len(self.entered) + 1,
            enter=self.enter,
            changed=self.said.append,
            guard=self.guard,
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
