"""docs/operations.md can't lag: every setting, command, option of note and metric is in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from gateway.cli import main
from gateway.config import GatewayFile
from gateway.telemetry import Telemetry

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
INSIDE_A_CELL = {"address", "tls", "cert", "key"}


def model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := model_in(arg))), None)


def settings(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner, said = model_in(field.annotation), field.alias or name
        if inner is None or set(inner.model_fields) <= INSIDE_A_CELL:
            yield before + said
        else:
            yield from settings(inner, f"{before}{said}.")


def commands(group: click.Group, before: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        each = group.get_command(context, name)
        if isinstance(each, click.Group):
            yield from commands(each, f"{before} {name}")
        else:
            yield f"{before} {name}"


@pytest.mark.parametrize("setting", sorted(set(settings(GatewayFile))))
def test_every_setting_is_described(setting: str) -> None:
    assert f"| `{setting}` |" in PAGE


def test_no_setting_is_described_that_is_not_there() -> None:
    described = {line.split("`")[1] for line in PAGE.split("## Commands")[0].splitlines()
                 if line.startswith("| `")}  # fmt: skip
    assert described == set(settings(GatewayFile))


@pytest.mark.parametrize("command", sorted(commands(main, "crossdock")))
def test_every_command_is_described(command: str) -> None:
    assert f"| `{command}` |" in PAGE


@pytest.mark.parametrize("metric", sorted(Telemetry(CollectorRegistry()).names()))
def test_every_metric_is_described(metric: str) -> None:
    assert f"| `{metric}` |" in PAGE
