"""A party's staff and the rules: why its party may or may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.api.policy import staff
from gateway.api.replies import Reply, reply
from gateway.api.request import Asked, Means
from gateway.errors import BadInput
from gateway.model import ObjectRef
from gateway.policy.explain import Finding

VERBS = frozenset({"read", "write"})


async def get_explanation(means: Means, asked: Asked) -> Reply:
    staff(asked)
    query = asked.query
    verb = query.get("verb", "read")
    if verb not in VERBS:
        raise BadInput("`verb` is read or write")
    ref = ObjectRef(_said(query, "bucket"), _said(query, "key"))
    found = await means.exchange.explaining.explain(
        asked.caller, verb, ref, query.get("versionId", "")
    )
    return reply(
        {
            "party": asked.caller.party,
            "verb": verb,
            "bucket": ref.bucket,
            "key": ref.key,
            "allowed": found.allowed,
            "mode": found.mode.value if found.mode else None,
            "why": found.text,
            "rules": [_shown(each) for each in found.findings],
        }
    )


def _said(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise BadInput(f"`{name}` is missing")
    return query[name]


def _shown(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "id": rule.id,
        "file": rule.file,
        "line": rule.line,
        "outcome": finding.outcome,
        "near": finding.near,
        "why": finding.why,
    }
