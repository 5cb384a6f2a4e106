"""`check` and `policy explain`: mistakes with their places, answers with their rules."""

import os
from pathlib import Path

import pytest

from tests.cli.site import ACME, TOPOLOGY, Site


def test_check_is_content_with_what_is_right(site: Site) -> None:
    result = site.call("check")
    assert result.exit_code == 0
    assert "No mistakes: 3 parties, 1 buckets" in result.stdout


def test_check_names_every_mistake_with_its_place(site: Site) -> None:
    site.write("policies/acme.yaml", ACME.replace("keys", "keyz").replace("globex", "globx"))
    site.write("policies/globex.yaml", "party: globex\naccepts: [{from: [no]}]\n")
    result = site.call("check")
    assert result.exit_code == 2
    acme = os.path.relpath(site.folder / "policies/acme.yaml")
    globex = os.path.relpath(site.folder / "policies/globex.yaml")
    assert f"{acme}:4:36: unknown field `keyz`; did you mean `keys`?" in result.stdout
    assert f"{globex}:2:19: bare `no` is true or false to YAML" in result.stdout


def test_check_finds_a_secret_that_is_not_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(
        "policies/topology.yaml",
        TOPOLOGY.replace("{name: erp}", "{name: erp, access_key: {id: ACMEERP, secret: env:NIX}}"),
    )
    monkeypatch.delenv("NIX", raising=False)
    answer = site.ask("check", code=2)
    (problem,) = answer["problems"]
    assert problem["line"] == 5
    assert "NIX is not set" in problem["text"]
    monkeypatch.setenv("NIX", "canary")
    result = site.call("check")
    assert result.exit_code == 0
    assert "canary" not in result.output


def test_a_mistake_in_gateway_yaml_is_told_by_every_command(site: Site) -> None:
    site.write("gateway.yaml", "lissen: {}\n")
    for words in (["check"], ["who-has", "orders/a"], ["key", "list"], ["serve"]):
        result = site.call(*words)
        assert result.exit_code == 2
        assert "gateway.yaml:1:1: unknown field `lissen`" in result.stderr


def test_explain_says_who_may_write_and_by_which_rule(site: Site) -> None:
    (answer,) = site.ask("policy", "explain", "acme", "write", "orders/invoices/a")
    assert answer["allowed"]
    (answer,) = site.ask("policy", "explain", "globex", "write", "orders/invoices/a", code=1)
    assert not answer["allowed"]
    assert "globex may write nothing" in answer["why"]


def test_explain_says_how_a_party_receives(site: Site) -> None:
    (answer,) = site.ask("policy", "explain", "globex", "read", "orders/invoices/a")
    assert (answer["author"], answer["mode"]) == ("acme", "copy")
    assert any("acme.yaml:4" in rule["rule"] for rule in answer["rules"])
    (answer,) = site.ask("policy", "explain", "initech", "read", "orders/invoices/a")
    assert answer["mode"] == "share"


def test_explain_takes_what_is_known_of_the_version(site: Site) -> None:
    site.write(
        "policies/acme.yaml",
        ACME + "forbids:\n  - {id: pii, when: {tags: {Class: [pii]}}, to: ['*']}\n",
    )
    words = ("policy", "explain", "globex", "read", "orders/invoices/a")
    assert site.ask(*words)[0]["allowed"]
    (answer,) = site.ask(*words, "--tag", "Class=pii", code=1)
    assert "pii" in answer["why"]


def test_explain_prints_a_table_for_people(site: Site) -> None:
    result = site.call("policy", "explain", "globex", "read", "orders/invoices/a")
    assert "globex read orders/invoices/a written by acme: yes (copy)" in result.stdout
    assert "decides" in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nobody", "read", "orders/a"), "no party nobody"),
        (("acme", "read", "orders"), "is not BUCKET/KEY"),
        (("acme", "read", "orders/invoices/a", "--tag", "x"), "NAME=VALUE"),
        (("acme", "read", "orders/elsewhere"), "--author"),
    ],
)
def test_a_question_that_makes_no_sense_exits_2(
    site: Site, words: tuple[str, ...], says: str
) -> None:
    result = site.call("policy", "explain", *words)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_bucket_that_is_not_there_exits_1(site: Site) -> None:
    assert site.call("policy", "explain", "acme", "read", "nix-bucket/a").exit_code == 1


def test_names_can_not_steer_the_terminal(site: Site) -> None:
    result = site.call("policy", "explain", "acme", "read", "orders/invoices/\x1b[31m[red]x")
    assert "\x1b" not in result.output
    assert "\\x1b[31m[red]x" in result.output


def test_commands_work_from_any_folder(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path("/"))
    assert site.call("check").exit_code == 0
