"""What a recipient lets happen to what it received is asked of its own rules."""

from __future__ import annotations

import pytest

from gateway.model import Facts, ObjectRef, Rule
from gateway.policy.consent import consumes, recalls
from gateway.policy.document import load
from gateway.policy.mesh import Mesh

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: a}, principals: [{name: erp}]}
  globex: {store: {type: file, path: g}, principals: [{name: wms}]}
  hooli: {store: {type: file, path: h}, principals: [{name: bot}]}
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["a/**"]}, globex: {}, hooli: {write: ["h/**"]}}
"""
SENDS = "party: acme\nsends:\n  - {bucket: orders, keys: [a/**], to: {globex: copy}"


def mesh_of(*accepts: str, sends: str = "}") -> Mesh:
    rules = "".join(f"  - {{{each}}}\n" for each in accepts)
    files = {
        "topology.yaml": TOPOLOGY,
        "acme.yaml": f"{SENDS}{sends}\n",
        "globex.yaml": f"party: globex\naccepts:\n{rules}",
    }
    loaded = load(files, base="/srv")
    assert not loaded.problems
    assert not loaded.warnings
    assert loaded.mesh is not None
    return loaded.mesh


def facts(key: str = "a/1", author: str = "acme") -> Facts:
    return Facts(ObjectRef("orders", key), author, 1)


def line(rule: Rule | None) -> int:
    return rule.line if rule else 0


def test_a_rule_agrees_for_what_it_admits_alone() -> None:
    mesh = mesh_of("from: [acme], keys: [a/x/**], consume: true, recall: yes", "from: [acme]")
    for asked in (consumes, recalls):
        assert line(asked(mesh.policy, "globex", facts("a/x/1"))) == 3
        assert asked(mesh.policy, "globex", facts("a/1")) is None
        assert asked(mesh.policy, "globex", facts("a/x/1", "hooli")) is None
        assert asked(mesh.policy, "hooli", facts("a/x/1")) is None


def test_each_is_agreed_to_by_itself() -> None:
    mesh = mesh_of("from: [acme], recall: yes", "from: [hooli], consume: true")
    assert line(recalls(mesh.policy, "globex", facts())) == 3
    assert consumes(mesh.policy, "globex", facts()) is None
    assert line(consumes(mesh.policy, "globex", facts("h/1", "hooli"))) == 4


def test_of_several_the_same_one_answers_whatever_their_order() -> None:
    rules = ["id: b, from: [acme], recall: yes", 'id: a, from: ["*"], recall: yes']
    found = [recalls(mesh_of(*each).policy, "globex", facts()) for each in (rules, rules[::-1])]
    assert len({rule.id for rule in found if rule}) == 1


@pytest.mark.parametrize(
    ("sends", "accepts", "said"),
    [
        ("}", "", "keep"),
        ("}", ", deletes: follow", "keep"),
        (", deletes: follow}", "", "asked"),
        (", deletes: follow}", ", deletes: follow", "follow"),
    ],
)
@pytest.mark.parametrize("into", ["", ', into: "{bucket}/{key}"'])
def test_copies_follow_where_both_sides_say_so(
    sends: str, accepts: str, said: str, into: str
) -> None:
    mesh = mesh_of(f"from: [acme]{into}{accepts}", sends=sends)
    (share,) = mesh.policy.decide(facts(), mesh.buckets["orders"]).shares
    assert share.deletes == said
