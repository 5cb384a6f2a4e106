"""The JSON Schemas that editors use are those of the types that read the files."""

from __future__ import annotations

import json
from pathlib import Path

import gateway.policy
from gateway.policy.schemas import schemas

FOLDER = Path(gateway.policy.__file__).parent


def test_the_committed_schemas_are_current() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.schema.json")}
    assert committed == dict(schemas())


def test_the_schemas_speak_the_words_of_the_files() -> None:
    party = json.loads(schemas()["party.schema.json"])
    assert set(party["properties"]) == {"party", "sends", "forbids", "accepts"}
    assert {"from", "except", "into"} <= set(party["$defs"]["AcceptEntry"]["properties"])
    assert party["additionalProperties"] is False
