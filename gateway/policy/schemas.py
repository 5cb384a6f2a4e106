"""The JSON Schemas of the policy files, made from the same types that read them, for editors."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import BaseModel

from gateway.policy.schema import CasesFile, PartyFile, TopologyFile


def schemas() -> Mapping[str, str]:
    """The text of each schema, by the name of its file in this folder."""
    models: dict[str, type[BaseModel]] = {
        "topology.schema.json": TopologyFile,
        "party.schema.json": PartyFile,
        "cases.schema.json": CasesFile,
    }
    return {
        name: json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **model.model_json_schema(by_alias=True),
            },
            indent=2,
        )
        + "\n"
        for name, model in models.items()
    }
