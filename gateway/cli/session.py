"""What every command shares: its options, the configuration, the way to the catalog, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway import config
from gateway.catalog import Catalog
from gateway.config import Config
from gateway.errors import BadInput, ConfigError, CrossdockError
from gateway.model import ObjectRef
from gateway.operations import offline
from gateway.operations.control import NotRunning, Progress, ask
from gateway.policy.mesh import Mesh

NO = 1
BAD_INPUT = 2
CONFIG_FILE = "gateway.yaml"

T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """One command's run. The configuration is read when it is first needed: some commands can do
    without a gateway."""

    file: Path
    as_json: bool

    @cached_property
    def config(self) -> Config:
        return config.read(self.file)

    def read(self, story: Callable[[Catalog], Awaitable[T]]) -> T:
        """Runs `story` on the catalog, opened for reading beside whatever else has it open."""

        async def run() -> T:
            async with offline.reading(self.config) as catalog:
                return await story(catalog)

        return asyncio.run(run())

    def do(
        self,
        name: str,
        arguments: Mapping[str, Any],
        progress: Progress,
        more: offline.More | None = None,
    ) -> Any:
        """One command that writes: by the running gateway, else under the catalog's own lock."""

        async def run() -> Any:
            try:
                return await ask(self.config.state, name, arguments, progress)
            except NotRunning:
                async with offline.commanding(self.config, more) as actions:
                    return await actions[name](arguments, progress)

        return asyncio.run(run())

    def ask(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """One question to the running gateway; None if there is none."""

        async def run() -> Any:
            try:
                return await ask(self.config.state, name, arguments)
            except NotRunning:
                return None

        return asyncio.run(run())

    def mesh(self) -> Mesh:
        """The folder as it lies there now; its mistakes are the command's."""
        return offline.mesh_of_folder(self.config)


def ref_of(text: str) -> ObjectRef:
    """BUCKET/KEY as people write it."""
    bucket, slash, key = text.partition("/")
    if not bucket or not slash or not key:
        raise BadInput(f"{text!r} is not BUCKET/KEY")
    return ObjectRef(bucket, key)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a command `--config`, `--json`, its Session, and the exit codes 0, 1 (no), 2 (bad
    input: files, arguments, configuration)."""

    @click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        default=CONFIG_FILE,
        show_default=True,
        help="The operator's file.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
    @wraps(function)
    def run(*args: Any, config_file: Path, as_json: bool, **kwargs: Any) -> None:
        with exit_codes():
            function(Session(config_file, as_json), *args, **kwargs)

    return run


class exit_codes:  # noqa: N801 - reads as a statement
    """Turns the domain's errors into a message on stderr and an exit code."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CrossdockError):
            bad = isinstance(error, ConfigError | BadInput)
            click.echo(error.message, err=True)
            raise SystemExit(BAD_INPUT if bad else NO) from error


def quiet(done: int, total: int) -> None:
    """The progress of what takes no time."""
