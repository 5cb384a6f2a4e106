"""`policy test`: the example policies are held to their cases, and a report is written for CI."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from tests.cli.site import Site

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
cases:
  - {name: a copy, party: globex, bucket: orders, key: invoices/a, allow: yes, mode: copy}
  - {name: a share, party: initech, bucket: orders, key: invoices/a, allow: yes, mode: share}
"""
BAD = GOOD + """\
  - {name: "a <b>&\\n", party: globex, bucket: orders, key: invoices/a, allow: no}
"""  # fmt: skip


def test_the_example_policies_do_what_their_cases_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a person's or a pipeline's own run does it: no gateway, no catalog, no secret."""
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, ["policy", "test", "--policies", "policies"])
    assert result.exit_code == 0, result.output
    assert "all as expected" in result.stdout


def test_only_what_fails_is_printed_with_its_place(site: Site) -> None:
    site.write("good.yaml", GOOD)
    site.write("bad.yaml", BAD)
    good, bad = (str(site.folder / name) for name in ("good.yaml", "bad.yaml"))
    result = site.call("policy", "test", good)
    assert (result.exit_code, result.stdout) == (0, "2 cases, all as expected\n")
    result = site.call("policy", "test", good, bad)
    assert result.exit_code == 1
    assert f"{os.path.relpath(bad)}:4:5: a <b>&" in result.stdout
    assert "expected no, but yes" in result.stdout
    assert "acme.yaml:4 (invoices) decides" in result.stdout
    assert "a share" not in result.stdout
    assert "1 of 5 cases fail" in result.stdout


def test_json_names_what_fails(site: Site) -> None:
    site.write("bad.yaml", BAD)
    told = site.ask("policy", "test", str(site.folder / "bad.yaml"), code=1)
    assert told["cases"] == 3
    (failed,) = told["failed"]
    assert (failed["line"], failed["column"]) == (4, 5)
    assert "expected no" in failed["wrong"][0]


def test_the_report_is_xml_whatever_stands_in_a_name(site: Site) -> None:
    site.write("bad.yaml", BAD)
    report = site.folder / "report.xml"
    words = ("policy", "test", str(site.folder / "bad.yaml"), "--junit", str(report))
    assert site.call(*words).exit_code == 1
    (suite,) = ET.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    last = suite[2]
    assert (last.get("name"), last.get("line")) == ("a <b>&\n", "4")
    (failure,) = last
    assert failure.text is not None
    assert "expected no, but yes" in failure.text


def test_another_folder_is_tested_without_gateway_yaml(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets that the topology names need not be there."""
    monkeypatch.delenv("NIX", raising=False)
    (site.folder / "policies/tests").mkdir()
    site.write("policies/tests/cases.yaml", GOOD)
    text = (site.folder / "policies/topology.yaml").read_text()
    key = "{name: erp, access_key: {id: ACMEERP, secret: env:NIX}}"
    site.write("policies/topology.yaml", text.replace("{name: erp}", key))
    (site.folder / "gateway.yaml").unlink()
    result = site.call("policy", "test", "--policies", str(site.folder / "policies"))
    assert result.exit_code == 0, result.output


def test_mistakes_exit_2(site: Site) -> None:
    result = site.call("policy", "test")
    assert (result.exit_code, "there are no cases" in result.stderr) == (2, True)
    assert site.call("policy", "test", str(site.folder / "nix.yaml")).exit_code == 2
    site.write("bad.yaml", GOOD.replace("initech", "initec"))
    result = site.call("policy", "test", str(site.folder / "bad.yaml"))
    assert result.exit_code == 2
    assert "bad.yaml:3:28: unknown party `initec`; did you mean `initech`?" in result.stderr
    site.write("policies/acme.yaml", "party: acme\nsendz: []\n")
    result = site.call("policy", "test", str(site.folder / "bad.yaml"))
    assert (result.exit_code, "unknown field `sendz`" in result.stderr) == (2, True)


def test_the_gateway_does_not_read_the_cases(site: Site) -> None:
    (site.folder / "policies/tests").mkdir()
    site.write("policies/tests/cases.yaml", GOOD)
    assert site.call("check").exit_code == 0
