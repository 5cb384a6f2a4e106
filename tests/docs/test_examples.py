"""What any page of docs/ shows can be used as it stands: YAML loads, commands exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from gateway.cli import main
from gateway.config import read
from tests.docs.pages import PAGES, ROOT, Block, blocks

YAML = [block for page in PAGES for block in blocks(page) if block.language == "yaml"]
NOT_BUILT = "## Not built yet"


def test_there_are_pages_and_examples() -> None:
    assert {"policies.md", "s3.md", "operations.md"} <= {page.name for page in PAGES}
    assert len(YAML) >= 20


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_yaml_example_parses(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", YAML, ids=str)
def test_an_example_of_the_gateways_own_file_is_good(block: Block, tmp_path: Path) -> None:
    if block.file != "gateway.yaml":
        return
    file = tmp_path / "gateway.yaml"
    file.write_text(block.text)
    (tmp_path / "policies").mkdir()
    read(file)


def commands(text: str) -> Iterator[str]:
    """Commands in code: fenced lines that begin with one, and what stands between backticks."""
    for line in text.splitlines():
        command = line.removeprefix("$ ").removeprefix(".venv/bin/")
        if command.startswith("crossdock "):
            yield command
    yield from re.findall(r"`(crossdock [^`]+)`", text.replace("\n", " "))


def missing(line: str) -> str:
    """What of a command does not exist, or ""."""
    group: click.Command = main
    words = line.split()[1:]
    while words and isinstance(group, click.Group):
        found = group.get_command(click.Context(group), words[0])
        if found is None:
            return words[0]
        group = found
        words = words[1:]
    options = {name for param in group.params for name in (*param.opts, *param.secondary_opts)}
    asked = [word for word in words if word.startswith("--") and len(word) > 2]
    return next((option for option in asked if option not in options), "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_shown_exists_with_its_options(page: Path) -> None:
    built, _, not_built = page.read_text("utf-8").partition(NOT_BUILT)
    not_built, _, rest = not_built.partition("\n## ")
    wrong = [line for line in commands(built + rest) if missing(line)]
    assert not wrong
    for line in commands(not_built):
        assert missing(line), f"{line} is built: say so"
