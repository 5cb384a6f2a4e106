"""The folder as a whole: what stays in force when a file is wrong, and what a reload costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.model import Facts, ObjectRef
from gateway.policy.document import Loaded, load, plan_hash, revision_of
from gateway.policy.mesh import Mesh, secrets_of
from gateway.policy.nodes import Tree, read

BASE = "/srv/policies"
TOPOLOGY = """\
parties:
  acme: {store: {type: file, path: ../data/acme}}
  globex: {store: {type: file, path: ../data/globex}}
buckets:
  orders:
    members:
      acme: {write: ["invoices/**"]}
      globex: {}
"""
ACME = """\
party: acme
sends:
  - {id: all, bucket: orders, keys: ["invoices/**"], to: {globex: share}}
"""
GLOBEX = """\
party: globex
accepts:
  - {from: [acme], bucket: orders}
"""
GOOD: Mapping[str, str] = {"topology.yaml": TOPOLOGY, "acme.yaml": ACME, "globex.yaml": GLOBEX}


def good(loaded: Loaded) -> Mesh:
    assert loaded.mesh is not None
    return loaded.mesh


def received(mesh: Mesh) -> list[str]:
    facts = Facts(ObjectRef("orders", "invoices/1"), "acme", 1)
    return [s.party for s in mesh.policy.decide(facts, mesh.buckets["orders"]).shares]


def edited(**files: str) -> dict[str, str]:
    return {**GOOD, **{f"{name}.yaml": text for name, text in files.items()}}


def test_a_good_folder_has_no_problems() -> None:
    loaded = load(GOOD, base=BASE)
    assert loaded.problems == ()
    assert received(good(loaded)) == ["globex"]
    assert good(loaded).texts == GOOD


def test_a_wrong_file_keeps_its_last_good_text_and_holds_up_no_other() -> None:
    closed = GLOBEX.replace("[acme]", "['*']")
    loaded = load(edited(acme="party: acme\nsens: []\n", globex=closed), base=BASE, last_good=GOOD)
    mesh = good(loaded)
    assert [str(p) for p in loaded.problems] == [
        "acme.yaml:2:1: unknown field `sens`; did you mean `sends`?"
    ]
    assert received(mesh) == ["globex"]
    assert mesh.texts == edited(globex=closed)
    assert {f.name: f.problems for f in mesh.files if f.problems} == {
        "acme.yaml": ("acme.yaml:2:1: unknown field `sens`; did you mean `sends`?",)
    }


def test_a_wrong_file_without_a_last_good_text_has_no_part() -> None:
    mesh = good(load(edited(globex="party: globex\naccepts: yes\n"), base=BASE))
    assert received(mesh) == []
    assert set(mesh.texts) == {"topology.yaml", "acme.yaml"}


def test_a_wrong_topology_keeps_the_last_good_one() -> None:
    loaded = load(edited(topology="parties: []\n"), base=BASE, last_good=GOOD)
    assert received(good(loaded)) == ["globex"]
    assert [p.file for p in loaded.problems] == ["topology.yaml"]


def test_a_missing_topology_keeps_the_last_good_one() -> None:
    files = {name: text for name, text in GOOD.items() if name != "topology.yaml"}
    loaded = load(files, base=BASE, last_good=GOOD)
    assert received(good(loaded)) == ["globex"]
    assert "the file is missing" in str(loaded.problems[0])


def test_without_any_usable_topology_there_is_no_mesh() -> None:
    loaded = load({"acme.yaml": ACME}, base=BASE)
    assert loaded.mesh is None
    assert "topology.yaml:1:1: the file is missing" in str(loaded.problems[0])


def test_a_deleted_file_ends_its_rules() -> None:
    files = {name: text for name, text in GOOD.items() if name != "globex.yaml"}
    loaded = load(files, base=BASE, last_good=GOOD)
    assert loaded.problems == ()
    assert received(good(loaded)) == []


def test_an_error_across_files_counts_against_the_file_that_names_what_is_missing() -> None:
    gone = TOPOLOGY.replace("      globex: {}\n", "")
    loaded = load(edited(topology=gone, acme=ACME), base=BASE, last_good=GOOD)
    assert {p.file for p in loaded.problems} == {"acme.yaml", "globex.yaml"}
    assert received(good(loaded)) == []
    assert good(loaded).texts["topology.yaml"] == gone


def test_a_rule_that_lost_one_recipient_still_serves_the_others() -> None:
    third = TOPOLOGY.replace("  globex: {s", "  hooli: {}\n  globex: {s").replace(
        "      globex: {}\n", "      globex: {}\n      hooli: {}\n"
    )
    both = ACME.replace("{globex: share}", "{globex: share, hooli: share}")
    before = edited(topology=third, acme=both)
    assert load(before, base=BASE).problems == ()
    after = load(edited(acme=both), base=BASE, last_good=before)
    assert [str(p) for p in after.problems] == [
        "acme.yaml:3:74: unknown party `hooli`; expected one of acme, globex"
    ]
    assert received(good(after)) == ["globex"]


def test_files_that_are_not_policies_are_left_alone() -> None:
    files = {**GOOD, "README.md": "#", ".acme.yaml.swp": "\0", ".hidden.yaml": ":"}
    assert load(files, base=BASE).problems == ()


def test_the_revision_names_the_content_in_force() -> None:
    first = good(load(GOOD, base=BASE))
    assert first.revision == revision_of(GOOD)
    assert first.policy.revision == first.revision
    wrong = good(load(edited(acme="party: [\n"), base=BASE, last_good=GOOD))
    assert wrong.revision == first.revision
    comment = good(load(edited(acme=ACME + "# why\n"), base=BASE))
    assert comment.revision != first.revision


def test_the_revision_can_not_be_had_by_moving_text_between_files() -> None:
    assert revision_of({"a": "bc", "d": "e"}) != revision_of({"a": "b", "cd": "e"})
    assert revision_of({"a": "", "b": ""}) != revision_of({"ab": ""})


def test_store_paths_are_absolute() -> None:
    home = good(load(GOOD, base=BASE)).parties["acme"].home
    assert home is not None
    assert home.path == "/srv/data/acme"


def test_a_reload_reads_only_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(GOOD, base=BASE)
    seen: list[str] = []

    def spy(name: str, text: str) -> Tree:
        seen.append(name)
        return read(name, text)

    monkeypatch.setattr("gateway.policy.party.read", spy)
    again = load(edited(acme=ACME + "# edited\n"), base=BASE, cache=first.cache)
    assert seen == ["acme.yaml"]
    assert received(good(again)) == ["globex"]


def test_a_reload_from_the_cache_is_the_same_as_a_cold_one() -> None:
    states = [
        GOOD,
        edited(acme="party: [\n"),
        edited(topology=TOPOLOGY.replace("      globex: {}\n", "")),
        edited(acme=ACME.replace("share", "copy")),
        GOOD,
    ]
    cache, last = None, None
    for files in states:
        warm = load(files, base=BASE, last_good=last, cache=cache)
        cold = load(files, base=BASE, last_good=last)
        assert (warm.problems, warm.warnings) == (cold.problems, cold.warnings)
        assert good(warm).files == good(cold).files
        assert received(good(warm)) == received(good(cold))
        cache, last = warm.cache, good(warm).texts


def test_secrets_are_listed_with_their_places() -> None:
    text = """\
parties:
  acme:
    store: {type: s3, bucket: b, credentials: {id: "env:ID", secret: "file:keys/s"}}
    principals:
      - {name: erp, access_key: {id: ACMEERP, secret: "env:ERP"}, ssh_key: "file:erp.pub"}
"""
    mesh = good(load({"topology.yaml": text}, base=BASE))
    assert [(s.reference, s.line, s.column) for s in secrets_of(mesh)] == [
        ("env:ID", 3, 52),
        ("file:keys/s", 3, 70),
        ("env:ERP", 5, 55),
        ("file:erp.pub", 5, 76),
    ]


def test_the_key_of_a_partners_server_may_be_a_file() -> None:
    text = """\
parties:
  acme:
    store:
      {type: sftp, host: h, user: u, path: /in/,
       host_key: "file:h.pub", credentials: {key: "file:k"}}
"""
    mesh = good(load({"topology.yaml": text}, base=BASE))
    assert [(s.reference, s.line, s.column) for s in secrets_of(mesh)] == [
        ("file:h.pub", 5, 18),
        ("file:k", 5, 51),
    ]
    spec = mesh.parties["acme"].stores["home"]
    assert (spec.host, spec.port, spec.user, spec.path) == ("h", 22, "u", "/in/")
    assert spec.credentials == {"host_key": "file:h.pub", "key": "file:k"}
    assert not spec.encrypts


def test_windows_line_ends_and_a_byte_order_mark_are_fine() -> None:
    files = {name: "\ufeff" + text.replace("\n", "\r\n") for name, text in GOOD.items()}
    assert load(files, base=BASE).problems == ()


def test_words_that_are_no_traps_where_a_field_expects_them() -> None:
    text = (
        "party: globex\naccepts:\n"
        "  - {from: [acme], bucket: orders, into: 'in/{key}', recall: no, consume: yes}\n"
    )
    assert load(edited(globex=text), base=BASE).problems == ()
    off = TOPOLOGY.replace("  orders:\n", "  orders:\n    versioning: off\n    history: 2w\n")
    bucket = good(load(edited(topology=off), base=BASE)).buckets["orders"]
    assert (bucket.versioning.value, bucket.history) == ("off", 14 * 86400)


def test_the_example_topology_is_without_fault() -> None:
    folder = Path(__file__).parents[3] / "policies"
    files = {path.name: path.read_text() for path in folder.glob("*.yaml")}
    loaded = load(files, base=str(folder))
    assert (loaded.problems, loaded.warnings) == ((), ())
    for name, text in files.items():
        schema = "topology" if name == "topology.yaml" else "party"
        first = f"# yaml-language-server: $schema=../gateway/policy/{schema}.schema.json\n"
        assert text.startswith(first), name


def test_a_plan_is_the_step_from_one_revision_to_another() -> None:
    plan = plan_hash("a" * 64, "b" * 64)
    assert plan == plan_hash("a" * 64, "b" * 64)
    others = {plan_hash("b" * 64, "a" * 64), plan_hash("", "b" * 64), plan_hash("a" * 64, "c" * 64)}
    assert plan not in others
    assert len(others) == 3
    assert len(plan) == 16
