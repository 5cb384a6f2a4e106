"""What commands do without a running gateway, or beside one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gateway.catalog import Catalog, opening
from gateway.config import Config
from gateway.errors import ConfigError, DocumentErrors, Problem
from gateway.exchange.applying import put_in_force
from gateway.operations.applying import Applying
from gateway.operations.commands import Commands
from gateway.operations.control import Action
from gateway.operations.folder import read_folder
from gateway.operations.keys import log_signer, open_seal
from gateway.operations.missing import missing_secrets
from gateway.operations.moves import cut_off
from gateway.operations.outside import PRIVATE, Outside, checkpoint, open_catalog
from gateway.operations.reload import By, Policies, policy_event
from gateway.policy.document import load
from gateway.policy.mesh import Mesh
from gateway.sealer import Sealer


@asynccontextmanager
async def reading(config: Config) -> AsyncIterator[Catalog]:
    """The catalog, only to be read, beside whatever else has it open."""
    if not config.catalog.exists():
        raise ConfigError(f"there is no catalog {config.catalog}: start the gateway once")
    catalog = await open_catalog(config, Outside(), read_only=True)
    try:
        yield catalog
    finally:
        await catalog.close()


More = Callable[[Config, Outside, Catalog, Mesh], AbstractAsyncContextManager[Mapping[str, Action]]]
"""Further commands, of those that bring what they need: most need no stores."""


@asynccontextmanager
async def commanding(
    config: Config, more: More | None = None
) -> AsyncIterator[Mapping[str, Action]]:
    """The commands that write, under the catalog's own lock: no gateway runs on it."""
    outside = Outside()
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    catalog = await open_catalog(config, outside)
    try:
        seal = await open_seal(config.seal_key, config.folder, catalog, outside.entropy)
        signer = await log_signer(catalog, seal, outside.entropy)
        sealer = Sealer(catalog, signer, outside.clock)
        kept = await catalog.policy()
        mesh = _mesh(config, kept[1] if kept else None)
        commands = Commands(
            catalog=catalog,
            seal=seal,
            mesh=lambda: mesh,
            clock=outside.clock,
            random=outside.entropy,
            checkpoint=lambda: checkpoint(sealer, catalog),
            keys_changed=_nobody_listens,
            resumed=lambda: None,
            headway=lambda: None,
        )
        policies = _policies(config, outside, catalog)
        applying = Applying(policies, policies.resume)
        actions = {**commands.actions(), **applying.actions()}
        if more is None:
            yield actions
            return
        async with more(config, outside, catalog, mesh) as others:
            yield {**actions, **others}
    finally:
        await catalog.close()


async def _nobody_listens() -> None:
    """Without a gateway the next start reads the keys."""


def _policies(config: Config, outside: Outside, catalog: Catalog) -> Policies:
    """What was applied last, whether the folder is followed or not: the next start enters it."""

    async def enter(mesh: Mesh, by: By) -> None:
        await put_in_force(catalog, mesh, policy_event(outside.clock(), mesh, by))

    return Policies(
        folder=config.policies,
        kept=catalog,
        clock=outside.clock,
        enter=enter,
        changed=lambda _: None,
        guard=partial(cut_off, catalog),
        missing=partial(missing_secrets, config.policies),
        follow=False,
    )


# --- policies ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checked:
    """The folder as it lies there, without any last good set behind it."""

    mesh: Mesh | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def check(config: Config, folder: Path | None = None) -> Checked:
    """Everything that is wrong with the folder, secrets that are not there included, and bytes
    that it would cut off. Relative paths in it count from the configured folder, wherever it
    lies."""
    home, folder = config.policies, folder or config.policies
    loaded = load(read_folder(folder), base=str(home.resolve()))
    missing = missing_secrets(home, loaded.mesh) if loaded.mesh else ()
    lost = asyncio.run(_cut_off(config, loaded.mesh)) if loaded.mesh else ()
    found = (*loaded.problems, *missing, *lost)
    return Checked(
        loaded.mesh,
        tuple(sorted(_placed(folder, problem) for problem in found)),
        tuple(_placed(folder, problem) for problem in loaded.warnings),
    )


async def _cut_off(config: Config, mesh: Mesh) -> tuple[Problem, ...]:
    """What the folder would cut off of what is in force, if a catalog is there to tell."""
    if not config.catalog.exists():
        return ()
    async with reading(config) as catalog:
        kept = await catalog.policy()
        if kept is None:
            return ()
        old = load(kept[1], base=str(config.policies.resolve())).mesh
        return await cut_off(catalog, old, mesh) if old else ()


def mesh_of_folder(config: Config, folder: Path | None = None) -> Mesh:
    """The folder (the configured one, unless said) as it lies there; DocumentErrors if it holds a
    mistake."""
    checked = check(config, folder)
    if checked.mesh is None or checked.problems:
        raise DocumentErrors(checked.problems)
    return checked.mesh


def _mesh(config: Config, last_good: Mapping[str, str] | None) -> Mesh:
    """What would be in force if the gateway started now."""
    folder = config.policies
    draft = config.apply == "command" and last_good
    files = last_good if draft and last_good else read_folder(folder)
    loaded = load(files, base=str(folder.resolve()), last_good=last_good)
    if loaded.mesh is None:
        raise DocumentErrors([_placed(folder, problem) for problem in loaded.problems])
    return loaded.mesh


def _placed(folder: Path, problem: Problem) -> Problem:
    """The file's path as an editor or a click in a terminal can use it."""
    return replace(problem, file=os.path.relpath(folder / problem.file))


# --- restore -----------------------------------------------------------------------------------


def restore(config: Config, file: Path) -> Path:
    """Puts a backup, once it has proved whole, where the catalog belongs. StartRefused if one
    lies there already, CatalogInUse while a gateway runs."""
    config.catalog.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    opening.restore(str(file), str(config.catalog))
    config.catalog.chmod(PRIVATE)
    return config.catalog
