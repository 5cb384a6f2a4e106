"""The JSON Schemas that editors use are those of the types that read the files."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import gateway.policy
from gateway.policy.schemas import schemas

FOLDER = Path(gateway.policy.__file__).parent


def test_the_committed_schemas_are_current() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.schema.json")}
    assert committed == dict(schemas())


def test_the_schemas_speak_the_words_of_the_files() -> None:
    party = json.loads(schemas()["party.schema.json"])
    assert set(party["properties"]) == {"party", "sends", "forbids", "accepts", "sftp"}
    assert {"from", "except", "into"} <= set(party["$defs"]["AcceptEntry"]["properties"])
    assert party["additionalProperties"] is False


EXAMPLES = sorted((FOLDER.parents[1] / "policies").rglob("*.yaml"))
MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_names_the_schema_that_editors_are_to_use(file: Path) -> None:
    found = MODELINE.fullmatch(file.read_text().splitlines()[0])
    assert found
    schema = (file.parent / found[1]).resolve()
    assert schema.parent == FOLDER
    kind = "cases" if file.parent.name == "tests" else "party"
    expected = "topology" if file.name == "topology.yaml" else kind
    assert schema.name == f"{expected}.schema.json"


def test_the_schemas_ship_with_the_package() -> None:
    told = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())
    assert "policy/*.json" in told["tool"]["setuptools"]["package-data"]["gateway"]
    shipped = {path.name for path in resources.files("gateway.policy").iterdir()}
    assert set(schemas()) <= shipped
