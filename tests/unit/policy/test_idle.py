"""Values that nothing acts upon yet are warned of, each at its place, and change nothing."""

from __future__ import annotations

import pytest

from gateway.policy.document import load

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, principals: [{name: erp}]}
  globex: {store: {type: file, path: g}, principals: [{name: wms}]}
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["**"]}, globex: {}}
"""
SENDS = "party: acme\nsends:\n  - {bucket: orders, keys: [a/**], to: {globex: copy}"
ACCEPTS = 'party: globex\naccepts:\n  - {from: [acme], bucket: orders, into: "in/{key}"'


@pytest.mark.parametrize(
    ("file", "text", "warning"),
    [
        ("acme.yaml", SENDS + "}", ""),
        ("acme.yaml", SENDS + ", deletes: follow}", "copies stay"),
        ("globex.yaml", ACCEPTS + ", deletes: follow}", "copies stay"),
        ("globex.yaml", ACCEPTS + ", recall: yes}", "can't be recalled"),
    ],
)
def test_what_is_not_acted_upon_yet_is_said(file: str, text: str, warning: str) -> None:
    loaded = load({"topology.yaml": TOPOLOGY, file: text}, base="/srv")
    assert loaded.problems == ()
    assert loaded.mesh is not None
    texts = [p.text for p in loaded.warnings if (p.file, p.line) == (file, 3)]
    assert [text for text in texts if warning in text] == texts
    assert bool(texts) == bool(warning)
